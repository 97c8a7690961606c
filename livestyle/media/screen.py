"""The screen, or a part of it, as a camera."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import NamedTuple

import av

from ..errors import DeviceError, InputError
from ..frame import Frame
from .color import to_rgb
from .size import Size
from .source import MICROSECOND, Closing

_FPS = 30


class Region(NamedTuple):
    """A part of the screen: its left upper corner and its size."""

    x: int
    y: int
    size: Size


def parse_screen(source: str) -> Region | None:
    """`screen` as None, `screen:X,Y,WxH` as a region. Raises InputError for anything else."""
    match = re.fullmatch(r"screen(?::(\d+),(\d+),(\d+)x(\d+))?", source)
    if not match:
        raise InputError(f"camera '{source}': give screen or screen:X,Y,WxH, such as screen:100,50,640x360")
    if match[1] is None:
        return None
    x, y, width, height = (int(part) for part in match.groups())
    if not (width and height):
        raise InputError(f"camera '{source}': a region needs at least 1x1 pixels")
    return Region(x, y, Size(width, height))


class Screen(Closing):
    """Pictures of the screen, grabbed by FFmpeg. On Windows and macOS this has never been tried.

    Raises DeviceError if there is no display or the region is not on it.
    """

    patience: float | None = 5.0
    stillness: float | None = None  # nothing moves on a screen for hours

    def __init__(
        self, region: Region | None = None, *, fps: float | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__()
        self._clock, self.rate = clock, Fraction(fps or _FPS).limit_denominator(1001)
        name, file_format, options = grabber(region, float(self.rate))
        try:
            self._container = av.open(name, format=file_format, options=options)
            self._frames = self._container.decode(video=0)
            first = next(self._frames)
        except (av.FFmpegError, OSError, ValueError, StopIteration) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise DeviceError(
                f"screen: cannot be grabbed ({reason}); is the display there, and the region on it?"
            ) from error
        self.frame_size = Size(first.width, first.height)

    def describe(self) -> str:
        """One line: what it is and what it gives."""
        return f"screen: {self.frame_size} at {float(self.rate):g} fps"

    def __iter__(self) -> Iterator[Frame]:
        started, index = self._clock(), 0
        while True:
            with self._using() as usable:
                if not usable:
                    return
                frame = self._grab(started, index)
            yield frame
            index += 1

    def _grab(self, started: float, index: int) -> Frame:
        try:
            picture = next(self._frames)
        except (av.FFmpegError, OSError, StopIteration) as error:
            raise DeviceError("screen: gives no more pictures; is the display still there?") from error
        captured = self._clock()
        image = to_rgb(picture, self.frame_size)
        return Frame(image, int((captured - started) * 1e6) * MICROSECOND, index, captured=captured)

    def _release(self) -> None:
        self._container.close()


def grabber(region: Region | None, fps: float) -> tuple[str, str, dict[str, str]]:
    """FFmpeg's name for the screen, its device and its options. Raises DeviceError without a display."""
    # Without the second one FFmpeg grabs for up to 0.7 s to learn the rate, and gives those old pictures first.
    options = {"framerate": f"{fps:g}", "fpsprobesize": "0"}
    if region:
        options["video_size"] = str(region.size)
    if sys.platform == "win32":
        if region:
            options |= {"offset_x": str(region.x), "offset_y": str(region.y)}
        return "desktop", "gdigrab", options
    if sys.platform == "darwin":
        if region:
            raise InputError("screen: a region cannot be chosen on macOS; give screen")
        return "Capture screen 0:none", "avfoundation", options
    display = os.environ.get("DISPLAY")
    if not display:
        hint = "Wayland alone cannot be grabbed" if os.environ.get("WAYLAND_DISPLAY") else "DISPLAY is not set"
        raise DeviceError(f"screen: there is no X display here ({hint})")
    return display + (f"+{region.x},{region.y}" if region else ""), "x11grab", options
