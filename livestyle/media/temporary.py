"""The hidden file a film is written to: it gets its name when it is complete, and goes if its writer dies."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

_OLD = 60.0  # seconds without a write, where there are no locks, before a file can count as left behind
_TRIES, _PAUSE = 50, 0.01  # seconds
_LONGEST = 255  # bytes of a file's name
_ADDED = 24  # bytes, the most that the name of a hidden file has besides the target's: dots, process and purpose

Check = Callable[[], object]  # raises if the target must not be replaced: somebody may have made one meanwhile


def anything() -> None:
    """The Check that lets any target be replaced."""


def shortened(name: str, suffix: str = "") -> str:
    """The target's name for one of its hidden files, which has the suffix too; a long one ends with its digest."""
    coded, room = os.fsencode(name), _LONGEST - _ADDED - len(os.fsencode(suffix))
    if len(coded) <= room:
        return name
    digest = hashlib.sha256(coded).hexdigest()[:8]
    return coded[: room - len(digest)].decode("utf-8", "ignore") + digest


class AllOrNothing(ABC):
    """A context manager: left without an error, what is written is finished, else removed."""

    @abstractmethod
    def close(self) -> None:
        """Finishes it. Twice is fine."""

    @abstractmethod
    def abort(self) -> None:
        """Leaves nothing behind; does nothing to what is finished."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.close()
        finally:
            self.abort()


class Temporary:
    """An empty hidden file beside the target, locked for as long as this object lives.

    Files that earlier writers of the same target left behind, killed, are removed first.

    Args:
        folder: where it lies, on the target's disk, if not beside the target.

    Attributes:
        path: what to write to; its suffix is the target's.

    Raises OSError if it cannot be made.
    """

    def __init__(self, target: Path, folder: Path | None = None) -> None:
        self._target = target
        remove_stale(target)
        self.path = (folder or target.parent) / f".{_stem(target)}.{os.getpid()}.part{target.suffix}"
        self._file: int | None = open_locked(self.path)

    def publish(self, check: Check = anything) -> None:
        """Gives the file its target's name, once all of it is on the disk and `check` has passed. Raises OSError."""
        with open(self.path, "rb+") as file:
            os.fsync(file.fileno())
        check()
        os.replace(self.path, self._target)
        self._release()

    def discard(self) -> None:
        """Removes the file; does nothing once it is published."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self.path.unlink(missing_ok=True)
            self._release()

    def _release(self) -> None:
        if self._file is not None and self._file >= 0:
            os.close(self._file)  # the lock goes with it
        self._file = None


def _stem(target: Path) -> str:
    return shortened(target.stem, target.suffix)


def remove_stale(target: Path) -> list[Path]:
    """Removes what dead writers of this target left behind, and tells what; what is being written stays."""
    name = re.compile(re.escape(f".{_stem(target)}.") + r"(\d+)\.part" + re.escape(target.suffix))
    with contextlib.suppress(OSError):
        files = [(path, match) for path in target.parent.iterdir() if (match := name.fullmatch(path.name))]
        return [path for path, match in files if _removed(path, int(match[1]))]
    return []


if sys.platform == "win32":

    def open_locked(path: Path) -> int:
        path.touch()
        return -1  # no lock is needed, and an open file could not be renamed

    def _removed(path: Path, pid: int) -> bool:
        """Whether it could be removed; Windows keeps what somebody has open."""
        try:
            path.unlink()
        except OSError:
            return False
        return True

else:
    import fcntl

    def open_locked(path: Path) -> int:
        """The file, open and locked; the lock ends with the process, however it ends."""
        for _ in range(_TRIES):
            file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:  # somebody looks whether it is stale
                os.close(file)
                time.sleep(_PAUSE)
                continue
            except OSError:  # some network folders know no locks
                return file
            if _is_at(path, file):
                return file
            os.close(file)  # it was taken for stale between the two steps
        raise OSError(errno.EBUSY, "it is being written already", str(path))

    def _is_at(path: Path, file: int) -> bool:
        try:
            return os.path.samestat(os.fstat(file), path.stat())
        except FileNotFoundError:
            return False

    def _removed(path: Path, pid: int) -> bool:
        """Whether its writer was gone, for nobody holds the lock, and so is it now.

        Process numbers are used again; they count only where there are no locks.
        """
        try:
            file = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
        except OSError:
            return False
        try:
            if _is_free(file, pid) and _is_at(path, file):  # else it was renewed between the two steps
                path.unlink()
                return True
        except OSError:
            pass
        finally:
            os.close(file)
        return False

    def _is_free(file: int, pid: int) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            return time.time() - os.fstat(file).st_mtime > _OLD and not _is_running(pid)
        return True

    def _is_running(pid: int) -> bool:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        except OSError:  # another user's
            return True
        return True
