"""One picture on its way from a source to a sink."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from .errors import InputError

Image: TypeAlias = NDArray[np.uint8]  # (H, W, 3) RGB, C-contiguous


def check_image(image: object) -> None:
    """Raises InputError unless it is (H, W, 3) uint8, with a pixel at least."""
    if not isinstance(image, np.ndarray):
        raise InputError(f"image of type {type(image).__name__}: give (H, W, 3) uint8 RGB")
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise InputError(f"image of shape {image.shape}, {image.dtype}: give (H, W, 3) uint8 RGB")


@dataclass(frozen=True)
class Frame:
    """An image with its time in seconds (exact: the source's timestamp times its time base) and its number.

    Attributes:
        captured: when a live source grabbed it, on `time.monotonic()`'s clock; None for a film's.
        coded: the same picture as its film holds it, for a writer that can take it over; None if there is none.
        length: seconds for which it is shown, as its film says: only of the last does nothing else tell. 0 if unsaid.
    """

    image: Image
    time: Fraction
    index: int
    captured: float | None = None
    coded: object | None = None
    length: Fraction = Fraction(0)

    def with_image(self, image: Image) -> Frame:
        """The same moment with another picture."""
        return replace(self, image=image, coded=self.coded if image is self.image else None)
