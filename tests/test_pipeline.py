"""Handoff and run: order, loss, failure, and that no thread is left behind."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livestyle.frame import Frame, Image
from livestyle.pipeline import MEASURED_FRAMES, STAGES, Closed, Handoff, Stats, run

PATIENCE = 10.0  # seconds; nothing here takes a hundredth of it unless it hangs


def frames(count: int) -> Iterator[Frame]:
    for index in range(count):
        yield Frame(np.full((2, 2, 3), index % 256, np.uint8), Fraction(index, 25), index)


def identity(image: Image) -> Image:
    return image


def in_thread(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("livestyle")]


# Handoff


@given(st.lists(st.integers()))
def test_handoff_keeps_the_order(items: list[int]) -> None:
    handoff: Handoff[int] = Handoff(len(items) + 1)
    for item in items:
        handoff.put(item)
    handoff.close()
    assert list(handoff) == items


@given(size=st.integers(1, 5), count=st.integers(0, 20))
def test_live_handoff_keeps_the_newest_and_counts_the_forgotten(size: int, count: int) -> None:
    handoff: Handoff[int] = Handoff(size, drop_oldest=True)
    for item in range(count):
        handoff.put(item)
    handoff.close()
    assert handoff.dropped == max(0, count - size)
    assert list(handoff) == list(range(count))[-size:]


def test_full_handoff_waits_for_room() -> None:
    handoff: Handoff[int] = Handoff(1)
    handoff.put(1)
    producer = in_thread(lambda: handoff.put(2))
    producer.join(0.05)
    assert producer.is_alive()
    assert handoff.get() == 1
    producer.join(PATIENCE)
    assert not producer.is_alive()
    assert handoff.get() == 2
    assert handoff.dropped == 0


def test_get_waits_for_an_item() -> None:
    handoff: Handoff[int] = Handoff(1)
    got: list[int] = []
    consumer = in_thread(lambda: got.append(handoff.get()))
    handoff.put(7)
    consumer.join(PATIENCE)
    assert got == [7]


def test_closed_handoff_gives_what_is_inside_then_ends() -> None:
    handoff: Handoff[int] = Handoff(2)
    handoff.put(1)
    handoff.close()
    handoff.close()
    assert handoff.get() == 1
    with pytest.raises(Closed):
        handoff.get()


def test_close_with_discard_empties_it() -> None:
    handoff: Handoff[int] = Handoff(2)
    handoff.put(1)
    handoff.close(discard=True)
    assert list(handoff) == []


@pytest.mark.parametrize("drop_oldest", [False, True])
def test_put_into_a_closed_handoff_raises_and_loses_nothing(drop_oldest: bool) -> None:
    handoff: Handoff[int] = Handoff(1, drop_oldest=drop_oldest)
    handoff.put(1)
    handoff.close()
    with pytest.raises(Closed):
        handoff.put(2)
    assert list(handoff) == [1]
    assert handoff.dropped == 0


def test_close_wakes_a_waiting_producer() -> None:
    handoff: Handoff[int] = Handoff(1)
    handoff.put(1)
    raised = threading.Event()

    def produce() -> None:
        try:
            handoff.put(2)
        except Closed:
            raised.set()

    in_thread(produce)
    handoff.close()
    assert raised.wait(PATIENCE)


def test_close_hands_its_error_over_after_the_items() -> None:
    handoff: Handoff[int] = Handoff(2)
    handoff.put(1)
    handoff.close(ValueError("torn"))
    handoff.close()  # a second close does not forget the error
    assert handoff.get() == 1
    with pytest.raises(ValueError, match="torn"):
        handoff.get()


# run


@given(count=st.integers(0, 40))
def test_a_film_loses_nothing_and_keeps_its_order(count: int) -> None:
    seen: list[Frame] = []
    stats = run(frames(count), lambda image: image + 1, seen.append)
    assert [frame.index for frame in seen] == list(range(count))
    assert [frame.time for frame in seen] == [Fraction(index, 25) for index in range(count)]
    assert [int(frame.image[0, 0, 0]) for frame in seen] == [index + 1 for index in range(count)]
    assert (stats.frames, stats.dropped) == (count, 0)


def test_a_film_waits_for_a_slow_engine_with_few_frames_in_flight() -> None:
    decoded = 0
    ahead: list[int] = []

    def source() -> Iterator[Frame]:
        nonlocal decoded
        for frame in frames(30):
            decoded += 1
            yield frame

    def write(frame: Frame) -> None:
        ahead.append(decoded - frame.index)

    stats = run(source(), identity, write)
    assert (stats.frames, stats.dropped) == (30, 0)
    assert max(ahead) <= 10  # 3 + 3 waiting, one in each hand, one just made


def test_live_mode_forgets_the_oldest_frame_and_counts_it() -> None:
    all_decoded, engine_busy = threading.Event(), threading.Event()
    seen: list[int] = []

    def source() -> Iterator[Frame]:
        for frame in frames(20):
            yield frame
            if frame.index == 0:
                assert engine_busy.wait(PATIENCE)
        all_decoded.set()

    def slow(image: Image) -> Image:
        engine_busy.set()
        assert all_decoded.wait(PATIENCE)
        return image

    stats = run(source(), slow, lambda frame: seen.append(frame.index), live=True)
    assert seen[-1] == 19  # the newest wins
    assert stats.frames == len(seen) <= 3
    assert stats.frames + stats.dropped == 20


class BrokenError(Exception):
    pass


def fail_at(index: int) -> Callable[[int], None]:
    def check(at: int) -> None:
        if at == index:
            raise BrokenError(index)

    return check


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("at", [0, 5])
@pytest.mark.parametrize("stage", STAGES)
def test_a_failure_in_any_stage_reaches_the_caller(stage: str, at: int, live: bool) -> None:
    check = {name: fail_at(at if name == stage else -1) for name in STAGES}
    written = threading.Event()

    def source() -> Iterator[Frame]:
        for frame in frames(1000):
            check["source"](frame.index)
            written.clear()
            yield frame
            if live:  # so that live mode forgets none before the failing one
                written.wait(PATIENCE)

    def engine(image: Image) -> Image:
        try:
            check["engine"](int(image[0, 0, 0]))
        except BrokenError:
            written.set()
            raise
        return image

    def write(frame: Frame) -> None:
        written.set()
        check["sink"](frame.index)

    with pytest.raises(BrokenError):
        run(source(), engine, write, live=live)


def test_a_failure_of_the_source_comes_after_the_frames_before_it() -> None:
    def source() -> Iterator[Frame]:
        yield from frames(5)
        raise BrokenError

    seen: list[int] = []
    with pytest.raises(BrokenError):
        run(source(), identity, lambda frame: seen.append(frame.index))
    assert seen == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_in_the_sink_leaves_no_thread(kind: type[BaseException]) -> None:
    def write(frame: Frame) -> None:
        raise kind

    with pytest.raises(kind):
        run(frames(1000), identity, write)


def test_an_interrupt_between_the_two_threads_starts_leaves_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    start = threading.Thread.start

    def interrupted(thread: threading.Thread) -> None:
        if thread.name == "livestyle-engine":
            raise KeyboardInterrupt
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(frames(1000), identity, lambda frame: None)


def test_write_returning_false_ends_the_run() -> None:
    stats = run(frames(10_000), identity, lambda frame: frame.index != 3)
    assert stats.frames == 4


def test_a_run_can_be_ended_while_no_frame_comes() -> None:
    asked, released = iter([True, None, False]), threading.Event()

    def slow() -> Iterator[Frame]:
        yield from frames(1)
        released.wait(30)

    stats = run(slow(), identity, lambda frame: None, live=True, between=lambda: next(asked), stop=released.set)
    assert (stats.frames, released.is_set(), next(asked, "all asked")) == (1, True, "all asked")


def test_an_error_of_time_from_the_source_is_not_taken_for_quiet() -> None:
    def slow() -> Iterator[Frame]:
        yield from frames(1)
        raise TimeoutError("the camera's own")

    with pytest.raises(TimeoutError, match="the camera's own"):
        run(slow(), identity, lambda frame: None, live=True, between=lambda: None)


def test_on_frame_sees_each_frame_counted() -> None:
    counts: list[int] = []
    run(frames(4), identity, lambda frame: None, on_frame=lambda stats: counts.append(stats.frames))
    assert counts == [1, 2, 3, 4]


def test_each_stage_is_measured_once_a_frame() -> None:
    stats = run(frames(6), identity, lambda frame: None)
    assert {stage: len(times) for stage, times in stats.stage_ms.items()} == {"source": 6, "engine": 6, "sink": 6}
    assert stats.fps == pytest.approx(stats.frames / stats.seconds)


def test_measurements_of_an_endless_run_stay_bounded() -> None:
    stats = Stats()
    for _ in range(2 * MEASURED_FRAMES):
        with stats.measure("engine"):
            pass
    assert {stage: len(times) for stage, times in stats.stage_ms.items()} == {
        "source": 0,
        "engine": MEASURED_FRAMES,
        "sink": 0,
    }
