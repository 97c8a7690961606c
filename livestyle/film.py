"""A whole film, styled: reader, engine and writer put together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from .errors import InputError, Stalled
from .media.encoders import choose_encoder
from .media.encoding import USUAL, Encoder, Encoding
from .media.reader import FilmReader
from .media.sequence import open_reader
from .media.sequence_writer import SequenceWriter, check_sequence_target, is_sequence_target
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
    with _open(source, max_pixels=max_pixels, rate=rate) as reader:
        _check_target(target, source, encoding, overwrite=overwrite)
        if not is_sequence_target(target):
            choose_encoder(encoding, target, fit(reader.size, out_size))


def _check_target(target: Path, source: Path, encoding: Encoding, *, overwrite: bool) -> None:
    if is_sequence_target(target):
        check_sequence_target(target, source, encoding, overwrite=overwrite)
    else:
        check_target(target, source, overwrite=overwrite, suffixes=SUFFIXES)


def _writer(target: Path, reader: FilmReader, size: Size, encoding: Encoding) -> FilmWriter | SequenceWriter:
    if is_sequence_target(target):
        return SequenceWriter(target, reader, size=size)
    return FilmWriter(target, reader, size=size, encoding=encoding)


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
        max_pixels: a film with larger frames is refused.
        on_encoder: called once with what will code the pictures, before the first of them.
        on_frame: called after each frame with the figures so far and the number of frames to expect, if known.

    Raises InputError, OutputError or DeviceError, and leaves nothing behind.
    """
    source, target = Path(source), Path(target)
    with _open(source, size=size, max_pixels=max_pixels, rate=rate) as reader:
        if size is None:
            _fit_memory(reader, stylizer)
        _check_target(target, source, encoding, overwrite=overwrite)
        report = (lambda stats: on_frame(stats, reader.expected_frames)) if on_frame else None
        with _writer(target, reader, fit(reader.size, out_size), encoding) as writer:
            if on_encoder:
                on_encoder(writer.encoder)
            stats = run(reader, stylizer, writer.write, lanes=stylizer.lanes, patience=PATIENCE, on_frame=report)
        warnings = [*reader.warnings, *writer.warnings]
        damage = reader.damage(stats.frames)
        warnings += [damage] if damage else []
        return FilmResult(stats, tuple(warnings))


@contextmanager
def _open(source: Path, **how: Any) -> Iterator[FilmReader]:
    """The reader of a film or sequence; of a stall, now or later, is said which film it is."""
    try:
        with within(PATIENCE, lambda: open_reader(source, **how)) as reader:
            yield reader
    except Stalled as stall:
        raise InputError(f"{source}: {stall}") from None


def _fit_memory(reader: FilmReader, stylizer: Stylizer) -> None:
    """Has large frames styled at a smaller size, unless nothing is done to them."""
    working = working_size(reader.size)
    if working != reader.size and not stylizer.neutral:
        reader.frame_size = working
        reader.warnings.append(f"{reader.path}: {reader.size} is styled at {working}; --size chooses another size")
