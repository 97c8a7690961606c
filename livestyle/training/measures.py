"""What a style does to moving and noisy pictures, and how fast it is."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import takewhile

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..frame import Image
from ..motion_pairs import warp
from ..reference.gatys import descent
from .preview import to_images

_FRAMES, _NOISE = 4, 4.0  # sensor noise in levels
_SPEED_SIZE, _SPEED_RUNS = (640, 360), 20
Stylize = Callable[[Image], Image]


def flicker(stylize: Stylize, stills: Sequence[Image]) -> float:
    """rms difference, in levels, of a styled frame and the one before, moved by the known motion (FIELD: e, lag 1).

    Each still, square, is seen by a camera that pans, turns and zooms.
    """
    total, count = 0.0, 0.0
    for still in stills:
        x = _tensor(still)
        frames = [to_images(warp(x, _grid(_place(t), x.shape[-1])))[0] for t in range(_FRAMES)]
        styled = [_tensor(stylize(frame)) for frame in frames]
        for t in range(1, _FRAMES):
            grid = _grid(np.linalg.inv(_place(t - 1)) @ _place(t), x.shape[-1])
            seen = (_grid(_place(t), x.shape[-1]).abs() <= 1) & (grid.abs() <= 1)
            inside = seen.all(3)[:, None]
            error = (styled[t] - warp(styled[t - 1], grid)).square() * inside
            total, count = total + error.sum().item(), count + 3 * inside.sum().item()
    return 255 * math.sqrt(total / count)


def _tensor(image: Image) -> Tensor:
    return torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255


def _place(t: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """The frame's pixels on the still at time t: half sides from the middle."""
    angle, zoom, shift = 0.01 * t, 1 - 0.004 * t, np.array([0.017, 0.009]) * t
    turn = zoom * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return np.vstack([np.column_stack([turn, shift]), [0, 0, 1]])


def _grid(matrix: np.ndarray[tuple[int, ...], np.dtype[np.float64]], side: int) -> Tensor:
    return F.affine_grid(torch.from_numpy(matrix[:2])[None].float(), [1, 3, side, side], align_corners=False)


def noise_amplification(stylize: Stylize, stills: Sequence[Image]) -> float:
    """Standard deviation over time, styled, over that of the input: a still with sensor noise of 4 levels."""
    rng, deviations = np.random.default_rng(0), []
    for still in stills:
        noisy = [
            np.clip(still + rng.normal(0, _NOISE, still.shape) + 0.5, 0, 255).astype(np.uint8) for _ in range(_FRAMES)
        ]
        styled = [stylize(image) for image in noisy]
        deviations.append([np.std(np.stack(images).astype(np.float32), axis=0).mean() for images in (styled, noisy)])
    after, before = np.mean(deviations, axis=0)
    return float(after / before)


def gatys_iterations(
    stylize: Stylize, stills: Sequence[Image], objective: Callable[[Tensor, Tensor], Tensor], *, seconds: float
) -> list[int]:
    """For each still how many iterations of Gatys's descent come as low as the styled one; what there is time for.

    `objective` is a scalar of a photo and its styled picture, (1, 3, H, W) in [0, 1] both.
    """
    until, counts = time.monotonic() + seconds, []
    for still in stills:
        x = _tensor(still)
        with torch.no_grad():
            goal = float(objective(x, _tensor(stylize(still))))
        in_time = takewhile(lambda _: time.monotonic() <= until, descent(x, partial(objective, x)))
        counts.append(next((count for count, loss in enumerate(in_time) if loss <= goal), None))
    return [count for count in counts if count is not None]


def fps(stylize: Stylize) -> float:
    """Frames of 640x360 a second, by the median of 20."""
    width, height = _SPEED_SIZE
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    spent = []
    for _ in range(_SPEED_RUNS):
        began = time.perf_counter()
        stylize(image)
        spent.append(time.perf_counter() - began)
    return 1 / float(np.median(spent))
