"""What all live sources have in common, and the gate that lets any thread close them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from types import TracebackType
from typing import Protocol, Self

from ..frame import Frame
from .size import Size

Say = Callable[[str], object]
MICROSECOND = Fraction(1, 1_000_000)


def say_nothing(_line: str) -> None:
    """For those who do not listen."""


class LiveSource(Protocol):
    """Frames at the source's own size, stamped with the time they were grabbed. A context manager; iterate it once.

    Its end is the end of the run; a fault (unplugged, connection lost) is raised as DeviceError.

    Attributes:
        frame_size: of the newest frame; it may change on the way.
        rate: frames per second a sink should reckon with.
        patience: seconds without a frame after which it is lost; None where, or as long as, gaps are normal (a film's).
        stillness: seconds of one picture, bit for bit, after which it is lost; None where that is normal.
        starts_over: whether opening it again shows the same once more, as of a film.
    """

    @property
    def frame_size(self) -> Size: ...

    @property
    def rate(self) -> Fraction: ...

    @property
    def patience(self) -> float | None: ...

    @property
    def stillness(self) -> float | None: ...

    @property
    def starts_over(self) -> bool: ...

    def describe(self) -> str:
        """One line: what it is and what it gives."""

    def __iter__(self) -> Iterator[Frame]: ...

    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Closing:
    """A base class: `with` closes, and `close` may come from any thread, twice too.

    Releasing a device under a thread that reads from it crashes the process: so `_release` runs at once only
    if nobody is inside `_using()`, else in the thread that leaves it.
    """

    starts_over: bool = False

    def __init__(self) -> None:
        self._lock, self._closed, self._released = threading.Lock(), False, False

    def close(self) -> None:
        """Ends the iteration after the frame in work. Twice is fine."""
        self._closed = True
        self._free()

    @contextmanager
    def _using(self) -> Iterator[bool]:
        """Whether the resource may be used, for as long as one is inside."""
        try:
            with self._lock:
                yield not self._closed
        finally:
            if self._closed:
                self._free()

    def _free(self) -> None:
        if self._lock.acquire(blocking=False):
            try:
                if not self._released:
                    self._released = True
                    self._release()
            finally:
                self._lock.release()

    def _release(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
