"""Pictures that are more than a flat view: two views in one for 3D, or all that is around (360 degrees)."""

from __future__ import annotations

import struct

import av
from av.sidedata.sidedata import Type

from .side_data import side_data

# AVStereo3DType, and Matroska's words for it as FFmpeg spells them: the left view first, and the right one.
_STEREO_MODES = {
    1: ("left_right", "right_left"),
    2: ("top_bottom", "bottom_top"),
    4: ("checkerboard_lr", "checkerboard_rl"),
    6: ("row_interleaved_lr", "row_interleaved_rl"),
    7: ("col_interleaved_lr", "col_interleaved_rl"),
}

STEREO_WORDS = frozenset(word for pair in _STEREO_MODES.values() for word in pair)


def stereo_mode(frame: av.VideoFrame) -> str:
    """How a frame holds two views, in Matroska's word; empty for one view, or where there is no such word."""
    data = side_data(frame, Type.STEREO3D)
    kind, flags = struct.unpack_from("2i", data) if data else (0, 0)
    return _STEREO_MODES[kind][flags & 1] if kind in _STEREO_MODES else ""


def is_spherical(frame: av.VideoFrame) -> bool:
    """Whether players are told to lay the frame around the viewer."""
    return side_data(frame, Type.SPHERICAL) is not None
