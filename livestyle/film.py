"""A whole film, styled: reader, engine and writer put together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .errors import InputError, Stalled
from .media.reader import FilmReader
from .media.size import MAX_PIXELS, Size, fit, working_size
from .media.writer import SUFFIXES, FilmWriter, check_target
from .pipeline import Stats, run, within
from .stylizer import Stylizer

PATIENCE = 60.0  # seconds without a frame after which a film is given up: a disk that is gone, a decoder that loops


@dataclass(frozen=True)
class FilmResult:
    """What became of a film: the run's figures and what a user should know, a line each."""

    stats: Stats
    warnings: tuple[str, ...]


def check_film(source: Path, target: Path, *, overwrite: bool = False, max_pixels: int = MAX_PIXELS) -> None:
    """Raises the InputError or OutputError that rendering these would begin with; touches nothing."""
    with _opened(source, lambda: FilmReader(source, max_pixels=max_pixels)):
        check_target(target, source, overwrite=overwrite, suffixes=SUFFIXES)


def stylize_film(
    source: str | Path,
    target: str | Path,
    stylizer: Stylizer,
    *,
    size: Size | int | None = None,
    out_size: Size | int | None = None,
    overwrite: bool = False,
    max_pixels: int = MAX_PIXELS,
    on_frame: Callable[[Stats, int | None], object] | None = None,
) -> FilmResult:
    """Writes `target`: every frame of `source`, styled, at its own time, with all else that is in it.

    Args:
        size: the processing size, exact or the long side; the output keeps the film's size all the same. None for
            the film's own, or what fits into memory where that is larger than 1920x1088.
        out_size: the output's size, if not the film's.
        overwrite: replace an existing target.
        max_pixels: a film with larger frames is refused.
        on_frame: called after each frame with the figures so far and the number of frames to expect, if known.

    Raises InputError or OutputError, and leaves nothing behind.
    """
    source, target = Path(source), Path(target)
    with _opened(source, lambda: FilmReader(source, size=size, max_pixels=max_pixels)) as reader:
        if size is None:
            _fit_memory(reader, stylizer)
        check_target(target, source, overwrite=overwrite, suffixes=SUFFIXES)
        report = (lambda stats: on_frame(stats, reader.expected_frames)) if on_frame else None
        with FilmWriter(target, reader, size=fit(reader.size, out_size)) as writer:
            stats = run(reader, stylizer, writer.write, lanes=stylizer.lanes, patience=PATIENCE, on_frame=report)
        warnings = [*reader.warnings, *writer.warnings]
        damage = reader.damage(stats.frames)
        warnings += [damage] if damage else []
        return FilmResult(stats, tuple(warnings))


@contextmanager
def _opened(source: Path, open_reader: Callable[[], FilmReader]) -> Iterator[FilmReader]:
    """The reader, for as long as the context lasts; says which film it is that stalls."""
    try:
        with within(PATIENCE, open_reader) as reader:
            yield reader
    except Stalled as stall:
        raise InputError(f"{source}: {stall}") from None


def _fit_memory(reader: FilmReader, stylizer: Stylizer) -> None:
    """Has large frames styled at a smaller size, unless nothing is done to them."""
    working = working_size(reader.size)
    if working != reader.size and not stylizer.neutral:
        reader.frame_size = working
        reader.warnings.append(f"{reader.path}: {reader.size} is styled at {working}; --size chooses another size")
