"""Colour between RGB and a film's YUV: its own matrix and range, and the tags that go with them."""

from __future__ import annotations

from functools import lru_cache

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, Interpolation

from ..frame import Image
from .filters import LookUp, threads_for
from .size import Size
from .tone import is_hdr

UNSPECIFIED, _BT709, _BT2020 = 2, 1, (9, 10)  # AVCOL_SPC_*
_RGB = 0  # it has no matrix: the copy's is chosen as for an untagged film
_BT601, _SMPTE240M = (4, 5, 6), 7
_HALF_COLOUR = ("yuv420p", "yuv422p", "yuvj420p", "yuvj422p", "nv12", "p010")
# Matrices that FFmpeg's scaler does not know; BT.2020's constant luminance is read as the other kind.
_FOREIGN = {
    8: "YCgCo",
    10: "BT.2020 with constant luminance",
    11: "SMPTE 2085",
    13: "constant luminance",
    14: "ICtCp",
    15: "IPT-C2",
    16: "YCgCo-Re",
    17: "YCgCo-Ro",
}
HD_HEIGHT = 720  # untagged films are taken for bt709 from this height on, as players do

# SWS_FULL_CHR_H_INT: without it all but plain 8-bit 4:2:0 and 4:2:2 come out up to 4 levels too dark.
_FULL_CHROMA = 0x2000

# swscale takes all gray for full range, whatever its tag.
_STRETCHED = np.clip(np.round((np.arange(256) - 16) * (255 / 219)), 0, 255).astype(np.uint8)


def matrix_of(frame: av.VideoFrame) -> Colorspace:
    """The YUV matrix a frame is coded with; where it has no tag, what players assume for its height."""
    tag = int(frame.colorspace)
    if tag in _BT601:
        return Colorspace.ITU601
    if tag == _SMPTE240M:
        return Colorspace.SMPTE240M
    untagged = tag in (UNSPECIFIED, _RGB)
    if tag in _BT2020 or (untagged and is_hdr(frame)):
        return Colorspace.BT2020
    if tag == _BT709 or (untagged and frame.height >= HD_HEIGHT):
        return Colorspace.ITU709
    return Colorspace.ITU601


def foreign_matrix(frame: av.VideoFrame) -> str | None:
    """The name of the frame's own matrix, if another one, `matrix_of`, has to do in its place."""
    return _FOREIGN.get(int(frame.colorspace))


def to_rgb(frame: av.VideoFrame, size: Size, *, tone_map: LookUp | None = None) -> Image:
    """A decoded frame as an image of the given size: alpha over black, HDR as `tone_map` shows it."""
    if _has_alpha(frame.format.name):
        frame = _over_black(frame, deep=tone_map is not None)
    if tone_map is not None:
        frame = tone_map(_converted(frame, size, "gbrp16le"))
    image = np.asarray(_converted(frame, size, "rgb24").to_ndarray(), dtype=np.uint8)
    limited_gray = frame.format.name.startswith("gray") and int(frame.color_range) == ColorRange.MPEG
    return _STRETCHED[image] if limited_gray else image


def _converted(frame: av.VideoFrame, size: Size, pixels: str) -> av.VideoFrame:
    """The frame in an RGB format."""
    full = int(frame.color_range) == ColorRange.JPEG or frame.format.name.startswith("yuvj")
    return frame.reformat(
        *size,
        format=pixels,
        src_colorspace=matrix_of(frame),
        src_color_range=ColorRange.JPEG if full else ColorRange.MPEG,
        interpolation=(Interpolation.AREA if size.width < frame.width else Interpolation.BICUBIC) | _FULL_CHROMA,
        threads=threads_for(frame.width * frame.height),
    )


@lru_cache
def _has_alpha(pixels: str) -> bool:
    pixel_format = av.VideoFormat(pixels)
    return pixel_format.has_palette or any(component.is_alpha for component in pixel_format.components)


def _over_black(frame: av.VideoFrame, *, deep: bool) -> av.VideoFrame:
    """The frame without its alpha, in its own size: scaled first, colours that nobody sees would bleed at the edges."""
    opaque = 65535 if deep else 255
    size = Size(frame.width, frame.height)
    image = np.asarray(_converted(frame, size, "rgba64le" if deep else "rgba").to_ndarray(), dtype=np.uint32)
    colour = (image[..., :3] * image[..., 3:] + opaque // 2) // opaque
    if deep:
        flat = av.VideoFrame.from_ndarray(colour.astype(np.uint16), format="rgb48le")
    else:
        flat = av.VideoFrame.from_ndarray(colour.astype(np.uint8), format="rgb24")
    flat.color_range = ColorRange.JPEG
    return flat


def to_yuv(image: Image, size: Size, matrix: Colorspace, pixels: str = "yuv420p") -> av.VideoFrame:
    """An image as a limited-range frame of the given (even) size, 8 bits and 4:2:0 unless `pixels` says otherwise."""
    same = image.shape[:2] == (size.height, size.width)  # then only colour is scaled, best to the mean of its pixels
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
    return frame.reformat(
        *size,
        format=pixels,
        dst_colorspace=matrix,
        src_color_range=ColorRange.JPEG,
        dst_color_range=ColorRange.MPEG,
        interpolation="AREA" if same else "BICUBIC",
        threads=threads_for(size.width * size.height),
    )


def is_plain(frame: av.VideoFrame) -> bool:
    """Whether the frame is opaque SDR with half the colour, as 4:2:0 and 4:2:2: it can go on without becoming RGB.

    That is the more exact way for it. From 4:4:4, FFmpeg's scaler takes RGB's way better.
    """
    return frame.format.name.startswith(_HALF_COLOUR) and not is_hdr(frame)


def as_420(frame: av.VideoFrame) -> av.VideoFrame:
    """A plain frame as limited-range 4:2:0 of 8 bits and its own matrix; the frame itself if it is one."""
    full = int(frame.color_range) == ColorRange.JPEG or frame.format.name.startswith("yuvj")
    if frame.format.name == "yuv420p" and not full:
        return frame
    return frame.reformat(
        format="yuv420p",
        src_colorspace=matrix_of(frame),
        dst_colorspace=matrix_of(frame),
        src_color_range=ColorRange.JPEG if full else ColorRange.MPEG,
        dst_color_range=ColorRange.MPEG,
        interpolation="AREA",  # each chroma sample is the mean of those it stands for
        threads=threads_for(frame.width * frame.height),
    )


def tag(
    codec: av.VideoCodecContext, matrix: Colorspace, *, primaries: int = UNSPECIFIED, transfer: int = UNSPECIFIED
) -> None:
    """Writes matrix, range, primaries and transfer into an encoder's settings.

    Primaries and transfer are the source's own, for they are not converted; the matrix's usual ones if it has none.
    """
    special = {Colorspace.ITU709: (1, 1, 1), Colorspace.BT2020: (9, 9, 14), Colorspace.SMPTE240M: (7, 7, 7)}
    usual = special.get(matrix, (6, 6, 6))  # AVCOL_*, H.273
    codec.color_range = int(ColorRange.MPEG)
    codec.colorspace = usual[0]
    codec.color_primaries = primaries if primaries != UNSPECIFIED else usual[1]
    codec.color_trc = transfer if transfer != UNSPECIFIED else usual[2]
