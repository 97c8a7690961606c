"""Made motion: the grid says truly where each pixel comes from."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from torch import Tensor  # noqa: E402

from livestyle import motion_pairs  # noqa: E402
from livestyle.motion_pairs import follow, warp  # noqa: E402


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cameras without noise, exposure and compression."""
    monkeypatch.setattr(motion_pairs, "_seen", lambda x, rng: x)


def smooth(height: int, width: int) -> Tensor:
    """(1, 3, H, W): the row, the column, and a slow wave."""
    y, x = torch.meshgrid(torch.linspace(0.1, 0.9, height), torch.linspace(0.1, 0.9, width), indexing="ij")
    return torch.stack([y, x, 0.5 + 0.3 * torch.sin(6 * x * y)])[None]


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 1 << 30), st.integers(40, 90), st.integers(40, 90))
def test_the_photo_moved_by_the_grid_is_what_is_seen_later(seed: int, height: int, width: int) -> None:
    x = smooth(height, width).repeat(3, 1, 1, 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(motion_pairs, "_seen", lambda x, rng: x)
        moved = follow(x, np.random.default_rng(seed))
    # The row and the column in the picture tell where its pixels come from.
    for channel, (axis, side) in enumerate(((1, height), (0, width))):
        place = (moved.x[:, channel] - 0.1) / 0.8 * (side - 1)
        told = ((moved.grid[..., axis] + 1) * side - 1) / 2
        assert ((place - told).abs() * moved.inside[:, 0]).max() < 0.05  # pixels
    torch.testing.assert_close(warp(x, moved.grid).clamp(0, 1), moved.x)


def test_some_move_and_some_stand_still_and_motions_are_small(clean: None) -> None:
    x = smooth(96, 96).repeat(60, 1, 1, 1)
    moved = follow(x, np.random.default_rng(0))
    still = (moved.x - x).abs().amax((1, 2, 3)) < 1e-5
    assert 5 <= still.sum() <= 30
    assert moved.inside.mean((1, 2, 3)).min() > 0.5


def test_a_still_camera_has_noise() -> None:
    x = smooth(64, 64).repeat(20, 1, 1, 1)
    moved = follow(x, np.random.default_rng(1))
    off = (moved.x - x).abs().mean((1, 2, 3))
    assert (off > 0).all() and off.min() < 0.05
    assert moved.x.min() >= 0 and moved.x.max() <= 1


def test_the_same_seed_gives_the_same_motion() -> None:
    x = smooth(48, 64)
    first, again, other = (follow(x, np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first.x, other.x)
