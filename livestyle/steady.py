"""Less flicker without a flow network: every frame is blended with the filter's previous output where that still holds.

A small picture of the input (at most 200 pixels) says what moved and where; `Motion` turns it into a gate. Still
parts are blended in full resolution. Moving parts are blended at half resolution along their motion, and the finest
detail comes fresh from the present frame: warping it again and again would blur it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import InputError
from .frame import Image
from .motion import Field, Motion, Plane, Seen, remapped, scaled, shrunk, step_to

Box = tuple[slice, slice]

STRONGEST = 0.92  # the previous output's share at amount 1
COARSE_SIDE = 400  # pixels, the most of the picture that moving parts are blended in
_FURTHEST = 127  # levels that a moving part is changed by at most: what eight bits hold
BLOCK = 1 << 18  # bytes of a picture worked on at once, so that it stays in the cache


def share_of_past(amount: float) -> float:
    """The previous output's share for an amount of 0..1: 0.6 at a half."""
    return float(STRONGEST * amount**0.6)


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
        for part in _bands(present.shape):
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
        self._known: tuple[Image, Image] | None = None  # an output that moved as a whole, and its coarse part

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
            past = scaled(self._cv2, past, styled.shape)
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
        size = seen.weight.shape[::-1]
        now, then = (self._cv2.resize(x, size, interpolation=self._cv2.INTER_NEAREST) for x in (styled, past))
        lit: Image = self._cv2.add(past, self._brighter(then, now, seen.weight))
        return lit

    def _brighter(self, then: Image, now: Image, weight: Plane) -> tuple[float, ...]:
        """How much brighter it is now in each channel, where the weight counts; whole levels."""
        return tuple(np.rint(np.subtract(self._cv2.mean(now, weight), self._cv2.mean(then, weight))))

    def _blended(self, past: Image, styled: Image, seen: Seen) -> Image:
        output = self._blend_still(past, styled, seen.weight)
        self._blend_moving(output, past, styled, seen)
        return output

    def _blend_still(self, past: Image, styled: Image, weight: Plane) -> Image:
        """The past and the present mixed pixel by pixel."""
        box = _box(self._cv2, weight, styled.shape)
        if box is None:
            return styled.copy()
        whole = styled[box].shape == styled.shape
        output = np.empty_like(styled) if whole else styled.copy()
        self._mix(past[box], styled[box], _enlarged(self._cv2, weight, styled.shape[1::-1], box), output[box])
        return output

    def _blend_moving(self, output: Image, past: Image, styled: Image, seen: Seen) -> None:
        """Mixes the coarse part of the past, moved along the flow, into the coarse part of the present."""
        weight, flow = seen.moving, seen.flow
        if weight is None or flow is None:
            return
        cv2, step = self._cv2, max(2, step_to(COARSE_SIDE, styled.shape))
        size = (-(-styled.shape[1] // step), -(-styled.shape[0] // step))
        box = _box(cv2, weight, size[::-1])
        if box is None:
            return
        large = _times(box, step)
        now, then = shrunk(cv2, styled[large], step), self._warped(past, flow, size, box, step)
        weight = _enlarged(cv2, weight, size, box)
        if seen.light:
            then = cv2.add(then, self._brighter(then, now, weight))
        mixed = self._mix(then, now, weight)
        change = np.subtract(mixed, now, dtype=np.int16)  # which OpenCV enlarges in two thirds of the time of uint8
        np.clip(change, -_FURTHEST, _FURTHEST, out=change)
        self._add(output[large], change)
        if styled[large].shape == styled.shape and not cv2.countNonZero(seen.weight):
            self._known = output, mixed

    def _warped(self, past: Image, flow: Field, size: tuple[int, int], box: Box, step: int) -> Image:
        """What is in the box of the coarse picture of that size, taken from where it was in the past."""
        cv2, scale = self._cv2, size[0] / flow.shape[1]
        reach = int(cv2.norm(flow, cv2.NORM_INF) * scale) + 2
        rows, columns = (slice(max(part.start - reach, 0), part.stop + reach) for part in box)
        if self._known and self._known[0] is past:
            then = self._known[1][rows, columns]
        else:
            then = shrunk(cv2, past[_times((rows, columns), step)], step)
        moved = remapped(cv2, then, _enlarged(cv2, flow * np.float32(scale), size, (rows, columns)))
        top, left = box[0].start - rows.start, box[1].start - columns.start
        return moved[top : top + box[0].stop - box[0].start, left : left + box[1].stop - box[1].start]

    def _add(self, target: Image, change: NDArray[np.int16]) -> None:
        """Adds a change of at most eight bits, enlarged, to the target, saturating."""
        cv2, size = self._cv2, target.shape[1::-1]
        if not _times_larger(change.shape, size):
            change = cv2.resize(change, size)
        for part in _bands(target.shape):
            levels = target[part]
            rows = slice(part.start, part.start + len(levels))
            more = _enlarged(cv2, change, size, (rows, slice(0, size[0]))).astype(np.int8)
            np.bitwise_xor(levels, 128, out=levels)  # the same as signed levels, less 128
            signed = levels.view(np.int8)
            cv2.add(signed, more, signed)
            np.bitwise_xor(levels, 128, out=levels)


def _bands(shape: tuple[int, ...]) -> Iterator[slice]:
    """The rows of a picture of that shape, in bands that stay in the cache."""
    rows = max(1, BLOCK // (shape[1] * 3))
    return (slice(top, top + rows) for top in range(0, shape[0], rows))


def _box(cv2: Any, weight: Plane, shape: tuple[int, ...]) -> Box | None:
    """The part of a picture of that shape where the weight counts; None if nowhere."""
    left, top, width, height = cv2.boundingRect(weight)
    if not width:
        return None
    rows, columns = (
        slice(max(int((begin - 1) * scale), 0), min(int((begin + length + 1) * scale) + 1, full))
        for begin, length, scale, full in (
            (top, height, shape[0] / weight.shape[0], shape[0]),
            (left, width, shape[1] / weight.shape[1], shape[1]),
        )
    )
    return rows, columns


def _times_larger(shape: tuple[int, ...], size: tuple[int, ...]) -> int:
    """How many whole times a picture of that shape goes into (width, height), the same both ways; else 0."""
    times = size[0] // shape[1]
    return times if (shape[1] * times, shape[0] * times) == tuple(size) else 0


def _enlarged(cv2: Any, plane: NDArray[Any], size: tuple[int, ...], box: Box) -> NDArray[Any]:
    """That part of the plane at (width, height); only that is computed where a pixel becomes so many whole ones."""
    times = _times_larger(plane.shape, size)
    if times < 2:
        whole: NDArray[Any] = cv2.resize(plane, size) if times == 0 else plane
        return whole[box]
    height, width = plane.shape[:2]
    rows, columns = (
        slice(max(part.start // times - 1, 0), min(-(-part.stop // times) + 1, full))
        for part, full in zip(box, (height, width), strict=True)
    )
    part = plane[rows, columns]
    large: NDArray[Any] = cv2.resize(part, (part.shape[1] * times, part.shape[0] * times))
    top, left = rows.start * times, columns.start * times
    return large[box[0].start - top : box[0].stop - top, box[1].start - left : box[1].stop - left]


def _times(box: Box, step: int) -> Box:
    """The same part of a picture that is larger by that step."""
    rows, columns = (slice(part.start * step, part.stop * step) for part in box)
    return rows, columns
