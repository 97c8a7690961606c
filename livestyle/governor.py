"""The promise on time: which processing size, network and skipping hold `--fps` and `--max-latency`."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeAlias

from .errors import InputError
from .ladder import Costs, ladder, sizes
from .latency import percentile
from .media.size import Size

MAX_EVERY = 60  # camera frames: one picture in two seconds at 30 fps, no longer a film

OVERLOAD_S = 0.5  # seconds on end over the limit (and OVERLOAD_FRAMES) are a load; less is a hiccup
OVERLOAD_FRAMES = 4
WINDOW_S = 5.0  # seconds p95 is taken over: 150 frames at 30 fps, of which the eighth slowest is the p95
WINDOW_FRAMES = 300
TRUSTED_FRAMES = 12  # at least, however long they took: a p95 of fewer says nothing
CHECK_S = 0.25  # seconds from one look at the window to the next
SETTLE_FRAMES = 2  # after a switch: one in the engine has the old size, the first of the new size allocates
WARM_UP_FRAMES = 5  # at the start
TOLERATED = 0.06  # share of frames over the limit that is borne: p95 lets 0.05 be, and luck needs some room
CREEPING = 15.0  # frames over the limit beyond that share (Page's cumulative sum, 1954): a load, no run of bad luck
SPIKES_UNDER = 0.5  # of the limit: a median below it says that the p95 is spikes, which no smaller size cures
IDLE = 0.25  # of a camera frame's time: OVERLOAD_FRAMES on end that cost no more, and no frame needs to be skipped

DOWN_FIT = 0.8  # of the limit: where a way down aims, for what it has measured is a few frames
UP_FIT = 0.77  # of the limit: the way up keeps 23 %, as much as a load that varies by 20 % takes
CALM_S = 3.0  # seconds without a switch before a way up
MAX_CALM_S = 60.0  # what a failed way up, each doubling the wait, can come to
TRIAL_S = 30.0  # seconds a way up must hold, or it has failed
LIGHTER = 0.8  # of the cost a rung failed at: what it must have fallen to before it is tried again
FORGET_S = 120.0  # seconds a size's cost or failure is remembered: under another load it may be wrong
PROBES = 3  # rungs between the two small pictures that tell what a large one will take
LEAST_ROOM = 0.25  # of the latency promised, for the engine: where camera and screen take more, no size mends it


Networks: TypeAlias = Sequence[tuple[str, float]]  # (name, relative cost), best first


class Choice(NamedTuple):
    """What to do with the next frames.

    Attributes:
        size: the processing size.
        every: take every so-manieth camera frame.
        network: the network's name; empty where there is only one.
    """

    size: Size
    every: int = 1
    network: str = ""

    def takes(self, index: int) -> bool:
        """Whether the camera's frame of that number is one to take."""
        return index % self.every == 0


