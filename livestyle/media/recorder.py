"""Recording the live picture: H.264 in an MP4 that survives a crash at any moment."""

from __future__ import annotations

import itertools
import os
import re
import threading
import time
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container import OutputContainer
from av.packet import Packet
from av.video.reformatter import Colorspace

from ..errors import OutputError
from ..frame import Frame
from ..pipeline import Closed, Handoff
from .color import HD_HEIGHT, to_yuv
from .encoding import H264, Coded, add_video
from .microphone import Microphone, SoundTrack
from .size import Size, pad_even
from .temporary import shortened
from .writer import check_target

SUFFIXES = (".mp4",)
_UNFINISHED = ".recording"  # not `.part`, which the next render of that name clears away
QUEUE = 8  # frames: a quarter of a second of hiccups at 30 a second
_TICK = Fraction(1, 90_000)  # seconds: the grain of the recording's times
# Fragments of a second, which the last write turns into a plain MP4. Without B-frames, for the times of
# fragments would start late with them, and so that a crash costs less.
_CONTAINER = {"movflags": "+hybrid_fragmented", "frag_duration": "1000000", "max_interleave_delta": "2000000"}


def next_free(target: Path) -> Path:
    """The path itself, or with the first number that makes it new: `out-2.mp4`, `out-3.mp4`, ..."""
    numbered = (target.with_name(f"{target.stem}-{number}{target.suffix}") for number in itertools.count(2))
    return target if not target.exists() else next(path for path in numbered if not path.exists())


def _hidden_stem(target: Path) -> str:
    return f".{shortened(target.stem, target.suffix)}."


def unfinished(target: Path) -> list[Path]:
    """Recordings of this target that a crash left beside it, or that another program is still writing."""
    name = re.compile(re.escape(_hidden_stem(target)) + rf"\d+{_UNFINISHED}(-\d+)?" + re.escape(target.suffix))
    with suppress(OSError):
        return sorted(path for path in target.parent.iterdir() if name.fullmatch(path.name))
    return []


