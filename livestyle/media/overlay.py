"""Words on a picture: figures, keys, and why it stands still."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from ..frame import Image
from .size import Size

Font: TypeAlias = ImageFont.ImageFont | ImageFont.FreeTypeFont
Corner = Literal["top", "bottom", "middle"]
_LINES_A_PICTURE = 26  # a line is this part of the picture's height, so words look alike at any size
_SMALLEST_LETTERS = 9  # pixels
_LEGIBLE_WIDTH, _LEGIBLE_HEIGHT = 320, 240  # pixels: room for all the keys in the smallest letters


def draw_lines(image: Image, lines: Sequence[str], corner: Corner = "top") -> Image:
    """A copy with lines of white text on a dark box: `top` left, `bottom` left, or in the `middle`.

    A line that is too long goes on in the next one.
    """
    if not lines:
        return image
    text = _text(tuple(lines), max(_SMALLEST_LETTERS, image.shape[0] // _LINES_A_PICTURE), image.shape[1])
    text = text[: image.shape[0], : image.shape[1]]
    height, width = text.shape
    left = (image.shape[1] - width) // 2 if corner == "middle" else 0
    top = {"top": 0, "bottom": image.shape[0] - height, "middle": (image.shape[0] - height) // 2}[corner]
    drawn = image.copy()
    box = drawn[top : top + height, left : left + width]
    # The box is darkened to a third, so that text can be read on any picture.
    np.maximum(box // 3, text[:, :, None], out=box)
    return drawn


def legible_size(size: Size) -> Size:
    """The size, or the smallest multiple of it on which all the keys can be read."""
    times = max(1, math.ceil(_LEGIBLE_HEIGHT / size.height), math.ceil(_LEGIBLE_WIDTH / size.width))
    return Size(times * size.width, times * size.height)


def legible(image: Image) -> Image:
    """The image at its `legible_size`; itself if that is its own."""
    height, width = image.shape[:2]
    times = legible_size(Size(width, height)).width // width
    return image.repeat(times, axis=0).repeat(times, axis=1) if times > 1 else image


def _wrapped(line: str, font: Font, width: float) -> Iterator[str]:
    """The line as lines of that many pixels, broken between words."""
    row = ""
    for word in line.split(" "):
        if row and font.getlength(f"{row} {word}") > width:
            yield row
            row = word
        else:
            row = f"{row} {word}" if row else word
    yield row


@lru_cache(maxsize=16)
def _text(told: tuple[str, ...], letters: int, room: int) -> NDArray[np.uint8]:
    """(H, W): the brightness of the letters, black around."""
    font = ImageFont.load_default(letters)
    margin, step = letters // 2, round(letters * 1.3)
    lines = [row for line in told for row in _wrapped(line, font, room - 2 * margin)]
    width = max(int(font.getlength(line)) for line in lines) + 2 * margin
    canvas = Pillow.new("L", (width, len(lines) * step + 2 * margin))
    draw = ImageDraw.Draw(canvas)
    for row, line in enumerate(lines):
        draw.text((margin, margin + row * step), line, fill=255, font=font)
    return np.asarray(canvas)
