"""Cameras: asked for a mode, then measured, for they do not always give what they promise."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

from ..errors import DeviceError, MissingExtra
from ..frame import Frame
from .devices import LOOPBACK, CameraInfo, find_camera, list_cameras, names
from .pace import DROP, RECOVERED, Mode, Pace, rate_warning, size_warning
from .size import Size
from .source import MICROSECOND, Closing, LiveSource, Say, say_nothing

_COMPRESSED_FROM = 640 * 480  # pixels; what is larger does not fit through USB 2 uncompressed at full rate
_DAMAGED = 30  # pictures in a row that do not decode, after which the camera is given up
_SLOW_SECONDS = 2.0  # of too few frames before it is told: this computer may just have been busy
_WIDE_FROM = 960  # pixels of the width; smaller pictures are usually 4:3, larger ones 16:9
_USUAL_FPS = 30.0  # for a camera that does not tell


def import_cv2() -> Any:
    """OpenCV, silent, or an error that names the missing library.

    Import it before av: the other order hangs windows on Linux.
    """
    try:
        import cv2
    except ImportError as error:
        if "lib" in str(error):
            raise DeviceError(f"opencv: {error}; on Debian and Ubuntu: apt-get install libgl1 libglib2.0-0") from error
        raise MissingExtra("a camera or a window", "opencv-python", "cpu") from error
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    return cv2


class Camera(Closing):
    """Frames of a camera as they come, at its own size, stamped with seconds since the first one.

    Args:
        camera: which one, as `list_cameras` has it.
        size, fps: asked of it, the size also by its long side; None for its default.
        say: hears what was measured after the first second, and a warning when it gives less than asked.

    Attributes:
        asked, given: the mode it was asked for, and the one it was found to give; `given.fps` is the driver's word.
        fps: measured over the last second; None in the first.

    Raises DeviceError if it does not open or stops giving frames.
    """

    patience: float | None = 0.8  # noticed, with a frame's time to spare, within a second

    def __init__(
        self,
        camera: CameraInfo,
        *,
        size: Size | int | None = None,
        fps: float | None = None,
        say: Say = say_nothing,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self.info, self._say, self._clock, self._cv2 = camera, say, clock, import_cv2()
        self.name = f'camera {camera.number} "{camera.name}"'
        # A virtual camera stands still whenever its owner shows a still picture; a sensor is never without noise.
        self.stillness: float | None = None if camera.driver == LOOPBACK else 1.0
        size = _with_long_side(size, camera) if isinstance(size, int) else size
        self.asked = Mode(_pixel_format(camera, size), size, fps)
        self._capture = self._open()
        self._ask()
        _captured, image = self._read()
        if image is None:
            self.close()
            raise DeviceError(f"{self.name}: gives no picture; is it used by another program?")
        self.frame_size = Size(image.shape[1], image.shape[0])
        self.given = Mode(self._fourcc(), self.frame_size, self._capture.get(self._cv2.CAP_PROP_FPS) or None)
        self._pace, self._measured = Pace(), False
        self._slow_since: float | None = None
        self._slow_told = False

    def _open(self) -> Any:
        if self.info.problem and not self.info.formats:
            raise DeviceError(f"{self.name}: {self.info.problem}")
        backend = self._cv2.CAP_V4L2 if sys.platform == "linux" else self._cv2.CAP_ANY
        capture = self._cv2.VideoCapture(self.info.number, backend)
        if not capture.isOpened():
            capture.release()
            raise DeviceError(f"{self.name}: cannot be opened; is it plugged in, and used by no other program?")
        return capture

    def _ask(self) -> None:
        cv2 = self._cv2
        if self.asked.size:
            self._capture.set(cv2.CAP_PROP_FRAME_WIDTH, self.asked.size.width)
            self._capture.set(cv2.CAP_PROP_FRAME_HEIGHT, self.asked.size.height)
        if self.asked.fps:
            self._capture.set(cv2.CAP_PROP_FPS, self.asked.fps)
        if self.asked.fourcc:
            self._capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter_fourcc(*self.asked.fourcc))

    def _fourcc(self) -> str:
        """The pixel format as the driver has it now; empty if it does not tell."""
        code = int(self._capture.get(self._cv2.CAP_PROP_FOURCC)) & 0xFFFFFFFF
        text = code.to_bytes(4, "little").decode("ascii", "replace").rstrip("\0 ")
        return text if text.isalnum() else ""

    @property
    def fps(self) -> float | None:
        """Frames a second over the last second; None in the first."""
        return self._pace.fps

    @property
    def rate(self) -> Fraction:
        """Whole frames per second a sink should reckon with: measured, or the driver's word until then."""
        return Fraction(max(1, round(self.fps or self.given.fps or self.asked.fps or _USUAL_FPS)))

    def describe(self) -> str:
        """One line: what was asked for and what it gives."""
        size = f" (asked {self.asked.size})" if self.asked.size not in (None, self.frame_size) else ""
        asked = f", asked {self.asked.fps:g} fps" if self.asked.fps else ""
        measured = f", measured {self.fps:.1f}" + ("" if asked else " fps") if self.fps else ""
        return f"{self.name}: {self.given}{size}{asked}{measured}"

    def __iter__(self) -> Iterator[Frame]:
        started, index = None, 0
        while True:
            with self._using() as usable:
                captured, image = self._read() if usable else (0.0, None)
            if self._closed:
                return
            if image is None:
                raise DeviceError(f"{self.name}: gives no more frames; is it still plugged in?")
            started = captured if started is None else started
            self._judge(captured, Size(image.shape[1], image.shape[0]))
            yield Frame(image, int((captured - started) * 1e6) * MICROSECOND, index, captured=captured)
            index += 1

    def _read(self) -> tuple[float, Any]:
        """The next picture and when it was grabbed (decoding comes after); None for it if there is none."""
        captured = 0.0
        for _ in range(_DAMAGED):
            if not self._capture.grab():
                break
            captured = self._clock()
            good, bgr = self._capture.retrieve()
            if good and bgr is not None:
                return captured, self._cv2.cvtColor(bgr, self._cv2.COLOR_BGR2RGB)
        return captured, None

    def _judge(self, captured: float, size: Size) -> None:
        """Keeps the measurements, and says once what they are and whenever they turn bad."""
        self._pace.add(captured)
        self.frame_size, self.given = size, self.given._replace(size=size)
        if self.fps is None:
            return
        if not self._measured:
            self._measured = True
            self._say(self.describe())
            if self.asked.size and size != self.asked.size:
                self._say(f"warning: {self.name}: {size_warning(self.asked.size, size, self.info)}")
        self._judge_rate(captured)

    def shortfall(self, share: float = DROP) -> str | None:
        """By how much it was too slow in the last second, the likely cause and what to try; None if it was not."""
        wanted = self.asked.fps or self.given.fps
        if wanted is None or self.fps is None or self.fps >= share * wanted:
            return None
        return rate_warning(self.given, self.fps, wanted, self.info)

    def _judge_rate(self, now: float) -> None:
        """Says once that it is too slow, and again only after it had recovered."""
        shortfall = self.shortfall(RECOVERED if self._slow_told else DROP)
        if shortfall is None:
            self._slow_since, self._slow_told = None, False
            return
        self._slow_since = now if self._slow_since is None else self._slow_since
        if not self._slow_told and now - self._slow_since >= _SLOW_SECONDS:
            self._slow_told = True
            self._say(f"warning: {self.name}: {shortfall}")

    def _release(self) -> None:
        self._capture.release()


