"""What FFmpeg attaches to a frame besides its pixels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import av
from av.sidedata.sidedata import Type


def side_data(frame: av.VideoFrame, kind: Type) -> bytes | None:
    """The data of that kind as FFmpeg's C struct; None if the frame has none."""
    held = cast("Mapping[Any, Any]", frame.side_data)
    return bytes(held[kind]) if kind in held else None


def _unnamed(kind: type[Type], value: object) -> Type:
    made: Any = object.__new__(kind)
    made._name_, made._value_ = f"unknown {value}", value
    return cast(Type, made)


# PyAV's list lacks kinds, such as Exif, and a frame with one of them could be asked for none: now it has them all.
Type._missing_ = classmethod(_unnamed)  # type: ignore[assignment, method-assign]
