"""What of each picture a film's container says is not shown: Matroska's PixelCrop, MPEG-4's clean aperture."""

from __future__ import annotations

from typing import NamedTuple

import av

from .filters import Filter
from .matroska_shape import video_facts

_BOTTOM, _TOP, _LEFT, _RIGHT = 0x54AA, 0x54BB, 0x54CC, 0x54DD  # RFC 9559, section 5.1.4.1.28
_FORMATS = {"matroska", "mp4"}  # that can say it


class Margins(NamedTuple):
    """Pixels at the four edges that are not shown."""

    left: int
    top: int
    right: int
    bottom: int


def margins_of(stream: av.VideoStream) -> Margins | None:
    """Of a film's video; None if all of it is shown, or the container leaves nothing of it."""
    if _FORMATS.isdisjoint(stream.container.format.name.split(",")):
        return None
    facts = video_facts(stream)
    margins = Margins(*(facts.get(name, 0) for name in (_LEFT, _TOP, _RIGHT, _BOTTOM)))
    shown = margins.left + margins.right < stream.width and margins.top + margins.bottom < stream.height
    return margins if any(margins) and shown else None


class Cropper:
    """Frames without what is not shown of them, in whatever size they come."""

    def __init__(self, margins: Margins) -> None:
        self._margins = margins
        self._filter: Filter | None = None

    def __call__(self, frame: av.VideoFrame) -> av.VideoFrame:
        """The part of the frame that is shown; the frame itself if that is nothing."""
        left, top, right, bottom = self._margins
        width, height = frame.width - left - right, frame.height - top - bottom
        if width <= 0 or height <= 0:
            return frame
        if self._filter is None or not self._filter.fits(frame):
            place = {"w": width, "h": height, "x": left, "y": top, "exact": 1}
            self._filter = Filter(frame, "crop", **{name: str(value) for name, value in place.items()})
        (shown,) = self._filter.feed(frame)
        return shown
