"""What signals do: they end the program tidily, and wait until nothing is half done.

Python raises what a signal means (KeyboardInterrupt, SystemExit) between any two instructions of the main thread, even
where `Condition.__enter__` has its lock and the `with` does not know yet: it stays locked, and other threads wait for
ever (Python's documentation, signal, "Note on Signal Handlers and Exceptions").
"""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

PATIENCE_S = 1.0  # a signal so long after the first is one of its own: its sender thinks that we are stuck
_NUMBERS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


def end_tidily_on_signals() -> None:
    """Ctrl-C raises KeyboardInterrupt; SIGTERM and SIGHUP raise SystemExit of 128 and their number.

    So sinks are finished and nothing is left. Another signal meanwhile changes nothing for a second: a closed
    terminal is told by the system and by the shell. What is ignored, as under `nohup`, stays so.
    """
    ending = _Ending()
    for number in _NUMBERS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, ending)


class _Ending:
    def __init__(self) -> None:
        self._heard = -math.inf

    def __call__(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if now - self._heard > PATIENCE_S:
            self._heard = now
            raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)


@contextmanager
def held() -> Iterator[Callable[[], None]]:
    """Inside, a signal does what it would do (raise) when the function given is called, at the latest at the end.

    Only the main thread hears signals: in any other this does nothing. Inside another `held`, signals are that one's.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    if _Held.now:
        yield _Held.now.look
        return
    signals = _Held()
    try:
        signals.begin()
        yield signals.look
    finally:
        signals.end()


class _Held:
    now: _Held | None = None

    def __init__(self) -> None:
        self._came: tuple[int, float] | None = None  # the first signal, and when
        self._looked = False
        self._handlers: dict[int, Callable[[int, FrameType | None], object]] = {}

    def begin(self) -> None:
        _Held.now = self
        with suppress(ValueError):  # Python is a guest in another program's thread, and hears no signals
            for number in _NUMBERS:
                if callable(handler := signal.getsignal(number)):
                    self._handlers[number] = handler
                    signal.signal(number, self._keep)

    def _keep(self, number: int, frame: FrameType | None) -> None:
        if self._came is None:
            self._came, self._looked = (number, time.monotonic()), False
        elif time.monotonic() - self._came[1] > PATIENCE_S:
            self._handlers[number](number, frame)

    def look(self) -> None:
        """Does what the signal that came would have done."""
        if self._came and not self._looked:
            self._looked = True
            number, _ = self._came
            self._handlers[number](number, None)
            self._came = None  # that raised nothing: the next counts as a first

    def end(self) -> None:
        _Held.now = None  # first: from the first handler put back on, a signal may raise here
        with suppress(ValueError):
            for number, handler in self._handlers.items():
                signal.signal(number, handler)
        self.look()
