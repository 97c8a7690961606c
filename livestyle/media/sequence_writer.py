"""Writing image sequences: a folder of numbered pictures, complete or not at all."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path
from typing import Any

from PIL import Image as Pillow

from ..errors import InputError, OutputError
from ..frame import Frame
from .encoding import CONTAINERS, USUAL, Encoder, Encoding
from .picture import SAVE_OPTIONS, SUFFIXES, resize
from .reader import FilmReader, open_film
from .sequence import FOLDERS_OWN, RATE, Pattern, is_sequence, pattern_of
from .size import Size
from .streams_roles import main_video, title_of
from .streams_tags import still_true
from .temporary import AllOrNothing, Check, anything
from .temporary_folder import TemporaryFolder

FIRST = 1  # the number of the first picture
_PNG: dict[str, Any] = {"compress_level": 3}  # at a third of the usual level's time a tenth larger


def is_sequence_target(target: Path) -> bool:
    """Whether pictures are to be written: a pattern or a folder, neither named like a film; a name without a suffix."""
    if target.suffix.lower() in CONTAINERS:
        return False
    return target.is_dir() or pattern_of(target) is not None or not (target.suffix or target.exists())


def target_pattern(target: Path) -> Pattern:
    """The folder and the names that pictures get."""
    pattern = pattern_of(target) or pattern_of(target / FOLDERS_OWN)
    assert pattern is not None
    return pattern


def check_sequence_target(target: Path, source: Path, encoding: Encoding, *, overwrite: bool) -> None:
    """Raises OutputError or InputError if pictures cannot or must not be written there; touches nothing."""
    pattern = target_pattern(target)
    folder, suffix = pattern.folder, pattern.suffix
    if suffix not in SUFFIXES:
        raise OutputError(f"{target}: unknown kind of picture; use one of {', '.join(SUFFIXES)}")
    if encoding != USUAL:
        raise InputError(f"{target}: pictures have no codec; leave --codec, --crf and --encoder out")
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{target}: {folder} is a file; name a folder")
    parent = folder.resolve().parent
    if not parent.is_dir():
        raise OutputError(f"{target}: the folder {folder.parent} does not exist")
    if not os.access(parent, os.W_OK):
        raise OutputError(f"{target}: the folder {folder.parent} may not be written")
    if folder.is_dir():
        _check_folder(target, pattern, source, overwrite=overwrite)


def _check_folder(target: Path, pattern: Pattern, source: Path, *, overwrite: bool) -> None:
    """The folder is replaced as a whole: there must be nothing in it but older pictures of the same names."""
    folder = pattern.folder
    if is_sequence(source) and folder.samefile(source if source.is_dir() else source.parent):
        raise OutputError(f"{target}: is the input itself; choose another folder")
    try:
        names = os.listdir(folder)
    except OSError as error:
        raise OutputError(f"{target}: the folder cannot be read ({error.strerror})") from error
    others = [name for name in names if pattern.number(name) is None]
    if others:
        raise OutputError(f"{target}: the folder {folder} holds other files, such as {min(others)}; name a new folder")
    if names and not overwrite:
        raise OutputError(f"{target}: exists already; add --overwrite to replace it")


class SequenceWriter(AllOrNothing):
    """Numbered pictures that appear in their folder only when all are there; what was in it goes then.

    A context manager: left without an error it finishes the folder, else it removes what was written.

    Args:
        check: called just before the folder gets its name.

    Attributes:
        encoder: what codes the pictures.
        warnings: what could not be carried over, a line each.
    """

    def __init__(self, target: Path, source: FilmReader, *, size: Size | None = None, check: Check = anything) -> None:
        self.target, self._source, self._check = target, source, check
        self._size = size or source.size
        self._pattern = target_pattern(target)
        self._suffix = self._pattern.suffix
        self._options = _PNG if self._suffix == ".png" else SAVE_OPTIONS.get(self._suffix, {})
        self.encoder = Encoder(self._suffix.removeprefix("."), "pictures", "rgb24")
        self.warnings = _left_out(source)
        self._number = FIRST
        self._last_time: Fraction | None = None
        self._gaps: set[int] = set()  # between frames, in milliseconds
        try:
            self._folder = TemporaryFolder(self._pattern.folder.resolve())
        except OSError as error:
            raise self._refused(error) from error

    def write(self, frame: Frame) -> None:
        """Writes one picture; its image may have any size. Raises OutputError if the disk does not take it."""
        path = self._folder.path / self._pattern.name(self._number)
        try:
            Pillow.fromarray(resize(frame.image, self._size)).save(path, **self._options)
        except OSError as error:
            raise self._refused(error) from error
        self._number += 1
        if self._last_time is not None:
            self._gaps.add(round((frame.time - self._last_time) * 1000))
        self._last_time = frame.time

    def _refused(self, error: OSError) -> OutputError:
        return OutputError(f"{self.target}: cannot be written ({error.strerror or error})")

    def close(self) -> None:
        """Finishes the folder and gives it its name."""
        try:
            self._folder.publish(self._check)
        except OSError as error:
            raise self._refused(error) from error
        self.warnings += self._about_time()

    def _about_time(self) -> list[str]:
        rate = self._source.rate
        if self._gaps and max(self._gaps) - min(self._gaps) > 1:
            return [f"{self.target}: pictures have no times, and those of the film are not evenly spaced"]
        if rate != RATE:
            return [f"{self.target}: pictures have no times; as an input they need --rate {rate}"]
        return []

    def abort(self) -> None:
        """Leaves nothing behind; does nothing to finished pictures."""
        self._folder.discard()


def _left_out(source: FilmReader) -> list[str]:
    """What is in a film but its pictures, in a line."""
    if not source.has_streams:
        return []
    with open_film(source.path) as film:
        main = main_video(film)
        lost = [title_of(stream) for stream in film.streams if main is None or stream.index != main.index]
        lost += ["chapters"] if film.chapters() else []
        lost += still_true(film.metadata)
    if source.sample_aspect != 1:
        lost.append("the shape of its pixels")
    return [f"{source.path}: pictures hold nothing else; left out: {', '.join(lost)}"] if lost else []
