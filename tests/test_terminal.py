"""Keys from a terminal: a real pseudo-terminal, and it is left as it was."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from queue import Queue

import pytest

from livestyle.controls import ACTIONS, Controls
from livestyle.terminal import TerminalKeys, keys_of

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
if sys.platform != "win32":
    import pty
    import termios


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """The user's side and the program's."""
    user, program = pty.openpty()
    yield user, program
    for descriptor in (user, program):
        with suppress(OSError):  # closed by the test
            os.close(descriptor)


@pytest.fixture
def controls() -> Controls:
    return Controls(["starry", "wave", "none"])


@pytest.mark.parametrize(
    ("typed", "keys"),
    [
        ("n", ["n"]),
        ("\x1b[A\x1b[B\x1b[C\x1b[D", ["up", "down", "right", "left"]),
        ("\x1bOA", ["up"]),  # in application mode
        (" q", ["space", "q"]),
        ("\x1b", ["escape"]),
        ("n\x1b", ["n", "escape"]),
        ("\x1b[15~n", ["n"]),  # F5 means nothing, and is not taken for its characters
        ("\x1b[1;5Cn", ["n"]),  # nor is Ctrl-right
        ("\x1b\x1b[A", ["escape", "up"]),
        ("é?", ["é", "?"]),
        ("", []),
    ],
)
def test_keys_are_told_apart(typed: str, keys: list[str]) -> None:
    assert keys_of(typed) == keys


def test_capitals_are_the_same_keys_as_in_the_window() -> None:
    assert keys_of("XnR\x1b[A") == ["x", "n", "r", "up"]


def test_every_named_key_can_be_typed() -> None:
    named = {key for action in ACTIONS for key in action.keys if len(key) > 1}
    assert set(keys_of("\x1b[A\x1b[B\x1b[C\x1b[D  \x1b")) == named


def test_a_key_acts_without_enter_and_says_so(terminal: tuple[int, int], controls: Controls) -> None:
    user, program = terminal
    said: Queue[str] = Queue()
    with TerminalKeys(controls, said.put, terminal=program) as keys:
        assert keys.active
        os.write(user, b"2")
        assert said.get(timeout=5) == "style wave"
        os.write(user, b"z\x1b[C ")  # z does nothing and says nothing
        assert said.get(timeout=5) == "style none"
        assert said.get(timeout=5) == "freeze on"
    assert controls.look.freeze


def test_an_arrow_in_two_pieces_is_one_key(terminal: tuple[int, int], controls: Controls) -> None:
    user, program = terminal
    said: Queue[str] = Queue()
    with TerminalKeys(controls, said.put, terminal=program):
        os.write(user, b"n")
        said.get(timeout=5)  # now it listens
        os.write(user, b"\x1b")
        os.write(user, b"[C")
        assert said.get(timeout=5) == "style none"
    assert not controls.quitting


def test_escape_alone_quits(terminal: tuple[int, int], controls: Controls) -> None:
    user, program = terminal
    said: Queue[str] = Queue()
    with TerminalKeys(controls, said.put, terminal=program):
        os.write(user, b"\x1b")
        assert said.get(timeout=5) == "quit"
    assert controls.quitting


@pytest.mark.parametrize("failing", [False, True])
def test_the_terminal_is_as_before(failing: bool, terminal: tuple[int, int], controls: Controls) -> None:
    user, program = terminal
    said: Queue[str] = Queue()
    before = termios.tcgetattr(program)
    try:
        with TerminalKeys(controls, said.put, terminal=program):
            os.write(user, b"n")
            said.get(timeout=5)
            inside = termios.tcgetattr(program)
            assert not inside[3] & (termios.ICANON | termios.ECHO)
            assert inside[3] & termios.ISIG  # Ctrl-C and Ctrl-Z
            if failing:
                raise RuntimeError
    except RuntimeError:
        pass
    assert termios.tcgetattr(program) == before


def test_the_terminal_is_as_before_when_saying_fails(
    terminal: tuple[int, int], controls: Controls, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, program = terminal
    before = termios.tcgetattr(program)
    failed: Queue[object] = Queue()
    monkeypatch.setattr(threading, "excepthook", failed.put)

    def say(line: str) -> None:
        raise OSError("the pipe is closed")

    with TerminalKeys(controls, say, terminal=program):
        os.write(user, b"n")
        failed.get(timeout=5)
        assert termios.tcgetattr(program) == before


def test_what_the_shell_changed_meanwhile_is_changed_again(terminal: tuple[int, int], controls: Controls) -> None:
    """After Ctrl-Z and fg."""
    user, program = terminal
    said: Queue[str] = Queue()
    before = termios.tcgetattr(program)
    with TerminalKeys(controls, said.put, terminal=program):
        os.write(user, b"n")
        said.get(timeout=5)
        termios.tcsetattr(program, termios.TCSANOW, before)
        pause = threading.Event()
        for _ in range(100):
            if not termios.tcgetattr(program)[3] & termios.ICANON:
                break
            pause.wait(0.05)
        os.write(user, b"n")
        assert said.get(timeout=5) == "style none"
    assert termios.tcgetattr(program) == before


def test_in_the_background_it_keeps_its_hands_off(
    terminal: tuple[int, int], controls: Controls, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`livestyle cam &`: reading the terminal or changing it would stop the whole program."""
    user, program = terminal
    asked: Queue[int] = Queue()
    monkeypatch.setattr(os, "tcgetpgrp", lambda terminal: asked.put(terminal) or os.getpgrp() + 1)
    before = termios.tcgetattr(program)
    with TerminalKeys(controls, lambda line: None, terminal=program):
        os.write(user, b"n\n")
        for _ in range(3):
            assert asked.get(timeout=5) == program
        assert termios.tcgetattr(program) == before
    assert controls.look.style == 0


def test_a_terminal_that_goes_away_ends_it(terminal: tuple[int, int], controls: Controls) -> None:
    user, program = terminal
    said: Queue[str] = Queue()
    with TerminalKeys(controls, said.put, terminal=program) as keys:
        os.write(user, b"n")
        said.get(timeout=5)
        os.close(user)
        keys._thread.join(timeout=5)
        assert not keys._thread.is_alive()


def test_close_ends_within_a_second_and_twice_is_fine(terminal: tuple[int, int], controls: Controls) -> None:
    keys = TerminalKeys(controls, lambda line: None, terminal=terminal[1])
    with keys:
        began = time.perf_counter()
        keys.close()
        assert time.perf_counter() - began < 1
        assert not keys._thread.is_alive()


def test_without_a_terminal_it_does_nothing(controls: Controls) -> None:
    read, write = os.pipe()
    with TerminalKeys(controls, lambda line: None, terminal=read) as keys:
        assert not keys.active
        assert not keys._thread.is_alive()
    os.close(read)
    os.close(write)


def test_without_standard_input_it_does_nothing(controls: Controls, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with TerminalKeys(controls, lambda line: None) as keys:
        assert not keys.active
