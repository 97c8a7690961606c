"""Films played as if they were cameras, and streams from the network."""

from __future__ import annotations

import contextlib
import itertools
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av

from ..errors import DeviceError
from ..frame import Frame, Image
from .color import to_rgb
from .filters import deinterlaced
from .frame_times import times_of
from .orientation import orientation_of
from .reader import FilmReader
from .size import Size, with_square_pixels
from .source import MICROSECOND, Closing, say_nothing
from .tone import is_hdr, tone_map_for

_LONGEST_SLEEP = 0.5  # seconds; so that close() is noticed
CONNECT_SECONDS, READ_SECONDS = 10.0, 5.0
# TCP gets RTSP through firewalls. Not "fflags nobuffer": it throws the first key frame away and waits for the next.
_OPTIONS = {"rtsp_transport": "tcp", "analyzeduration": "1000000"}  # microseconds to find out what comes
_SECRET = re.compile(r"([?&][^=&]*(?:pass|pwd|token|secret|key|auth)[^=&]*=)[^&#]*", re.IGNORECASE)


class _Paced(Closing):
    """A base class for what has its own timestamps to keep to."""

    def _wait_until(self, moment: float) -> None:
        while not self._closed:
            left = moment - time.monotonic()
            time.sleep(max(0.0, min(left, _LONGEST_SLEEP)))
            if left <= _LONGEST_SLEEP:
                return


class Playback(_Paced):
    """A film played as if it were a camera: each frame comes when its time has come."""

    patience: float | None = None  # a film may show one picture for minutes
    stillness: float | None = None

    def __init__(self, source: Path | str) -> None:
        super().__init__()
        self._reader = FilmReader(Path(source))
        self._reader.frame_size = with_square_pixels(self._reader.size, self._reader.sample_aspect)
        self.frame_size, self.rate = self._reader.frame_size, self._reader.rate

    def describe(self) -> str:
        """One line: what it is and what it gives."""
        return f"{self._reader.path}: {self.frame_size} at {float(self.rate):g} fps"

    def __iter__(self) -> Iterator[Frame]:
        started, frames = None, iter(self._reader)
        while True:
            with self._using() as usable:
                frame = next(frames, None) if usable else None
            if frame is None:
                return
            started = time.monotonic() - float(frame.time) if started is None else started
            self._wait_until(started + float(frame.time))
            if self._closed:
                return
            yield replace(frame, captured=time.monotonic())

    def _release(self) -> None:
        self._reader.close()


class NetworkStream(_Paced):
    """A stream's frames as they arrive (RTSP, RTMP, HTTP), with as little delay as FFmpeg allows.

    A film on a web server has an end and keeps to its own pace; any other stream's end is a loss.
    Raises DeviceError if nothing answers or nothing more comes.
    """

    stillness: float | None = None  # a camera behind a codec may well repeat itself

    def __init__(self, address: str) -> None:
        super().__init__()
        self._name = without_password(address)
        try:
            self._container = av.open(
                address, timeout=(CONNECT_SECONDS, READ_SECONDS), options=_OPTIONS, metadata_errors="replace"
            )
        except (av.FFmpegError, OSError) as error:
            raise DeviceError(f"{self._name}: cannot be opened ({_reason(error)})") from None  # it has the password
        self._film = self.starts_over = address.startswith(("http", "file:")) and self._container.duration is not None
        self._reading = True
        self._zero: float | None = None  # when a film's clock showed zero; few begin there
        try:
            self._open()
        except BaseException:
            self._container.close()
            raise

    def _open(self) -> None:
        if not self._container.streams.video:
            raise DeviceError(f"{self._name}: no video stream in it")
        stream = self._container.streams.video[0]
        if not self._film:
            stream.thread_type = "SLICE"  # threads by frame would each hold one back
            stream.codec_context.flags |= av.codec.context.Flags.low_delay
        pictures = deinterlaced(self._decode(stream), say_nothing)
        first = next(pictures, None)
        if first is None:
            raise DeviceError(f"{self._name}: no frame of it can be decoded")
        self._pictures = itertools.chain([first], pictures) if self._film else pictures  # a camera's is old by now
        self._times, self._aspect = times_of(stream), stream.sample_aspect_ratio or Fraction(1)
        self._orientation = orientation_of(first)
        self._tone_map = tone_map_for(first) if is_hdr(first) else None
        self.frame_size = self._orientation.shown(self._coded_size(first))
        self.rate: Fraction = stream.guessed_rate or stream.average_rate or Fraction(25)

    @property
    def patience(self) -> float | None:
        """None while a film's frame waits for its time, which may be long: nothing is read then, so nothing is late."""
        return READ_SECONDS if self._reading else None

    def describe(self) -> str:
        """One line: what it is and what it gives."""
        return f"{self._name}: {self.frame_size}, said to come at {float(self.rate):g} fps"

    def _decode(self, stream: av.VideoStream) -> Iterator[av.VideoFrame]:
        """Pictures, damaged ones left out. Raises DeviceError at the end, unless it is a film's."""
        packets = self._container.demux(stream)
        while True:
            try:
                packet = next(packets, None)
            except (av.FFmpegError, OSError) as error:
                raise DeviceError(f"{self._name}: the connection is lost ({_reason(error)})") from None
            if packet is None and self._film:
                return
            if packet is None:
                raise DeviceError(f"{self._name}: the stream has ended")
            with contextlib.suppress(av.FFmpegError):
                yield from packet.decode()

    def __iter__(self) -> Iterator[Frame]:
        started, index = time.monotonic(), 0
        while True:
            with self._using() as usable:
                picture = next(self._pictures, None) if usable else None
                captured = time.monotonic()
                image = self._image(picture) if picture else None
            if picture is None or image is None:
                return
            if self._film:
                captured = self._wait_for(picture)
            self.frame_size = Size(image.shape[1], image.shape[0])
            yield Frame(image, int((captured - started) * 1e6) * MICROSECOND, index, captured=captured)
            self._reading = True  # only now that the frame is fetched: it may have come after a long time
            index += 1

    def _coded_size(self, picture: av.VideoFrame) -> Size:
        """With square pixels, not yet turned."""
        return with_square_pixels(Size(picture.width, picture.height), self._aspect)

    def _image(self, picture: av.VideoFrame) -> Image:
        tone_map = self._tone_map if is_hdr(picture) else None
        return self._orientation.apply(to_rgb(picture, self._coded_size(picture), tone_map=tone_map))

    def _wait_for(self, picture: av.VideoFrame) -> float:
        """Until a film's picture is due; tells when that is."""
        self._reading = False
        moment = float(self._times.of(picture) * (picture.time_base or 0))
        self._zero = time.monotonic() - moment if self._zero is None else self._zero
        self._wait_until(self._zero + moment)
        return time.monotonic()

    def _release(self) -> None:
        self._container.close()


def without_password(address: str) -> str:
    """The address without user and password, and without what looks like a secret in its query."""
    scheme, separator, rest = address.partition("://")
    if separator and "@" in rest:
        rest = "***@" + rest.rpartition("@")[2]  # a password may hold / and @
    return scheme + separator + _SECRET.sub(r"\1***", rest)


def _reason(error: OSError | av.FFmpegError) -> str:
    reason = error.strerror or "unknown"
    return "no answer in time" if "exit requested" in reason else reason
