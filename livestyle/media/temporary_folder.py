"""The hidden folder pictures are written to: it gets its name when it is complete, and goes if its writer dies."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
from pathlib import Path

from .temporary import Check, shortened

if sys.platform != "win32":
    import fcntl


class TemporaryFolder:
    """An empty hidden folder beside the target, locked for as long as this object lives.

    What earlier writers of the same target left behind, killed, is removed first; a folder that one of them was about
    to replace comes back. Windows has no such locks: there it stays.

    Attributes:
        path: where to write.

    Raises OSError if it cannot be made.
    """

    def __init__(self, target: Path) -> None:
        self._target = target
        _tidy(target)
        self.path = _hidden(target, os.getpid(), "part")
        self._replaced = _hidden(target, os.getpid(), "old")
        self.path.mkdir()
        self._lock: int | None = _locked(self.path)
        self._open = True

    def publish(self, check: Check) -> None:
        """Gives the folder its target's name, once all in it is on the disk and `check` has passed. Raises OSError."""
        for path in self.path.iterdir():
            with open(path, "rb+") as file:
                os.fsync(file.fileno())
        check()
        if self._target.exists():
            self._target.rename(self._replaced)
        self.path.rename(self._target)
        self._open = False
        shutil.rmtree(self._replaced, ignore_errors=True)
        self._release()

    def discard(self) -> None:
        """Removes the folder and leaves the target as it was; does nothing once it is published."""
        if self._open:
            if self._replaced.exists() and not self._target.exists():
                self._replaced.rename(self._target)
            shutil.rmtree(self.path, ignore_errors=True)
            self._open = False
            self._release()

    def _release(self) -> None:
        if self._lock is not None:
            os.close(self._lock)  # the lock goes with it
            self._lock = None


def _hidden(target: Path, pid: int, kind: str) -> Path:
    return target.with_name(f".{shortened(target.name)}.{pid}.{kind}")


def _locked(path: Path) -> int | None:
    """The folder, open and locked; None if somebody else holds it or there are no locks."""
    if sys.platform == "win32":
        return None
    file = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(file)
        return None
    return file


def _tidy(target: Path) -> None:
    """Removes what dead writers of this target left behind; what is being written stays."""
    if sys.platform == "win32":
        return
    name = re.compile(re.escape(f".{shortened(target.name)}.") + r"\d+\.(part|old)")
    with contextlib.suppress(OSError):
        for path in [path for path in target.parent.iterdir() if name.fullmatch(path.name) and path.is_dir()]:
            lock = _locked(path)
            if lock is None:
                continue
            if path.suffix == ".old" and not target.exists():
                path.rename(target)
            else:
                shutil.rmtree(path, ignore_errors=True)
            os.close(lock)
