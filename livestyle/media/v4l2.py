"""What a Linux video device says about itself, asked through ioctl as in linux/videodev2.h.

Written here because the packages that can are GPL, slow to import, or pass over what they do not know.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from .size import Size

Ioctl = Callable[[int, bytearray], object]  # a request and its structure, changed in place; OSError refuses it

_READ, _WRITE = 2, 1
_ENTRIES = 128  # of any list: a driver that never ends one must not hang us

CAPTURE, CAPTURE_PLANES, OUTPUT, DEVICE_CAPS = 0x1, 0x1000, 0x2, 0x80000000
_DISCRETE = 1
COMMON_SIZES = tuple(
    Size(*sides)
    for sides in [(320, 240), (640, 360), (640, 480), (800, 600), (1280, 720), (1920, 1080), (2560, 1440), (3840, 2160)]
)
COMMON_RATES = (5.0, 10.0, 15.0, 20.0, 24.0, 25.0, 30.0, 50.0, 60.0, 90.0, 120.0)


def _request(direction: int, number: int, size: int) -> int:
    return direction << 30 | size << 16 | ord("V") << 8 | number


# Request, and how its structure is laid out (reserved words at the end as bytes).
QUERYCAP, _CAPABILITY = _request(_READ, 0, 104), struct.Struct("=16s32s32sIII12x")
ENUM_FMT, _FORMAT = _request(_READ | _WRITE, 2, 64), struct.Struct("=III32sII12x")
ENUM_FRAMESIZES, _SIZES = _request(_READ | _WRITE, 74, 44), struct.Struct("=III6I8x")
ENUM_FRAMEINTERVALS, _INTERVALS = _request(_READ | _WRITE, 75, 52), struct.Struct("=IIIII6I8x")


class Format(NamedTuple):
    """A pixel format (its four-character code), a size, and the rates it comes at."""

    fourcc: str
    size: Size
    fps: tuple[float, ...]


class Identity(NamedTuple):
    """A device's name, its driver, and whether pictures can be read from it now."""

    name: str
    driver: str
    captures: bool


@contextmanager
def device(path: Path) -> Iterator[Ioctl]:
    """A way to ask the device. Raises OSError if it does not open."""
    import fcntl

    descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    try:
        yield lambda request, structure: fcntl.ioctl(descriptor, request, structure, True)
    finally:
        os.close(descriptor)


def identify(ioctl: Ioctl) -> Identity:
    """Who the device says it is. Raises OSError if it is no video device."""
    structure = bytearray(_CAPABILITY.size)
    ioctl(QUERYCAP, structure)
    driver, card, _bus, _version, all_caps, node_caps = _CAPABILITY.unpack(structure)
    caps = node_caps if all_caps & DEVICE_CAPS else all_caps
    return Identity(_text(card), _text(driver), bool(caps & (CAPTURE | CAPTURE_PLANES)))


def formats(ioctl: Ioctl) -> Iterator[Format]:
    """All it lists; of a range of sizes or rates, the common ones in it and its ends."""
    for kind in (1, 9):  # V4L2_BUF_TYPE_VIDEO_CAPTURE and its _MPLANE
        for values in _entries(ioctl, ENUM_FMT, _FORMAT, (kind, 0, b"", 0, 0)):
            pixels = int(values[4])
            for size in dict.fromkeys(_sizes(ioctl, pixels)):
                yield Format(_fourcc(pixels), size, tuple(sorted(set(_rates(ioctl, pixels, size)), reverse=True)))


def _sizes(ioctl: Ioctl, pixels: int) -> Iterator[Size]:
    for values in _entries(ioctl, ENUM_FRAMESIZES, _SIZES, (pixels, 0, *[0] * 6)):
        kind, sides = values[2], values[3:]
        if kind == _DISCRETE:
            yield Size(sides[0], sides[1])
            continue
        widest, highest = Size(sides[0], sides[3]), Size(sides[1], sides[4])
        step = Size(max(1, sides[2]), max(1, sides[5]))
        yield widest
        yield from (size for size in COMMON_SIZES if _within(size, widest, highest, step))
        yield highest
        return  # a range is the only entry


def _within(size: Size, least: Size, most: Size, step: Size) -> bool:
    return all(
        low <= side <= high and (side - low) % by == 0
        for side, low, high, by in zip(size, least, most, step, strict=True)
    )


def _rates(ioctl: Ioctl, pixels: int, size: Size) -> Iterator[float]:
    for values in _entries(ioctl, ENUM_FRAMEINTERVALS, _INTERVALS, (pixels, *size, 0, *[0] * 6)):
        kind, parts = values[4], values[5:]
        if kind == _DISCRETE:
            yield from _per_second(*parts[:2])
            continue
        ends = [*_per_second(*parts[:2]), *_per_second(*parts[2:4])]
        yield from ends
        yield from (rate for rate in COMMON_RATES if ends and min(ends) <= rate <= max(ends))
        return


def _per_second(numerator: int, denominator: int) -> Iterator[float]:
    """The rate of an interval of numerator / denominator seconds; none for what some drivers answer."""
    if numerator and denominator:
        yield round(denominator / numerator, 2)


def _entries(ioctl: Ioctl, request: int, layout: struct.Struct, ask: tuple[object, ...]) -> Iterator[tuple[int, ...]]:
    for index in range(_ENTRIES):
        structure = bytearray(layout.pack(index, *ask))
        try:
            ioctl(request, structure)
        except OSError:  # EINVAL ends a list; others mean that there is none
            return
        yield layout.unpack(structure)


def _fourcc(pixels: int) -> str:
    code = (pixels & 0x7FFFFFFF).to_bytes(4, "little").decode("ascii", "replace")  # the top bit: big-endian
    return code.strip() if code.isprintable() else f"{pixels:08x}"


def _text(padded: bytes) -> str:
    return padded.split(b"\0")[0].decode("utf-8", "replace").strip()
