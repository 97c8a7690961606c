"""The small loss network that ships: a student of VGG's, of our own.

    python -m livestyle.training.distill --teacher vgg19.safetensors --photos FOLDER --paintings FOLDER --out FILE

A student that only sees photographs agrees with its teacher on photographs; a style network trained with it soon finds
pictures on which they disagree, and paints those (a fine grain that only the student takes for brush strokes). So style
networks are trained with the student while the student learns, and what they paint is what the student is taught.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor

from exporters.from_onnx import load_lite

from ..data import Crops, find_pictures, load_painting, open_photos
from ..errors import LivestyleError
from ..losses import Perceptual, content_loss, gram, style_loss
from ..nets.lite import Lite
from ..nets.vgg import LossNetwork, LossNetworks, load_loss_network, student_from
from ..styles import path_of

WIDTHS = {"11": 64, "12": 48, "21": 128, "22": 96, "31": 256, "32": 64, "33": 64, "34": 64, "41": 128}
_WIDE = {"41": 512}  # VGG's own width, which a 1x1 map restores
NAMES = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")
_GRAM = 2.0  # weight of the Gram matrices' errors beside the features' own
_LIFE = 400  # steps after which the style network starts anew, after other paintings
_STYLES = 4  # paintings it learns at once
_RATES = {
    "41": 1e-3,
    "32": 1e-3,
    "33": 1e-3,
    "34": 1e-3,
    "11": 1e-5,
}  # learning rates; _RATE: what begins near its goal
_RATE = 5e-5
_SIDE, _BATCH = 160, 3  # pixels, pictures
_PLACES = 600  # of a picture, for the least squares
_RIDGE = 1e-4  # of the features' energy
_SAVE_SECONDS = 120


@torch.no_grad()
def first_weights(teacher: LossNetwork, x: Tensor, seed: int = 0) -> dict[str, Tensor]:
    """A student's weights to begin with, under the names `load_loss_network` reads, by least squares on pictures x.

    Layers the teacher has are fitted to what the teacher shows there; where the student is narrower, to the channels
    that tell the most of all (He 2017, "Channel pruning", section 3). Deeper ones are random (He 2015).
    """
    random = torch.Generator().manual_seed(seed)
    first = teacher.first_weight, teacher.first_bias
    fitted = _fitted(teacher, F.conv2d(x, *first), random)
    weights, inputs = {"conv0.weight": first[0].clone(), "conv0.bias": first[1].clone()}, 3
    for name, width in WIDTHS.items():
        kernel, bias = fitted.get(name) or (_random(random, width, inputs, 3), torch.zeros(width))
        weights |= {f"conv{name}.weight": kernel, f"conv{name}.bias": bias}
        if name in _WIDE:
            widen = _random(random, _WIDE[name], width, 1)
            weights |= {f"conv{name}_aux.weight": widen, f"conv{name}_aux.bias": torch.zeros(_WIDE[name])}
        inputs = width
    return weights


def _fitted(teacher: LossNetwork, x: Tensor, random: torch.Generator) -> dict[str, tuple[Tensor, Tensor]]:
    """Kernel and bias of each convolution that the teacher has too, for pictures x made ready for it."""
    fitted, right, told, block = {}, x, x, "1"
    for conv in teacher.convolutions():
        name = conv.name[4] + conv.name[6]
        if name[0] != block:
            right, told, block = F.max_pool2d(right, 2), F.max_pool2d(told, 2), name[0]
        before = F.conv2d(F.pad(right, (1, 1, 1, 1), mode=teacher.pad_mode), conv.weight, conv.bias)
        right = F.relu(before)
        fitted[name] = _least_squares(told, before[:, _telling(right, WIDTHS[name], random)], random)
        told = F.relu(F.conv2d(F.pad(told, (1, 1, 1, 1), mode="reflect"), *fitted[name]))
    return fitted


def _telling(y: Tensor, count: int, random: torch.Generator) -> list[int]:
    """The channels of y (N, C, H, W) that leave the least of the others unexplained (a pivoted Cholesky)."""
    rows = y.transpose(1, 3).flatten(0, 2)
    rows = rows[torch.randint(len(rows), (len(y) * _PLACES,), generator=random)]
    left, chosen = rows.T @ rows, list[int]()
    while len(chosen) < count:
        most = int(left.diag().argmax())
        chosen.append(most)
        column = left[:, most] / left[most, most].clamp_min(1e-9).sqrt()
        left = left - torch.outer(column, column)
        left[chosen, chosen] = -1.0  # not again
    return sorted(chosen)


def _least_squares(x: Tensor, y: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
    """The 3x3 kernel and bias that make y (N, K, H, W) of x (N, C, H, W), by some places of each picture."""
    places = torch.randint(y.shape[2] * y.shape[3], (_PLACES,), generator=random)
    rows = F.unfold(F.pad(x, (1, 1, 1, 1), mode="reflect"), 3)[:, :, places].transpose(1, 2).flatten(0, 1)
    rows = torch.cat([rows, torch.ones(len(rows), 1)], 1)
    goals = y.flatten(2)[:, :, places].transpose(1, 2).flatten(0, 1)
    ridge = _RIDGE * len(rows) * torch.eye(rows.shape[1])
    solved = torch.linalg.solve(rows.T @ rows + ridge, rows.T @ goals)
    return solved[:-1].T.reshape(y.shape[1], x.shape[1], 3, 3), solved[-1]


def _random(random: torch.Generator, outputs: int, inputs: int, size: int) -> Tensor:
    kernel = torch.randn(outputs, inputs, size, size, generator=random)
    return kernel * math.sqrt(2 / (size * size * inputs))


def disagreement(student: Mapping[str, Tensor], teacher: Mapping[str, Tensor]) -> Tensor:
    """(N,): relative squared errors of features and of Gram matrices, summed over the layers."""
    features = content_loss(student, teacher, dict.fromkeys(teacher, 1.0))
    return features + _GRAM * style_loss(student, {layer: gram(f) for layer, f in teacher.items()})


class Painter:
    """A style network in training with the student alone, as a user's would be; what it makes, the student is taught.

    It begins with the `lite` that ships, every other one from nothing.
    """

    def __init__(self, student: LossNetwork, paintings: list[Path], rng: np.random.Generator, *, new: bool) -> None:
        self._rng = rng
        self._net = Lite(_STYLES)
        if not new:
            held = load_lite(path_of("starry"))
            codes = held.codes.detach()[torch.from_numpy(rng.integers(len(held.codes), size=_STYLES))]
            self._net.load_state_dict({**held.state_dict(), "codes": codes})
        self._adam = torch.optim.Adam(self._net.parameters(), lr=3e-3 if new else 2e-3)
        chosen = [paintings[i] for i in rng.choice(len(paintings), _STYLES)]
        pictures = [load_painting(path, stroke=rng.uniform(0.5, 1.2)) for path in chosen]
        goals = [float(g) for g in rng.uniform(0.6, 1.1, _STYLES)]
        self._loss = Perceptual(student, pictures, [3.0] * _STYLES, None, goals)

    def __call__(self, x: Tensor) -> Tensor:
        """What it makes of the photos, after one step of training on them."""
        style = torch.from_numpy(self._rng.integers(_STYLES, size=len(x)))
        with torch.autocast("cpu", torch.bfloat16, enabled=torch.cpu._is_avx512_bf16_supported()):
            styled: Tensor = self._net(x, self._net.codes[style])
            loss = self._loss(styled, x, style)["total"]
        gradients = torch.autograd.grad(loss, list(self._net.parameters()))
        for parameter, gradient in zip(self._net.parameters(), gradients, strict=True):
            parameter.grad = gradient
        self._adam.step()
        return styled.detach().float()


def distill(
    teacher: LossNetworks, weights: dict[str, Tensor], *, photos: Path, paintings: Path, iterations: int, first: int = 0
) -> Iterator[tuple[int, dict[str, float]]]:
    """(step, each layer's disagreement) after every step; the weights given are the ones that learn."""
    student = student_from(weights)
    rates = {name: _RATES.get(name[4:6], _RATE) for name in weights if name[:5] != "conv0"}
    groups = [{"params": [weights[name].requires_grad_()], "lr": rate} for name, rate in rates.items()]
    adam = torch.optim.Adam(groups)
    crops = Crops(open_photos(photos), size=_SIDE, batch=_BATCH, seed=first)
    brushwork = Crops(open_photos(paintings), size=_SIDE, batch=1, seed=first)
    rng = np.random.default_rng(first)
    for step in range(first, iterations):
        if step % _LIFE == 0 or step == first:
            painter = Painter(student, find_pictures(paintings), rng, new=step // _LIFE % 2 == 1)
        for group, rate in zip(adam.param_groups, rates.values(), strict=True):
            group["lr"] = rate * min(1.0, (step - first + 1) / 50, (iterations - step) / (0.6 * iterations))
        x = crops(step)
        seen = torch.cat([x[:1], painter(x), brushwork(step)])
        with torch.autocast("cpu", torch.bfloat16, enabled=torch.cpu._is_avx512_bf16_supported()):
            with torch.no_grad():
                right = {layer: f.float() for layer, f in teacher(seen, NAMES).items()}
            told = {layer: f.float() for layer, f in _by_parts(student, seen).items()}
        losses = {layer: disagreement({layer: told[layer]}, {layer: right[layer]}).mean() for layer in NAMES}
        adam.zero_grad(set_to_none=True)
        torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]
        adam.step()
        yield step + 1, {layer: loss.item() for layer, loss in losses.items()}


def _by_parts(student: LossNetwork, x: Tensor) -> dict[str, Tensor]:
    """The student's features; each layer's loss teaches the convolutions since the layer before it alone."""
    told, y, block = {}, F.conv2d(x, student.first_weight, student.first_bias), "1"
    for conv in student.convolutions():
        y, block = F.max_pool2d(y, 2) if conv.name[4] != block else y, conv.name[4]
        y = conv(y, student.pad_mode)
        if conv.name in NAMES:
            told[conv.name], y = conv.features(y), y.detach()
    return told


def save(weights: Mapping[str, Tensor], path: Path, about: dict[str, str]) -> None:
    """Half precision, half the size: far finer than the student agrees with its teacher."""
    temporary = path.with_name(path.name + ".part")
    save_file({name: tensor.detach().half().contiguous() for name, tensor in weights.items()}, temporary, about)
    os.replace(temporary, path)


def main() -> None:
    """Distils, saving every two minutes; a file found is learnt on from."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--teacher", action="append", required=True, help="a loss network; each layer from the first")
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--paintings", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--iterations", type=int, default=6000)
    parser.add_argument("--first", type=int, default=0, help="the step to go on from, with a file found at --out")
    args = parser.parse_args()
    networks, saved = [load_loss_network(source) for source in args.teacher], time.monotonic()
    for network in networks:
        network.pad_mode = "reflect"  # as the student's: a black border is no part of a picture
    if args.out.exists():
        weights = {name: tensor.float() for name, tensor in load_file(args.out).items()}
    else:
        pictures = [
            Crops(open_photos(where), size=_SIDE, batch=16, seed=1)(0) for where in (args.photos, args.paintings)
        ]
        weights = first_weights(networks[0], torch.cat(pictures))
    teacher = LossNetworks(networks)
    about = {"licence": "Apache-2.0", "teacher": "VGG-19 (Simonyan and Zisserman, CC BY 4.0) and a student of it"}
    steps = distill(
        teacher, weights, photos=args.photos, paintings=args.paintings, iterations=args.iterations, first=args.first
    )
    means = dict.fromkeys(NAMES, 0.0)
    for step, losses in steps:
        means = {layer: mean + losses[layer] / 50 for layer, mean in means.items()}
        if step % 50 == 0:
            print(f"{step}/{args.iterations}  " + "  ".join(f"{k} {v:.4f}" for k, v in means.items()), flush=True)
            means = dict.fromkeys(NAMES, 0.0)
        if time.monotonic() - saved > _SAVE_SECONDS or step == args.iterations:
            save(weights, args.out, {**about, "step": str(step)})
            saved = time.monotonic()


if __name__ == "__main__":
    try:
        main()
    except LivestyleError as error:
        sys.exit(f"error: {error}")
