"""The hidden folder of a render that can be continued: its finished segments, and a note of what they belong to."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from pathlib import Path
from types import TracebackType
from typing import Any

from .errors import OutputError
from .media.pieces import packets_in
from .media.temporary import open_locked, shortened

_FINGERPRINT = 1 << 20  # bytes read at the start, the middle and the end of a film
_NOTE, _END, _LOCK = "manifest.json", "end.json", "lock"


def folder_of(target: Path) -> Path:
    """`.NAME.livestyle` beside the target; of a very long name the beginning."""
    return target.with_name(f".{shortened(target.name)}.livestyle")


def fingerprint(path: Path) -> dict[str, Any]:
    """What tells a film from another, or from itself after a change: size, time of change, some of its content."""
    stat = path.stat()
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for at in (0, stat.st_size // 2, max(0, stat.st_size - _FINGERPRINT)):
            file.seek(at)
            digest.update(file.read(_FINGERPRINT))
    return {"size": stat.st_size, "changed": stat.st_mtime_ns, "content": digest.hexdigest()}


def remove_left(target: Path) -> None:
    """Removes the folder of an interrupted render that nobody will continue, for the film is complete."""
    if folder_of(target).is_dir():
        with contextlib.suppress(OutputError):  # somebody works in it, or it is not ours
            WorkFolder(target, {}, keep=False).remove()


class WorkFolder:
    """Made or found again; one process at a time. A context manager: `remove` it when the film is complete.

    Args:
        target: the film it is for.
        note: what the segments depend on: film, settings, versions. Those made under another note are thrown away.
        keep: use what is in it already.

    Attributes:
        path: of the folder.
        warnings: why what was found is not used, a line each.

    Raises OutputError if it cannot be made, is in use or holds files that are not ours.
    """

    def __init__(self, target: Path, note: dict[str, Any], *, keep: bool) -> None:
        self.path, self._target = folder_of(target), target
        self.warnings: list[str] = []
        self._lock: int | None = None
        try:
            self._open(json.loads(json.dumps(note)), keep)
        except BaseException as error:
            self.close()
            if isinstance(error, OSError):
                raise OutputError(f"{self.path}: cannot be used ({error.strerror})") from error
            raise

    def _open(self, note: dict[str, Any], keep: bool) -> None:
        if self.path.is_symlink() or (self.path.exists() and not self.path.is_dir()):
            raise OutputError(f"{self.path}: is in the way; it is no folder of livestyle's")
        self.path.mkdir(exist_ok=True)
        self._lock = open_locked(self.path / _LOCK)
        self._refuse_strangers()
        left_by = self._read(_NOTE)
        if left_by != note or not keep:
            if keep and any(self.path.glob("*.packets")):
                self.warnings.append(f"{self.path}: not used, for {_difference(left_by, note)}; it begins anew")
            self._empty()
            self._write(_NOTE, note)
        for path in self.path.iterdir():
            if _is_part(path.name):
                path.unlink()

    def _refuse_strangers(self) -> None:
        ours = (_NOTE, _END, _LOCK)
        for path in self.path.iterdir():
            if not (path.name in ours or path.suffix == ".packets" or _is_part(path.name)) or path.is_dir():
                raise OutputError(f"{path}: is not livestyle's; move it out of this folder")

    def segment(self, number: int) -> Path:
        """Where a segment belongs."""
        return self.path / f"{number:06d}.packets"

    def done(self) -> dict[int, int]:
        """The finished segments and how many frames each has; damaged ones are removed."""
        found = {}
        for path in sorted(self.path.glob("*.packets")):
            packets = packets_in(path) if path.stem.isdecimal() else None
            if packets is None:
                path.unlink()
            else:
                found[int(path.stem)] = packets
        return found

    @property
    def end(self) -> dict[str, Any] | None:
        """What was noted at the film's end; None if no run came there."""
        return self._read(_END)

    @end.setter
    def end(self, facts: dict[str, Any]) -> None:
        self._write(_END, facts)

    def _read(self, name: str) -> dict[str, Any] | None:
        try:
            facts = json.loads((self.path / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return facts if isinstance(facts, dict) else None

    def _write(self, name: str, facts: dict[str, Any]) -> None:
        part = self.path / f"{name}.part"
        with open(part, "w", encoding="utf-8") as file:
            json.dump(facts, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, self.path / name)

    def _empty(self) -> None:
        for path in self.path.iterdir():
            if path.name != _LOCK:
                path.unlink()

    def remove(self) -> None:
        """All of it. What cannot be removed stays."""
        with contextlib.suppress(OSError):
            self._empty()
        self.close()
        with contextlib.suppress(OSError):
            (self.path / _LOCK).unlink(missing_ok=True)
            self.path.rmdir()

    def close(self) -> None:
        """Lets others have it. Twice is fine."""
        if self._lock is not None and self._lock >= 0:
            os.close(self._lock)
        self._lock = None

    def __enter__(self) -> WorkFolder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _is_part(name: str) -> bool:
    """Whether a killed run left it half written: a segment, a note or the joined film."""
    return name.endswith(".part") or ".part." in name


def _difference(before: dict[str, Any] | None, now: dict[str, Any]) -> str:
    """In words: what the segments were made of and what is asked for now."""
    if before is None:
        return "its manifest cannot be read"
    names = [name for name in now if before.get(name) != now[name]]
    return f"it was made with {' and '.join(_WORDS.get(name, name) for name in names) or 'other settings'}"


_WORDS = {
    "film": "another film, or this one before it changed",
    "settings": "other settings",
    "style": "another style",
    "versions": "other versions of the software",
    "machine": "other threads",
}
