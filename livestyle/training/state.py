"""All that changes on the way through a training: packed, it is a checkpoint."""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from ..errors import InputError
from ..losses import Perceptual
from ..media.temporary import open_locked
from ..nets import build
from .budget import Budget
from .config import TrainConfig

_BALANCE = ("style_weights", "running")  # what `Perceptual` learns on the way
_BEST = "best."
# Settings whose change makes losses of earlier looks and those to come no more comparable.
_JUDGED_BY = {"paintings", "photos", "loss_networks", "crop", "seed", "keep_color", "losses"}


class Packed(NamedTuple):
    """A state as tensors and text, as a safetensors file holds them."""

    tensors: dict[str, Tensor]
    words: dict[str, str]


class State:
    """Network, optimizer and what is remembered beside them.

    Attributes:
        step: steps done.
        slower: a factor of the learning rate, halved after each loss that is not a number.
        stale: looks at the photos kept aside since the best one.
        ended: whether it has come to its end.
        history: a row of losses for each look.
        best: the best look's losses of each photo kept aside, by name; and its weights. Empty before the first.
    """

    def __init__(self, config: TrainConfig, net: nn.Module, perceptual: Perceptual, started: bool = False) -> None:
        self.config, self.net, self.perceptual = config, net, perceptual
        of_net, of_codes = config.rates(started)
        codes = [weights for name, weights in net.named_parameters() if name == "codes"]
        others = [weights for name, weights in net.named_parameters() if name != "codes"]
        # A checkpoint counts by place, and codes are a network's first weights.
        groups = [{"params": codes, "rate": of_codes}] if codes else []
        self.optimizer = torch.optim.Adam([*groups, {"params": others, "rate": of_net}])
        self.budget = Budget(config)
        self.step, self.stale, self.ended, self.slower = 0, 0, False, 1.0
        self.history: list[dict[str, float]] = []
        self.best: dict[str, Tensor] = {}
        self.best_net: dict[str, Tensor] = {}

    def keep_best(self, losses: Mapping[str, Tensor]) -> None:
        """Remembers the weights as they are now, and the losses they were judged by."""
        self.best = dict(losses)
        self.best_net = {name: value.detach().clone() for name, value in self.net.state_dict().items()}

    def forget_best(self) -> None:
        """What comes is judged by other photos or paintings, and cannot have ended."""
        self.best, self.best_net, self.stale, self.ended, self.budget.plateau = {}, {}, 0, False, None

    def pack(self) -> Packed:
        """A copy of all of it."""
        tensors = {f"net.{name}": value for name, value in self.net.state_dict().items()}
        tensors |= {f"balance.{name}": getattr(self.perceptual, name) for name in _BALANCE}
        tensors |= {f"{_BEST}net.{name}": value for name, value in self.best_net.items()}
        tensors |= {f"{_BEST}loss.{name}": value for name, value in self.best.items()}
        for index, one in self.optimizer.state_dict()["state"].items():
            tensors |= {f"adam.{index}.{key}": value for key, value in one.items()}
        told = {
            "step": self.step, "slower": self.slower, "stale": self.stale, "ended": self.ended,
            "seconds": self.budget.seconds, "plateau": self.budget.plateau, "history": self.history,
        }  # fmt: skip
        words = {key: json.dumps(value) for key, value in told.items()}
        words["config"] = json.dumps(asdict(self.config), default=str)
        return Packed({name: value.detach().clone().contiguous() for name, value in tensors.items()}, words)

    def unpack(self, packed: Packed) -> None:
        """Becomes what was packed. Raises KeyError, ValueError or RuntimeError if it does not fit."""
        tensors, words = packed
        self.net.load_state_dict(_below("net.", tensors))
        for name in _BALANCE:
            getattr(self.perceptual, name).copy_(tensors[f"balance.{name}"])
        device = next(self.net.parameters()).device
        self.best_net = {k: v.to(device) for k, v in _below(f"{_BEST}net.", tensors).items()}
        self.best = {k: v.to(device) for k, v in _below(f"{_BEST}loss.", tensors).items()}
        moments: dict[int, dict[str, Tensor]] = {}
        for key, value in _below("adam.", tensors).items():
            index, name = key.split(".")
            moments.setdefault(int(index), {})[name] = value.clone()  # the optimizer works on what it is given
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": moments, "param_groups": groups})
        self.step = int(words["step"])
        same_rate = json.loads(words["config"]).get("learning_rate") == self.config.learning_rate
        self.slower = json.loads(words.get("slower", "1.0")) if same_rate else 1.0
        self.stale = json.loads(words.get("stale", "0"))
        self.history = json.loads(words.get("history", "[]"))
        self._resume_budget(words)

    def _resume_budget(self, words: Mapping[str, str]) -> None:
        before = json.loads(words["config"])
        same = all(before.get(key) == getattr(self.config, key) for key in ("iterations", "minutes"))
        # Asked for a longer or shorter training, what was found out about the old one's end does not hold.
        self.ended = same and json.loads(words.get("ended", "false"))
        plateau = json.loads(words.get("plateau", "null")) if same else None
        self.budget.resume(json.loads(words.get("seconds", "0.0")), plateau)


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


