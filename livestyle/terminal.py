"""Keys from the terminal: the same as in the window, without Enter."""

from __future__ import annotations

import os
import re
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, Self

from .controls import Controls

POLL = 0.1  # seconds until a key or the end is noticed at the latest
_SEQUENCE = re.compile(r"\x1b\[[0-9;]*[@-~]|\x1bO.|.", re.DOTALL)
_NAMES = {"\x1b": "escape", " ": "space"} | {
    f"\x1b{kind}{letter}": name
    for kind in "[O"
    for letter, name in zip("ABCD", ("up", "down", "right", "left"), strict=True)
}


def keys_of(typed: str) -> list[str]:
    """The keys behind what a terminal sends, as `Controls.press` names them: small letters, for caps lock is no key."""
    keys = [_NAMES.get(sequence, sequence.lower()) for sequence in _SEQUENCE.findall(typed)]
    return [key for key in keys if not key.startswith("\x1b")]


class TerminalKeys:
    """Presses keys typed into the terminal, and says what they did; does nothing where there is none.

    A context manager: the terminal is as before when it ends. In the background (Ctrl-Z, `&`) it keeps its hands off.

    Args:
        say: called with a line, from a thread of its own.
        terminal: a file descriptor; standard input's by default.
    """

    def __init__(self, controls: Controls, say: Callable[[str], object], *, terminal: int | None = None) -> None:
        self._controls, self._say = controls, say
        self._terminal = _standard_input() if terminal is None else terminal
        self.active = self._terminal is not None and os.isatty(self._terminal)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="livestyle-keys", daemon=True)

    def __enter__(self) -> Self:
        if self.active:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Twice is fine."""
        self._closed.set()
        if self._thread.is_alive():
            self._thread.join()

    def _listen(self) -> None:
        assert self._terminal is not None
        keyboard = _Keyboard(self._terminal)
        try:
            while not self._closed.is_set() and (keys := keyboard.keys()) is not None:
                for key in keys:
                    said = self._controls.press(key)
                    if said is not None:
                        self._say(said)
        finally:
            keyboard.restore()


def _standard_input() -> int | None:
    try:
        return sys.stdin.fileno()
    except (AttributeError, OSError, ValueError):  # there is none, or something else stands for it
        return None


if sys.platform == "win32":  # untested: written from the documentation
    import msvcrt

    _ARROWS = {"H": "up", "P": "down", "M": "right", "K": "left"}

    class _Keyboard:
        """The console."""

        def __init__(self, terminal: int) -> None:
            pass

        def keys(self) -> list[str] | None:
            """What was typed; waits for it a little."""
            if not msvcrt.kbhit():
                time.sleep(POLL)
                return []
            key = msvcrt.getwch()
            if key in ("\x00", "\xe0"):  # two characters for a key without one
                return [name] if (name := _ARROWS.get(msvcrt.getwch())) else []
            return keys_of(key)

        def restore(self) -> None:
            pass

else:
    import select
    import termios

    class _Keyboard:
        """A terminal that gives each key at once and does not show it. Ctrl-C and Ctrl-Z work as ever."""

        def __init__(self, terminal: int) -> None:
            self._terminal = terminal
            self._before: list[Any] | None = None

        def keys(self) -> list[str] | None:
            """What was typed; waits for it a little. None once the terminal is gone."""
            try:
                if not self._is_ours():
                    time.sleep(POLL)
                    return []
                self._give_each_key()
                typed = self._typed(POLL)
                if typed is not None and typed.endswith(b"\x1b"):  # the rest of an arrow may come behind
                    typed += self._typed(0.05) or b""
            except (OSError, termios.error):
                return None
            if typed is None:
                return []
            return keys_of(typed.decode(errors="ignore")) if typed else None

        def _typed(self, seconds: float) -> bytes | None:
            ready, _, _ = select.select([self._terminal], [], [], seconds)
            return os.read(self._terminal, 1024) if ready else None

        def _give_each_key(self) -> None:
            """Again after Ctrl-Z and `fg`, for the shell sets the terminal as it likes."""
            now = termios.tcgetattr(self._terminal)
            if now[3] & termios.ICANON:
                self._before = [*now]
                now[3] &= ~(termios.ICANON | termios.ECHO)
                termios.tcsetattr(self._terminal, termios.TCSANOW, now)

        def _is_ours(self) -> bool:
            """Whether this program is in the foreground: touching the terminal from behind would stop it."""
            try:
                return os.tcgetpgrp(self._terminal) == os.getpgrp()
            except OSError:  # a terminal that controls nobody
                return True

        def restore(self) -> None:
            """The terminal as it was."""
            try:
                if self._before is not None and self._is_ours():
                    termios.tcsetattr(self._terminal, termios.TCSADRAIN, self._before)
            except termios.error:  # it is gone
                pass
