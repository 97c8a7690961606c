"""A film rendered in segments: by several workers, and on from where a render before was interrupted."""

from __future__ import annotations

import contextlib
import hashlib
import platform
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from . import __version__
from .backend import cores
from .errors import InputError, OutputError
from .frame import Frame
from .media.encoding import CONTAINERS, Encoder, Encoding
from .media.pictures import FRAMES, Pictures, in_memory
from .media.pieces import PacketFile, joined
from .media.reader import FilmReader
from .media.size import Size
from .media.temporary import AllOrNothing, Check
from .media.writer import FilmWriter
from .pipeline import Stats, run
from .segments import Finish, SegmentFinisher, Share, shares
from .signals import held
from .stylizer import Stylizer
from .work_folder import WorkFolder, fingerprint

_LOOK_S = 0.1  # seconds between two looks for signals


@dataclass(frozen=True)
class Job:
    """What is rendered and how.

    Attributes:
        open_film: gives a new reader of the film, set up as the render needs it.
        size: of the output.
        encoder: what `encoding` comes to; of hardware, nobody promises the same bits.
        patience: seconds without a frame after which the film is given up.
        check: called just before the film gets its name.
    """

    target: Path
    open_film: Callable[[], FilmReader]
    stylizer: Stylizer
    size: Size
    encoding: Encoding
    encoder: Encoder
    finish: Finish
    patience: float
    check: Check


def render_segments(
    job: Job,
    reader: FilmReader,
    *,
    resume: bool,
    workers: int = 1,
    on_frame: Callable[[Stats, int | None], object] | None = None,
) -> tuple[Stats, list[str]]:
    """Writes the film of `reader` by way of a hidden folder beside the target; the figures, and warnings of it all.

    Args:
        resume: go on with what an interrupted render left in the folder, and leave it if this one is interrupted.
        workers: segments that are rendered at once; the bits do not depend on it.
    """
    note = _note(job, reader)
    with WorkFolder(job.target, note, keep=resume) as folder:
        try:
            progress = _Progress(sum(folder.done().values()), reader.expected_frames, on_frame)
            _render_missing(job, folder, workers, progress)
            end = folder.end
            assert end is not None
            _refuse_another(Path(reader.path), note["film"])
            warnings = [*folder.warnings, *end["warnings"], *_join(job, reader, folder, end["frames"])]
        except BaseException:
            if not resume:
                folder.remove()
            raise
        folder.remove()
    return progress.stats, warnings


def _note(job: Job, reader: FilmReader) -> dict[str, Any]:
    """All that the segments' bits depend on."""
    stylizer, encoder = job.stylizer, job.encoder
    files = [hashlib.sha256(path.read_bytes()).hexdigest() for path in stylizer.files]
    return {
        "film": fingerprint(Path(reader.path)),
        "style": {"files": files, "recipe": stylizer.recipe},
        "settings": {
            **asdict(job.finish),
            "frame_size": list(reader.frame_size),
            "size": list(job.size),
            "encoder": [encoder.name, encoder.pixels, dict(encoder.options)],
            "segment": FRAMES,
        },
        "versions": {"livestyle": __version__, **_packages()},
        "machine": {"device": stylizer.device, "cores": cores(), "processor": platform.machine()},
    }


def _refuse_another(path: Path, film: dict[str, Any]) -> None:
    """Raises InputError if the file is no longer the film its pictures are of: all else in it is read only now."""
    if path.exists() and fingerprint(path) != film:
        raise InputError(f"{path}: was changed while it was rendered; render it again")


