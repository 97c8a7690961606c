"""Signals wait until nothing is half done."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import pytest

from livestyle import signals
from livestyle.signals import held

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals"),
    pytest.mark.usefixtures("heard_signals"),
]


def send(number: signal.Signals = signal.SIGINT) -> None:
    """To this process; the handler has run when this returns, or its error has come."""
    os.kill(os.getpid(), number)


@pytest.fixture
def told() -> Iterator[list[int]]:
    """The signals SIGTERM's handler, which raises nothing, was called for."""
    calls: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: calls.append(number))
    yield calls
    signal.signal(signal.SIGTERM, before)


def test_a_signal_waits_for_a_look() -> None:
    done: list[str] = []
    with pytest.raises(KeyboardInterrupt), held() as look:
        look()
        send()
        done.append("what was begun")
        look()
        done.append("more")
    assert done == ["what was begun"]


@pytest.mark.parametrize("fails", [False, True])
def test_a_signal_is_heard_at_the_end(fails: bool) -> None:
    """Also where something failed meanwhile: whoever takes that for one of many films would go on."""
    with pytest.raises(KeyboardInterrupt), held():
        send()
        if fails:
            raise ValueError
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_the_same_signal_twice_at_once_is_one() -> None:
    """A closed terminal's comes from the system and from the shell."""
    closed: list[str] = []
    with pytest.raises(KeyboardInterrupt), held() as look:
        send()
        send()
        try:
            look()
        finally:
            send()
            closed.append("tidily")
    assert closed == ["tidily"]


def test_a_later_signal_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "PATIENCE_S", 0.0)
    done: list[str] = []
    with pytest.raises(KeyboardInterrupt), held():
        send()
        done.append("waits")
        send()
        done.append("waits too")
    assert done == ["waits"]


def test_a_handler_that_raises_nothing_hears_every_signal(told: list[int]) -> None:
    with held() as look:
        for number in range(3):
            send(signal.SIGTERM)
            assert len(told) == number
            look()
    assert told == [signal.SIGTERM] * 3
    send(signal.SIGTERM)
    assert len(told) == 4


def test_inside_another_the_signals_are_the_outer_ones() -> None:
    done: list[str] = []
    with pytest.raises(KeyboardInterrupt), held() as look:
        with held() as inner:
            send()
        done.append("the inner one")
        inner()
        done.append("unheard")
    assert done == ["the inner one"]  # what fails above gives way to the signal
    assert inner == look


def test_in_another_thread_signals_are_not_touched() -> None:
    seen: list[Callable[[], None]] = []

    def work() -> None:
        with held() as look:
            look()
            seen.append(look)

    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen and signal.getsignal(signal.SIGINT) is before


def test_where_python_hears_no_signals_nothing_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(number: int, handler: object) -> None:
        raise ValueError("signal only works in main thread of the main interpreter")

    monkeypatch.setattr(signals.signal, "signal", refuse)  # as in OBS or Blender
    with held() as look:
        look()


# Ctrl-C just when the main thread has taken a mailbox's lock, which no `with` would give back.
AT_THE_LOCK = """
import os, signal, threading, types

class Condition(threading.Condition):
    entered = 0
    def __enter__(self):
        entered = super().__enter__()
        if threading.current_thread() is threading.main_thread():
            Condition.entered += 1
            if Condition.entered == 3:
                os.kill(os.getpid(), signal.SIGINT)
        return entered

from livestyle import pipeline
pipeline.threading = types.SimpleNamespace(**{**vars(threading), "Condition": Condition})

class Frame:
    image = None
    def with_image(self, image): return self

def source():
    while True:
        yield Frame()

try:
    pipeline.run(source(), lambda image: image, lambda frame: None)
except KeyboardInterrupt:
    print("interrupted,", threading.active_count(), "thread")
"""


def test_a_signal_never_leaves_a_lock_taken() -> None:
    done = subprocess.run([sys.executable, "-c", AT_THE_LOCK], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("interrupted, 1 thread\n", "")


TWICE = """
import os, signal
from livestyle.signals import end_tidily_on_signals
end_tidily_on_signals()
try:
    os.kill(os.getpid(), signal.SIGHUP)
finally:
    os.kill(os.getpid(), signal.SIGHUP)
    os.kill(os.getpid(), signal.SIGINT)
    print("closed tidily", flush=True)
"""


def test_a_signal_that_comes_twice_does_not_cut_the_ending_short() -> None:
    """A closed terminal is told by the system and by the shell."""
    done = subprocess.run([sys.executable, "-c", TWICE], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (129, "closed tidily\n", "")
