"""The picture of the losses shows all of them, and so do the logs for TensorBoard."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
figures = pytest.importorskip("matplotlib.figure")

from torch import nn  # noqa: E402

from livestyle.training.config import Judged, Progress  # noqa: E402
from livestyle.training.curves import Logs, write_curves  # noqa: E402


def test_after_one_look_every_point_lies_within_the_axes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Any] = []

    class Kept(figures.Figure):  # type: ignore[misc,name-defined]
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            drawn.append(self)

    monkeypatch.setattr(figures, "Figure", Kept)
    write_curves([{"step": 50, "total": 2.57, "train total": 3.22}], tmp_path / "curves.png")
    (axes,) = drawn[0].axes
    assert axes.get_ylim()[1] > 1.05 * 3.22 and axes.get_xlim()[0] == 0


def test_tensorboard_reads_every_step_and_every_look(tmp_path: Path) -> None:
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    logs = Logs(tmp_path / "logs")
    for step in (1, 2, 3):
        logs.stepped(Progress(step, 3, {"total": step / 2, "style": 0.25}, 0.0), nn.Identity())
    logs.judged(Judged(3, {"total": 0.5}, True), [])
    read = events.EventAccumulator(str(tmp_path / "logs")).Reload()
    told = {tag: [(one.step, one.value) for one in read.Scalars(tag)] for tag in read.Tags()["scalars"]}
    assert told == {
        "learning/total": [(1, 0.5), (2, 1.0), (3, 1.5)],
        "learning/style": [(1, 0.25), (2, 0.25), (3, 0.25)],
        "kept aside/total": [(3, 0.5)],
    }


FULL_DISK = """
import resource
from pathlib import Path
from torch import nn
from livestyle.training.config import Progress
from livestyle.training.curves import Logs
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
logs = Logs(Path("logs"))
for step in range(200):
    logs.stepped(Progress(step, 200, {"total": 1.0}, 0.0), nn.Identity())
print(logs.broken)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such limits")
def test_logs_that_the_disk_does_not_take_are_one_line(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    done = subprocess.run([sys.executable, "-c", FULL_DISK], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("logs: cannot be written (File too large)\n", "")
