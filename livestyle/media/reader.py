"""Reading films: every frame with its own timestamp, upright, as RGB."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import numpy as np
from av.container import InputContainer
from av.video.reformatter import Colorspace

from ..errors import InputError
from ..frame import Frame, Image
from .color import matrix_of, to_rgb
from .size import Size, fit

log = logging.getLogger(__name__)


def open_film(path: Path | str) -> InputContainer:
    """An open container. Raises InputError with one line that says why it cannot be read."""
    if isinstance(path, Path):
        _check_file(path)
    try:
        return av.open(str(path), metadata_errors="replace")  # old films have titles that are not UTF-8
    except (av.FFmpegError, OSError) as error:
        raise InputError(f"{path}: not a film that can be read ({error.strerror})") from error


def _check_file(path: Path) -> None:
    if not path.exists():
        raise InputError(f"{path}: no such file")
    if path.is_dir():
        raise InputError(f"{path}: is a directory, not a film")
    if not os.access(path, os.R_OK):
        raise InputError(f"{path}: may not be read; check its permissions")


class FilmReader:
    """A film's frames in order, and the facts a writer needs. A context manager; iterate it once.

    Args:
        path: the film; a str is taken for an address.
        size: the size frames are scaled to while decoding: exact, or the long side; None keeps the film's.

    Attributes:
        size: of the upright picture; `frame_size` is what the frames are scaled to.
        expected_frames: how many the container promises; None if it does not say.
        damaged: packets that did not decode, so far.

    Raises InputError if there is no video in it or none of it decodes.
    """

    def __init__(self, path: Path | str, *, size: Size | int | None = None) -> None:
        self.path = path  # a str is an address, such as rtsp://...
        self.damaged = 0
        self._container = open_film(path)
        try:
            self._open(size)
        except BaseException:
            self._container.close()
            raise

    def _open(self, size: Size | int | None) -> None:
        streams = [
            s for s in self._container.streams.video if not int(s.disposition) & av.stream.Disposition.attached_pic
        ]
        if not streams:
            raise InputError(f"{self.path}: no video stream in it")
        self._stream = streams[0]
        self._stream.thread_type = "AUTO"
        self._frames = self._decode()
        self._first = next(self._frames, None)
        if self._first is None:
            raise InputError(f"{self.path}: no frame of it can be decoded")
        self.quarter_turns = round(self._first.rotation / 90) % 4
        self.coded_size = Size(self._first.width, self._first.height)
        self.size = self.coded_size.turned(self.quarter_turns)
        self.frame_size = fit(self.size, size)
        self.matrix: Colorspace = matrix_of(self._first)
        self.primaries, self.transfer = int(self._first.color_primaries), int(self._first.color_trc)
        self.time_base: Fraction = self._stream.time_base or Fraction(1, 90000)
        self.rate: Fraction = self._stream.guessed_rate or self._stream.average_rate or Fraction(25)
        self.expected_frames = self._promised_frames()
        aspect = self._stream.sample_aspect_ratio or Fraction(1)
        self.sample_aspect = 1 / aspect if self.quarter_turns % 2 and aspect else aspect

    def _promised_frames(self) -> int | None:
        if self._stream.frames:
            return self._stream.frames
        duration = self._container.duration
        return round(duration / av.time_base * self.rate) if duration else None

    def _decode(self) -> Iterator[av.VideoFrame]:
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
                if packet is None:
                    return
                yield from packet.decode()
            except av.FFmpegError as error:  # after one in the container itself, no packets are left
                self.damaged += 1
                log.debug("%s: %s", self.path, error)

    def __iter__(self) -> Iterator[Frame]:
        pts = None
        frame, self._first = self._first, None
        index = 0
        while frame is not None:
            # A raw stream has no timestamps: count in frames then.
            step = round(1 / (self.rate * self.time_base))
            pts = frame.pts if frame.pts is not None else (0 if pts is None else pts + step)
            yield Frame(self._image(frame), pts * self.time_base, index)
            frame, index = next(self._frames, None), index + 1

    def _image(self, frame: av.VideoFrame) -> Image:
        image = to_rgb(frame, self.frame_size.turned(self.quarter_turns))
        return np.ascontiguousarray(np.rot90(image, self.quarter_turns)) if self.quarter_turns else image

    def close(self) -> None:
        """Twice is fine."""
        self._container.close()

    def __enter__(self) -> FilmReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
