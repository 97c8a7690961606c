"""The subject a network finds, as a mask for live pictures: steady in time, its edges along those of the image."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .frame import Image
from .matting import Plane
from .media.camera import import_cv2

_SLOW_S = 0.010  # a network that takes longer runs beside the styles, one frame behind
_TIMED = 5  # first frames that tell how long it takes
_CUT = 0.15  # mean change of lightness, 0..1
# The guided filter (He, Sun and Tang 2010, algorithm 1) on the small mask: its radius in pixels, and the variance
# of lightness that counts as an edge.
_RADIUS, _EPSILON = 3, 1e-3
_SHARPEN = 0.15  # alpha this near to 0 or 1 becomes 0 or 1


class Matting(Protocol):
    """A network that finds the subject; see `MattingNetwork`."""

    def shrink(self, image: Image) -> Image: ...

    def __call__(self, small: Image) -> Plane: ...

    def reset(self) -> None: ...


class Subject:
    """A `MaskSource`: what a network finds, never more than one frame late.

    Args:
        behind: run the network in a thread, on this image while the styles work on it, and use what it found in
            the one before (after a cut: wait for this one's). None decides by the time the network takes.
        clock: seconds.
    """

    def __init__(
        self, network: Matting, *, behind: bool | None = None, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._network, self._behind, self._clock = network, behind, clock
        self._steady = SteadyMask()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="livestyle-mask")
        self._pending: Future[tuple[Plane, Plane]] | None = None
        self._light: Plane | None = None
        self._seconds: list[float] = []

    def mask(self, image: Image, *, mirrored: bool = False) -> NDArray[np.uint8]:
        """(H, W), 255 = subject. The network sees the image as it is, so `mirrored` changes nothing."""
        cv2 = import_cv2()
        small = self._network.shrink(image)
        light: Plane = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY) * np.float32(1 / 255)
        if self._is_cut(light):
            self._forget()
        self._light = light
        plane, its_light = self._one_behind(small, light) if self._behind else self._now(small, light)
        return upscale(self._steady(plane, its_light), its_light, image)

    def close(self) -> None:
        """Waits for the thread to end. Twice is fine."""
        self._pool.shutdown()

    def _is_cut(self, light: Plane) -> bool:
        """Another picture, not the next one; the same at another size is no cut unless the network's changes too."""
        before = self._light
        return before is None or before.shape != light.shape or float(np.abs(light - before).mean()) > _CUT

    def _find(self, small: Image, light: Plane) -> tuple[Plane, Plane]:
        """The network's mask at the small picture's size, with that picture's lightness."""
        cv2 = import_cv2()
        return cv2.resize(self._network(small), light.shape[::-1], interpolation=cv2.INTER_LINEAR), light

    def _one_behind(self, small: Image, light: Plane) -> tuple[Plane, Plane]:
        earlier, self._pending = self._pending, self._pool.submit(self._find, small, light)
        return (earlier or self._pending).result()

    def _now(self, small: Image, light: Plane) -> tuple[Plane, Plane]:
        began = self._clock()
        found = self._find(small, light)
        if self._behind is None:
            self._seconds.append(self._clock() - began)
            if len(self._seconds) == _TIMED:
                self._behind = float(np.median(self._seconds)) > _SLOW_S
        return found

    def _forget(self) -> None:
        if self._pending is not None:
            self._pending.exception()  # wait: it must not run any more when the network is reset
            self._pending = None
        self._network.reset()
        self._steady.reset()


class SteadyMask:
    """A mask that keeps still where nothing moves: a recurrent average that lets go where something does.

    Motion is a change of the picture, or one of the mask that is both large and of one sign around a pixel,
    which noise is not: a dark head before a dark wall leaves no trail.
    """

    # On webcam clips nine pixels of ten change less than 0.02 from frame to frame, and what moves 0.08 and more.
    still, moving = 0.02, 0.06  # change of the picture
    doubt, certainty = 0.25, 0.6  # change of the mask
    share = 0.2  # of the new mask where nothing moves; noise of deviation s leaves s * sqrt(share / (2 - share))

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forgets the past."""
        self._mask: Plane | None = None
        self._light: Plane | None = None

    def __call__(self, mask: Plane, light: Plane) -> Plane:
        """The steady mask (h, w) 0..1 for a new one and the lightness 0..1 of its picture, both (h, w).

        One size until `reset`.
        """
        if self._mask is None or self._light is None:
            self._mask, self._light = mask, light
            return mask
        cv2 = import_cv2()
        change = mask - self._mask
        picture_moves = _ramp(np.abs(cv2.blur(light - self._light, (5, 5))), self.still, self.moving)
        mask_moves = _ramp(np.abs(cv2.blur(change, (5, 5))), self.doubt, self.certainty)
        # Widened, for a flat thing shows its motion only at its rim.
        moves = cv2.dilate(np.maximum(picture_moves, mask_moves), np.ones((5, 5), np.uint8))
        self._mask = self._mask + (self.share + (1 - self.share) * moves) * change
        self._light = light
        return self._mask


def _ramp(x: Plane, low: float, high: float) -> Plane:
    """0 up to `low`, 1 from `high`, straight between."""
    return ((x - np.float32(low)) * np.float32(1 / (high - low))).clip(0, 1)


def upscale(mask: Plane, light: Plane, image: Image) -> NDArray[np.uint8]:
    """A small mask 0..1 at the image's size, 0..255, its soft edge drawn to the image's edges.

    `light` is the lightness 0..1 of the small picture the mask was found in. A mask that is 0 or 1 all around a
    pixel stays exactly that there.
    """
    cv2 = import_cv2()

    def mean(x: Plane) -> Plane:
        result: Plane = cv2.blur(x, (2 * _RADIUS + 1,) * 2)
        return result

    mean_light, mean_mask = mean(light), mean(mask)
    slope = (mean(light * mask) - mean_light * mean_mask) / (mean(light * light) - mean_light**2 + _EPSILON)
    offset = mean_mask - slope * mean_light
    stretch = 255 / (1 - 2 * _SHARPEN)
    slope, offset = mean(slope) * np.float32(stretch / 255), (mean(offset) - _SHARPEN) * np.float32(stretch)
    size = image.shape[1::-1]
    full_light = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    scaled = cv2.multiply(cv2.resize(slope, size), full_light, dtype=cv2.CV_32F)
    alpha: NDArray[np.uint8] = cv2.add(scaled, cv2.resize(offset, size), dtype=cv2.CV_8U)  # rounds and saturates
    return alpha
