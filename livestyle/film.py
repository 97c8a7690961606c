"""A whole film, styled: reader, engine and writer put together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .media.encoders import choose_encoder
from .media.encoding import USUAL, Encoder, Encoding
from .media.reader import FilmReader
from .media.size import MAX_PIXELS, Size, fit, working_size
from .media.writer import SUFFIXES, FilmWriter, check_target
from .pipeline import Stats, run
from .stylizer import Stylizer


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
    max_pixels: int = MAX_PIXELS,
) -> None:
    """Raises the InputError, OutputError or DeviceError that rendering these would begin with; touches nothing."""
    with FilmReader(source, max_pixels=max_pixels) as reader:
        check_target(target, source, overwrite=overwrite, suffixes=SUFFIXES)
        choose_encoder(encoding, target, fit(reader.size, out_size))


def stylize_film(
    source: str | Path,
    target: str | Path,
    stylizer: Stylizer,
    *,
    size: Size | int | None = None,
    out_size: Size | int | None = None,
    overwrite: bool = False,
    encoding: Encoding = USUAL,
    max_pixels: int = MAX_PIXELS,
    on_frame: Callable[[Stats, int | None], object] | None = None,
    on_encoder: Callable[[Encoder], object] | None = None,
) -> FilmResult:
    """Writes `target`: every frame of `source`, styled, at its own time, with all else that is in it.

    Args:
        size: the processing size, exact or the long side; the output keeps the film's size all the same. None for
            the film's own, or what fits into memory where that is larger than 1920x1088.
        out_size: the output's size, if not the film's.
        overwrite: replace an existing target.
        encoding: codec, quality and encoder of the output's pictures.
        max_pixels: a film with larger frames is refused.
        on_encoder: called once with what will code the pictures, before the first of them.
        on_frame: called after each frame with the figures so far and the number of frames to expect, if known.

    Raises InputError, OutputError or DeviceError, and leaves nothing behind.
    """
    source, target = Path(source), Path(target)
    with FilmReader(source, size=size, max_pixels=max_pixels) as reader:
        if size is None:
            _fit_memory(reader, stylizer)
        check_target(target, source, overwrite=overwrite, suffixes=SUFFIXES)
        report = (lambda stats: on_frame(stats, reader.expected_frames)) if on_frame else None
        with FilmWriter(target, reader, size=fit(reader.size, out_size), encoding=encoding) as writer:
            if on_encoder:
                on_encoder(writer.encoder)
            stats = run(reader, stylizer, writer.write, lanes=stylizer.lanes, on_frame=report)
        warnings = [*reader.warnings, *writer.warnings]
        missing = reader.missing_frames(stats.frames)
        if reader.damaged or missing:
            promised = f" of {stats.frames + missing}" if missing else ""
            warnings.append(f"{source}: damaged; {stats.frames}{promised} frames decoded")
        return FilmResult(stats, tuple(warnings))


def _fit_memory(reader: FilmReader, stylizer: Stylizer) -> None:
    """Has large frames styled at a smaller size, unless nothing is done to them."""
    working = working_size(reader.size)
    if working != reader.size and not stylizer.neutral:
        reader.frame_size = working
        reader.warnings.append(f"{reader.path}: {reader.size} is styled at {working}; --size chooses another size")
