"""Words on a picture: figures, keys, and why it stands still."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from ..frame import Image

Corner = Literal["top", "bottom", "middle"]
_LINES_A_PICTURE = 26  # a line is this part of the picture's height, so words look alike at any size
_SMALLEST_LETTERS = 9  # pixels


def draw_lines(image: Image, lines: Sequence[str], corner: Corner = "top") -> Image:
    """A copy with lines of white text on a dark box: `top` left, `bottom` left, or in the `middle`."""
    if not lines:
        return image
    text = _text(tuple(lines), max(_SMALLEST_LETTERS, image.shape[0] // _LINES_A_PICTURE))
    text = text[: image.shape[0], : image.shape[1]]
    height, width = text.shape
    left = (image.shape[1] - width) // 2 if corner == "middle" else 0
    top = {"top": 0, "bottom": image.shape[0] - height, "middle": (image.shape[0] - height) // 2}[corner]
    drawn = image.copy()
    box = drawn[top : top + height, left : left + width]
    # The box is darkened to a third, so that text can be read on any picture.
    np.maximum(box // 3, text[:, :, None], out=box)
    return drawn


@lru_cache(maxsize=16)
def _text(lines: tuple[str, ...], letters: int) -> NDArray[np.uint8]:
    """(H, W): the brightness of the letters, black around."""
    font = ImageFont.load_default(letters)
    margin, step = letters // 2, round(letters * 1.3)
    width = max(int(font.getlength(line)) for line in lines) + 2 * margin
    canvas = Pillow.new("L", (width, len(lines) * step + 2 * margin))
    draw = ImageDraw.Draw(canvas)
    for row, line in enumerate(lines):
        draw.text((margin, margin + row * step), line, fill=255, font=font)
    return np.asarray(canvas)
