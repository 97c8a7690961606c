"""What the meter tells, on a clock of the test's own."""

from __future__ import annotations

import itertools
import json
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livestyle.latency import REFRESH_S, WINDOW_FRAMES, LiveStats, Meter, percentile


class Clock:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def played(*, camera: int = 30, output: int = 15, seconds: float = 10.0, latency: float = 0.05) -> tuple[Meter, Clock]:
    """A meter after a steady run."""
    clock = Clock()
    meter = Meter(device="cpu, 2 threads", clock=clock)
    events = sorted(
        [(index / camera, True) for index in range(int(seconds * camera))]
        + [(index / output, False) for index in range(int(seconds * output))]
    )
    for moment, is_camera in events:
        clock.now = 100 + moment
        if is_camera:
            meter.came()
        else:
            meter.went(clock.now - latency)
    return meter, clock


@given(st.lists(st.floats(-1e6, 1e6), min_size=1), st.integers(0, 100))
def test_percentiles_are_numpys(values: list[float], percent: int) -> None:
    assert percentile(sorted(values), percent) == pytest.approx(np.percentile(values, percent), abs=1e-6)


@pytest.mark.parametrize(("camera", "output"), [(30, 15), (10, 10), (60, 24)])
def test_rates_are_the_cameras_and_the_outputs(camera: int, output: int) -> None:
    meter, _ = played(camera=camera, output=output)
    assert meter.stats().camera_fps == pytest.approx(camera, rel=0.02)
    assert meter.stats().output_fps == pytest.approx(output, rel=0.02)


def test_latency_is_from_capture_to_output() -> None:
    clock = Clock()
    meter = Meter(clock=clock)
    for milliseconds in range(1, 101):
        clock.now += 0.01
        assert meter.went(clock.now - milliseconds / 1000) == pytest.approx(milliseconds / 1000)
    stats = meter.stats()
    assert stats.p50_ms == pytest.approx(50.5)
    assert stats.p95_ms == pytest.approx(95.05)
    assert stats.audio_delay_ms == 50


def test_what_is_older_than_five_seconds_counts_no_more() -> None:
    meter, clock = played(latency=0.5)
    for _ in range(80):
        clock.now += 1 / 15
        meter.went(clock.now - 0.02)
    assert meter.stats().p95_ms == pytest.approx(20)


def test_a_camera_that_stops_loses_its_rate() -> None:
    meter, clock = played()
    before = meter.stats().camera_fps
    clock.now += 2
    assert meter.stats().camera_fps == pytest.approx(before * 3 / 5, rel=0.1)
    clock.now += 5
    stats = meter.stats()
    assert (stats.camera_fps, stats.output_fps, stats.p50_ms, stats.audio_delay_ms) == (0, 0, None, None)


def test_frames_without_a_capture_time_count_for_the_rate_alone() -> None:
    clock = Clock()
    meter = Meter(clock=clock)
    for _ in range(20):
        clock.now += 0.1
        assert meter.went(None) is None
    assert meter.stats().output_fps == pytest.approx(10)
    assert meter.stats().p50_ms is None


def test_figures_are_made_at_most_twice_a_second() -> None:
    meter, clock = played()
    first = meter.stats()
    clock.now += 0.9 * REFRESH_S
    meter.note(dropped=7)
    assert meter.stats() is first
    clock.now += 0.2 * REFRESH_S
    assert meter.stats().dropped == 7


def test_what_is_remembered_is_bounded() -> None:
    meter, _ = played(camera=500, output=500, seconds=4)
    held = [len(value) for value in vars(meter).values() if hasattr(value, "maxlen")]
    assert held == [WINDOW_FRAMES] * 3
    assert meter.stats().camera_fps == pytest.approx(500, rel=0.02)


def test_the_overlay_tells_all_of_it() -> None:
    stats = LiveStats(29.97, 24.0, 41.3, 58.8, 12, "640x360", "cpu, 2 threads")
    assert stats.lines() == [
        "camera 30.0 fps, output 24.0 fps",
        "latency p50 / p95: 41 / 59 ms, dropped 12",
        "640x360",
        "cpu, 2 threads",
        "audio delay to set for lip-sync: 41 ms",
    ]


def test_the_overlay_gives_the_governors_reason_instead_of_the_size() -> None:
    meter = Meter(device="cpu", clock=Clock())
    meter.note(size="640x360", why="640x360 of 1280x720: 31 ms p95 fits 33 ms")
    assert meter.lines()[2:] == ["640x360 of 1280x720: 31 ms p95 fits 33 ms", "cpu"]


def test_before_the_first_frame_nothing_is_made_up() -> None:
    assert Meter(clock=Clock()).lines() == [
        "camera 0.0 fps, output 0.0 fps",
        "latency p50 / p95: -, dropped 0",
    ]


def test_the_row_is_plain_json() -> None:
    meter, _ = played()
    meter.note(dropped=3, size="640x360", why="because")
    row = json.loads(json.dumps(meter.row()))
    assert row["p50_ms"] == pytest.approx(50)
    assert (row["audio_delay_ms"], row["dropped"], row["size"], row["why"]) == (50, 3, "640x360", "because")


def test_two_threads_may_feed_it_while_a_third_reads() -> None:
    ticks = itertools.count()
    meter = Meter(clock=lambda: next(ticks) * REFRESH_S)  # every look makes the figures anew
    stop = threading.Event()
    failures: list[BaseException] = []

    def forever(work: object) -> None:
        try:
            while not stop.is_set():
                work()  # type: ignore[operator]
        except BaseException as error:
            failures.append(error)

    threads = [
        threading.Thread(target=forever, args=(work,)) for work in (meter.came, lambda: meter.went(0.0), meter.stats)
    ]
    for thread in threads:
        thread.start()
    for _ in range(300):
        meter.note(dropped=1)
        meter.stats()
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []
