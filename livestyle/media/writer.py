"""Writing films: the source's timestamps and sound around new pictures, complete or not at all."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container import OutputContainer
from av.packet import Packet

from ..errors import OutputError
from ..frame import Frame
from .encoders import choose_encoder
from .encoding import CONTAINERS, PALETTE, USUAL, Encoding
from .matroska_shape import write_pixel_shape
from .paletted import GifPictures
from .pictures import InSegments, Pictures
from .reader import FilmReader, address_of
from .size import Size
from .streams import MATROSKA, NoStreams, OtherStreams
from .temporary import AllOrNothing, Check, Temporary, anything

SUFFIXES = tuple(CONTAINERS)
_LONGEST_REORDERING = 2**40  # ticks


def check_target(target: Path, source: Path | None, *, overwrite: bool, suffixes: tuple[str, ...]) -> None:
    """Raises OutputError or InputError if `target` cannot or must not be written; touches nothing."""
    if target.suffix.lower() not in suffixes:
        raise OutputError(f"{target}: unknown kind of output; use one of {', '.join(suffixes)}")
    if target.is_dir():
        raise OutputError(f"{target}: is a directory; name a file in it")
    if source is not None and target.exists() and source.exists() and target.samefile(source):
        raise OutputError(f"{target}: is the input itself; choose another name")
    if os.path.lexists(target) and not overwrite:  # a link that leads nowhere would be replaced too
        raise OutputError(f"{target}: exists already; add --overwrite to replace it")
    folder = target.parent
    if not folder.is_dir():
        raise OutputError(f"{target}: the folder {folder} does not exist")
    if not os.access(folder, os.W_OK):
        raise OutputError(f"{target}: the folder {folder} may not be written")


class FilmWriter(AllOrNothing):
    """A film that appears under its name only when it is complete.

    They are H.264 (8 bit, 4:2:0) unless the container or `encoding` wants another codec, and keep their exact times.
    All else in the source goes over as it is where the container permits.

    Args:
        target: the film to write; its suffix decides the container.
        source: the film the frames come from: size, time base, colour and the other streams are taken from it.
        size: of the output; None keeps the source's.
        encoding: how the pictures are coded.
        folder: where the film lies until it is complete, on the target's disk; None for beside the target.
        check: called just before the film gets its name.

    Attributes:
        encoder: what codes the pictures.
        warnings: what could not be carried over, a line each.
    """

    def __init__(
        self,
        target: Path,
        source: FilmReader,
        *,
        size: Size | None = None,
        encoding: Encoding = USUAL,
        folder: Path | None = None,
        check: Check = anything,
    ) -> None:
        self.target, self._source, self._check = target, source, check
        self._size = size or source.size
        self.encoder = choose_encoder(encoding, target, self._size)
        try:
            self._file = Temporary(target, folder)
        except OSError as error:
            raise self._refused(error) from error
        self.warnings: list[str] = []
        suffix = target.suffix.lower()
        try:
            self._container: OutputContainer | None = av.open(
                address_of(self._file.path),
                "w",
                format=CONTAINERS[suffix].format,
                options=_options(suffix, source.time_base),
            )
        except (av.FFmpegError, OSError) as error:
            self._file.discard()
            raise self._refused(error) from error
        try:
            self._pictures = self._add_pictures()
            self._coder: Pictures | InSegments = self._pictures
            if self.encoder.reorder is not None:
                kind = CONTAINERS[suffix].format
                self._coder = InSegments(kind, self.encoder, source, self._size)
            self._others: OtherStreams | NoStreams = NoStreams()
            if source.has_streams:
                self._others = OtherStreams(
                    source.path, self._container, self._pictures.stream, later=source.before_zero
                )
            self._mark_view()
        except BaseException:
            self.abort()
            raise

    def _add_pictures(self) -> Pictures:
        assert self._container is not None
        try:
            kind = GifPictures if self.encoder.pixels == PALETTE else Pictures
            return kind(self._container, self.encoder, self._source, self._size)
        except (av.FFmpegError, ValueError) as error:
            raise OutputError(f"{self.target}: {self.encoder.name} cannot code {self._size} ({error})") from error

    def _mark_view(self) -> None:
        """Says in the film that its pictures are 3D, where FFmpeg lets us."""
        kind, mode = CONTAINERS[self.target.suffix.lower()].format, self._source.stereo_mode
        if mode and kind in MATROSKA:
            self._pictures.stream.metadata["stereo_mode"] = mode
        elif mode:
            self.warnings.append(
                f"{self._source.path}: 3D ({mode}); {kind} does not say so, write an .mkv to keep that"
            )
        if self._source.spherical:
            self.warnings.append(f"{self._source.path}: a view all around (360 degrees); the copy does not say so")

    def write(self, frame: Frame) -> None:
        """Encodes one frame; its image may have any size. Raises OutputError if the disk does not take it."""
        self._mux(self._of_stream(self._coder.encode(frame)))
        self._carry_others(frame.time)

    def _of_stream(self, packets: Iterable[Packet[Any]]) -> Iterator[Packet[Any]]:
        for packet in packets:
            packet.stream = self._pictures.stream
            yield packet

    def write_coded(self, packet: Packet[Any]) -> None:
        """Takes a picture that is coded already, with this film's encoder, in the order of coding."""
        packet.stream = self._pictures.stream
        time = (packet.dts or 0) * (packet.time_base or Fraction(0)) - self._source.before_zero
        self._mux([packet])
        self._carry_others(time)

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
        self._mux(self._of_stream(self._coder.flush()))
        self._carry_others(None)
        self.warnings += self._others.warnings
        if isinstance(self._pictures, GifPictures) and self._pictures.left_out:
            self.warnings.append(
                f"{self.target}: players show no more than 50 pictures a second of a gif; "
                f"{self._pictures.left_out} of the film's are left out"
            )
        if self._others.damaged:
            self.warnings.append(
                f"{self._source.path}: {self._others.damaged} damaged packets of sound or subtitles are left out"
            )
        try:
            self._container.close()
            self._write_pixel_shape()
            self._file.publish(self._check)
        except (av.FFmpegError, OSError) as error:
            raise self._refused(error) from error
        self._container = None
        self._others.close()

    def _write_pixel_shape(self) -> None:
        aspect, kind = self._source.sample_aspect, CONTAINERS[self.target.suffix.lower()].format
        if aspect != 1 and kind in MATROSKA and not write_pixel_shape(self._file.path, aspect):
            self.warnings.append(f"{self.target}: no room to say that pixels are {aspect} times as wide as high")

    def abort(self) -> None:
        """Leaves nothing behind. Does nothing to a finished film."""
        if self._container is not None:
            with contextlib.suppress(OSError, av.FFmpegError):  # the file goes anyway
                self._container.close()
            self._container = None
            self._file.discard()
        if hasattr(self, "_coder"):
            self._coder.close()
        if hasattr(self, "_others"):
            self._others.close()


def _mend(packet: Packet[Any]) -> None:
    """Gives a packet a decoding time that can be: of films of two frames, x265 makes up the first ones."""
    pts, dts = packet.pts, packet.dts
    if pts is not None and dts is not None and not pts - _LONGEST_REORDERING <= dts <= pts:
        packet.dts = pts


def _options(suffix: str, time_base: Fraction) -> dict[str, str]:
    if suffix in (".mkv", ".webm"):
        return {"fflags": "+bitexact"}  # no random numbers for names of tracks: the same film has the same bits
    if suffix not in (".mp4", ".m4v", ".mov"):
        return {}
    # A late start is written in the movie's own time scale: in the usual milliseconds it would move the film.
    options = {"movie_timescale": str(min(math.lcm(1000, time_base.denominator), 2**31 - 1))}
    if suffix == ".mov":
        return options | {"movflags": "+faststart+use_metadata_tags"}  # QuickTime has room for tags of any name
    return options | {"movflags": "+faststart"} | ({"brand": "M4V "} if suffix == ".m4v" else {})
