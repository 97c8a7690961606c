"""Colour between RGB and a film's YUV: its own matrix and range, and the tags that go with them."""

from __future__ import annotations

import os

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, Interpolation

from ..frame import Image
from .size import Size

_UNSPECIFIED, _BT709, _BT2020 = 2, 1, (9, 10)  # AVCOL_SPC_*
_BT601 = (4, 5, 6)
HD_HEIGHT = 720  # untagged films are taken for bt709 from this height on, as players do

# SWS_FULL_CHR_H_INT: without it all but plain 8-bit 4:2:0 and 4:2:2 come out up to 4 levels too dark.
_FULL_CHROMA = 0x2000

# Conversion is 1 ms of one core at 640x360: threads would only get in the engine's way. Large frames gain.
_THREADS_FROM_PIXELS = 1920 * 1080


def matrix_of(frame: av.VideoFrame) -> Colorspace:
    """The YUV matrix a frame is coded with; where it has no tag, what players assume for its height."""
    tag = int(frame.colorspace)
    if tag in _BT601:
        return Colorspace.ITU601
    if tag in _BT2020:
        return Colorspace.BT2020
    if tag == _BT709 or (tag == _UNSPECIFIED and frame.height >= HD_HEIGHT):
        return Colorspace.ITU709
    return Colorspace.ITU601


def to_rgb(frame: av.VideoFrame, size: Size) -> Image:
    """A decoded frame as an image of the given size."""
    full = int(frame.color_range) == ColorRange.JPEG or frame.format.name.startswith("yuvj")
    rgb = frame.reformat(
        *size,
        format="rgb24",
        src_colorspace=matrix_of(frame),
        src_color_range=ColorRange.JPEG if full else ColorRange.MPEG,
        interpolation=(Interpolation.AREA if size.width < frame.width else Interpolation.BICUBIC) | _FULL_CHROMA,
        threads=_threads(frame.width * frame.height),
    )
    return np.asarray(rgb.to_ndarray(), dtype=np.uint8)


def to_yuv(image: Image, size: Size, matrix: Colorspace) -> av.VideoFrame:
    """An image as a limited-range 4:2:0 frame of the given (even) size."""
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
    return frame.reformat(
        *size,
        format="yuv420p",
        dst_colorspace=matrix,
        src_color_range=ColorRange.JPEG,
        dst_color_range=ColorRange.MPEG,
        interpolation="BICUBIC",
        threads=_threads(size.width * size.height),
    )


def tag(
    codec: av.VideoCodecContext, matrix: Colorspace, *, primaries: int = _UNSPECIFIED, transfer: int = _UNSPECIFIED
) -> None:
    """Writes matrix, range, primaries and transfer into an encoder's settings.

    Primaries and transfer are the source's own, for they are not converted; the matrix's usual ones if it has none.
    """
    usual = {Colorspace.ITU709: (1, 1, 1), Colorspace.BT2020: (9, 9, 14)}.get(matrix, (6, 6, 6))  # AVCOL_*, H.273
    codec.color_range = int(ColorRange.MPEG)
    codec.colorspace = usual[0]
    codec.color_primaries = primaries if primaries != _UNSPECIFIED else usual[1]
    codec.color_trc = transfer if transfer != _UNSPECIFIED else usual[2]


def _threads(pixels: int) -> int:
    return min(4, os.cpu_count() or 1) if pixels >= _THREADS_FROM_PIXELS else 1
