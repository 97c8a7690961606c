"""What moved between two inputs, and where the last output still holds: the gate of `Steady`."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .frame import Image

Field = NDArray[np.float32]
Plane = NDArray[np.uint8]  # (h, w)

SMALL_SIDE = 200  # pixels, the long side of the picture that motion is found in
FLOW_SIDE = 24  # pixels, the least side that optical flow works on
PATCH_STRIDE = 6  # pixels between the patches of optical flow: a fourth faster than 4, with fainter ghosts
NOISE, CHANGE = 2.5, 7.0  # levels in the small picture: below, the scene is the same; above, it is another
EDGE_SLACK = 0.06  # levels of change forgiven per level of local contrast, where a flow a bit off shows most
CLEARLY_BETTER = 0.5  # levels by which moving must explain a place better than standing still
NEAR = 15  # small pixels; what is this near to something that moves is taken as moving, for its flow may be hidden
EXPOSURE = 0.25  # levels of change in the mean that are no noise
ASPECT = 0.03  # sizes that differ by rounding to whole pixels are of one aspect
FEW = 0.05  # of the picture: fewer still places than these are blended like moving ones, which spares a pass
CUT = 0.4  # less of the picture than this still holds: a new scene


class Seen(NamedTuple):
    """What the small picture tells.

    Attributes:
        weight: (h, w), the past's share of the output in 256ths, where it stands still.
        moving: the same where it moves, and nothing where it stands still; None if nothing moves.
        flow: (h, w, 2) small pixels, from a place to where it was before; None if nothing moves.
        light: whether the light as a whole changed.
    """

    weight: Plane
    moving: Plane | None
    flow: Field | None
    light: bool


class Motion:
    """Where the previous output still holds, from the inputs alone.

    The reference that a frame is compared with follows the same recursion as the output. So a change too slow to
    see from one frame to the next adds up, and sensor noise averages out.
    """

    def __init__(self, cv2: Any) -> None:
        self._cv2 = cv2
        self._dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._dis.setPatchStride(PATCH_STRIDE)
        self._luma: Plane | None = None
        self._reference: Field | None = None

    def see(self, image: Image, share: float) -> Seen | None:
        """What moved since the last frame; None if the scene is new."""
        cv2, present = self._cv2, shrunk(self._cv2, image, step_to(SMALL_SIDE, image.shape))
        luma = cv2.cvtColor(present, cv2.COLOR_RGB2GRAY)
        reference, before = self._reference, self._luma
        self._reference, self._luma = present.astype(np.float32), luma
        if reference is None or before is None or not _alike(reference, present):
            return None
        reference, before = (scaled(cv2, picture, present.shape) for picture in (reference, before))
        past = cv2.convertScaleAbs(reference)
        apart = self._apart(present, past)
        flow, moves = self._followed(present, past, apart, luma, before)
        light = self._light(present, past)
        if any(light):
            reference, apart = cv2.add(reference, light), self._apart(present, cv2.add(past, light))
        weight = self._weight(self._summed(apart, 3), luma, flow, share)
        if cv2.mean(weight)[0] < CUT * 256 * share:
            return None
        if moves is None:
            self._reference = self._averaged(reference, present, weight)
            return Seen(weight, None, None, any(light))
        still = cv2.subtract(weight, moves)
        if cv2.countNonZero(still) < FEW * still.size:
            return Seen(np.zeros_like(still), weight, flow, any(light))
        self._reference = self._averaged(reference, present, still)  # warped again and again it would blur
        return Seen(still, cv2.min(weight, moves), flow, any(light))

    def _averaged(self, reference: Field, present: Image, weight: Plane) -> Field:
        """As `Mixer` does it, in fractions of a level: here the slowest of changes must add up."""
        cv2 = self._cv2
        kept = cv2.subtract(reference, present, dtype=cv2.CV_32F)
        kept = cv2.multiply(kept, cv2.merge([weight] * 3), kept, 1 / 256, cv2.CV_32F)
        averaged: Field = cv2.add(kept, present, kept, dtype=cv2.CV_32F)
        return averaged

    def _followed(
        self, present: Image, past: Image, apart: Plane, luma: Plane, before: Plane
    ) -> tuple[Field | None, Plane | None]:
        """The flow, and 255 where it moves; there `past` becomes what moved along, and `apart` its distance."""
        cv2, change = self._cv2, self._summed(apart, 5)
        if min(luma.shape) < FLOW_SIDE or cv2.minMaxLoc(change)[1] <= 25 * NOISE:
            return None, None
        flow: Field = self._dis.calc(luma, before, None)
        moved = remapped(cv2, past, flow)
        apart_moved = self._apart(present, moved)
        better = cv2.compare(cv2.add(self._summed(apart_moved, 5), 25 * CLEARLY_BETTER), change, cv2.CMP_LT)
        if not cv2.countNonZero(better):
            return None, None
        cv2.copyTo(moved, better, past)
        cv2.copyTo(apart_moved, better, apart)
        flow = cv2.blur(cv2.copyTo(flow, better, np.zeros_like(flow)), (3, 3))
        return flow, cv2.dilate(better, np.ones((NEAR, NEAR), np.uint8))

    def _apart(self, a: Image, b: Image) -> Plane:
        """The largest channel's distance."""
        red, green, blue = self._cv2.split(self._cv2.absdiff(a, b))
        largest: Plane = self._cv2.max(self._cv2.max(red, green), blue)
        return largest

    def _summed(self, apart: Plane, side: int) -> Plane:
        """Summed over a square of that side."""
        summed: Plane = self._cv2.boxFilter(apart, self._cv2.CV_16S, (side, side), normalize=False)
        return summed

    def _light(self, present: Image, past: Image) -> tuple[float, ...]:
        """How much brighter each channel got as a whole, seen where nothing else changed."""
        cv2 = self._cv2
        if np.abs(np.subtract(cv2.mean(present), cv2.mean(past))).max() <= EXPOSURE:
            return (0.0,) * 4
        same = cv2.inRange(cv2.absdiff(present, past), (0, 0, 0), (2 * CHANGE,) * 3)
        if cv2.countNonZero(same) < 0.3 * same.size:
            return (0.0,) * 4
        change = np.subtract(cv2.mean(present, same), cv2.mean(past, same))
        return tuple(float(level) if abs(level) > EXPOSURE else 0.0 for level in change)

    def _weight(self, change: Plane, luma: Plane, flow: Field | None, share: float) -> Plane:
        """The past's share in 256ths: all of `share` where nothing changed, fading to none, with soft edges."""
        cv2 = self._cv2
        contrast = cv2.blur(cv2.subtract(cv2.dilate(luma, None), cv2.erode(luma, None)), (3, 3))
        slope = 255 / (CHANGE - NOISE)
        gate = cv2.addWeighted(change, -slope / 9, contrast, EDGE_SLACK * slope, CHANGE * slope, dtype=cv2.CV_8U)
        if flow is not None:
            height, width = luma.shape
            inside = cv2.inRange(cv2.add(flow, grid(width, height)), (0.0, 0.0), (width - 1.0, height - 1.0))
            gate = cv2.min(gate, inside)
        smooth = cv2.blur(cv2.erode(gate, None), (3, 3))
        weight: Plane = cv2.convertScaleAbs(smooth, alpha=share * 256 / 255)
        return weight


