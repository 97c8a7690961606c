"""Training a network after one or many paintings (Johnson 2016; many: Dumoulin 2017)."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from .data import Crops, find_pictures, load_painting
from .errors import InputError
from .losses import LossWeights, Perceptual, temporal_loss
from .motion_pairs import follow, warp
from .nets import build
from .nets.lite import Lite
from .nets.vgg import load_loss_networks

CHECKPOINT_SECONDS = 120
_BALANCE = ("style_weights", "running")  # what `Perceptual` learns on the way


@dataclass(frozen=True)
class Painting:
    """One style to learn: its name, picture, stroke size and weight against the content.

    With `content`, a content loss to reach, the weight is only where it begins.
    """

    name: str
    path: Path
    stroke: float = 1.0
    style_weight: float = 5.0
    content: float | None = None


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides the result. Equal configurations on one machine give equal weights."""

    paintings: tuple[Painting, ...]
    photos: Path
    loss_networks: tuple[str, ...] = ("vgg19",)  # each layer comes from the first that has it
    net: str = "lite"
    net_options: dict[str, Any] = field(default_factory=dict)
    iterations: int = 2000
    batch: int = 4
    crop: int = 192  # pixels
    learning_rate: float = 2e-3
    seed: int = 0
    losses: LossWeights = field(default_factory=LossWeights)


@dataclass(frozen=True)
class Progress:
    """One step of training as it is reported: losses are means over the batch."""

    step: int
    iterations: int
    losses: dict[str, float]
    seconds_left: float


