"""How fast frames really come, and why a camera may give less than it was asked for."""

from __future__ import annotations

import math
from collections import deque
from typing import NamedTuple

from .devices import CameraInfo
from .size import Size

WINDOW = 1.0  # seconds a rate is measured over
_MOST_FRAMES = 1000  # of one window
DROP = 0.7  # below this share of what was asked it counts as a silent drop
RECOVERED = 0.85  # and above this one it is over
_MODEST = Size(640, 360)  # what any camera has, or comes near to
_LOSSLESS = ("YUYV", "YUY2", "UYVY", "RGB3", "BGR3")


class Pace:
    """The rate of the last second, from the moments frames came at."""

    def __init__(self) -> None:
        self._moments: deque[float] = deque(maxlen=_MOST_FRAMES)

    def add(self, moment: float) -> None:
        """One more frame came, `moment` in seconds."""
        self._moments.append(moment)
        while len(self._moments) > 1 and moment - self._moments[1] >= WINDOW:
            self._moments.popleft()

    @property
    def fps(self) -> float | None:
        """None until a second has been seen."""
        seconds = self._moments[-1] - self._moments[0] if len(self._moments) > 1 else 0.0
        return (len(self._moments) - 1) / seconds if seconds >= WINDOW else None


class Mode(NamedTuple):
    """A camera's pixel format (empty if not known), size and rate; None where nothing was asked or is known."""

    fourcc: str
    size: Size | None
    fps: float | None

    def __str__(self) -> str:
        return " ".join(str(part) for part in (self.size, self.fourcc) if part)


def size_warning(asked: Size, given: Size, camera: CameraInfo) -> str:
    """What to say where a camera gives another size than it was asked for."""
    sizes = sorted({offer.size for offer in camera.formats}, key=_area, reverse=True)
    listed = f"; it has {', '.join(map(str, sizes))}" if sizes else ""
    return f"gives {given}, not the {asked} asked for{listed}"


def rate_warning(given: Mode, measured: float, asked: float, camera: CameraInfo) -> str:
    """What to say where it is slower than asked: the likeliest cause, and what to do."""
    promised = [rate for offer in camera.offers(fourcc=given.fourcc, size=given.size) for rate in offer.fps]
    slow = f"gives {measured:.1f} frames a second, not {asked:g}"
    if promised and max(promised) < DROP * asked:
        return f"{slow}: {given} comes at no more than {max(promised):g} here; {_faster(camera, given, asked)}"
    if promised:
        return (
            f"{slow}, though {given} can: in low light cameras expose longer; give it more light, "
            "turn off its automatic exposure, or plug it in without a hub"
        )
    if given.fourcc in _LOSSLESS:
        return f"{slow}: {given} may be more than USB carries; {_faster(camera, given, asked)}"
    return f"{slow}: too little light, a slow hub or a mode it cannot do; {_faster(camera, given, asked)}"


def _faster(camera: CameraInfo, given: Mode, asked: float) -> str:
    """What to try: the largest smaller size that is listed at the rate asked for."""
    limit = _area(given.size) if given.size else math.inf
    fast = {offer.size for offer in camera.formats if offer.fps and max(offer.fps) >= asked * 0.95}
    smaller = [size for size in {*fast, *([] if fast else [_MODEST])} if _area(size) < limit]
    return f"try --camera-size {max(smaller, key=_area)}" if smaller else "try another port or cable"


def _area(size: Size) -> int:
    return size.width * size.height