def step_to(side: int, shape: tuple[int, ...]) -> int:
    """The least power of two that a picture of that shape can be shrunk by to have a long side of at most `side`."""
    step = 1
    while max(shape[:2]) > side * step:
        step *= 2
    return step


def shrunk(cv2: Any, image: Image, step: int) -> Image:
    """Smaller by a power of two, its sides rounded up: halving is the fast path of area resampling."""
    for _ in range(step.bit_length() - 1):
        half = ((image.shape[1] + 1) // 2, (image.shape[0] + 1) // 2)
        image = cv2.resize(image, half, interpolation=cv2.INTER_AREA)
    return image


def remapped(cv2: Any, image: Image, flow: Field) -> Image:
    """The image's levels at every place plus its flow, by way of four channels: those take half the time of three."""
    four = cv2.cvtColor(image, cv2.COLOR_RGB2RGBA)
    how = cv2.INTER_LINEAR | cv2.WARP_RELATIVE_MAP
    moved: Image = cv2.cvtColor(cv2.remap(four, flow, None, how, borderMode=cv2.BORDER_REPLICATE), cv2.COLOR_RGBA2RGB)
    return moved


@lru_cache(maxsize=8)
def grid(width: int, height: int) -> Field:
    """(height, width, 2): every pixel's own place."""
    return np.dstack(np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)))


def scaled(cv2: Any, picture: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """A picture at the height and width of a shape; itself if it has them."""
    return picture if picture.shape[:2] == shape[:2] else cv2.resize(picture, shape[1::-1])


def _alike(a: NDArray[Any], b: NDArray[Any]) -> bool:
    """Whether two pictures have the same aspect, so that they can be of one scene at two sizes."""
    return bool(abs(a.shape[0] * b.shape[1] / (a.shape[1] * b.shape[0]) - 1) < ASPECT)