def _with_long_side(pixels: int, camera: CameraInfo) -> Size:
    """The camera's own size whose long side is nearest, of several the largest; a usual shape if it does not tell."""
    sizes = [offer.size for offer in camera.formats]
    if not sizes:
        return Size(pixels, round(pixels * (9 / 16 if pixels >= _WIDE_FROM else 3 / 4)))
    return min(sizes, key=lambda size: (abs(max(size) - pixels), -size.width * size.height))


def _pixel_format(camera: CameraInfo, size: Size | None) -> str:
    """MJPG for a large picture where the camera has it, or does not tell what it has; else the driver's choice."""
    if size is None or size.width * size.height <= _COMPRESSED_FROM:
        return ""
    told = any(offer.fourcc for offer in camera.formats)
    return "MJPG" if camera.offers(fourcc="MJPG", size=size) or not told else ""


def open_camera(
    source: str, *, size: Size | int | None = None, fps: float | None = None, say: Say = say_nothing
) -> LiveSource:
    """Anything that gives frames live.

    Args:
        source: a camera's number, path or (part of its) name; an address such as rtsp://...; a film;
            `pattern`, `pattern:WxH@FPS`; `screen`, `screen:X,Y,WxH`.
        size, fps: asked of a camera; fps of the screen too.
        say: hears a camera's measurements.

    Raises DeviceError or InputError if there is none.
    """
    if re.match(r"pattern(:|$)", source):
        from .pattern import parse_pattern

        return parse_pattern(source)
    if re.match(r"screen(:|$)", source):
        from .grab import GrabbedScreen
        from .screen import parse_screen

        parse_screen(source)
        return GrabbedScreen(source, fps=fps or 30.0)
    if "://" in source:
        from .playback import NetworkStream

        return NetworkStream(source)
    film = film_of(source)
    if film is not None:
        from .playback import Playback

        return Playback(film)
    return Camera(_found(source), size=size, fps=fps, say=say)


def film_of(source: str) -> Path | None:
    """The file it names, which need not be there; None for a camera or an address."""
    path = Path(source)
    if "://" in source or path.is_char_device() or source.isdigit() or source.startswith("/dev/"):
        return None
    return path if path.exists() or path.suffix or len(path.parts) > 1 else None


def _found(source: str) -> CameraInfo:
    cameras = list_cameras()
    camera = find_camera(source, cameras)
    if camera is None and sys.platform == "linux" and source.isdigit():
        source = f"{source}: there is no /dev/video{source} that gives pictures"
    elif camera is None:
        source = f"'{source}': there is no such camera, and no such file"
    if camera is None:
        raise DeviceError(f"camera {source}; cameras here: {names(cameras)}")
    return camera
