"""Many films at once: which ones, where each goes, and on past those that fail."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from .errors import InputError, LivestyleError, OutputError
from .media.encoding import CONTAINERS
from .media.picture import SUFFIXES as PICTURES
from .media.sequence import is_sequence
from .work_folder import folder_of, remove_left

# What a folder's films are known by; any name that is given itself is taken.
FILM_SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".mts", ".m2ts", ".mpg", ".mpeg", ".vob"),
    *(".wmv", ".asf", ".flv", ".f4v", ".3gp", ".3g2", ".mxf", ".ogv", ".dv", ".y4m", ".gif"),
)
_MP4_KIN = (".3gp", ".3g2", ".f4v", ".gif", ".y4m")  # whatever is in them fits into mp4; Matroska holds all the rest


@dataclass(frozen=True)
class BatchResult:
    """What became of the films: those done, now and before, and the error of each that failed."""

    done: tuple[Path, ...]
    failed: tuple[tuple[Path, str], ...]
    before: tuple[Path, ...] = ()

    def line(self) -> str:
        """All, counted."""
        done, failed = len(self.done) + len(self.before), len(self.failed)
        before = f", {len(self.before)} of them before" if self.before else ""
        return f"{done} of {done + failed} films done{before}" + (f", {failed} failed" if failed else "")


def render_all(
    sources: Iterable[Path],
    out_dir: Path,
    render_one: Callable[[Path, Path], object],
    say: Callable[[str], object],
    *,
    codec: str | None = None,
    resume: bool = False,
    note: Callable[[str], object] = lambda line: None,
) -> BatchResult:
    """Every film rendered into `out_dir`, which is made; one that fails is said and does not stop the others.

    Args:
        sources: films, folders (the films in them, not below; where there is none, its pictures are one), patterns
            such as `*.mp4`, image sequences.
        render_one: called with each film and its target.
        say: hears each failure, a line.
        codec: what they will be coded with, if not the container's first.
        resume: pass over the films that are done already, as far as one can tell.
        note: hears each that is passed over, a line.

    Raises InputError or OutputError before anything is written if two films would have one target, or a target is
    one of the films. Ctrl-C ends all.
    """
    pairs = plan(find_films(sources), out_dir, codec)
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{out_dir}: the folder cannot be made ({error.strerror})") from error
    done, failed, before = [], [], []
    for source, target in pairs:
        if resume and _is_done(source, target):
            remove_left(target)  # by a run that was killed at the very end
            before.append(target)
            note(f"{target}: done already, with which options nobody can tell; --overwrite renders it anew")
            continue
        try:
            render_one(source, target)
        except (LivestyleError, OSError) as error:
            failed.append((source, _line(source, error)))
            say(f"error: {failed[-1][1]}")
        else:
            done.append(target)
    return BatchResult(tuple(done), tuple(failed), tuple(before))


def _is_done(source: Path, target: Path) -> bool:
    """Whether an earlier run completed this film, which never has its name before.

    Not if the source has changed since, nor if it is an older one, whose replacement was interrupted.
    """
    try:
        made = target.stat()
        made_of = [path.stat().st_mtime for path in (source, *folder_of(target).glob("*"))]
    except OSError:  # rendering it says what is wrong
        return False
    return target.is_file() and made.st_size > 0 and made.st_mtime >= max(made_of)


def _line(source: Path, error: LivestyleError | OSError) -> str:
    if isinstance(error, OSError):
        return f"{error.filename or source}: {error.strerror or error}"
    return " ".join(str(error).split())


def find_films(names: Iterable[Path]) -> list[Path]:
    """The films that names, folders and patterns stand for, each once, in the order given.

    A name that does not exist is left in: it fails when its turn comes. Raises InputError for a folder without
    films and a pattern without a match.
    """
    found: dict[str, Path] = {}
    for name in names:
        for film in _expanded(name):
            found.setdefault(os.path.abspath(film), film)
    return list(found.values())


def _expanded(name: Path) -> list[Path]:
    if name.is_dir():
        # What is hidden is not meant: unfinished films of ours, or resource forks of macOS.
        films = [path for path in name.iterdir() if path.suffix.lower() in FILM_SUFFIXES and path.name[0] != "."]
        if not (films := sorted(path for path in films if path.is_file())):
            if any(path.suffix.lower() in PICTURES and path.name[0] != "." for path in name.iterdir()):
                return [name]
            raise InputError(f"{name}: no film in this folder; films end in {', '.join(FILM_SUFFIXES)}")
        return films
    if not os.path.lexists(name) and glob.has_magic(str(name)):  # the shells of Windows leave it to us
        if not (matches := sorted(path for path in map(Path, glob.glob(str(name))) if path.is_file())):
            raise InputError(f"{name}: no file has such a name")
        return matches
    return [name]


def plan(films: list[Path], out_dir: Path, codec: str | None = None) -> list[tuple[Path, Path]]:
    """Each film with its target. Raises OutputError for what cannot be; touches nothing."""
    if out_dir.exists() and not out_dir.is_dir():
        raise OutputError(f"{out_dir}: is a file; name a folder with --out-dir")
    taken: dict[str, Path] = {}
    for film in films:
        target = target_of(film, out_dir, codec)
        # Folders of Windows and macOS do not tell capitals from small letters.
        other = taken.setdefault(str(target).casefold(), film)
        if other is not film:
            raise OutputError(f"{target}: {other} and {film} would both be written there; rename one, or run twice")
        if target.exists() and any(film.exists() and target.samefile(film) for film in films):
            raise OutputError(f"{target}: is one of the inputs; choose another --out-dir")
    return [(film, target_of(film, out_dir, codec)) for film in films]


def target_of(film: Path, out_dir: Path, codec: str | None = None) -> Path:
    """The film's name in `out_dir`, with its own suffix if films with that codec are written so, else another's.

    That is .mp4 or .mkv as its content fits; .mp4 for an image sequence, which has its folder's name.
    """
    if is_sequence(film):
        folder = (film if film.is_dir() else film.parent).resolve()
        return out_dir / f"{folder.name}{_that_takes(codec, '.mp4')}"
    suffix = film.suffix.lower()
    if suffix in CONTAINERS and (codec is None or codec in CONTAINERS[suffix].codecs):
        return out_dir / film.name
    return out_dir / f"{film.stem}{_that_takes(codec, '.mp4' if suffix in _MP4_KIN else '.mkv')}"


def _that_takes(codec: str | None, suffix: str) -> str:
    return suffix if codec is None or codec in CONTAINERS[suffix].codecs else ".mkv"
