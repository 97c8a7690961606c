"""Live sources: a camera by number, device or address, and a film played at its own pace."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np

from ..errors import DeviceError, MissingExtra
from ..frame import Frame
from .size import Size, fit

MICROSECOND = Fraction(1, 1_000_000)


def import_cv2() -> Any:
    """OpenCV, or an error that names the missing library.

    Import it before av: the other order hangs windows on Linux.
    """
    try:
        import cv2
    except ImportError as error:
        if "lib" in str(error):
            raise DeviceError(f"opencv: {error}; on Debian and Ubuntu: apt-get install libgl1 libglib2.0-0") from error
        raise MissingExtra("a camera or a window", "opencv-python", "cpu") from error
    return cv2


class LiveSource(Protocol):
    """What a camera and its stand-ins have in common."""

    frame_size: Size
    rate: Fraction

    def __iter__(self) -> Iterator[Frame]: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


class Camera:
    """Frames of a camera as they come, stamped with seconds since the first one. A context manager.

    Args:
        source: `0`, `1`, ... or a device path such as /dev/video0.
        size: asked of the camera, and made by scaling where the camera gives another; None for its default.

    Raises DeviceError if it does not open or stops giving frames.
    """

    def __init__(self, source: str, *, size: Size | int | None = None) -> None:
        self._cv2, self._source = import_cv2(), source
        self._cv2.setLogLevel(0)
        self._capture = self._cv2.VideoCapture(int(source) if source.isdigit() else source)
        if isinstance(size, Size):
            self._capture.set(self._cv2.CAP_PROP_FRAME_WIDTH, size.width)
            self._capture.set(self._cv2.CAP_PROP_FRAME_HEIGHT, size.height)
        opened, first = self._capture.read() if self._capture.isOpened() else (False, None)
        if not opened or first is None:
            self.close()
            raise DeviceError(f"camera {source}: cannot be opened; is it plugged in, and used by no other program?")
        self.size = Size(first.shape[1], first.shape[0])
        self.frame_size = fit(self.size, size)
        self.rate = Fraction(round(self._capture.get(self._cv2.CAP_PROP_FPS) or 30))

    def __iter__(self) -> Iterator[Frame]:
        started, index = time.monotonic(), 0
        while True:
            good, bgr = self._capture.read()
            if not good:
                raise DeviceError(f"camera {self._source}: gives no more frames; is it still plugged in?")
            if (bgr.shape[1], bgr.shape[0]) != self.frame_size:
                bgr = self._cv2.resize(bgr, self.frame_size, interpolation=self._cv2.INTER_AREA)
            image = self._cv2.cvtColor(bgr, self._cv2.COLOR_BGR2RGB)
            moment = int((time.monotonic() - started) * 1e6) * MICROSECOND
            yield Frame(np.asarray(image), moment, index)
            index += 1

    def close(self) -> None:
        """Twice is fine."""
        self._capture.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Playback:
    """A film (or a network stream) played as if it were a camera: each frame comes when its time has come."""

    def __init__(self, source: str, *, size: Size | int | None = None) -> None:
        from .reader import FilmReader

        self._reader = FilmReader(source if "://" in source else Path(source), size=size)
        self.size, self.frame_size, self.rate = self._reader.size, self._reader.frame_size, self._reader.rate

    def __iter__(self) -> Iterator[Frame]:
        started: float | None = None
        for frame in self._reader:
            if started is None:
                started = time.monotonic() - float(frame.time)
            time.sleep(max(0.0, started + float(frame.time) - time.monotonic()))
            yield frame

    def close(self) -> None:
        """Twice is fine."""
        self._reader.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_camera(source: str, *, size: Size | int | None = None) -> LiveSource:
    """A camera for a number or a device, a playback for a film or an address.

    Raises DeviceError or InputError if there is none.
    """
    path = Path(source)
    if source.isdigit() or (path.exists() and path.is_char_device()):
        if sys.platform == "linux" and source.isdigit() and not Path(f"/dev/video{source}").exists():
            raise DeviceError(f"camera {source}: there is no /dev/video{source}; name another with --camera")
        return Camera(source, size=size)
    if source.startswith("/dev/"):
        raise DeviceError(f"camera {source}: there is no such device; name another with --camera")
    return Playback(source, size=size)
