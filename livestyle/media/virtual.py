"""A virtual camera: what other programs choose as their webcam."""

from __future__ import annotations

import sys
from fractions import Fraction
from typing import Any

import numpy as np

from ..errors import DeviceError, MissingExtra
from ..frame import Frame, Image
from . import loopback
from .loopback import Place
from .size import Size, pad_even

_FORMATS = {"YU12": "RGB", "YUYV": "YUYV"}  # a device's code, and what pyvirtualcam is given for it


class VirtualCamera:
    """A camera other programs can choose (v4l2loopback, OBS, UnityCapture), through pyvirtualcam.

    Frames of another shape are fitted in with bars.

    Args:
        device: its number, path or name; None for any that is free.

    Attributes:
        device: what it is called.
        size: what other programs see: as asked, made even (4:2:0 needs it), or what one of them is fixed to.

    Raises MissingExtra without pyvirtualcam, DeviceError without a driver for it, or if all devices are taken.
    """

    def __init__(self, size: Size, rate: Fraction, *, device: str | None = None) -> None:
        try:
            import pyvirtualcam
        except ImportError as error:
            raise MissingExtra("--virtual", "pyvirtualcam", "live") from error
        self._asked = Size(size.width + size.width % 2, size.height + size.height % 2)
        self._place = loopback.find_place(device, self._asked) if sys.platform == "linux" else None
        if self._place is not None:
            device = str(self._place.device.path)
        self.size = self._place.size if self._place else self._asked
        self._format = _known_format(self._place)
        try:
            self._camera: Any = pyvirtualcam.Camera(
                *self.size,
                float(rate),
                fmt=getattr(pyvirtualcam.PixelFormat, self._format),
                **({} if device is None else {"device": device}),
            )
        except RuntimeError as error:
            refusal = _one_line(error).split(". ")[0]  # behind it come questions that ours answers
            raise DeviceError(f"virtual camera: {refusal}; {_how_to_get_one(self._place)}") from error
        self.device = str(self._camera.device)
        self._canvas: Image | None = None

    def describe(self) -> str:
        """One line: which device, and its size where that is not the one asked for."""
        fixed = f"; another program holds it at {self.size}, the picture is fitted in"
        return self.device + (fixed if self.size != self._asked else "")

    def write(self, frame: Frame) -> bool:
        """Sends a frame; always True. Raises DeviceError if the device refuses it."""
        image = self._fit(frame.image)
        if self._format == "YUYV":
            image = _yuyv(image)
        try:
            self._camera.send(image)
        except (RuntimeError, OSError) as error:
            raise DeviceError(f"virtual camera {self.device}: takes no more frames ({_one_line(error)})") from error
        return True

    def close(self) -> None:
        """Twice is fine."""
        camera, self._camera = self._camera, None
        if camera is not None:
            camera.close()
            if self._place is not None:
                loopback.revive(self._place.device.path)

    def _fit(self, image: Image) -> Image:
        """The image itself where it has the size; else scaled, in the middle of black."""
        image = pad_even(image)
        height, width = image.shape[:2]
        if (width, height) == self.size:
            return np.ascontiguousarray(image)
        left, top, inner = inside(Size(width, height), self.size)
        if self._canvas is None:
            self._canvas = np.zeros((self.size.height, self.size.width, 3), np.uint8)
        elif inner != self.size:
            self._canvas[:] = 0  # a picture of another shape may have been there
        self._canvas[top : top + inner.height, left : left + inner.width] = _scaled(image, inner)
        return self._canvas


def inside(image: Size, size: Size) -> tuple[int, int, Size]:
    """Left, top and size of the largest picture of that shape within `size`, its place on whole chroma samples."""
    scale = min(size.width / image.width, size.height / image.height)
    inner = Size(max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    left, top = (size.width - inner.width) // 2, (size.height - inner.height) // 2
    return left - left % 2, top - top % 2, inner


def _scaled(image: Image, size: Size) -> Image:
    import cv2

    if size == (image.shape[1], image.shape[0]):
        return image
    smaller = size.width < image.shape[1]
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR), np.uint8)


def _yuyv(image: Image) -> Image:
    import cv2

    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2YUV_YUY2), np.uint8)


def _known_format(place: Place | None) -> str:
    """Raises DeviceError if another program holds the device at pixels that cannot be made."""
    if place is None:
        return "RGB"
    if place.fourcc not in _FORMATS:
        held = f"is held at {place.size} {place.fourcc} by another program"
        raise DeviceError(f"virtual camera: {place.device} {held}; close it there, and start it after livestyle")
    return _FORMATS[place.fourcc]


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _how_to_get_one(place: Place | None) -> str:
    if place is not None:
        return "close the other programs that use it"
    if sys.platform == "linux":
        return loopback.how_to_load()
    if sys.platform == "win32":
        return "install OBS Studio, which brings a virtual camera, or UnityCapture"
    return "install OBS Studio, and start and stop its virtual camera there once"
