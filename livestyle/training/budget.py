"""How much of a training is done: it sets the learning rate and the end, in iterations or in minutes."""

from __future__ import annotations

import time

from .config import TrainConfig

_FALL_FROM = 0.6  # the share of a training after which the learning rate falls


class Budget:
    """Iterations or seconds, spent and to spend.

    Attributes:
        goal: iterations, or seconds.
        plateau: what was spent when the photos kept aside got no better; None until then.
    """

    def __init__(self, config: TrainConfig) -> None:
        self._timed = config.minutes is not None
        self.goal = config.minutes * 60.0 if config.minutes is not None else float(config.iterations)
        self.plateau: float | None = None
        self._before, self._since = 0.0, time.monotonic()

    def resume(self, seconds: float, plateau: float | None) -> None:
        """Goes on after a run of so many seconds."""
        self._before, self._since, self.plateau = seconds, time.monotonic(), plateau

    @property
    def seconds(self) -> float:
        """Spent on training, earlier runs included."""
        return self._before + time.monotonic() - self._since

    def spent(self, step: int) -> float:
        """Iterations, or seconds."""
        return self.seconds if self._timed else float(step)

    def done(self, step: int) -> float:
        """The share that is done; 1 and more is the end."""
        return self.spent(step) / self._end if self._end else 1.0

    def seconds_left(self, step: int, seconds_a_step: float) -> float:
        """Until the end, as far as it is known."""
        left = max(self._end - self.spent(step), 0.0)
        return left if self._timed else left * seconds_a_step

    @property
    def _end(self) -> float:
        return self.goal if self.plateau is None else min(self.goal, self.plateau / _FALL_FROM)

    def level_off(self, step: int) -> None:
        """Nothing is won any more at this learning rate: from here it falls, as if this had been the plan."""
        if self.plateau is None and self.done(step) < _FALL_FROM:
            self.plateau = self.spent(step)

    @property
    def timed(self) -> bool:
        """Whether it is counted in seconds."""
        return self._timed


def rate(done: float) -> float:
    """Learning rate factor: constant, then falling linearly to 0."""
    return max(0.0, min(1.0, (1 - done) / (1 - _FALL_FROM)))