@contextmanager
def alone(checkpoint: Path) -> Iterator[None]:
    """Locks a checkpoint's name, there or not. Raises InputError if another training holds it."""
    lock = checkpoint.with_name(f".{checkpoint.name}.lock")
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        file = open_locked(lock)
    except OSError as error:
        if error.errno == errno.EBUSY:
            what = f"a training of '{checkpoint.stem}' is under way"
            raise InputError(f"{what}; wait for it, stop it, or choose another name with --name") from error
        file = -1  # what takes no lock takes no checkpoint either: the training says so
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            lock.unlink(missing_ok=True)
        if file >= 0:
            os.close(file)


def write_checkpoint(packed: Packed, path: Path) -> None:
    """Complete or not at all: what was there before stays until then. Raises OSError."""
    data = save(packed.tensors, packed.words)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".part")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def read_checkpoint(path: Path) -> Packed:
    """What `write_checkpoint` wrote. Raises SafetensorError, OSError or KeyError for anything else."""
    with safe_open(path, "pt") as file:
        words = file.metadata() or {}
        if "step" not in words:
            raise KeyError("it has no step")
        return Packed({key: file.get_tensor(key) for key in file.keys()}, words)  # noqa: SIM118 (not a dict)


def resume(path: Path, state: State) -> list[str]:
    """Puts a checkpoint into the state. The settings that were others then, a line each. Raises InputError."""
    style_weights = state.perceptual.style_weights.clone()
    try:
        packed = read_checkpoint(path)
        state.unpack(packed)
        before = json.loads(packed.words["config"])
    except (SafetensorError, OSError, KeyError, ValueError, RuntimeError) as error:
        what = str(error).splitlines()[0]
        raise InputError(f"{path}: not a checkpoint of this {state.config.net} ({what})") from error
    now = json.loads(json.dumps(asdict(state.config), default=str))
    others = [key for key in now if before.get(key, now[key]) != now[key]]
    if _JUDGED_BY.intersection(others):
        state.forget_best()
    if "paintings" in others:
        state.perceptual.style_weights.copy_(style_weights)
    return [f"{key} was {before.get(key)}, is {now[key]}" for key in others]


def load_network(path: Path) -> tuple[nn.Module, dict[str, Any], int]:
    """A checkpoint's network in evaluation mode, the configuration it was trained with, and its steps."""
    try:
        tensors, words = read_checkpoint(path)
        config = json.loads(words["config"])
        options = dict(config["net_options"])
        if config["net"] == "lite":
            options["styles"] = len(config["paintings"])
        net = build(config["net"], options)
        net.load_state_dict(_below("net.", tensors))
    except (SafetensorError, OSError, KeyError, ValueError, RuntimeError) as error:
        raise InputError(f"{path}: not a livestyle checkpoint ({str(error).splitlines()[0]})") from error
    return net.eval(), config, int(words["step"])