class Recorder:
    """A sink that records each frame at its own time; encoding has a thread of its own.

    The film grows in a hidden file beside the target: a crash leaves it there, playable. `close` gives it its name.
    Frames are kept by reference until they are encoded: do not draw into an image that was written. A frame no
    later than the one before adds nothing; one of another size is scaled.

    Args:
        size: of the recording; odd sides are made even.
        rate: frames per second the encoder plans for.
        source: the film the frames come from, which is never overwritten.
        microphone: recorded too, on the pictures' clock (`Frame.captured`); it stays open.
        queue: how many frames may wait.

    Attributes:
        target: where the recording goes; close may have to number it.
        failed: why the recording ended early (what came until then is kept), or None.

    Raises OutputError if the target cannot or must not be written; later, a full disk is told in `failed`.
    """

    def __init__(
        self,
        target: Path,
        size: Size,
        rate: Fraction,
        *,
        source: Path | None = None,
        overwrite: bool = False,
        microphone: Microphone | None = None,
        queue: int = QUEUE,
    ) -> None:
        check_target(target, source, overwrite=overwrite, suffixes=SUFFIXES)
        self.target, self._overwrite = target, overwrite
        self.failed: str | None = None
        name = f"{_hidden_stem(target)}{os.getpid()}{_UNFINISHED}{target.suffix}"
        self._temporary = next_free(target.with_name(name))
        try:
            self._film = _Film(self._temporary, size, rate, microphone)
        except (av.FFmpegError, OSError) as error:
            raise OutputError(f"{target}: cannot be written ({error.strerror})") from error
        self._frames: Handoff[Frame] = Handoff(queue, drop_oldest=True)
        self._bug: BaseException | None = None
        self._thread: threading.Thread | None = threading.Thread(target=self._encode, name="livestyle-recorder")
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Frames forgotten because the encoder could not keep up."""
        return self._frames.dropped

    def write(self, frame: Frame) -> None:
        """Never waits for the encoder. Does nothing once the recording has failed or is closed."""
        with suppress(Closed):
            self._frames.put(frame)

    def _encode(self) -> None:
        try:
            for frame in self._frames:
                self._film.add(frame)
            self._film.finish()
        except (av.FFmpegError, OSError) as error:
            self.failed = f"{self.target}: the recording ended early ({error.strerror}); what came until then is kept"
        except BaseException as error:  # raised by close, in the caller's thread
            self._bug = error
        finally:
            self._frames.close(discard=True)
            self._film.close()

    def close(self) -> None:
        """Finishes the film and gives it its name; nothing is left if no frame came. Twice is fine."""
        if self._thread is None:
            return
        self._frames.close()
        self._thread.join()
        self._thread = None
        try:
            self._name()
        except OSError as error:
            self.failed = f"{self.target}: cannot be written ({error.strerror}); the recording is in {self._temporary}"
        if self._bug is not None:
            raise self._bug

    def _name(self) -> None:
        if not self._temporary.stat().st_size:
            self._temporary.unlink()
            return
        if not self._overwrite:
            self.target = next_free(self.target)  # another program may have taken the name meanwhile
        os.replace(self._temporary, self.target)


class _Film:
    """The encoders and the container of a recording."""

    def __init__(self, path: Path, size: Size, rate: Fraction, microphone: Microphone | None) -> None:
        self._size = size
        self._matrix = Colorspace.ITU709 if size.height >= HD_HEIGHT else Colorspace.ITU601
        self._file = _File(path)
        self._container: OutputContainer = av.open(self._file, "w", format="mp4", options=_CONTAINER)
        coded = Coded(size, rate, _TICK, self._matrix)
        self._stream = add_video(self._container, H264, coded, bf="0")
        self._sound = SoundTrack(self._container, microphone) if microphone else None
        self._origin: Fraction | float = 0
        self._heard_from = 0.0  # the first picture on time.monotonic()'s clock
        self._last_pts = -1

    def add(self, frame: Frame) -> None:
        moment = frame.time if frame.captured is None else frame.captured
        if self._last_pts < 0:
            self._origin = moment
            self._heard_from = time.monotonic() if frame.captured is None else frame.captured
        pts = round((moment - self._origin) / _TICK)
        if pts > self._last_pts:
            self._last_pts = pts
            exact = frame.image.shape[:2] == (self._size.height, self._size.width)
            codec = self._stream.codec_context
            image = pad_even(frame.image) if exact else frame.image
            picture = to_yuv(image, Size(codec.width, codec.height), self._matrix)
            picture.pts, picture.time_base = pts, _TICK
            self._mux(self._stream.encode(picture))
        if self._sound:
            self._mux(self._sound.packets(self._heard_from))

    def finish(self) -> None:
        """Writes what the encoders still hold, and the index that makes it a plain MP4."""
        if self._last_pts < 0:  # nothing came
            return
        self._mux(self._stream.encode(None))
        if self._sound:
            self._mux(self._sound.last_packets())
        self._file.finish(self._container)

    def _mux(self, packets: Any) -> None:
        packet: Packet[Any]
        for packet in packets:
            self._container.mux(packet)
        self._file.check()

    def close(self) -> None:
        """After a failure too; the file stays as it is then."""
        self._file.close(self._container)


class _File:
    """A file for PyAV that takes nothing more after its first failure.

    Closing a container writes its index and hides the fragments behind it. On a full disk the index is lost, so the
    fragments must stay as they are.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("xb", buffering=0)
        self._error: OSError | None = None

    def write(self, data: bytes) -> int:
        rest = memoryview(data)
        while rest and self._error is None:
            try:
                rest = rest[self._file.write(rest) :]
            except OSError as error:
                self._error = error
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def check(self) -> None:
        """Raises the failure."""
        if self._error is not None:
            raise self._error

    def finish(self, container: OutputContainer) -> None:
        """Closes the container and puts all on the disk; on a failure the file is left as before."""
        before = self._file.seek(0, os.SEEK_END)
        container.close()
        if self._error is not None:
            self._file.truncate(before)
        self.check()
        os.fsync(self._file.fileno())

    def close(self, container: OutputContainer) -> None:
        """Without another byte. Twice is fine."""
        self._error = self._error or OSError("closed")
        with suppress(av.FFmpegError):
            container.close()
        self._file.close()
