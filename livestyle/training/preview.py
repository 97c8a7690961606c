"""Pictures of how far a training is, for people: original | styled, on photos kept aside."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import OutputError
from ..frame import Image
from ..media.picture import write_image
from ..nets.layers import lit_as
from ..nets.lite import Lite
from ..nets.predictor import Predicted
from .config import Facts, Progress, Watcher

_EVERY = 20  # seconds
_PHOTOS, _STYLES = 4, 6  # shown, at most
_GAP = 4  # pixels


def sheet(rows: list[list[Image]]) -> Image:
    """Pictures of one size as one picture, white between them."""
    height, width = rows[0][0].shape[:2]
    whole = np.full((len(rows) * (height + _GAP) - _GAP, len(rows[0]) * (width + _GAP) - _GAP, 3), 255, np.uint8)
    for row, images in enumerate(rows):
        for column, image in enumerate(images):
            top, left = row * (height + _GAP), column * (width + _GAP)
            whole[top : top + height, left : left + width] = image
    return whole


def to_images(x: Tensor) -> list[Image]:
    """(H, W, 3) uint8 each, for x (N, 3, H, W) in [0, 1]."""
    return list((x.clamp(0, 1) * 255 + 0.5).byte().permute(0, 2, 3, 1).cpu().numpy())


class Preview(Watcher):
    """Keeps a PNG up to date: a row a photo, first as it is, then in the styles."""

    def __init__(self, path: Path, *, keep_color: bool) -> None:
        self.path, self._keep_color = path, keep_color
        self._next, self.broken = 0.0, ""

    def begun(self, facts: Facts, examples: Tensor) -> None:
        """Remembers some of the photos."""
        self._x = examples[:_PHOTOS].to(facts.device)

    def stepped(self, progress: Progress, net: nn.Module) -> None:
        """Draws it anew, now and then."""
        if time.monotonic() >= self._next or progress.step == progress.iterations:
            self._draw(net)
            self._next = time.monotonic() + _EVERY

    def _draw(self, net: nn.Module) -> None:
        columns = [to_images(self._x), *map(to_images, self._styled(net))]
        try:
            write_image(sheet([list(row) for row in zip(*columns, strict=True)]), self.path)
        except OutputError as error:  # a full disk is no reason to stop
            self.broken = str(error)

    @torch.no_grad()
    def _styled(self, net: nn.Module) -> list[Tensor]:
        was_training = net.training
        net.eval()
        if isinstance(net, Lite | Predicted):
            codes = net.code_of(torch.arange(min(_STYLES, net.config["styles"])))
            pictures = [net(self._x, code[None]) for code in codes]
        else:
            pictures = [net(self._x)]
        net.train(was_training)
        return [lit_as(self._x, y) for y in pictures] if self._keep_color else pictures
