"""The picture of the losses shows all of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
figures = pytest.importorskip("matplotlib.figure")

from livestyle.training.curves import write_curves  # noqa: E402


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