def train(
    config: TrainConfig,
    *,
    start: nn.Module | None = None,
    checkpoint: Path | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> nn.Module:
    """The trained network, on the CPU, in evaluation mode.

    Training begins with the weights of `start`, if given; a checkpoint found goes before.
    With `checkpoint`, the state is written there every two minutes and at the end, and a run
    that finds one goes on from it. Raises InputError for pictures, layers or checkpoints that do not fit.
    """
    torch.manual_seed(config.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    net = (start or _new_network(config)).to(device).train()
    optimizer = torch.optim.Adam(net.parameters(), lr=config.learning_rate)
    perceptual = _perceptual(config, device)
    first = _resume(checkpoint, net, optimizer, perceptual, config) if checkpoint and checkpoint.exists() else 0
    crops = Crops(find_pictures(config.photos), size=config.crop, batch=config.batch, seed=config.seed)
    # bfloat16 for the convolutions where the hardware has it: 1.4 times as fast on two AVX-512 cores.
    # The losses stay in float32.
    autocast = torch.autocast(device.type, torch.bfloat16, enabled=_has_bfloat16(device))
    started = saved = time.monotonic()
    with ThreadPoolExecutor(1) as pool:
        upcoming = pool.submit(_batch, crops, first, config)
        for step in range(first, config.iterations):
            batch, upcoming = upcoming.result(), pool.submit(_batch, crops, step + 1, config)
            for group in optimizer.param_groups:
                group["lr"] = config.learning_rate * _schedule(step / config.iterations)
            with autocast:
                losses = _step(net, perceptual, [x.to(device) for x in batch], step, config)
            optimizer.zero_grad(set_to_none=True)
            losses["total"].backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            now = time.monotonic()
            if on_progress:
                left = (now - started) / (step + 1 - first) * (config.iterations - step - 1)
                on_progress(Progress(step + 1, config.iterations, {k: v.item() for k, v in losses.items()}, left))
            if checkpoint and (now - saved > CHECKPOINT_SECONDS or step + 1 == config.iterations):
                _save(checkpoint, net, optimizer, perceptual, step + 1, config)
                saved = now
    return net.eval().cpu()


def _new_network(config: TrainConfig) -> nn.Module:
    options = dict(config.net_options)
    if config.net == "lite":
        options["styles"] = len(config.paintings)
    elif len(config.paintings) > 1:
        raise InputError(f"{config.net} holds one style, not {len(config.paintings)}; train many with lite")
    return build(config.net, options)


def _perceptual(config: TrainConfig, device: torch.device) -> Perceptual:
    pictures = [load_painting(p.path, stroke=p.stroke).to(device) for p in config.paintings]
    style_weights = [p.style_weight for p in config.paintings]
    network = load_loss_networks(config.loss_networks).to(device)
    return Perceptual(network, pictures, style_weights, config.losses, [p.content for p in config.paintings])


def _has_bfloat16(device: torch.device) -> bool:
    return torch.cuda.is_bf16_supported() if device.type == "cuda" else torch.cpu._is_avx512_bf16_supported()


def _schedule(done: float) -> float:
    """Learning rate factor: constant, then falling linearly over the last 40 %."""
    return min(1.0, (1 - done) / 0.4)


def _batch(crops: Crops, step: int, config: TrainConfig) -> list[Tensor]:
    """Photos, and with a temporal loss the three tensors of `Moved`."""
    x = crops(step)
    return [x, *follow(x, np.random.default_rng((config.seed, step, 1)))] if config.losses.temporal else [x]


def _step(
    net: nn.Module, perceptual: Perceptual, batch: Sequence[Tensor], step: int, config: TrainConfig
) -> dict[str, Tensor]:
    # Every painting comes up equally often, many in one batch: single-style batches pull the trunk to and fro.
    x, *moved = batch
    painting = (torch.arange(config.batch, device=x.device) + step * config.batch) % len(config.paintings)
    codes = (net.codes[painting],) if isinstance(net, Lite) else ()
    styled = net(x, *codes)
    losses: dict[str, Tensor] = perceptual(styled, x, painting)
    if moved:
        later, grid, inside = moved
        with torch.autocast(x.device.type, enabled=False):
            temporal = temporal_loss(net(later, *codes).float(), warp(styled.float(), grid), inside).mean()
        losses |= {
            "total": losses["total"] + config.losses.temporal * temporal,
            "temporal": temporal.detach(),
        }
    return losses


def _save(
    path: Path, net: nn.Module, optimizer: torch.optim.Optimizer, perceptual: Perceptual, step: int, config: TrainConfig
) -> None:
    tensors = {f"net.{name}": value.contiguous() for name, value in net.state_dict().items()}
    tensors |= {f"balance.{name}": getattr(perceptual, name) for name in _BALANCE}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"adam.{index}.{key}": value.contiguous() for key, value in state.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".part")
    save_file(tensors, temporary, {"step": str(step), "config": json.dumps(asdict(config), default=str)})
    os.replace(temporary, path)


def _resume(
    path: Path, net: nn.Module, optimizer: torch.optim.Optimizer, perceptual: Perceptual, config: TrainConfig
) -> int:
    """Puts the checkpoint's state into the network and the optimizer; the number of steps done."""
    try:
        with safe_open(path, "pt") as file:
            step = int((file.metadata() or {})["step"])
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
        net.load_state_dict({k.removeprefix("net."): v for k, v in tensors.items() if k.startswith("net.")})
        for name in _BALANCE:
            getattr(perceptual, name).copy_(tensors[f"balance.{name}"])
    except (SafetensorError, OSError, KeyError, ValueError, RuntimeError) as error:
        raise InputError(f"{path}: not a checkpoint of this {config.net} ({str(error).splitlines()[0]})") from error
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("adam."):
            _, index, name = key.split(".")
            state.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    return step


def load_network(path: Path) -> tuple[nn.Module, dict[str, Any], int]:
    """A checkpoint's network in evaluation mode, the configuration it was trained with, and its steps."""
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {k.removeprefix("net."): file.get_tensor(k) for k in file.keys() if k.startswith("net.")}  # noqa: SIM118
        config = json.loads(metadata["config"])
        options = dict(config["net_options"])
        if config["net"] == "lite":
            options["styles"] = len(config["paintings"])
        net = build(config["net"], options)
        net.load_state_dict(tensors)
    except (SafetensorError, OSError, KeyError, ValueError, RuntimeError) as error:
        raise InputError(f"{path}: not a livestyle checkpoint ({str(error).splitlines()[0]})") from error
    return net.eval(), config, int(metadata["step"])
