"""From pictures to coded packets: one encoder, set up for a film."""

from __future__ import annotations

import io
from collections.abc import Iterable
from fractions import Fraction
from typing import Any

import av
from av.container import OutputContainer
from av.packet import Packet
from av.video.frame import PictureType

from ..frame import Frame
from .color import as_420, to_yuv
from .encoding import PALETTE, Coded, Encoder, add_video
from .paletted import paletted
from .reader import FilmReader
from .size import Size, pad_even

GIF_TICK = Fraction(1, 100)  # seconds
_GIF_SHORTEST = 2  # ticks: players show pictures with less for a tenth of a second


class Pictures:
    """A video stream in a container, filled with a film's pictures at their own times.

    Args:
        container: where the stream is added.
        source: the film: time base and colour are taken from it.
        size: of the output.

    Attributes:
        stream: the container's.
        late: the most that a picture was moved, in seconds, so that it does not come too soon after the one before.

    Raises ValueError or av.FFmpegError if the container does not take such a stream.
    """

    def __init__(self, container: OutputContainer, encoder: Encoder, source: FilmReader, size: Size) -> None:
        self._encoder, self._size, self._matrix = encoder, size, source.matrix
        self._before_zero = source.before_zero
        gif = encoder.pixels == PALETTE
        self._tick = GIF_TICK if gif else source.time_base
        self._shortest = _GIF_SHORTEST if gif else 1  # containers refuse two frames at one time
        colour = (source.matrix, source.primaries, source.transfer)
        self.stream = add_video(container, encoder, Coded(size, source.rate, self._tick, *colour, source.sample_aspect))
        self._last_pts: int | None = None
        self.late = Fraction(0)

    def encode(self, frame: Frame) -> Iterable[Packet[Any]]:
        """The packets that are ready once this frame is in; its image may have any size."""
        picture, time = self._picture(frame), frame.time + self._before_zero
        pts = round(time / self._tick)
        if self._last_pts is not None:
            pts = max(pts, self._last_pts + self._shortest)  # never drop one
        picture.pts, picture.time_base = pts, self._tick
        self._last_pts = pts
        self.late = max(self.late, pts * self._tick - time)
        return self.stream.encode(picture)

    def _picture(self, frame: Frame) -> av.VideoFrame:
        """What is to be coded: the film's own picture where it is untouched, for RGB would cost it some colour."""
        if self._encoder.pixels == PALETTE:
            return paletted(frame.image, self._size)
        codec = self.stream.codec_context
        size, own = Size(codec.width, codec.height), frame.coded
        own = own if isinstance(own, av.VideoFrame) and self._encoder.pixels == "yuv420p" else None
        if own is not None and (own.width, own.height) == size:
            picture = as_420(own)
            picture.pict_type = PictureType.NONE  # else the encoder would take it for an order
            return picture
        exact = frame.image.shape[:2] == (self._size.height, self._size.width)
        shown = pad_even(frame.image) if exact else frame.image
        picture = to_yuv(shown, size, self._matrix, self._encoder.pixels)
        picture.color_primaries, picture.color_trc = codec.color_primaries, codec.color_trc  # ProRes has them in each
        return picture

    def flush(self) -> Iterable[Packet[Any]]:
        """The packets that are left; none if nothing was encoded."""
        return self.stream.encode(None) if self._last_pts is not None else ()


def in_memory(kind: str) -> OutputContainer:
    """A container that is never written: its encoders are set up as for a file of that kind."""
    return av.open(io.BytesIO(), "w", format=kind)
