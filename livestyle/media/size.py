"""Picture sizes: `Size`, how `--size` is read, and padding to even sides."""

from __future__ import annotations

import math
import re
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from ..errors import InputError
from ..frame import Image

MAX_SIDE = 16384  # pixels
MAX_PIXELS = 2**26  # of a frame, unless more is allowed: 8192x8192
_WIDEST_PIXEL = 4  # times its height
WORKING_PIXELS = 1920 * 1088  # of a frame that goes through a network whole


class Size(NamedTuple):
    """Width and height in pixels."""

    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"

    def turned(self, quarters: int) -> Size:
        """The size after `quarters` turns of 90 degrees."""
        return Size(self.height, self.width) if quarters % 2 else self


def parse_size(text: str) -> Size | int:
    """`640x360` as a Size, `640` as the long side. Raises InputError for anything else."""
    match = re.fullmatch(r"(\d+)(?:x(\d+))?", text.strip().lower())
    sides = [int(side) for side in match.groups() if side] if match else []
    if not sides or not all(1 <= side <= MAX_SIDE for side in sides):
        raise InputError(f"size '{text}': give WxH or the long side in pixels, 1 to {MAX_SIDE}, such as 640x360 or 640")
    return Size(*sides) if len(sides) == 2 else sides[0]


def fit(size: Size, wanted: Size | int | None) -> Size:
    """`wanted` itself, or `size` scaled so that its long side is `wanted`; None leaves it alone."""
    if wanted is None or isinstance(wanted, Size):
        return wanted or size
    scale = wanted / max(size)
    return Size(max(1, round(size.width * scale)), max(1, round(size.height * scale)))


def with_square_pixels(size: Size, aspect: Fraction) -> Size:
    """The size at which a picture is shown whose pixels are `aspect` times as wide as high; no side gets shorter.

    An aspect that no camera has is a mistake in the film, and left alone.
    """
    return enlarged(size, aspect) if 1 / _WIDEST_PIXEL <= aspect <= _WIDEST_PIXEL else size


def enlarged(size: Size, aspect: Fraction) -> Size:
    """The least size in square pixels that gives up none of a picture's, which are `aspect` times as wide as high."""
    if aspect >= 1:
        return Size(round(size.width * aspect), size.height)
    return Size(size.width, round(size.height / aspect))


def working_size(size: Size, limit_pixels: int = WORKING_PIXELS) -> Size:
    """The size a large picture is processed at: `size` itself, or its shape in at most `limit_pixels`.

    The slim networks need 180 bytes per pixel (2.3 GB in all at 4096x2160, 1.1 GB at the limit), large ones far more.
    Tiles would bound memory as well, but instance norm takes its statistics over the picture: each tile would get its
    own colours, and the seams would show.
    """
    scale = math.sqrt(limit_pixels / (size.width * size.height))
    return size if scale >= 1 else Size(max(1, int(size.width * scale)), max(1, int(size.height * scale)))


def even(size: Size) -> Size:
    """The size with odd sides made even: 4:2:0 needs them so."""
    return Size(size.width + size.width % 2, size.height + size.height % 2)


def pad_even(image: Image) -> Image:
    """The image, an odd side made even by repeating its last row or column."""
    height, width = image.shape[:2]
    if height % 2 == 0 and width % 2 == 0:
        return image
    return np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
