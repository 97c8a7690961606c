"""Writing films: the source's timestamps and sound around new pictures, complete or not at all."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import av
from av.container import OutputContainer
from av.packet import Packet
from av.video.frame import PictureType

from ..errors import OutputError
from ..frame import Frame
from .color import as_420, to_yuv
from .encoders import choose_encoder
from .encoding import CONTAINERS, PALETTE, USUAL, Coded, Encoding, add_video
from .paletted import paletted
from .reader import FilmReader
from .size import Size, pad_even
from .streams import NoStreams, OtherStreams
from .temporary import Temporary

SUFFIXES = tuple(CONTAINERS)
_LONGEST_REORDERING = 2**40  # ticks
_GIF_TICK = Fraction(1, 100)  # seconds
_GIF_SHORTEST = 2  # ticks: players show pictures with less for a tenth of a second


def check_target(target: Path, source: Path | None, *, overwrite: bool, suffixes: tuple[str, ...]) -> None:
    """Raises OutputError or InputError if `target` cannot or must not be written; touches nothing."""
    if target.suffix.lower() not in suffixes:
        raise OutputError(f"{target}: unknown kind of output; use one of {', '.join(suffixes)}")
    if target.is_dir():
        raise OutputError(f"{target}: is a directory; name a file in it")
    if source is not None and target.exists() and source.exists() and target.samefile(source):
        raise OutputError(f"{target}: is the input itself; choose another name")
    if target.exists() and not overwrite:
        raise OutputError(f"{target}: exists already; add --overwrite to replace it")
    folder = target.parent
    if not folder.is_dir():
        raise OutputError(f"{target}: the folder {folder} does not exist")
    if not os.access(folder, os.W_OK):
        raise OutputError(f"{target}: the folder {folder} may not be written")


class FilmWriter:
    """A film that appears under its name only when it is complete.

    They are H.264 (8 bit, 4:2:0) unless the container or `encoding` wants another codec, and keep their exact times.
    All else in the source goes over as it is where the container permits.
    A context manager: left without an error it finishes the film, else it removes what was written.

    Args:
        target: the film to write; its suffix decides the container.
        source: the film the frames come from: size, time base, colour and the other streams are taken from it.
        size: of the output; None keeps the source's.
        encoding: how the pictures are coded.

    Attributes:
        encoder: what codes the pictures.
        warnings: what could not be carried over, a line each.
    """

    def __init__(
        self, target: Path, source: FilmReader, *, size: Size | None = None, encoding: Encoding = USUAL
    ) -> None:
        self.target, self._source = target, source
        self._size = size or source.size
        self.encoder = choose_encoder(encoding, target, self._size)
        gif = target.suffix.lower() == ".gif"
        self._tick = _GIF_TICK if gif else source.time_base
        self._shortest = _GIF_SHORTEST if gif else 1  # containers refuse two frames at one time
        self._late = Fraction(0)  # seconds
        try:
            self._file = Temporary(target)
        except OSError as error:
            raise self._refused(error) from error
        self._last_pts: int | None = None
        self.warnings: list[str] = []
        suffix = target.suffix.lower()
        try:
            self._container: OutputContainer | None = av.open(
                str(self._file.path), "w", format=CONTAINERS[suffix].format, options=_options(suffix, source.time_base)
            )
        except (av.FFmpegError, OSError) as error:
            self._file.discard()
            raise self._refused(error) from error
        try:
            self._stream = self._add_video()
            self._others: OtherStreams | NoStreams = NoStreams()
            if source.has_streams:
                self._others = OtherStreams(source.path, self._container, self._stream, later=source.before_zero)
        except BaseException:
            self.abort()
            raise

    def _add_video(self) -> av.VideoStream:
        assert self._container is not None
        source, encoder = self._source, self.encoder
        colour = (source.matrix, source.primaries, source.transfer)
        coded = Coded(self._size, source.rate, self._tick, *colour, source.sample_aspect)
        try:
            stream = add_video(self._container, encoder, coded)
            stream.codec_context.open()
        except (av.FFmpegError, ValueError) as error:
            raise OutputError(f"{self.target}: {encoder.name} cannot code {self._size} ({error})") from error
        return stream

    def write(self, frame: Frame) -> None:
        """Encodes one frame; its image may have any size. Raises OutputError if the disk does not take it."""
        picture = self._picture(frame)
        time = frame.time + self._source.before_zero
        pts = round(time / self._tick)
        if self._last_pts is not None:
            pts = max(pts, self._last_pts + self._shortest)  # never drop one
        picture.pts, picture.time_base = pts, self._tick
        self._last_pts = pts
        self._late = max(self._late, pts * self._tick - time)
        self._mux(self._stream.encode(picture))
        self._carry_others(frame.time)

    def _picture(self, frame: Frame) -> av.VideoFrame:
        """What is to be coded: the film's own picture where it is untouched, for RGB would cost it some colour."""
        if self.encoder.pixels == PALETTE:
            return paletted(frame.image, self._size)
        codec, coded = self._stream.codec_context, frame.coded
        size = Size(codec.width, codec.height)
        if (
            self.encoder.pixels == "yuv420p"
            and isinstance(coded, av.VideoFrame)
            and (coded.width, coded.height) == size
        ):
            picture = as_420(coded)
            picture.pict_type = PictureType.NONE  # else the encoder would take it for an order
            return picture
        exact = frame.image.shape[:2] == (self._size.height, self._size.width)
        shown = pad_even(frame.image) if exact else frame.image
        picture = to_yuv(shown, size, self._source.matrix, self.encoder.pixels)
        picture.color_primaries, picture.color_trc = codec.color_primaries, codec.color_trc  # ProRes has them in each
        return picture

    def _carry_others(self, until: Fraction | None) -> None:
        assert self._container is not None
        for packet in self._others.until(until):
            try:
                self._container.mux(packet)
            except OSError as error:
                raise self._refused(error) from error
            except av.FFmpegError:  # the packet makes no sense
                self._others.damaged += 1

    def _mux(self, packets: Iterable[Packet[Any]]) -> None:
        assert self._container is not None
        try:
            for packet in packets:
                _mend(packet)
                self._container.mux(packet)
        except (av.FFmpegError, OSError) as error:
            raise self._refused(error) from error

    def _refused(self, error: OSError | av.FFmpegError) -> OutputError:
        return OutputError(f"{self.target}: cannot be written ({error.strerror})")

    def close(self) -> None:
        """Finishes the film and gives it its name. Twice is fine."""
        if self._container is None:
            return
        self._mux(self._stream.encode(None))
        self._carry_others(None)
        self.warnings += self._others.warnings
        if self.encoder.pixels == PALETTE and self._late > _GIF_TICK:
            self.warnings.append(
                f"{self.target}: players show no more than 50 pictures a second of a gif; it takes "
                f"{float(self._late):.2f} s longer"
            )
        if self._others.damaged:
            self.warnings.append(
                f"{self._source.path}: {self._others.damaged} damaged packets of sound or subtitles are left out"
            )
        try:
            self._container.close()
            self._file.publish()
        except (av.FFmpegError, OSError) as error:
            raise self._refused(error) from error
        self._container = None
        self._others.close()

    def abort(self) -> None:
        """Leaves nothing behind. Does nothing to a finished film."""
        if self._container is not None:
            with contextlib.suppress(OSError, av.FFmpegError):  # the file goes anyway
                self._container.close()
            self._container = None
            self._file.discard()
        if hasattr(self, "_others"):
            self._others.close()

    def __enter__(self) -> FilmWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.close()
        finally:
            self.abort()


def _mend(packet: Packet[Any]) -> None:
    """Gives a packet a decoding time that can be: of films of two frames, x265 makes up the first ones."""
    pts, dts = packet.pts, packet.dts
    if pts is not None and dts is not None and not pts - _LONGEST_REORDERING <= dts <= pts:
        packet.dts = pts


def _options(suffix: str, time_base: Fraction) -> dict[str, str]:
    if suffix not in (".mp4", ".m4v", ".mov"):
        return {}
    # A late start is written in the movie's own time scale: in the usual milliseconds it would move the film.
    options = {"movie_timescale": str(min(math.lcm(1000, time_base.denominator), 2**31 - 1))}
    if suffix == ".mov":
        return options | {"movflags": "+faststart+use_metadata_tags"}  # QuickTime has room for tags of any name
    return options | {"movflags": "+faststart"} | ({"brand": "M4V "} if suffix == ".m4v" else {})
