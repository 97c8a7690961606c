"""What a training says: the plan, how long it will take here, and how it goes."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from torch import Tensor, nn

from ..losses import Perceptual
from .config import Facts, Judged, Progress, TrainConfig, Watcher

_MEASURED_STEPS = 5  # before the time they took is told
_REPORT_EVERY = 50  # steps
_NAMED = 24  # styles, at most


def name_of(photos: Path) -> str:
    """What photos are called: `.` is a folder with a name too."""
    return Path(os.path.abspath(photos)).name


class Talk(Watcher):
    """Says it line by line."""

    def __init__(self, config: TrainConfig, say: Callable[[str], object], files: Sequence[str]) -> None:
        self._config, self._say, self._files = config, say, files
        self._sums: dict[str, float] = {}
        self._count, self._steps = 0, 0
        self.history: Sequence[dict[str, float]] = ()
        self.step = 0

    def begun(self, facts: Facts, examples: Tensor) -> None:
        """The plan."""
        config, self.step = self._config, facts.step
        self._remember(facts.history)
        names = ", ".join(painting.name for painting in config.paintings[:_NAMED])
        names += f" and {more} more" if (more := len(config.paintings) - _NAMED) > 0 else ""
        where = name_of(config.photos) if config.photos else "scikit-image's photographs and made-up scenes"
        kept = f"{facts.kept} more to judge by" if facts.kept != facts.photos else "judged by the same"
        length = f"{config.minutes:g} min" if config.minutes else f"{config.iterations} iterations"
        self._say(f"network: {config.net}, {facts.weights:,} weights, on {facts.device}; styles: {names}")
        self._say(f"photos: {facts.photos:,} ({where}), {kept}")
        self._say(f"loss network: {', '.join(config.loss_networks)}")
        self._say(f"length: {length} of {config.batch} crops of {config.crop} px, less if nothing gets better any more")
        for line in self._files:
            self._say(line)
        if facts.step:
            self._say(f"goes on from step {facts.step}")

    def stepped(self, progress: Progress, net: nn.Module) -> None:
        """The time it will take, then losses now and then."""
        self._steps, self._count, self.step = self._steps + 1, self._count + 1, progress.step
        if self._steps == _MEASURED_STEPS:
            more = progress.iterations - progress.step
            minutes = f"{progress.seconds_left / 60:.1f} minutes"
            self._say(f"expected: {minutes} for {more} more iteration{'s'[: more != 1]} on this machine")
        for name, value in progress.losses.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        if progress.step % _REPORT_EVERY and progress.step != progress.iterations:
            return
        parts = "  ".join(f"{name} {value / self._count:.4f}" for name, value in self._sums.items())
        self._say(f"{progress.step}/{progress.iterations}  {parts}  {progress.seconds_left / 60:.1f} min left")
        self._sums, self._count = {}, 0

    def judged(self, judged: Judged, history: Sequence[dict[str, float]]) -> None:
        """The losses that count."""
        self._remember(history)
        parts = "  ".join(f"{name} {judged.losses[name]:.4f}" for name in ("total", "style", "content"))
        self._say(f"  kept aside: {parts}{'  (best so far)' if judged.best else ''}")

    def _remember(self, history: Sequence[dict[str, float]]) -> None:
        self.history = [dict(row) for row in history]

    def note(self, line: str) -> None:
        """A line of its own."""
        self._say(f"note: {line}")


class Watchers(Watcher):
    """Several as one."""

    def __init__(self, *watchers: Watcher) -> None:
        self._all = watchers

    def begun(self, facts: Facts, examples: Tensor) -> None:
        """Tells all."""
        for one in self._all:
            one.begun(facts, examples)

    def stepped(self, progress: Progress, net: nn.Module) -> None:
        """Tells all."""
        for one in self._all:
            one.stepped(progress, net)

    def judged(self, judged: Judged, history: Sequence[dict[str, float]]) -> None:
        """Tells all."""
        for one in self._all:
            one.judged(judged, history)

    def ended(self, perceptual: Perceptual) -> None:
        """Tells all."""
        for one in self._all:
            one.ended(perceptual)

    def note(self, line: str) -> None:
        """Tells all."""
        for one in self._all:
            one.note(line)
