"""Reading films: every frame with its own timestamp, upright, as RGB."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Protocol

import av
from av.container import InputContainer
from av.sidedata.sidedata import Type
from av.video.reformatter import Colorspace

from ..errors import InputError, Stalled
from ..frame import Frame, Image
from .color import foreign_matrix, is_plain, matrix_of, to_rgb
from .damage import Promise
from .decoder import Decoder
from .filters import LookUp, deinterlaced
from .frame_times import FrameTimes, times_of
from .orientation import Orientation, orientation_of
from .side_data import side_data
from .size import MAX_PIXELS, Size, fit
from .start import before_zero
from .streams_roles import main_video
from .structure import is_whole
from .tone import is_hdr, tone_map_for
from .view import is_spherical, stereo_mode

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+:/")  # one slash: pathlib takes the other away; C:/ is none
_BT709 = 1  # AVCOL_PRI_BT709, AVCOL_TRC_BT709


def open_film(path: Path | str, *, max_pixels: int = MAX_PIXELS) -> InputContainer:
    """An open container. Raises InputError with one line that says why it cannot be read.

    Opening may decode a frame to learn its format, but none of more than `max_pixels`.
    """
    if isinstance(path, Path):
        _check_file(path)
    try:
        # Old films have titles that are not UTF-8.
        container = av.open(address_of(path), metadata_errors="replace", options={"max_pixels": str(max_pixels)})
    except (av.FFmpegError, OSError) as error:
        raise InputError(f"{path}: not a film that can be read ({error.strerror})") from error
    if container.format.name == "tty":  # FFmpeg plays text as it would run over a terminal
        container.close()
        raise InputError(f"{path}: is text, not a film")
    return container


def address_of(path: Path | str) -> str:
    """What FFmpeg is to open: without the scheme it takes `a:b.mp4` for an address, and may ask the network."""
    return f"file:{path}" if isinstance(path, Path) else path


def _check_file(path: Path) -> None:
    if not path.exists():
        hint = "; what lies behind an address, livestyle cam --camera plays and --record keeps"
        raise InputError(f"{path}: no such file{hint if _ADDRESS.match(str(path)) else ''}")
    if path.is_dir():
        raise InputError(f"{path}: is a directory, not a film")
    if not path.is_file():
        raise InputError(f"{path}: is a pipe or a device, not a film; name a file")
    if not os.access(path, os.R_OK):
        raise InputError(f"{path}: may not be read; check its permissions")


class Pictures(Protocol):
    """Decoded frames in the order shown.

    `damaged` counts what does not decode, `hidden` what gives no picture, `flawed` frames with errors in them.
    """

    damaged: int
    hidden: int
    flawed: int

    def __iter__(self) -> Iterator[av.VideoFrame]: ...


@dataclass(frozen=True)
class Picture:
    """A decoded frame: its time in seconds and its number; `image` converts it; `coded` and `length` as in Frame."""

    time: Fraction
    index: int
    image: Callable[[], Image]
    coded: av.VideoFrame | None
    length: Fraction

    def frame(self, time: Fraction | None = None) -> Frame:
        """It, converted; at another time than its own if one is given."""
        time = self.time if time is None else time
        return Frame(self.image(), time, self.index, coded=self.coded, length=self.length)


def _is_animated_webp(path: Path) -> bool:
    with open(path, "rb") as file:
        head = file.read(21)
    return head[8:16] == b"WEBPVP8X" and bool(head[20] & 2)  # developers.google.com/speed/webp/docs/riff_container


class FilmReader:
    """A film's frames in order, and the facts a writer needs. A context manager; iterate it once.

    Args:
        path: the film; a str is taken for an address.
        size: the size frames are scaled to while decoding: exact, or the long side; None keeps the film's.
        max_pixels: a film with larger frames is refused: a small file can hold pictures that fill the memory.
        keyframes_only: leave out all other frames, which is many times as fast.

    Attributes:
        size: of the upright picture; `frame_size` is what the frames are scaled to.
        matrix, primaries, transfer: the colours frames are to be coded with: the film's own, or BT.709 if it is HDR.
        stereo_mode, spherical: whether its pictures are more than a flat view; `stereo_mode` is Matroska's word.
        before_zero: seconds by which the film has to be moved to start at zero; no container shows what is before.
        expected_frames: how many the container promises; None if it does not say.
        warnings: how the frames differ from what is coded, so far, a line each.
        has_streams: whether there may be more in it than pictures.

    Raises InputError if there is no video in it, none of it decodes or it is too large.
    """

    has_streams = True

    def __init__(
        self,
        path: Path | str,
        *,
        size: Size | int | None = None,
        max_pixels: int = MAX_PIXELS,
        keyframes_only: bool = False,
    ) -> None:
        self._learn_source(path, max_pixels)
        self._keyframes_only = keyframes_only
        self._container = open_film(path, max_pixels=max_pixels)
        try:
            self._open(size)
        except BaseException:
            self._container.close()
            raise

    def _learn_source(self, path: Path | str, max_pixels: int) -> None:
        self.path = path  # a str is an address, such as rtsp://...
        self.warnings: list[str] = []
        self._max_pixels = max_pixels
        self._tone_map: LookUp | None = None
        self._changed = self._captioned = False

    def _open(self, size: Size | int | None) -> None:
        stream = main_video(self._container)
        if stream is None:
            raise InputError(f"{self.path}: no video stream in it")
        if stream.codec_context is None:
            raise InputError(f"{self.path}: no video stream in it that can be decoded")
        self._stream = stream
        self._refuse_over_limit(stream.codec_context.width, stream.codec_context.height)
        self._decoder: Pictures = Decoder(
            self._container, stream, max_pixels=self._max_pixels, keyframes_only=self._keyframes_only
        )
        self._begin(size, stream.sample_aspect_ratio or Fraction(1))
        self.time_base: Fraction = stream.time_base or Fraction(1, 90000)
        assert self._first is not None
        first = times_of(stream).of(self._first) * self.time_base
        self.before_zero = before_zero(self._container, first, self.time_base)
        self.rate: Fraction = stream.guessed_rate or stream.average_rate or Fraction(25)
        self._promise = Promise(self._container, stream, self.rate)
        self._end = first
        self.expected_frames = self._promise.expected(0) or None

    def _begin(self, size: Size | int | None, sample_aspect: Fraction) -> None:
        """Decodes the first frame and learns from it."""
        self._frames = deinterlaced(self._decoder, self._say)
        self._first = next(self._frames, None)
        if self._first is None:
            raise InputError(f"{self.path}: {self._no_frame()}")
        self._refuse_over_limit(self._first.width, self._first.height)
        self._pixel_shape = self._pixel_shape_now()
        self._learn_picture(self._first, size, sample_aspect)

    def _no_frame(self) -> str:
        if self._stream.codec_context.width:
            return "no frame of it can be decoded"
        if isinstance(self.path, Path) and _is_animated_webp(self.path):
            return "an animated WebP, which FFmpeg does not read; save it as a gif or a film first"
        larger = f"if its frames have more than {self._max_pixels} pixels, allow that with --max-pixels"
        return f"no frame of it can be decoded; {larger}"

    def _refuse_over_limit(self, width: int, height: int) -> None:
        if width * height > self._max_pixels:
            raise InputError(
                f"{self.path}: {width}x{height} is more than {self._max_pixels} pixels; if you trust it, "
                f"allow more with --max-pixels {width * height}"
            )

    def _learn_picture(self, frame: av.VideoFrame, size: Size | int | None, aspect: Fraction) -> None:
        self.coded_size = Size(frame.width, frame.height)
        self.orientation = orientation_of(frame)
        if not self.orientation.exact:
            self._say(f"turned by {self.orientation.angle:.0f} degrees; a multiple of 90 is taken")
        self.size = self.orientation.shown(self.coded_size)
        self.frame_size = fit(self.size, size)
        self.sample_aspect = 1 / aspect if self.orientation.swapped and aspect else aspect
        self.stereo_mode, self.spherical = stereo_mode(frame), is_spherical(frame)
        if foreign := foreign_matrix(frame):
            self._say(f"colours coded as {foreign}, which is not known here; they come out wrong")
        if is_hdr(frame):
            self.matrix, self.primaries, self.transfer = Colorspace.ITU709, _BT709, _BT709
        else:
            self.matrix = matrix_of(frame)
            self.primaries, self.transfer = int(frame.color_primaries), int(frame.color_trc)

    def _say(self, what: str) -> None:
        self.warnings.append(f"{self.path}: {what}")

    def damage(self, decoded: int) -> str | None:
        """What a user should know of damage, once the film is read; None if nothing tells of any."""
        expected, flawed = self._promise.expected(self._decoder.hidden), self._decoder.flawed
        missing = bool(self._promise.frames) and expected > decoded
        told = missing or self._promise.ends_early(self._end) or self._decoder.damaged or flawed
        if not told and self._is_whole():
            return None
        errors = f", {flawed} of them with errors" if flawed else ""
        return f"{self.path}: damaged; {decoded} of {max(expected, decoded)} frames decoded{errors}"

    def _is_whole(self) -> bool:
        """Whether the file is put together as it should be; there is none behind an address."""
        return not isinstance(self.path, Path) or is_whole(self.path, self._container.format.name)

    def report(self, decoded: int) -> list[str]:
        """What is to be said of a film that was read to its end, that many frames of it."""
        damage = self.damage(decoded)
        return [*self.warnings, damage] if damage else self.warnings

    def __iter__(self) -> Iterator[Frame]:
        for picture in self.pictures():
            yield picture.frame()

    def pictures(self) -> Iterator[Picture]:
        """Every frame, decoded but not converted: those that nobody wants cost little."""
        frame, self._first = self._first, None
        times, index = self._frame_times(), 0
        while frame is not None:
            time = times.of(frame) * self.time_base
            length = frame.duration * self.time_base
            self._end = time + max(length, 1 / self.rate)
            self._take_note(frame)
            yield Picture(time, index, partial(self._image, frame), frame if self._is_image(frame) else None, length)
            frame, index = next(self._frames, None), index + 1

    def _frame_times(self) -> FrameTimes:
        return times_of(self._stream)

    def _is_image(self, frame: av.VideoFrame) -> bool:
        """Whether the frame as coded is what is shown, in the film's own colours."""
        as_coded = Size(frame.width, frame.height) == self.coded_size == self.frame_size
        upright = self._orientation_of(frame).upright
        return as_coded and upright and is_plain(frame) and matrix_of(frame) == self.matrix

    def _orientation_of(self, frame: av.VideoFrame) -> Orientation:
        """As the film's first frame says it: in some films no other does."""
        return self.orientation

    def _take_note(self, frame: av.VideoFrame) -> None:
        """Of what a frame says for itself and those after it."""
        if not self._changed and (change := self._change(frame)):
            self._changed = True
            self._say(change)
        if not self._captioned and side_data(frame, Type.A53_CC):
            self._captioned = True
            self._say("closed captions lie inside its pictures; those that are styled have none")
        if self._tone_map is None and is_hdr(frame):
            self._say("HDR; tone-mapped to SDR (BT.709)")
            self._tone_map = tone_map_for(frame)

    def _change(self, frame: av.VideoFrame) -> str:
        """How the frame has another shape than the first one, in words."""
        size = self._orientation_of(frame).shown(Size(frame.width, frame.height))
        if size != self.size:
            return f"the size changes from {self.size} to {size} on the way; every frame is scaled to the first one's"
        before, now = self._pixel_shape, self._pixel_shape_now()
        if before and now and now != before:
            shapes = f"from {before.numerator}:{before.denominator} to {now.numerator}:{now.denominator}"
            return f"the shape of its pixels changes {shapes} on the way; every frame is shown with the first one's"
        return ""

    def _pixel_shape_now(self) -> Fraction | None:
        """Of the newest frame, as the codec has it: the container's may be another, but holds for all."""
        codec = self._stream.codec_context
        return codec.sample_aspect_ratio if codec else None

    def _image(self, frame: av.VideoFrame) -> Image:
        orientation = self._orientation_of(frame)
        tone_map = self._tone_map if is_hdr(frame) else None
        return orientation.apply(to_rgb(frame, orientation.shown(self.frame_size), tone_map=tone_map))

    def close(self) -> None:
        """Twice is fine."""
        self._container.close()

    def __enter__(self) -> FilmReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not isinstance(error, Stalled):  # its thread still uses what would be freed
            self.close()
