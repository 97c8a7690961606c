"""Reading films: every frame with its own timestamp, upright, as RGB."""

from __future__ import annotations

import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
from av.container import InputContainer
from av.video.reformatter import Colorspace

from ..errors import InputError
from ..frame import Frame, Image
from .color import matrix_of, to_rgb
from .decoder import Decoder
from .filters import LookUp, deinterlaced
from .orientation import orientation_of
from .size import MAX_PIXELS, Size, fit
from .streams_roles import main_video
from .tone import is_hdr, tone_map_for

_BT709 = 1  # AVCOL_PRI_BT709, AVCOL_TRC_BT709


def open_film(path: Path | str, *, max_pixels: int = MAX_PIXELS) -> InputContainer:
    """An open container. Raises InputError with one line that says why it cannot be read.

    Opening may decode a frame to learn its format, but none of more than `max_pixels`.
    """
    if isinstance(path, Path):
        _check_file(path)
    try:
        # Old films have titles that are not UTF-8.
        return av.open(str(path), metadata_errors="replace", options={"max_pixels": str(max_pixels)})
    except (av.FFmpegError, OSError) as error:
        raise InputError(f"{path}: not a film that can be read ({error.strerror})") from error


def _check_file(path: Path) -> None:
    if not path.exists():
        raise InputError(f"{path}: no such file")
    if path.is_dir():
        raise InputError(f"{path}: is a directory, not a film")
    if not path.is_file():
        raise InputError(f"{path}: is a pipe or a device, not a film; name a file")
    if not os.access(path, os.R_OK):
        raise InputError(f"{path}: may not be read; check its permissions")


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
        expected_frames: how many the container promises; None if it does not say.
        warnings: how the frames differ from what is coded, so far, a line each.

    Raises InputError if there is no video in it, none of it decodes or it is too large.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        size: Size | int | None = None,
        max_pixels: int = MAX_PIXELS,
        keyframes_only: bool = False,
    ) -> None:
        self.path = path  # a str is an address, such as rtsp://...
        self.warnings: list[str] = []
        self._max_pixels, self._keyframes_only = max_pixels, keyframes_only
        self._tone_map: LookUp | None = None
        self._changed = False
        self._container = open_film(path, max_pixels=max_pixels)
        try:
            self._open(size)
        except BaseException:
            self._container.close()
            raise

    def _open(self, size: Size | int | None) -> None:
        stream = main_video(self._container)
        if stream is None:
            raise InputError(f"{self.path}: no video stream in it")
        if stream.codec_context is None:
            raise InputError(f"{self.path}: no video stream in it that can be decoded")
        self._stream = stream
        self._refuse_over_limit(stream.codec_context.width, stream.codec_context.height)
        self._decoder = Decoder(
            self._container, stream, max_pixels=self._max_pixels, keyframes_only=self._keyframes_only
        )
        self._frames = deinterlaced(self._decoder, self._say)
        self._first = next(self._frames, None)
        if self._first is None:
            raise InputError(f"{self.path}: {self._no_frame(stream)}")
        self._refuse_over_limit(self._first.width, self._first.height)
        self._learn_picture(self._first, size)
        self.time_base: Fraction = stream.time_base or Fraction(1, 90000)
        self.rate: Fraction = stream.guessed_rate or stream.average_rate or Fraction(25)
        self.expected_frames = self._promised_frames()

    def _no_frame(self, stream: av.VideoStream) -> str:
        if stream.codec_context.width:
            return "no frame of it can be decoded"
        return f"no frame of up to {self._max_pixels} pixels can be decoded; allow larger ones with --max-pixels"

    def _refuse_over_limit(self, width: int, height: int) -> None:
        if width * height > self._max_pixels:
            raise InputError(
                f"{self.path}: {width}x{height} is more than {self._max_pixels} pixels; if you trust it, "
                f"allow more with --max-pixels {width * height}"
            )

    def _learn_picture(self, frame: av.VideoFrame, size: Size | int | None) -> None:
        self.coded_size = Size(frame.width, frame.height)
        self.orientation = orientation_of(frame)
        if not self.orientation.exact:
            self._say(f"turned by {self.orientation.angle:.0f} degrees; a multiple of 90 is taken")
        self.size = self.orientation.shown(self.coded_size)
        self.frame_size = fit(self.size, size)
        aspect = self._stream.sample_aspect_ratio or Fraction(1)
        self.sample_aspect = 1 / aspect if self.orientation.swapped and aspect else aspect
        if is_hdr(frame):
            self.matrix, self.primaries, self.transfer = Colorspace.ITU709, _BT709, _BT709
        else:
            self.matrix = matrix_of(frame)
            self.primaries, self.transfer = int(frame.color_primaries), int(frame.color_trc)

    @property
    def damaged(self) -> int:
        """How many packets did not decode, so far."""
        return self._decoder.damaged

    def _say(self, what: str) -> None:
        self.warnings.append(f"{self.path}: {what}")

    def missing_frames(self, decoded: int) -> int:
        """How many of the frames the container counts were not decoded; 0 where it does not count them."""
        return max(0, self._stream.frames - self._decoder.hidden - decoded)

    def _promised_frames(self) -> int | None:
        if self._stream.frames:
            return self._stream.frames
        duration = self._container.duration
        return round(duration / av.time_base * self.rate) if duration else None

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
        if not self._changed and (frame.width, frame.height) != self.coded_size:
            self._changed = True
            self._say(
                f"the size changes from {self.coded_size} to {frame.width}x{frame.height} on the way; "
                f"every frame is scaled to the first one's"
            )
        image = to_rgb(frame, self.orientation.shown(self.frame_size), tone_map=self._tone_map_for(frame))
        return self.orientation.apply(image)

    def _tone_map_for(self, frame: av.VideoFrame) -> LookUp | None:
        if not is_hdr(frame):
            return None
        if self._tone_map is None:
            self._say("HDR; tone-mapped to SDR (BT.709)")
            self._tone_map = tone_map_for(frame)
        return self._tone_map

    def close(self) -> None:
        """Twice is fine."""
        self._container.close()

    def __enter__(self) -> FilmReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
