"""From pictures to coded packets: one encoder, set up for a film."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import islice
from typing import Any

import av
from av.container import OutputContainer
from av.packet import Packet
from av.video.frame import PictureType

from ..frame import Frame
from .color import as_420, to_yuv
from .encoding import Coded, Encoder, add_video
from .reader import FilmReader
from .size import Size, pad_even

FRAMES = 100  # of a segment: what an interruption may cost, and what can be rendered by itself


class Pictures:
    """A video stream in a container, filled with a film's pictures at their own times.

    Args:
        container: where the stream is added.
        source: the film: time base and colour are taken from it.
        size: of the output.
        tick: of the pictures' times, in seconds; None for the film's own.

    Attributes:
        stream: the container's.
        last_pts: of the newest picture; None before the first.

    Raises ValueError or av.FFmpegError if the container does not take such a stream.
    """

    def __init__(
        self,
        container: OutputContainer,
        encoder: Encoder,
        source: FilmReader,
        size: Size,
        *,
        tick: Fraction | None = None,
    ) -> None:
        self._encoder, self._size, self._matrix = encoder, size, source.matrix
        self._before_zero = source.before_zero
        self._tick = tick or source.time_base
        colour = (source.matrix, source.primaries, source.transfer)
        self.stream = add_video(container, encoder, Coded(size, source.rate, self._tick, *colour, source.sample_aspect))
        self.last_pts: int | None = None
        self._lengths: dict[int, int] = {}  # in ticks, of the pictures inside the encoder, by their times

    def encode(self, frame: Frame) -> Iterable[Packet[Any]]:
        """The packets that are ready once this frame is in; its image may have any size."""
        picture = self._picture(frame)
        pts = round((frame.time + self._before_zero) / self._tick)
        if self.last_pts is not None:
            pts = max(pts, self.last_pts + 1)  # containers refuse two frames at one time; never drop one
        picture.pts, picture.time_base = pts, self._tick
        self.last_pts = pts
        return self._coded(picture, round(frame.length / self._tick))

    def _coded(self, picture: av.VideoFrame, length: int) -> list[Packet[Any]]:
        """The packets that are ready once this picture is in, which is shown for so many ticks; 0 if nobody says."""
        self._lengths[picture.pts or 0] = length
        return self._with_lengths(self.stream.encode(picture))

    def _with_lengths(self, packets: Iterable[Packet[Any]]) -> list[Packet[Any]]:
        """Not all encoders tell how long a picture is shown: of a film's last one nothing else does."""
        ready = list(packets)
        for packet in ready:
            packet.duration = self._lengths.pop(packet.pts or 0, 0)
        return ready

    def _picture(self, frame: Frame) -> av.VideoFrame:
        """What is to be coded: the film's own picture where it is untouched, for RGB would cost it some colour."""
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
        return self._with_lengths(self.stream.encode(None)) if self.last_pts is not None else ()

    def close(self) -> None:
        """Nothing: the container has the encoder."""


def in_memory(kind: str) -> OutputContainer:
    """A container that is never written: its encoders are set up as for a file of that kind."""
    return av.open(io.BytesIO(), "w", format=kind)


class InSegments:
    """Pictures coded in segments, each by an encoder of its own: with the same bits wherever and by whom it is made.

    Args:
        kind: FFmpeg's name of the container that they are for.
        encoder: one whose `reorder` is known.
    """

    def __init__(self, kind: str, encoder: Encoder, source: FilmReader, size: Size) -> None:
        assert encoder.reorder is not None
        self._kind, self._encoder, self._source, self._size = kind, encoder, source, size
        self._times = DecodingTimes(encoder.reorder)
        self._segment = -1
        self._container: OutputContainer | None = None
        self._pictures: Pictures | None = None

    def encode(self, frame: Frame) -> Iterator[Packet[Any]]:
        """The packets that are ready once this frame is in."""
        if frame.index // FRAMES != self._segment:
            yield from self.flush()
            self._start(frame.index // FRAMES)
        assert self._pictures is not None
        packets = self._pictures.encode(frame)
        assert self._pictures.last_pts is not None
        self._times.show(self._pictures.last_pts)
        yield from map(self._times.stamped, packets)

    def _start(self, segment: int) -> None:
        before, self._segment = self._pictures, segment
        self._container = in_memory(self._kind)
        self._pictures = Pictures(self._container, self._encoder, self._source, self._size)
        self._pictures.last_pts = before.last_pts if before else None

    def flush(self) -> Iterator[Packet[Any]]:
        """The packets that are left of the present segment."""
        if self._container is not None and self._pictures is not None:
            yield from map(self._times.stamped, self._pictures.flush())
        self.close()

    def close(self) -> None:
        """Twice is fine."""
        if self._container is not None:
            self._container.close()
            self._container = None


class DecodingTimes:
    """When each packet is to be decoded, where encoders follow each other: as if there were only one.

    Each of them lets its decoding times begin before its first picture. A film has room for that only once.

    Args:
        reorder: by how many pictures the order of coding may differ from the one shown.
    """

    def __init__(self, reorder: int) -> None:
        self._reorder = reorder
        self._shown: deque[int] = deque()
        self._started = False

    def show(self, pts: int) -> None:
        """The next picture is shown then. Encoders have been shown more than `reorder` before they give a packet."""
        self._shown.append(pts)

    def stamped(self, packet: Packet[Any]) -> Packet[Any]:
        """The next packet, in the order of coding, with its time."""
        if not self._started:
            self._started = True
            self._begin_early()
        packet.dts = self._shown.popleft()
        return packet

    def _begin_early(self) -> None:
        """As x264 does: earlier by what the first pictures are apart; those that a short film lacks count a tick."""
        first = list(islice(self._shown, self._reorder + 1))
        first += [first[-1] + more for more in range(1, self._reorder + 2 - len(first))]
        early = first[-1] - first[0]
        self._shown.extendleft(pts - early for pts in reversed(first[:-1]))
