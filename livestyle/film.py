"""A whole film, styled: reader, engine and writer put together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path

from .errors import InputError, OutputError, Stalled
from .media.encoders import choose_encoder
from .media.encoding import USUAL, Encoder, Encoding
from .media.reader import FilmReader
from .media.sequence import open_reader
from .media.sequence_writer import SequenceWriter, check_sequence_target, is_sequence_target
from .media.size import MAX_PIXELS, Size, fit, parse_size, working_size
from .media.temporary import Check
from .media.writer import SUFFIXES, FilmWriter, check_target
from .pipeline import Stats, run, within
from .resume import Job, render_segments
from .segments import WHOLE, Finish, SegmentFinisher
from .stylizer import Stylizer
from .work_folder import remove_left

PATIENCE = 60.0  # seconds without a frame after which a film is given up: a disk that is gone, a decoder that loops


@dataclass(frozen=True)
class FilmResult:
    """What became of a film: the run's figures and what a user should know, a line each."""

    stats: Stats
    warnings: tuple[str, ...]


def check_film(
    source: Path,
    target: Path,
    *,
    out_size: Size | int | None = None,
    overwrite: bool = False,
    encoding: Encoding = USUAL,
    rate: Fraction | None = None,
    max_pixels: int = MAX_PIXELS,
) -> None:
    """Raises the InputError, OutputError or DeviceError that rendering these would begin with; touches nothing."""
    with _open(source, lambda: open_reader(source, max_pixels=max_pixels, rate=rate)) as reader:
        _check_target(target, source, encoding, overwrite=overwrite)
        if not is_sequence_target(target):
            choose_encoder(encoding, target, fit(reader.size, out_size))


def _check_target(target: Path, source: Path, encoding: Encoding, *, overwrite: bool) -> None:
    if is_sequence_target(target):
        check_sequence_target(target, source, encoding, overwrite=overwrite)
    else:
        check_target(target, source, overwrite=overwrite, suffixes=SUFFIXES)


def _writer(
    target: Path, reader: FilmReader, size: Size, encoding: Encoding, check: Check
) -> FilmWriter | SequenceWriter:
    if is_sequence_target(target):
        return SequenceWriter(target, reader, size=size, check=check)
    return FilmWriter(target, reader, size=size, encoding=encoding, check=check)


def stylize_film(
    source: str | Path,
    target: str | Path,
    stylizer: Stylizer,
    *,
    size: Size | int | None = None,
    out_size: Size | int | None = None,
    overwrite: bool = False,
    encoding: Encoding = USUAL,
    rate: Fraction | None = None,
    steady: float = 0.0,
    keep_color: float = 0.0,
    resume: bool = False,
    workers: int | None = None,
    max_pixels: int = MAX_PIXELS,
    on_frame: Callable[[Stats, int | None], object] | None = None,
    on_encoder: Callable[[Encoder], object] | None = None,
) -> FilmResult:
    """Writes `target`: every frame of `source`, styled, at its own time, with all else that is in it.

    Either may be an image sequence: a folder, or a pattern such as `frames/%05d.png`.

    Args:
        size: the processing size, exact or the long side; the output keeps the film's size all the same. None for
            the film's own, or what fits into memory where that is larger than 1920x1088.
        out_size: the output's size, if not the film's.
        overwrite: replace an existing target.
        encoding: codec, quality and encoder of the output's pictures.
        rate: pictures a second of an image sequence, 25 if not given; films have times of their own.
        steady: against flicker: 0 for none, 1 the steadiest.
        keep_color: how much of the film's colour stays: 0 for none, 1 for all.
        resume: render in segments, kept in a hidden folder beside the target until the film is complete; go on with
            those that an interrupted render left there.
        workers: how many segments are rendered at once; the bits do not depend on it. None, without `resume`, for a
            film that is not cut into segments.
        max_pixels: a film with larger frames is refused.
        on_encoder: called once with what will code the pictures, before the first of them.
        on_frame: called after each frame with the figures so far and the number of frames to expect, if known;
            from any thread, but one at a time.

    Raises InputError, OutputError or DeviceError, and leaves nothing behind but, with `resume`, the hidden folder.
    """
    source, target = Path(source), Path(target)
    if isinstance(stylizer, str | Path):
        raise InputError(f"stylizer '{stylizer}': give what livestyle.load makes of it")
    if workers is not None and workers < 1:
        raise InputError(f"workers {workers}: give a whole number from 1, or None for a film in one piece")
    size, out_size = (one if one is None else parse_size(str(one)) for one in (size, out_size))

    def open_film() -> FilmReader:
        reader = open_reader(source, size=size, max_pixels=max_pixels, rate=rate)
        if size is None:
            _fit_memory(reader, stylizer)
        return reader

    check = partial(_check_target, target, source, encoding, overwrite=overwrite)
    finish = Finish(steady, keep_color)
    if finish and stylizer.neutral:  # the input itself stays so, bit for bit
        finish = Finish()
    with _open(source, open_film) as reader:
        check()
        full = fit(reader.size, out_size)
        if resume or workers is not None:
            _refuse_to_cut(source, target)
            encoder = choose_encoder(encoding, target, full)
            if on_encoder:
                on_encoder(encoder)
            job = Job(target, open_film, stylizer, full, encoding, encoder, finish, PATIENCE, check)
            stats, said = render_segments(job, reader, resume=resume, workers=workers or 1, on_frame=on_frame)
            return FilmResult(stats, tuple(said))
        report = (lambda stats: on_frame(stats, reader.expected_frames)) if on_frame else None
        in_order = SegmentFinisher(finish, WHOLE) if finish else None
        with _writer(target, reader, full, encoding, check) as writer:
            if on_encoder:
                on_encoder(writer.encoder)
            stats = run(
                reader,
                stylizer,
                writer.write,
                lanes=stylizer.lanes,
                patience=PATIENCE,
                finish=in_order,
                on_frame=report,
            )
        remove_left(target)
        return FilmResult(stats, (*reader.report(stats.frames), *writer.warnings))


def _refuse_to_cut(source: Path, target: Path) -> None:
    """Raises OutputError for what is no film, or none that can be joined of segments."""
    if is_sequence_target(target) or target.suffix.lower() == ".gif":
        raise OutputError(f"{target}: --resume and --workers make films, no gif and no image sequences; leave them out")
    if not source.is_file():
        raise OutputError(f"{source}: --resume and --workers take films, no image sequences; leave them out")


@contextmanager
def _open(source: Path, make: Callable[[], FilmReader]) -> Iterator[FilmReader]:
    """The reader that `make` gives; of a stall, now or later, is said which film it is."""
    try:
        with within(PATIENCE, make) as reader:
            yield reader
    except Stalled as stall:
        raise InputError(f"{source}: {stall}") from None


def _fit_memory(reader: FilmReader, stylizer: Stylizer) -> None:
    """Has large frames styled at a smaller size, unless nothing is done to them."""
    working = working_size(reader.size)
    if working != reader.size and not stylizer.neutral:
        reader.frame_size = working
        reader.warnings.append(f"{reader.path}: {reader.size} is styled at {working}; --size chooses another size")
