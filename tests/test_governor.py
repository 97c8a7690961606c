"""The governor on a simulated camera and engine: it converges, holds, does not pump, and keeps its promise."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from livestyle.errors import InputError
from livestyle.governor import CHECK_S, CREEPING, MAX_EVERY, TOLERATED, Choice, Governor
from livestyle.ladder import MULTIPLE, SMALLEST, sizes
from livestyle.media.size import Size

HD = Size(1280, 720)
OVERHEAD = 0.006  # seconds a frame spends outside the engine: grab, draw
NETWORK_COST = {"": 1.0, "johnson": 4.0, "lite": 1.0}


@dataclass(frozen=True)
class Seen:
    """One output frame of a simulation, in seconds."""

    now: float
    engine: float
    latency: float
    choice: Choice


Cost = Callable[[Choice, float], float]  # (choice, now) -> seconds in the engine


def engine(
    base: float, megapixel: float, *, noise: float = 0.2, spikes: float = 0.0, power: float = 1.0, seed: int = 0
) -> Cost:
    """`base` + `megapixel` for a million pixels, varied by +-`noise`; a share `spikes` of frames takes 80 ms more."""
    rng = random.Random(seed)

    def cost(choice: Choice, now: float) -> float:
        area = choice.size.width * choice.size.height / 1e6
        spike = 0.08 if rng.random() < spikes else 0.0
        typical = base + megapixel * NETWORK_COST[choice.network] * area**power
        return typical * rng.uniform(1 - noise, 1 + noise) + spike

    return cost


def loaded(cost: Cost, *steps: tuple[float, float]) -> Cost:
    """The same engine under loads that change: (from when, factor), in order of time."""

    def under_load(choice: Choice, now: float) -> float:
        return cost(choice, now) * next((factor for when, factor in reversed(steps) if now >= when), 1.0)

    return under_load


def simulate(governor: Governor, cost: Cost, seconds: float, *, camera: float = 30.0) -> Iterator[Seen]:
    """The live chain: the engine takes the newest frame that is let in, or waits for the next one."""
    free, last = 0.0, -1
    while free < seconds:
        choice = governor.choice
        index = math.floor(free * camera) // choice.every * choice.every
        if index <= last:
            index = (last // choice.every + 1) * choice.every
        captured, last = index / camera, index
        begun = max(free, captured)
        spent = cost(choice, begun)
        free = begun + spent
        now = free + OVERHEAD
        governor.update(spent, now - captured, now)
        yield Seen(now, spent, now - captured, choice)


def governor(
    full: Size = HD, *, fps: float = 30, max_latency: float = 0.05, camera: float = 30.0, **options: object
) -> Governor:
    return Governor(full, fps=fps, max_latency=max_latency, camera_fps=camera, **options)  # type: ignore[arg-type]


def p95(values: list[float]) -> float:
    return sorted(values)[int(0.95 * (len(values) - 1))]


def switches(seen: list[Seen]) -> list[float]:
    """When the choice changed."""
    return [after.now for before, after in pairwise(seen) if before.choice != after.choice]


def best(cost: Cost, full: Size, limit: float) -> Size:
    """The largest size whose p95 fits a limit: what a governor that knew everything would take."""
    for size in sizes(full, None):
        if p95([cost(Choice(size), 0.0) for _ in range(500)]) <= limit:
            return size
    return sizes(full, None)[-1]


def steps_apart(a: Size, b: Size, full: Size) -> int:
    ladder = sizes(full, None)
    return abs(ladder.index(a) - ladder.index(b))


# The ladder


@given(st.integers(1, 4096), st.integers(1, 4096), st.none() | st.integers(1, 5000))
def test_sizes_shrink_in_the_cameras_aspect(width: int, height: int, largest: int | None) -> None:
    full = Size(width, height)
    ladder = sizes(full, largest)
    assert max(ladder[0]) == min(max(full), largest or max(full))
    for size in ladder[1:]:
        assert size.width % MULTIPLE == size.height % MULTIPLE == 0
        assert max(size) >= SMALLEST - MULTIPLE
        scale = max(size) / max(full)
        # Each side is rounded to 8 pixels, and the size before that to whole ones; no side is less than 8.
        assert abs(size.width - width * scale) <= MULTIPLE + 1 or size.width == MULTIPLE
        assert abs(size.height - height * scale) <= MULTIPLE + 1 or size.height == MULTIPLE
    for larger, smaller in pairwise(ladder):
        assert smaller.width * smaller.height < larger.width * larger.height


def test_hd_has_these_sizes() -> None:
    assert [str(size) for size in sizes(HD, None)] == [
        "1280x720",
        "1024x576",
        "816x464",
        "656x368",
        "528x296",
        "416x232",
        "336x192",
        "272x152",
        "216x120",
        "168x96",
    ]


@pytest.mark.parametrize(
    ("largest", "top"),
    [(None, "1280x720"), (640, "640x360"), (Size(640, 480), "640x360"), (5000, "1280x720"), (100, "100x56")],
)
def test_the_cap_keeps_the_aspect_and_never_enlarges(largest: Size | int | None, top: str) -> None:
    assert str(sizes(HD, largest)[0]) == top


def test_two_networks_make_one_ladder_with_one_change_of_network() -> None:
    seen = list(simulate(governor(networks=[("johnson", 4.0), ("lite", 1.0)]), engine(0.001, 0.2, noise=0), 30))
    walked = [seen[0].choice, *(after.choice for before, after in pairwise(seen) if before.choice != after.choice)]
    assert walked[0] == Choice(HD, 1, "johnson")
    assert walked[-1].network == "lite"
    assert walked[-1].size.width >= 336  # 28 ms at 336x192 of a johnson's four times the cost would be 76x48
    assert [a.network != b.network for a, b in pairwise(walked)].count(True) == 1


@pytest.mark.parametrize("megapixel", [0.02, 0.1, 0.4, 3.0])
def test_it_begins_one_rung_from_the_best_at_most_and_tries_nothing_large(megapixel: float) -> None:
    cost, tried = engine(0.002, megapixel, noise=0), []

    def seconds(choice: Choice) -> float:
        tried.append(choice.size.width)
        return cost(choice, 0.0)

    begun = governor(max_latency=1.0).begin(seconds, 0.0)
    assert steps_apart(begun.size, best(cost, HD, 1 / 30), HD) <= 1
    assert max(tried) < 352


def test_an_engine_begun_with_settles_at_once() -> None:
    cost, begun = engine(0.002, 0.1), governor(max_latency=1.0)
    begun.begin(lambda choice: cost(choice, 0.0), 0.0)
    assert all(seen.engine < 1 / 30 for seen in simulate(begun, cost, 10))


def test_a_fast_engine_keeps_the_better_network_at_full_size() -> None:
    governed = governor(networks=[("johnson", 4.0), ("lite", 1.0)])
    assert {frame.choice for frame in simulate(governed, engine(0.001, 0.004), 60)} == {Choice(HD, 1, "johnson")}


@pytest.mark.parametrize("options", [{"fps": 0}, {"max_latency": -1}, {"camera": -5}, {"networks": []}])
def test_nonsense_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(InputError):
        governor(**options)  # type: ignore[arg-type]


# Converging and holding


@pytest.mark.parametrize("megapixel", [0.03, 0.06, 0.15, 0.4])
def test_it_settles_within_two_seconds_one_rung_from_the_best_at_most(megapixel: float) -> None:
    cost = engine(0.002, megapixel)
    seen = list(simulate(governor(), cost, 120))
    best_size = best(cost, HD, 1 / 30)
    settled = [frame for frame in seen if frame.now > 2 + megapixel * 5]  # the first frames alone take that long
    assert p95([frame.engine for frame in settled]) <= 1 / 30
    assert p95([frame.latency for frame in settled]) <= 0.05
    assert steps_apart(seen[-1].choice.size, best_size, HD) <= 2
    assert len([when for when in switches(seen) if when > 20]) <= 1


@pytest.mark.parametrize("seed", range(3))
def test_an_hour_of_steady_load_has_no_pumping(seed: int) -> None:
    seen = list(simulate(governor(), engine(0.003, 0.08, seed=seed), 3600))
    assert len(seen) > 100_000
    assert [when for when in switches(seen) if when > 60] == []
    assert {frame.choice.every for frame in seen} == {1}


def test_an_hour_with_a_long_frame_every_two_seconds_has_little() -> None:
    """Each makes two more wait, so about 5 % are late: as many as a p95 allows."""
    seen = list(simulate(governor(), engine(0.003, 0.08, spikes=0.02), 3600))
    assert len([when for when in switches(seen) if when > 60]) <= 20


def test_an_engine_that_is_dearer_than_its_pixels_is_tried_rarely() -> None:
    """Caches: cost grows with the area to the power of 1.6, so every prediction upwards is too low."""
    seen = list(simulate(governor(), engine(0.001, 0.1, power=1.6), 3600))
    late = [when for when in switches(seen) if when > 60]
    assert len(late) <= 60  # one a minute
    assert p95([frame.engine for frame in seen if frame.now > 60]) <= 1 / 30


@pytest.mark.parametrize(("frames", "seconds"), [(1, 2.0), (3, 0.15)])
def test_a_hiccup_changes_nothing(frames: int, seconds: float) -> None:
    cost = engine(0.002, 0.02)
    slow = iter([0.0] * 200 + [seconds] * frames + [0.0] * 10_000)
    governed = governor()
    seen = simulate(governed, lambda choice, now: next(slow) or cost(choice, now), 60)
    assert {frame.choice for frame in seen} == {Choice(HD)}
    assert governed.switches == 0


def test_spikes_that_no_smaller_size_cures_do_not_shrink_the_picture() -> None:
    governed = governor()
    list(simulate(governed, engine(0.002, 0.005, spikes=0.1), 120))
    assert governed.choice == Choice(HD)
    assert "is over" in governed.why


# Changes


def test_a_step_up_in_load_is_answered_within_two_seconds() -> None:
    seen = list(simulate(governor(), loaded(engine(0.002, 0.02), (60, 3.0)), 120))
    assert seen[100].choice.size == HD
    assert max(when for when in switches(seen) if when < 90) < 62
    assert p95([frame.engine for frame in seen if frame.now > 62]) <= 1 / 30


def test_a_step_down_in_load_is_answered_within_fifteen_seconds() -> None:
    seen = list(simulate(governor(), loaded(engine(0.002, 0.017), (0, 3.0), (60, 1.0)), 120))
    assert next(frame for frame in seen if frame.now > 59).choice.size.width < 1000
    assert next(frame for frame in seen if frame.now > 75).choice == Choice(HD)
    assert len([when for when in switches(seen) if when > 75]) == 0


def test_loads_that_come_and_go_are_followed_without_losing_the_promise() -> None:
    steps = [(60.0 * minute, factor) for minute, factor in enumerate([1, 2, 4, 1, 8, 1, 3, 1.5, 6, 1])]
    seen = list(simulate(governor(), loaded(engine(0.002, 0.017), *steps), 600))
    for when, factor in steps:
        settled = [frame for frame in seen if when + 15 < frame.now < when + 60]
        assert p95([frame.engine for frame in settled]) <= 1 / 30, factor
        assert p95([frame.latency for frame in settled]) <= 0.05, factor
    assert seen[-1].choice == Choice(HD)
    assert len(switches(seen)) <= 40


def test_a_hopeless_engine_ends_small_with_skipping_and_no_waiting_then_recovers() -> None:
    seen = list(simulate(governor(), loaded(engine(0.2, 0.02), (0, 1.0), (120, 0.03)), 240))
    before = [frame for frame in seen if 30 < frame.now < 120]
    assert before[-1].choice.size == sizes(HD, None)[-1]
    assert 6 <= before[-1].choice.every <= 9  # 200 ms +-20 % are 6 to 7.2 frames of a camera at 30 fps
    assert p95([frame.latency - frame.engine for frame in before]) < 1 / 30 + OVERHEAD  # at most one frame of waiting
    assert next(frame for frame in seen if frame.now > 150).choice == Choice(HD)


def test_skipping_ends_within_a_few_frames_once_a_frame_costs_next_to_nothing() -> None:
    governed = governor()
    list(simulate(governed, engine(5, 0), 120))
    assert governed.choice.every == MAX_EVERY
    list(simulate(governed, lambda *_: 0.002, 6 * MAX_EVERY / 30))
    assert governed.choice.every == 1


def test_an_engine_of_many_seconds_skips_no_more_than_allowed() -> None:
    governed = governor()
    list(simulate(governed, engine(5, 0), 120))
    assert governed.choice.every == MAX_EVERY


# Promises


def test_the_latency_promise_alone_shrinks_the_picture() -> None:
    cost = engine(0.0, 0.025)
    assert {frame.choice.size for frame in simulate(governor(max_latency=math.inf), cost, 60)} == {HD}
    seen = list(simulate(governor(max_latency=0.025), cost, 60))
    assert seen[-1].choice.size.width < HD.width
    assert p95([frame.latency for frame in seen if frame.now > 5]) <= 0.025
    assert seen[-1].choice.every == 1


def test_a_latency_no_size_can_promise_does_not_cost_the_fps() -> None:
    seen = list(simulate(governor(max_latency=0.005), engine(0.002, 0.02), 60))
    assert seen[-1].choice.every == 1
    assert len([when for when in switches(seen) if when > 10]) <= 1


def test_a_camera_slower_than_the_promise_leaves_the_engine_its_time() -> None:
    cost = engine(0.0, 0.07)  # 65 ms for HD: too slow for 30 fps, fast enough for a camera at 10
    seen = list(simulate(governor(camera=10, max_latency=0.1), cost, 60, camera=10))
    assert {frame.choice for frame in seen} == {Choice(HD)}


def test_a_4k_camera_settles() -> None:
    full = Size(3840, 2160)
    seen = list(simulate(governor(full), engine(0.002, 0.06), 120))
    settled = [frame for frame in seen if frame.now > 10]
    assert p95([frame.engine for frame in settled]) <= 1 / 30
    assert seen[-1].choice.size.width >= 560
    assert len([when for when in switches(seen) if when > 20]) <= 1


def test_why_says_what_fits() -> None:
    governed = governor(largest=640)
    assert governed.why == "640x360 of 1280x720: being measured"
    list(simulate(governed, lambda *_: 0.0205, 10))
    assert governed.why == "640x360 of 1280x720: 20 ms p95 fits 33 ms"
    list(simulate(slow := governor(Size(160, 90)), lambda *_: 0.07, 10))
    assert slow.why == "160x90, one frame in 3: 70 ms p95 fits 100 ms"


def test_a_choice_takes_every_so_manieth_frame() -> None:
    assert [index for index in range(10) if Choice(HD, 3).takes(index)] == [0, 3, 6, 9]


@settings(max_examples=60, deadline=None)
@example(0.00433, 0.0757, 0.140625, 0.00195, 0.77, 30.0, 30.0, HD, 2)  # one frame in 16 over
@given(
    base=st.floats(0, 0.02),
    megapixel=st.floats(0.001, 0.3),
    noise=st.floats(0, 0.2),
    spikes=st.floats(0, 0.02),
    power=st.floats(0.7, 1.2),
    camera=st.sampled_from([10.0, 15.0, 25.0, 30.0, 60.0]),
    fps=st.sampled_from([15.0, 24.0, 30.0, 60.0]),
    full=st.sampled_from([Size(640, 480), HD, Size(1080, 1920), Size(3840, 2160), Size(333, 777)]),
    seed=st.integers(0, 9),
)
def test_any_engine_is_held_to_the_promise_or_to_the_smallest_size(
    base: float,
    megapixel: float,
    noise: float,
    spikes: float,
    power: float,
    camera: float,
    fps: float,
    full: Size,
    seed: int,
) -> None:
    cost = engine(base, megapixel, noise=noise, spikes=spikes, power=power, seed=seed)
    governed = governor(full, fps=fps, max_latency=math.inf, camera=camera)
    seen = list(simulate(governed, cost, 180, camera=camera))
    interval = 1 / min(fps, camera)
    settled = [frame for frame in seen if frame.now > 40]
    smallest = sizes(full, None)[-1]
    over = [frame for frame in settled if frame.engine > interval and frame.choice.size != smallest]
    changes = [when for when in switches(seen) if when > 40]
    unseen = 60 * CHECK_S  # frames until it looks
    assert len(over) <= TOLERATED * len(settled) + (1 + len(changes)) * (CREEPING + unseen)
    assert len([when for when in changes if when > 60]) <= 4  # two minutes
    skipping = [frame for frame in settled if frame.choice.every > 1]
    assert all(frame.choice.size == smallest for frame in skipping)
