"""Less flicker without a flow network: every frame is blended with the filter's previous output where that still holds.

A small picture of the input (at most 200 pixels) says what moved and where; `Motion` turns it into a gate. Still
parts are blended in full resolution. Moving parts are blended at half resolution along their motion, and the finest
detail comes fresh from the present frame: warping it again and again would blur it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .errors import InputError
from .frame import Image

Field = NDArray[np.float32]
Plane = NDArray[np.uint8]  # (h, w)
Box = tuple[slice, slice]

SMALL_SIDE = 200  # pixels, the long side of the picture that motion is found in
FLOW_SIDE = 24  # pixels, the least side that optical flow works on
STRONGEST = 0.92  # the previous output's share at amount 1
NOISE, CHANGE = 2.5, 7.0  # levels in the small picture: below, the scene is the same; above, it is another
EDGE_SLACK = 0.06  # levels of change forgiven per level of local contrast, where a flow a bit off shows most
CLEARLY_BETTER = 0.5  # levels by which moving must explain a place better than standing still
NEAR = 15  # small pixels; what is this near to something that moves is taken as moving, for its flow may be hidden
COARSE_SIDE = 400  # pixels, the most of the picture that moving parts are blended in
BLOCK = 1 << 18  # bytes of a picture worked on at once, so that it stays in the cache
EXPOSURE = 0.25  # levels of change in the mean that are no noise
CUT = 0.4  # less of the picture than this still holds: a new scene


def share_of_past(amount: float) -> float:
    """The previous output's share for an amount of 0..1: 0.6 at a half."""
    return float(STRONGEST * amount**0.6)


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
        self._luma: Plane | None = None
        self._reference: Field | None = None

    def see(self, image: Image, share: float) -> Seen | None:
        """What moved since the last frame; None if the scene is new."""
        cv2, present = self._cv2, shrunk(self._cv2, image, SMALL_SIDE)
        luma = cv2.cvtColor(present, cv2.COLOR_RGB2GRAY)
        reference, before = self._reference, self._luma
        self._reference, self._luma = present.astype(np.float32), luma
        if reference is None or before is None or reference.shape != present.shape:
            return None
        past = cv2.convertScaleAbs(reference)
        change = self._change(present, past, 5)
        flow = moves = None
        if min(luma.shape) >= FLOW_SIDE and cv2.minMaxLoc(change)[1] > 25 * NOISE:
            past, flow, moves = self._followed(present, past, change, luma, before)
        light = self._light(present, past)
        if any(light):
            past, reference = cv2.add(past, light), cv2.add(reference, light)
        weight = self._weight(self._change(present, past, 3), luma, flow, share)
        if cv2.mean(weight)[0] < CUT * 256 * share:
            return None
        if moves is None:
            self._reference = self._averaged(reference, present, weight)
            return Seen(weight, None, None, any(light))
        still = cv2.subtract(weight, moves)
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
        self, present: Image, past: Image, change: Plane, luma: Plane, before: Plane
    ) -> tuple[Image, Field | None, Plane | None]:
        """The past moved along the flow where that explains the present better, the flow, and 255 where it moves."""
        cv2 = self._cv2
        flow: Field = self._dis.calc(luma, before, None)
        moved = self._moved(past, flow)
        better = cv2.compare(cv2.add(self._change(present, moved, 5), 25 * CLEARLY_BETTER), change, cv2.CMP_LT)
        if not cv2.countNonZero(better):
            return past, None, None
        flow = cv2.blur(cv2.copyTo(flow, better, np.zeros_like(flow)), (3, 3))
        moves = cv2.dilate(better, np.ones((NEAR, NEAR), np.uint8))
        return cv2.copyTo(moved, better, past.copy()), flow, moves

    def _moved(self, image: Image, flow: Field) -> Image:
        cv2 = self._cv2
        places = cv2.add(flow, grid(flow.shape[1], flow.shape[0]))
        moved: Image = cv2.remap(image, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return moved

    def _change(self, a: Image, b: Image, side: int) -> Plane:
        """The largest channel's distance, summed over a square of that side."""
        cv2 = self._cv2
        red, green, blue = cv2.split(cv2.absdiff(a, b))
        largest = cv2.max(cv2.max(red, green), blue)
        summed: Plane = cv2.boxFilter(largest, cv2.CV_16S, (side, side), normalize=False)
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
        cv2, around = self._cv2, np.ones((3, 3), np.uint8)
        contrast = cv2.blur(cv2.subtract(cv2.dilate(luma, around), cv2.erode(luma, around)), (3, 3))
        slope = 255 / (CHANGE - NOISE)
        gate = cv2.addWeighted(change, -slope / 9, contrast, EDGE_SLACK * slope, CHANGE * slope, dtype=cv2.CV_8U)
        if flow is not None:
            height, width = luma.shape
            inside = cv2.inRange(cv2.add(flow, grid(width, height)), (0.0, 0.0), (width - 1.0, height - 1.0))
            gate = cv2.min(gate, inside)
        smooth = cv2.blur(cv2.erode(gate, around), (3, 3))
        weight: Plane = cv2.convertScaleAbs(smooth, alpha=share * 256 / 255)
        return weight


class Mixer:
    """present + weight / 256 * (past - present), in whole levels.

    A distance of d levels shrinks to at most d - 1, so rounding never holds the result away from a still picture.
    """

    def __init__(self, cv2: Any) -> None:
        self._cv2 = cv2
        self._room: dict[tuple[int, ...], list[Image]] = {}

    def __call__(self, past: Image, present: Image, weight: Plane, output: Image | None = None) -> Image:
        """The mixture, in `output` where it is given."""
        output = np.empty_like(present) if output is None else output
        rows = max(1, BLOCK // (present.shape[1] * 3))
        for top in range(0, present.shape[0], rows):
            part = slice(top, top + rows)
            self._mix(past[part], present[part], weight[part], output[part])
        return output

    def _mix(self, past: Image, present: Image, weight: Plane, output: Image) -> None:
        cv2 = self._cv2
        if present.shape not in self._room:
            if len(self._room) > 8:
                self._room.clear()
            self._room[present.shape] = [np.empty(present.shape, np.uint8) for _ in range(2)]
        kept, weights = self._room[present.shape]
        cv2.absdiff(past, present, kept)
        cv2.multiply(kept, cv2.cvtColor(weight, cv2.COLOR_GRAY2RGB, weights), weights, 1 / 256)
        cv2.min(cv2.subtract(kept, (1, 1, 1, 0), kept), weights, kept)
        np.maximum(past, cv2.subtract(present, kept, weights), out=output)
        np.minimum(output, cv2.add(present, kept, weights), out=output)


class Steady:
    """A flicker filter: styled frames in, steadier ones out. One for each stream.

    The returned image is the filter's memory until the next call: read it, do not write to it.
    """

    def __init__(self) -> None:
        self._cv2: Any = None
        self.reset()

    def reset(self) -> None:
        """Forgets the past, for another style or stream; the next frame passes as it is."""
        self._motion: Motion | None = None
        self._output: Image | None = None

    def __call__(self, image: Image, styled: Image, amount: float) -> Image:
        """The steadied frame.

        Args:
            image: the input that `styled` was made of, of the same size.
            amount: 0 gives `styled` itself, 1 the steadiest.

        Raises InputError for sizes that differ or an amount outside 0..1.
        """
        if image.shape != styled.shape:
            raise InputError(f"steady: image {image.shape} and styled {styled.shape}; give two of the same size")
        if not 0 <= amount <= 1:
            raise InputError(f"steady {amount}: give a number from 0 (as it is) to 1 (the steadiest)")
        if amount == 0:
            self.reset()
            return styled
        motion = self._motion or self._start()
        seen = motion.see(image, share_of_past(amount))
        past, self._output = self._output, styled
        if seen is not None and past is not None:
            self._output = self._blended(self._lit(past, styled, seen), styled, seen)
        return self._output

    def _start(self) -> Motion:
        from .media.camera import import_cv2

        self._cv2 = import_cv2()
        self._motion, self._mix = Motion(self._cv2), Mixer(self._cv2)
        return self._motion

    def _lit(self, past: Image, styled: Image, seen: Seen) -> Image:
        """The past in the present light, as far as the style shows it: a fade is followed at once."""
        if not seen.light:
            return past
        cv2, size = self._cv2, seen.weight.shape[::-1]
        now, then = (cv2.resize(x, size, interpolation=cv2.INTER_NEAREST) for x in (styled, past))
        change = np.subtract(cv2.mean(now, seen.weight), cv2.mean(then, seen.weight))
        lit: Image = cv2.add(past, tuple(np.rint(change)))
        return lit

    def _blended(self, past: Image, styled: Image, seen: Seen) -> Image:
        output = self._blend_still(past, styled, seen.weight)
        if seen.moving is not None and seen.flow is not None:
            self._blend_moving(output, past, styled, seen.moving, seen.flow)
        return output

    def _blend_still(self, past: Image, styled: Image, weight: Plane) -> Image:
        """The past and the present mixed pixel by pixel."""
        box = _box(weight, styled.shape, 1)
        if box is None:
            return styled.copy()
        whole = styled[box].shape == styled.shape
        output = np.empty_like(styled) if whole else styled.copy()
        self._mix(past[box], styled[box], self._cv2.resize(weight, styled.shape[1::-1])[box], output[box])
        return output

    def _blend_moving(self, output: Image, past: Image, styled: Image, weight: Plane, flow: Field) -> None:
        """Mixes the coarse part of the past, moved along the flow, into the coarse part of the present."""
        cv2 = self._cv2
        side = min(COARSE_SIDE, (max(styled.shape[:2]) + 1) // 2)
        now, then = (shrunk(cv2, picture, side) for picture in (styled, past))
        step = -(-styled.shape[0] // now.shape[0])
        box = _box(weight, styled.shape, step)
        if box is None:
            return
        rows, columns = (slice(part.start // step, -(-part.stop // step)) for part in box)
        size, now = now.shape[1::-1], now[rows, columns]
        places = cv2.convertMaps(self._places(flow, size)[rows, columns], None, cv2.CV_16SC2)
        then = cv2.remap(then, *places, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        mixed = self._mix(then, now, cv2.resize(weight, size)[rows, columns])
        mixed -= now
        mixed += 128  # wraps around: the signed difference as a level, 128 for none
        target = output[box]
        cv2.addWeighted(target, 1, cv2.resize(mixed, target.shape[1::-1]), 1, -128, target)

    def _places(self, flow: Field, size: tuple[int, int]) -> Field:
        """Where each pixel of a picture of that size was before."""
        scale = (size[0] / flow.shape[1], size[1] / flow.shape[0])
        full = self._cv2.resize(self._cv2.multiply(flow, (*scale, 1, 1)), size)
        places: Field = self._cv2.add(full, grid(*size), full)
        return places


def shrunk(cv2: Any, image: Image, side: int) -> Image:
    """Halved until its long side is at most `side`: halving is the fast path of area resampling."""
    while max(image.shape[:2]) > side:
        half = ((image.shape[1] + 1) // 2, (image.shape[0] + 1) // 2)
        image = cv2.resize(image, half, interpolation=cv2.INTER_AREA)
    return image


@lru_cache(maxsize=8)
def grid(width: int, height: int) -> Field:
    """(height, width, 2): every pixel's own place."""
    return np.dstack(np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)))


def _box(weight: Plane, shape: tuple[int, ...], step: int) -> Box | None:
    """The part of a picture of that shape where the weight counts, in whole steps of pixels; None if nowhere."""
    slices = []
    for axis, full in ((1, shape[0]), (0, shape[1])):
        found = np.flatnonzero(weight.max(axis=axis))
        if not found.size:
            return None
        scale = full / weight.shape[1 - axis]
        begin, end = int((found[0] - 1) * scale / step) * step, int((found[-1] + 2) * scale / step + 1) * step
        slices.append(slice(max(begin, 0), min(end, full)))
    return slices[0], slices[1]