class Governor:
    """Picks size, network and skipping by the measured p95, quick to go down and careful to go up.

    One ladder of rungs, from the best network at the largest size to the cheapest at the smallest, and from there
    on by taking every 2nd, 3rd, ... camera frame: the promise on latency is kept before that on fps.
    Feed it from one thread; `choice` may be read in any.

    Args:
        full: the camera's size.
        fps: what is promised; the camera's where that is less.
        max_latency: seconds from capture to output, by p95; `math.inf` for none.
        largest: a cap, as `--size` gives it; the camera's aspect is kept.
        camera_fps: what the camera was opened with (not what comes in: under load it comes late, and a promise
            measured by that would give way). May be changed.
        networks: (name, relative cost), best first; more than one to move between them.

    Attributes:
        choice: what to do with the next frames.
        switches: how often it changed.
    """

    def __init__(
        self,
        full: Size,
        *,
        fps: float,
        max_latency: float,
        largest: Size | int | None = None,
        camera_fps: float | None = None,
        networks: Networks = (("", 1.0),),
    ) -> None:
        for name, value in (("fps", fps), ("max-latency", max_latency), ("camera's fps", camera_fps or fps)):
            if not value > 0:
                raise InputError(f"{name} {value}: give a number above 0")
        self.camera_fps = camera_fps
        self._full, self._fps, self._max_latency = full, fps, max_latency
        self._rungs = ladder(sizes(full, largest), networks)
        self._at = 0
        self.switches = 0
        self._costs = Costs([rung.work for rung in self._rungs])
        self._window: deque[tuple[float, float, float]] = deque(maxlen=WINDOW_FRAMES)  # (now, engine, latency)
        self._settling, self._checked = WARM_UP_FRAMES, 0.0
        self._over_since: float | None = None
        self._over_frames = 0
        self._over_sum = 0.0
        self._idle_frames = 0
        self._calm_s = CALM_S
        self._calm_from: float | None = None
        self._failed: dict[int, tuple[float, float]] = {}  # step -> (median seconds, when)
        self._went_up: float | None = None  # when, as long as it is on trial
        self._measured: tuple[float, float] | None = None  # (p95, limit), seconds
        self.choice = self._choice(0)

    def begin(self, seconds: Callable[[Choice], float], now: float) -> Choice:
        """Begins where it will probably stay, as two small pictures tell: a large one may take seconds and gigabytes.

        Args:
            seconds: what a picture takes in the engine.
        """
        last = len(self._rungs) - 1
        if not last:
            return self.choice
        for step in sorted({last, max(0, last - PROBES)}, reverse=True):
            self._at, self.choice = step, self._choice(step)
            self._costs.moved(fresh=True)
            self._costs.measured(step, seconds(self.choice), now)
        self._costs.moved(fresh=True)
        self._at = next((step for step in range(last) if self._fits(step, 1.0, 0.0, DOWN_FIT)), last)
        self.choice = self._choice(self._at)
        return self.choice

    def update(self, engine: float, latency: float, now: float) -> Choice:
        """The choice after one more output frame: its seconds in the engine, and from capture to output.

        For frames that ran no network (frozen, strength 0) call `end_skipping` instead: they say nothing about it.
        """
        if self._settling:
            self._settling -= 1
            return self.choice
        self._idle_frames = self._idle_frames + 1 if engine <= IDLE * self._camera_interval() else 0
        if self._idle_frames >= OVERLOAD_FRAMES and self.choice.every > 1:
            self._went_up = now
            self.end_skipping(now)
            return self.choice
        self._calm_from = now if self._calm_from is None else self._calm_from
        self._window.append((now, engine, latency))
        overloaded = self._count_over(engine, latency, now)
        if overloaded or now - self._checked >= CHECK_S:
            self._checked = now
            self._look(now, overloaded)
        return self.choice

    def end_skipping(self, now: float) -> None:
        """Takes every camera frame again: what made it skip is over, such as a slow style."""
        self._switch(self._rung(self._at), now)

    @property
    def why(self) -> str:
        """A line for the statistics, such as `640x360 of 1280x720: 31 ms p95 fits 33 ms`."""
        size, every, network = self.choice
        what = f"{network} {size}".strip() + (f" of {self._full}" if size != self._full else "")
        if every > 1:
            what += f", one frame in {every}"
        if self._measured is None:
            return f"{what}: being measured"
        p95, limit = self._measured
        return f"{what}: {p95 * 1000:.0f} ms p95 {'fits' if p95 <= limit else 'is over'} {limit * 1000:.0f} ms"

    def _count_over(self, engine: float, latency: float, now: float) -> bool:
        """Whether every frame for a while was over the limit; a sum is kept of those over it now and then."""
        limit = self._limit(self._at, self._quiet_overhead())
        late = engine > limit or (latency > self._max_latency and engine > self._room() and not self._is_last_size())
        self._over_sum = max(0.0, self._over_sum + late - TOLERATED)
        if engine <= limit:
            self._over_since, self._over_frames = None, 0
            return False
        self._over_since = now - engine if self._over_since is None else self._over_since
        self._over_frames += 1
        return self._over_frames >= OVERLOAD_FRAMES and now - self._over_since >= OVERLOAD_S

    def _look(self, now: float, overloaded: bool) -> None:
        while self._window[0][0] < now - WINDOW_S and len(self._window) > TRUSTED_FRAMES:
            self._window.popleft()
        frames = list(self._window)[-self._over_frames if overloaded else 0 :]
        p50, p95 = _percentiles(engine for _, engine, _ in frames)
        trusted = len(frames) >= TRUSTED_FRAMES
        if overloaded or trusted:
            self._costs.measured(self._rung(self._at), p50, now)
        overhead = max(0.0, _percentiles(latency for _, _, latency in frames)[1] - p95)
        limit = self._limit(self._at, overhead)
        self._measured = p95, limit
        if overloaded:
            self._go_down(now, p50, p95 / p50)
        elif trusted and self._over_sum > CREEPING:
            if p50 > SPIKES_UNDER * limit:
                self._switch_down(self._at + 1, now, p50)
        elif trusted and p95 <= limit:
            self._try_up(now, p95 / p50, overhead)

    def _go_down(self, now: float, p50: float, tail: float) -> None:
        """To the first rung below that fits."""
        overhead = self._quiet_overhead()  # of late frames the rest is waiting for the engine, which will end
        below = range(self._at + 1, self._last_step())
        target = next((step for step in below if self._fits(step, tail, overhead, DOWN_FIT)), self._last_step())
        self._switch_down(target, now, p50)

    def _switch_down(self, target: int, now: float, p50: float) -> None:
        self._failed[self._at] = p50, now
        self._calm_from = now
        if self._went_up is not None and now - self._went_up < TRIAL_S:
            self._calm_s = min(MAX_CALM_S, 2 * self._calm_s)
        self._went_up = None
        self._switch(min(target, self._last_step()), now)

    def _try_up(self, now: float, tail: float, overhead: float) -> None:
        """To the highest rung that fits with a margin, once it has been calm for long enough."""
        if self._went_up is not None and now - self._went_up >= TRIAL_S:
            self._went_up, self._calm_s = None, CALM_S
        if self._calm_from is None or now - self._calm_from < self._calm_s:
            return
        self._costs.forget(now - FORGET_S)
        self._failed = {step: failed for step, failed in self._failed.items() if failed[1] >= now - FORGET_S}
        above = (step for step in range(self._at) if not self._would_fail(step))
        target = next((step for step in above if self._fits(step, tail, overhead, UP_FIT)), self._at)
        if target != self._at:
            self._went_up = now
            self._switch(target, now)

    def _switch(self, target: int, now: float) -> None:
        if target == self._at:
            return
        self._costs.moved(fresh=self._rung(target) != self._rung(self._at))
        self._at, self.choice = target, self._choice(target)
        self.switches += 1
        self._window.clear()
        self._settling, self._measured = SETTLE_FRAMES, None
        self._over_since, self._over_frames, self._over_sum, self._calm_from = None, 0, 0.0, now
        self._idle_frames = 0

    def _fits(self, step: int, tail: float, overhead: float, part: float) -> bool:
        """Whether a rung's p95, `tail` times its median, is within a part of its limit."""
        return tail * self._predict(step) <= part * self._limit(step, overhead)

    def _would_fail(self, step: int) -> bool:
        return step in self._failed and self._predict(step) > LIGHTER * self._failed[step][0]

    def _predict(self, step: int) -> float:
        return self._costs.predict(self._rung(step), self._rung(self._at))

    def _limit(self, step: int, overhead: float) -> float:
        """Seconds a frame may take in the engine: its share of the time, or what the latency leaves for it."""
        every = self._choice(step).every
        if every > 1:
            return every * self._camera_interval()
        interval = max(1 / self._fps, self._camera_interval())
        if step == len(self._rungs) - 1:  # no smaller size is left to be quicker with, and skipping is none
            return interval
        return min(interval, max(self._max_latency - overhead, self._room()))

    def _camera_interval(self) -> float:
        """Seconds from one camera frame to the next."""
        return 1 / (self.camera_fps or self._fps)

    def _room(self) -> float:
        return LEAST_ROOM * self._max_latency

    def _is_last_size(self) -> bool:
        return self._at >= len(self._rungs) - 1

    def _last_step(self) -> int:
        return len(self._rungs) + MAX_EVERY - 2

    def _quiet_overhead(self) -> float:
        """Seconds outside the engine of a frame that did not wait for it: the least of the last few."""
        recent = list(self._window)[-2 * OVERLOAD_FRAMES :]
        return max(0.0, min((latency - engine for _, engine, latency in recent), default=0.0))

    def _rung(self, step: int) -> int:
        return min(step, len(self._rungs) - 1)

    def _choice(self, step: int) -> Choice:
        rung = self._rungs[self._rung(step)]
        return Choice(rung.size, 1 + max(0, step - len(self._rungs) + 1), rung.network)


def _percentiles(values: Iterable[float]) -> tuple[float, float]:
    """(p50, p95)."""
    ordered = sorted(values)
    return percentile(ordered, 50), percentile(ordered, 95)
