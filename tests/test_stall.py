"""Sources that stop without a word: a time limit, one line, and nothing left behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from conftest import MakeFilm, RunCli

from livestyle import film as film_module
from livestyle.errors import Stalled
from livestyle.frame import Frame
from livestyle.media import decoder, reader
from livestyle.pipeline import run, within

LIMIT = 0.3  # seconds


@pytest.fixture
def stuck() -> Iterator[threading.Event]:
    """What a read waits for; set at the end, for the threads left behind."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(film_module, "PATIENCE", LIMIT)


def frame(index: int) -> Frame:
    return Frame(np.zeros((4, 4, 3), np.uint8), Fraction(index), index)


@pytest.mark.parametrize("lanes", [1, 2])
def test_a_source_that_stops_is_given_up(lanes: int, stuck: threading.Event) -> None:
    written: list[int] = []

    def stops() -> Iterator[Frame]:
        yield from map(frame, range(3))
        stuck.wait()

    with pytest.raises(Stalled, match=r"no frame for 0\.3 s"):
        run(stops(), lambda image: image, lambda it: written.append(it.index), patience=LIMIT, lanes=lanes)
    assert written == [0, 1, 2][: len(written)]


def test_a_slow_engine_or_sink_is_no_stall() -> None:
    frames = map(frame, range(8))

    def slow(image: Any) -> Any:
        time.sleep(LIMIT / 2)
        return image

    assert run(frames, slow, lambda it: time.sleep(LIMIT / 2), patience=LIMIT / 3).frames == 8


def test_a_run_that_ends_in_time_leaves_no_thread_behind() -> None:
    before = threading.active_count()
    run(map(frame, range(3)), lambda image: image, lambda it: None, patience=60)
    assert threading.active_count() == before


def test_what_is_made_in_time_is_given_and_an_error_is_its_own() -> None:
    def fails() -> None:
        raise TimeoutError("its own")

    assert within(60, lambda: 5) == 5
    with pytest.raises(TimeoutError, match="its own"):
        within(60, fails)


@pytest.mark.parametrize("at", [0, 5])
def test_a_film_that_stalls_is_one_line_and_leaves_nothing(
    at: int, stuck: threading.Event, make_film: MakeFilm, run_cli: RunCli, monkeypatch: pytest.MonkeyPatch
) -> None:
    film, packets_of = make_film(), decoder.film_packets

    def stalls(*arguments: Any) -> Iterator[Any]:
        for index, packet in enumerate(packets_of(*arguments)):
            if index == at:
                stuck.wait()
            yield packet

    monkeypatch.setattr(decoder, "film_packets", stalls)
    outcome = run_cli("video", film, film.with_name("out.mp4"), "--style", "none", "--quiet")
    assert (outcome.code, outcome.err) == (1, [f"error: {film}: gives no frame for 0.3 s; given up"])
    assert list(film.parent.iterdir()) == [film]


def test_a_film_that_cannot_be_opened_in_time_is_one_line(
    stuck: threading.Event, make_film: MakeFilm, run_cli: RunCli, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = make_film()
    blocks: Callable[..., object] = lambda *_, **__: stuck.wait()  # noqa: E731
    monkeypatch.setattr(reader, "open_film", blocks)
    outcome = run_cli("video", film, film.with_name("out.mp4"), "--style", "none", "--quiet")
    assert (outcome.code, outcome.err) == (1, [f"error: {film}: gives no frame for 0.3 s; given up"])
