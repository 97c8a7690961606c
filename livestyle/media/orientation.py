"""How a coded picture has to be turned and mirrored to be shown: the display matrix of its film."""

from __future__ import annotations

import math
from typing import NamedTuple

import av
import numpy as np
from av.sidedata.sidedata import Type

from ..frame import Image
from .side_data import side_data
from .size import Size

_TOLERANCE = 1.0  # degrees; some phones write 89.9


class Orientation(NamedTuple):
    """One of the eight ways to lay a picture on a screen: swap its axes first, then mirror.

    Attributes:
        swapped: rows become columns.
        mirrored_x, mirrored_y: left and right, top and bottom change places.
        angle: the matrix's own, in degrees clockwise, -180 to 180.
    """

    swapped: bool = False
    mirrored_x: bool = False
    mirrored_y: bool = False
    angle: float = 0.0

    @property
    def exact(self) -> bool:
        """Whether the angle is a multiple of 90 degrees; else the picture is turned by the nearest."""
        return abs(self.angle - 90 * round(self.angle / 90)) <= _TOLERANCE

    @property
    def upright(self) -> bool:
        """Whether the picture is coded as it is to be shown."""
        return not (self.swapped or self.mirrored_x or self.mirrored_y)

    def shown(self, size: Size) -> Size:
        """The size on the screen of a picture coded in `size`, and the other way round."""
        return size.turned(int(self.swapped))

    def apply(self, image: Image) -> Image:
        """The image as it is to be shown; itself if it is upright already."""
        if self.upright:
            return image
        image = image.transpose(1, 0, 2) if self.swapped else image
        image = image[:: -1 if self.mirrored_y else 1, :: -1 if self.mirrored_x else 1]
        return np.ascontiguousarray(image)


def orientation_of(frame: av.VideoFrame) -> Orientation:
    """The frame's orientation; upright where it does not say."""
    data = side_data(frame, Type.DISPLAYMATRIX)
    return from_matrix(np.frombuffer(data, np.int32)[:9].tolist()) if data else Orientation()


def from_matrix(matrix: list[int]) -> Orientation:
    """The orientation nearest to a display matrix: a coded point (x, y) is shown at (ax + cy, bx + dy)."""
    a, b, _, c, d = matrix[:5]
    if a * d == b * c:  # it would show nothing
        return Orientation()
    swapped = abs(b) + abs(c) > abs(a) + abs(d)
    angle = math.degrees(math.atan2(b, a))
    return Orientation(True, c < 0, b < 0, angle) if swapped else Orientation(False, a < 0, d < 0, angle)
