"""Losses on photos kept aside: whether training still gets anywhere, and which weights were the best."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ..data import Photos, middle
from ..errors import InputError
from ..losses import Perceptual, temporal_loss
from ..motion_pairs import Moved, follow, warp
from ..nets.layers import luma
from ..nets.lite import Lite
from ..nets.predictor import Predicted
from .config import TrainConfig

BETTER = 0.998  # of the best loss so far: what counts as progress
_AT_ONCE = 4  # photos
_MOST = 64  # paintings that are judged by
_SHOWN = 256  # pixels, the least side of an example: people look at them, and crops may be small


class Batch(NamedTuple):
    """Photos (N, 3, H, W), what follows them where flicker counts, and the number of each one's painting (N,)."""

    x: Tensor
    moved: Moved | None
    painting: Tensor

    def to(self, device: torch.device) -> Batch:
        """Itself on a device."""
        moved = self.moved
        if moved:
            moved = Moved(_laid_out(moved.x, device), moved.grid.to(device), moved.inside.to(device))
        return Batch(_laid_out(self.x, device), moved, self.painting.to(device))


def _laid_out(x: Tensor, device: torch.device) -> Tensor:
    return x.to(device, memory_format=torch.channels_last)


def gray(x: Tensor) -> Tensor:
    """Light and dark alone, in all three channels."""
    return luma(x).expand_as(x)


def style(net: nn.Module, x: Tensor, painting: Tensor, config: TrainConfig) -> Tensor:
    """x as the losses see it styled."""
    codes = (net.code_of(painting),) if isinstance(net, Lite | Predicted) else ()
    styled: Tensor = net(x, *codes)
    return gray(styled) if config.keep_color else styled


def style_batch(net: nn.Module, batch: Batch, config: TrainConfig) -> tuple[Tensor, Tensor | None]:
    """The styled photos, and the temporal loss (N,) of those that follow them."""
    if batch.moved is None:
        return style(net, batch.x, batch.painting, config), None
    later, grid, inside = batch.moved
    styled, after = style(net, torch.cat([batch.x, later]), batch.painting.repeat(2), config).chunk(2)
    with torch.autocast(styled.device.type, enabled=False):
        return styled, temporal_loss(after.float(), warp(styled.float(), grid), inside)


class Judge:
    """The middle squares of the photos kept aside, each with a painting and one known motion.

    Attributes:
        examples: (N, 3, side, side), a photo each, to look at.

    Raises InputError if none of the photos can be read.
    """

    def __init__(self, photos: Photos, shown: Photos, config: TrainConfig, say: Callable[[str], object]) -> None:
        squares, examples = [], []
        for index in range(len(photos)):
            try:
                photo = photos.open(index)
            except InputError as error:
                last = error
                say(f"left out: {error}")
                continue
            squares.append(middle(photo, config.crop))
            if shown is photos:
                examples.append(middle(photo, max(config.crop, _SHOWN)))
        if not squares:
            raise last
        if shown is not photos:
            examples = [middle(shown.open(index), max(config.crop, _SHOWN)) for index in range(len(shown))]
        self.examples, self._squares, self._config = torch.cat(examples), torch.cat(squares), config
        count = max(len(squares), min(len(config.paintings), _MOST))
        self._batches = [self._batch(first, count) for first in range(0, count, _AT_ONCE)]

    def _batch(self, first: int, count: int) -> Batch:
        numbers = range(first, min(first + _AT_ONCE, count))
        x = torch.cat([self._squares[number % len(self._squares)][None] for number in numbers])
        rng = np.random.default_rng((self._config.seed, first, 3))
        moved = follow(x, rng) if self._config.losses.temporal else None
        return Batch(x, moved, torch.tensor([number % len(self._config.paintings) for number in numbers]))

    @torch.no_grad()
    def __call__(self, net: nn.Module, perceptual: Perceptual, device: torch.device) -> dict[str, Tensor]:
        """(N,) of each loss, and `painting`: which one each photo is after."""
        net.eval()
        rows = [self._losses(net, perceptual, batch.to(device)) for batch in self._batches]
        net.train()
        return {name: torch.cat([row[name] for row in rows]) for name in rows[0]}

    def _losses(self, net: nn.Module, perceptual: Perceptual, batch: Batch) -> dict[str, Tensor]:
        styled, temporal = style_batch(net, batch, self._config)
        photos = gray(batch.x) if self._config.keep_color else batch.x
        losses = perceptual.measure(styled.float(), photos, batch.painting)
        if temporal is not None:
            losses["temporal"] = temporal
        return losses | {"painting": batch.painting}


def total(losses: Mapping[str, Tensor], perceptual: Perceptual, config: TrainConfig) -> float:
    """The mean weighted loss, with the style weights as they are now: they move, and old looks must compare."""
    weighted = perceptual.total(losses, losses["painting"])
    if "temporal" in losses:
        weighted = weighted + config.losses.temporal * losses["temporal"]
    return weighted.mean().item()
