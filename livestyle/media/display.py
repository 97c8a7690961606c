"""Live sinks: a window and a virtual camera."""

from __future__ import annotations

import os
import sys
from fractions import Fraction

import numpy as np

from ..errors import DeviceError, MissingExtra
from ..frame import Frame, Image
from .camera import import_cv2
from .size import Size

_QUIT_KEYS = (ord("q"), 27)  # 27: Escape


def has_display() -> bool:
    """Whether a window can open here. OpenCV aborts the whole process where none can, so ask first."""
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


class Window:
    """A resizable window. Raises DeviceError where there is no display."""

    def __init__(self, title: str, size: Size) -> None:
        if not has_display():
            raise DeviceError("window: there is no display here; add --virtual, or run on a desktop")
        os.environ.setdefault("QT_LOGGING_RULES", "default.warning=false")  # OpenCV's Qt misses its fonts, aloud
        self._cv2, self._title = import_cv2(), title
        self._cv2.namedWindow(title, self._cv2.WINDOW_NORMAL | self._cv2.WINDOW_KEEPRATIO)
        self._cv2.resizeWindow(title, *size)

    def write(self, frame: Frame) -> bool:
        """Shows a frame; False once the user has pressed q or Escape or closed the window."""
        self._cv2.imshow(self._title, self._cv2.cvtColor(frame.image, self._cv2.COLOR_RGB2BGR))
        key = self._cv2.waitKey(1) & 0xFF
        return self._is_open() and key not in _QUIT_KEYS

    def _is_open(self) -> bool:
        try:
            return bool(self._cv2.getWindowProperty(self._title, self._cv2.WND_PROP_VISIBLE) >= 1)
        except self._cv2.error:  # with Qt there is nobody left to ask once the last window is closed
            return False

    def close(self) -> None:
        """Twice is fine."""
        self._cv2.destroyAllWindows()


class VirtualCamera:
    """A camera other programs can choose (v4l2loopback, OBS, UnityCapture), through pyvirtualcam.

    Raises MissingExtra without pyvirtualcam, DeviceError without a driver for it.
    """

    def __init__(self, size: Size, rate: Fraction) -> None:
        try:
            import pyvirtualcam
        except ImportError as error:
            raise MissingExtra("--virtual", "pyvirtualcam", "live") from error
        try:
            self._camera = pyvirtualcam.Camera(size.width, size.height, float(rate), fmt=pyvirtualcam.PixelFormat.RGB)
        except RuntimeError as error:
            raise DeviceError(f"virtual camera: {_one_line(error)}; {_driver_hint()}") from error
        self._size, self.device = size, str(self._camera.device)

    def write(self, frame: Frame) -> bool:
        """Sends a frame; always True."""
        self._camera.send(_exact(frame.image, self._size))
        return True

    def close(self) -> None:
        """Twice is fine."""
        self._camera.close()


def _exact(image: Image, size: Size) -> Image:
    if image.shape[:2] == (size.height, size.width):
        return np.ascontiguousarray(image)
    from .picture import resize

    return resize(image, size)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _driver_hint() -> str:
    if sys.platform == "linux":
        return (
            "on Linux: apt-get install v4l2loopback-dkms && modprobe v4l2loopback card_label=livestyle exclusive_caps=1"
        )
    return "install OBS Studio, which brings a virtual camera"
