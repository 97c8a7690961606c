"""Losses over the steps: as a PNG, and for TensorBoard."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

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
            from tensorboard.compat.proto.event_pb2 import Event
            from tensorboard.summary.writer.record_writer import RecordWriter
        except ModuleNotFoundError as error:
            raise MissingExtra("--logs", "tensorboard", "train") from error
        self._event, self._folder, self.broken = Event, folder, ""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # Unbuffered, and not by TensorBoard's own thread, which prints a traceback when the disk is full.
            file = open(folder / f"events.out.tfevents.{time.time():.0f}.{os.getpid()}", "wb", buffering=0)  # noqa: SIM115
        except OSError as error:
            raise OutputError(f"{folder}: cannot be written ({error.strerror})") from error
        self._writer = RecordWriter(file)
        self._write(file_version="brain.Event:2")

    def stepped(self, progress: Progress, net: nn.Module) -> None:
        """After every step."""
        self._add("learning", progress.losses, progress.step)

    def judged(self, judged: Judged, history: Sequence[dict[str, float]]) -> None:
        """After every look."""
        self._add("kept aside", judged.losses, judged.step)

    def _add(self, kind: str, losses: Mapping[str, float], step: int) -> None:
        values = [{"tag": f"{kind}/{name}", "simple_value": value} for name, value in losses.items()]
        self._write(step=step, summary={"value": values})

    def _write(self, **event: Any) -> None:
        try:
            self._writer.write(self._event(wall_time=time.time(), **event).SerializeToString())
        except OSError as error:  # a full disk is no reason to stop
            self.broken = f"{self._folder}: cannot be written ({error.strerror or error})"
