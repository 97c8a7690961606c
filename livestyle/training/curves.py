"""Losses over the steps: as a PNG, and for TensorBoard."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import nn

from ..errors import MissingExtra, OutputError
from .config import Judged, Progress, Watcher

_SHOWN = ("total", "style", "content", "temporal")
_ROOM = 1.1  # times the highest point: the axis ends above it


def write_curves(history: Sequence[dict[str, float]], target: Path) -> None:
    """A picture of the losses, on the photos learnt (thin) and on those kept aside. Raises OutputError."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise MissingExtra("the loss curves", "matplotlib", "train") from error
    names = [name for name in _SHOWN if any(name in row for row in history)]
    figure = Figure(figsize=(4 * len(names), 3), layout="constrained")
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        for key, label, width in ((f"train {name}", "learning", 0.8), (name, "kept aside", 1.8)):
            rows = [(row["step"], row[key]) for row in history if key in row]
            axes.plot(*zip(*rows, strict=True), label=label, linewidth=width, marker=".") if rows else None
        top = max(row[key] for row in history for key in (name, f"train {name}") if key in row)
        axes.set(title=name, xlabel="step", xlim=(0, None), ylim=(0, _ROOM * top or 1))
        axes.legend()
    temporary = target.with_name(f".{target.stem}.{os.getpid()}.part.png")
    try:
        FigureCanvasAgg(figure).print_png(str(temporary))  # type: ignore[no-untyped-call]
        os.replace(temporary, target)
    except OSError as error:
        raise OutputError(f"{target}: cannot be written ({error.strerror or error})") from error
    finally:
        temporary.unlink(missing_ok=True)


class Logs(Watcher):
    """Every step and every look as TensorBoard's event files. Raises MissingExtra or OutputError."""

    def __init__(self, folder: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ModuleNotFoundError as error:
            raise MissingExtra("--logs", "tensorboard", "train") from error
        try:
            self._writer = SummaryWriter(folder)
        except OSError as error:
            raise OutputError(f"{folder}: cannot be written ({error.strerror})") from error
        self._folder, self.broken = folder, ""

    def stepped(self, progress: Progress, net: nn.Module) -> None:
        """After every step."""
        self._add("learning", progress.losses, progress.step)

    def judged(self, judged: Judged, history: Sequence[dict[str, float]]) -> None:
        """After every look."""
        self._add("kept aside", judged.losses, judged.step)
        with contextlib.suppress(OSError):
            self._writer.flush()

    def _add(self, kind: str, losses: Mapping[str, float], step: int) -> None:
        try:
            for name, value in losses.items():
                self._writer.add_scalar(f"{kind}/{name}", value, step)
        except OSError as error:  # a full disk is no reason to stop
            self.broken = f"{self._folder}: cannot be written ({error.strerror or error})"
