"""Known motion for training without flicker: a photo, what a moving camera sees of it a moment later, and the flow.

Where the flow is exact, the loss is too: the second styled picture must be the first one, moved (Ruder 2016, eq. 4,
with made motion for estimated one).
"""

from __future__ import annotations

import io
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

_STILL, _WHOLE = 0.25, 0.6  # shares: no motion, only noise; up to here, by whole pixels, which blur nothing
_SHIFT = (0.3, 14.0)  # pixels
_TURN, _ZOOM, _TILT = 0.05, 0.05, 0.02  # radians, a share, of the half side
_BEND = 1.5  # pixels
_NOISE = 8.0  # levels, at most
_EXPOSURE = 0.1  # a share, at most
_JPEG = (40, 95)  # quality
_MARGIN = 4  # pixels inside the frame's edge that do not count


class Moved(NamedTuple):
    """What follows a batch of photos.

    Attributes:
        x: (N, 3, H, W) in [0, 1], the photos moved, then with noise, another exposure or JPEG's errors.
        grid: (N, H, W, 2), where in the first picture each pixel of the second comes from, as grid_sample takes it.
        inside: (N, 1, H, W), 1 where the first picture shows what the second does.
    """

    x: Tensor
    grid: Tensor
    inside: Tensor


def follow(x: Tensor, rng: np.random.Generator) -> Moved:
    """A moment later, for photos x (N, 3, H, W) in [0, 1]; each moves in its own way."""
    height, width = x.shape[-2:]
    grid = torch.cat([_grid(height, width, rng) for _ in range(len(x))])
    margin = torch.tensor([2 * _MARGIN / width, 2 * _MARGIN / height])
    inside = (grid.abs() <= 1 - margin).all(3)[:, None].float()
    moved = warp(x, grid).clamp(0, 1)
    return Moved(torch.stack([_seen(one, rng) for one in moved]), grid, inside)


def warp(x: Tensor, grid: Tensor) -> Tensor:
    """x (N, 3, H, W) as seen through a grid of `Moved`."""
    return F.grid_sample(x, grid, mode="bicubic", padding_mode="reflection", align_corners=False)


def _grid(height: int, width: int, rng: np.random.Generator) -> Tensor:
    """(1, H, W, 2)."""
    kind = rng.random()
    half = np.array([width, height]) / 2
    matrix, bend = np.eye(3), torch.zeros(1, height, width, 2)
    if kind >= _STILL:
        angle, length = rng.uniform(0, 2 * np.pi), np.exp(rng.uniform(*np.log(_SHIFT)))
        shift = length * np.array([np.cos(angle), np.sin(angle)])
        matrix[:2, 2] = (shift if kind >= _WHOLE else np.round(shift)) / half
    if kind >= _WHOLE:
        turn, zoom = rng.uniform(-_TURN, _TURN), 1 + rng.uniform(-_ZOOM, _ZOOM)
        ratio = height / width
        matrix[0, :2] = zoom * np.cos(turn), -zoom * np.sin(turn) * ratio
        matrix[1, :2] = zoom * np.sin(turn) / ratio, zoom * np.cos(turn)
        matrix[2, :2] = rng.uniform(-_TILT, _TILT, 2)
        coarse = torch.from_numpy(rng.uniform(-_BEND, _BEND, (1, 2, 4, 4)) / half[:, None, None])
        bend = F.interpolate(coarse, (height, width), mode="bicubic", align_corners=True).permute(0, 2, 3, 1).float()
    rows, columns = ((torch.arange(side) * 2 + 1) / side - 1 for side in (height, width))
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    points = torch.stack([x, y, torch.ones_like(x)], 2) @ torch.from_numpy(matrix).float().T
    return (points[..., :2] / points[..., 2:])[None] + bend


def _seen(x: Tensor, rng: np.random.Generator) -> Tensor:
    """(3, H, W) as a camera and its compression would give it."""
    noise = rng.normal(0, rng.uniform(0, _NOISE) / 255, x.shape).astype(np.float32)
    gain = 1 + (rng.uniform(-_EXPOSURE, _EXPOSURE) if rng.random() < 0.4 else 0.0)
    x = (x * gain + torch.from_numpy(noise)).clamp(0, 1)
    if rng.random() < 0.25:
        file = io.BytesIO()
        picture = Image.fromarray((x.permute(1, 2, 0).numpy() * 255 + 0.5).astype(np.uint8))
        picture.save(file, "JPEG", quality=int(rng.integers(*_JPEG)))
        x = torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1).float() / 255
    return x