def _packages() -> dict[str, str]:
    """The versions of what makes and codes pictures; FFmpeg comes with av."""
    found = {}
    for name in ("av", "onnxruntime", "onnxruntime-gpu", "opencv-python", "numpy"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


class _Progress:
    """Counts the frames of all workers, those of an earlier run first."""

    def __init__(
        self, earlier: int, expected: int | None, on_frame: Callable[[Stats, int | None], object] | None
    ) -> None:
        self.stats = Stats(frames=earlier, earlier=earlier)
        self.expected, self._on_frame, self._lock = expected, on_frame, threading.Lock()

    def count(self) -> None:
        with self._lock:
            self.stats.count()
            if self._on_frame:
                self._on_frame(self.stats, self.expected)


def _render_missing(job: Job, folder: WorkFolder, workers: int, progress: _Progress) -> None:
    """In threads, so that a signal never has to wait for a film that is being decoded."""
    end = folder.end
    frames = end["frames"] if end else progress.expected
    parts = shares(folder.done(), frames, workers, exact=end is not None)
    if not parts:
        return
    stop = threading.Event()
    lanes = -(-job.stylizer.lanes // len(parts))
    pool = ThreadPoolExecutor(len(parts), thread_name_prefix="livestyle-worker")
    with held() as look:
        try:
            working = [pool.submit(_Worker(job, folder, part, stop, progress).render, lanes) for part in parts]
            _wait_for(working, look)
        finally:
            stop.set()
            pool.shutdown()


def _wait_for(working: list[Future[None]], look: Callable[[], None]) -> None:
    left: Iterable[Future[None]] = working
    while left:
        look()
        done, left = wait(left, timeout=_LOOK_S, return_when=FIRST_EXCEPTION)
        for future in done:
            future.result()


class _Worker:
    """Renders a share of a film with a reader of its own.

    It decodes from the film's first frame on, whatever its share: only so is every frame the same, in every film.
    Decoding takes a few percent of the time that styling takes.
    """

    def __init__(self, job: Job, folder: WorkFolder, share: Share, stop: threading.Event, progress: _Progress) -> None:
        self._job, self._folder, self._share, self._stop, self._progress = job, folder, share, stop, progress
        self._frames = 0

    def render(self, lanes: int) -> None:
        job = self._job
        finish = SegmentFinisher(job.finish, self._share) if job.finish else None
        with job.open_film() as reader, _SegmentWriter(job, reader, self._folder) as writer:

            def write(frame: Frame) -> bool:
                if frame.index // FRAMES in self._share:
                    writer.write(frame)
                    self._progress.count()
                return not self._stop.is_set()

            run(self._frames_of(reader), job.stylizer, write, lanes=lanes, patience=job.patience, finish=finish)
            if self._stop.is_set():
                writer.abort()
            elif self._share.onward is not None:
                writer.close()
                self._folder.end = {"frames": self._frames, "warnings": reader.report(self._frames)}

    def _frames_of(self, reader: FilmReader) -> Iterator[Frame]:
        """The frames of the share and its warm-ups, at times that grow: no container takes others."""
        share, warm_up, last = self._share, self._job.finish.warm_up, None
        for picture in reader.pictures():
            self._frames = picture.index + 1
            if self._stop.is_set() or share.ends(picture.index):
                return
            time = picture.time if last is None else max(picture.time, last + reader.time_base)
            last = time
            if share.needs(picture.index, warm_up):
                yield picture.frame(time)


class _SegmentWriter(AllOrNothing):
    """Codes frames into the segments they belong to, each by an encoder of its own.

    A context manager: left without an error it finishes the last one, else removes it.
    """

    def __init__(self, job: Job, reader: FilmReader, folder: WorkFolder) -> None:
        self._job, self._reader, self._folder = job, reader, folder
        self._segment: int | None = None

    def write(self, frame: Frame) -> None:
        try:
            if frame.index // FRAMES != self._segment:
                self._finish()
                self._start(frame.index // FRAMES)
            self._file.add(self._pictures.encode(frame))
        except OSError as error:
            raise self._refused(error) from error

    def _start(self, segment: int) -> None:
        self._container = in_memory(CONTAINERS[self._job.target.suffix.lower()].format)
        self._pictures = Pictures(self._container, self._job.encoder, self._reader, self._job.size)
        self._file = PacketFile(self._folder.segment(segment), self._reader.time_base)
        self._segment = segment

    def _finish(self) -> None:
        if self._segment is not None:
            self._file.add(self._pictures.flush())
            self._file.close()
            self._container.close()
            self._segment = None

    def _refused(self, error: OSError) -> OutputError:
        return OutputError(f"{self._job.target}: cannot be written ({error.strerror})")

    def close(self) -> None:
        """Twice is fine."""
        try:
            self._finish()
        except OSError as error:
            raise self._refused(error) from error

    def abort(self) -> None:
        """Removes the segment that is not finished."""
        if self._segment is not None:
            self._file.abort()
            self._container.close()
            self._segment = None


def _join(job: Job, reader: FilmReader, folder: WorkFolder, frames: int) -> list[str]:
    """The segments as one film under the target's name, with all else that is in the source; what to say of it."""
    paths = [folder.segment(number) for number in range(-(-frames // FRAMES))]
    with FilmWriter(
        job.target, reader, size=job.size, encoding=job.encoding, folder=folder.path, check=job.check
    ) as writer:
        for packet in joined(paths, job.encoder.reorder):
            writer.write_coded(packet)
    return writer.warnings
