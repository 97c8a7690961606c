"""The screen as a camera beside a window: grabbed by a process of its own.

OpenCV's wheel and PyAV's each bring an X library. Once both are loaded, FFmpeg's grabbing crashes the process.
"""

from __future__ import annotations

import io
import struct
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from typing import cast

import numpy as np

from ..errors import DeviceError
from ..frame import Frame, Image
from .size import Size
from .source import MICROSECOND, Closing

_HEADER = struct.Struct("=dII")  # captured, width, height


class GrabbedScreen(Closing):
    """Pictures of the screen or a part of it, safe to use beside a window.

    Args:
        source: as `parse_screen` takes it.

    Raises DeviceError if there is no display or the region is not on it.
    """

    patience: float | None = 5.0
    stillness: float | None = None  # nothing moves on a screen for hours

    def __init__(self, source: str, *, fps: float = 30.0) -> None:
        super().__init__()
        self.rate = Fraction(fps).limit_denominator(1001)
        code = f"from livestyle.media.grab import send_screen; send_screen({source!r}, {fps!r})"
        self._process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the one who closes this
        )
        header = self._receive(_HEADER.size)
        if header is None:
            assert self._process.stderr
            said = self._process.stderr.read().decode(errors="replace").strip()
            self.close()
            raise DeviceError(said.splitlines()[-1] if said else f"{source}: cannot be grabbed")
        self._header = header
        self.frame_size = Size(*_HEADER.unpack(header)[1:])

    def describe(self) -> str:
        """One line: what it is and what it gives."""
        return f"screen: {self.frame_size} at {float(self.rate):g} fps"

    def __iter__(self) -> Iterator[Frame]:
        header: bytes | None = self._header
        started, index = _HEADER.unpack(self._header)[0], 0
        while True:
            with self._using() as usable:
                if not usable:
                    return
                header = header or self._receive(_HEADER.size)
                captured, width, height = _HEADER.unpack(header) if header else (0.0, 0, 0)
                image = self._receive_image(width, height) if header else None
            if self._closed:
                return
            if image is None:
                raise DeviceError("screen: gives no more pictures; is the display still there?")
            yield Frame(image, int((captured - started) * 1e6) * MICROSECOND, index, captured=captured)
            header, index = None, index + 1

    def _receive(self, length: int) -> bytes | None:
        assert self._process.stdout
        received = self._process.stdout.read(length)
        return received if len(received) == length else None

    def _receive_image(self, width: int, height: int) -> Image | None:
        assert self._process.stdout
        image = np.empty((height, width, 3), np.uint8)
        reader = cast(io.BufferedReader, self._process.stdout)
        return image if reader.readinto(image.data.cast("B")) == image.nbytes else None

    def _release(self) -> None:
        self._process.terminate()
        self._process.wait()
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe:
                pipe.close()


def send_screen(source: str, fps: float) -> None:
    """Writes the screen's pictures to standard output, each with its time and size, until nobody reads them."""
    from .screen import Screen, parse_screen

    try:
        with Screen(parse_screen(source), fps=fps) as screen:
            for frame in screen:
                height, width = frame.image.shape[:2]
                sys.stdout.buffer.write(_HEADER.pack(frame.captured, width, height))
                sys.stdout.buffer.write(np.ascontiguousarray(frame.image).data)  # FFmpeg pads the rows of most widths
                sys.stdout.buffer.flush()
    except BrokenPipeError:
        sys.stdout = None  # so that nothing is flushed into it at the end
    except DeviceError as error:
        sys.exit(str(error))
