"""Gatys's descent, and how many of its iterations a styled picture is worth."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from livestyle.losses import LossWeights, Perceptual  # noqa: E402
from livestyle.nets.vgg import load_loss_network  # noqa: E402
from livestyle.reference.gatys import descent  # noqa: E402
from livestyle.training.measures import gatys_iterations  # noqa: E402

WANTED = np.random.default_rng(0).integers(0, 256, (12, 12, 3), dtype=np.uint8)


def bowl(x: torch.Tensor, picture: torch.Tensor) -> torch.Tensor:
    """Least, and 0, at x, and far steeper in one half than in the other: no descent is there at once."""
    steep = torch.linspace(1, 30, picture.shape[-1])
    return (steep * (picture - x).square()).sum()


def test_the_descent_begins_as_white_noise_and_finds_the_least_loss() -> None:
    x = torch.from_numpy(WANTED).permute(2, 0, 1)[None] / 255
    losses = list(itertools.islice(descent(x, lambda picture: bowl(x, picture)), 40))
    noise = torch.rand(x.shape, generator=torch.Generator().manual_seed(0))
    assert losses[0] == pytest.approx(bowl(x, noise).item())
    assert losses[-1] < 1e-3 * losses[0]


def test_another_seed_is_another_noise() -> None:
    x = torch.zeros(1, 3, 8, 8)
    first = [next(descent(x, torch.sum, seed=seed)) for seed in (0, 0, 1)]
    assert first[0] == first[1] != first[2]


def test_a_picture_nearer_to_the_least_loss_is_worth_more_iterations() -> None:
    def off(levels: int) -> list[int]:
        def stylize(image: np.ndarray) -> np.ndarray:
            return np.where(image < 128, image + levels, image - levels).astype(np.uint8)

        return gatys_iterations(stylize, [WANTED, WANTED], bowl, seconds=60)

    far, near = off(60), off(2)
    assert far == [far[0]] * 2 and near == [near[0]] * 2
    assert 0 < far[0] < near[0]


def test_only_what_there_is_time_for_is_compared() -> None:
    assert gatys_iterations(lambda image: image, [WANTED], bowl, seconds=0) == []


def test_the_objective_is_style_content_variation_and_range_by_their_weights() -> None:
    weights = LossWeights(
        style_layers=("relu1_1",), content_layers=(("relu1_1", 1.0),), content=0.5, tv=2.0, beyond=3.0
    )
    losses = Perceptual(load_loss_network("small"), [torch.rand(1, 3, 16, 16)], [7.0], weights)
    parts = {"style": 1.0, "content": 10.0, "tv": 100.0, "beyond": 1000.0, "lattice": -1e6}
    parts = {name: torch.tensor([value]) for name, value in parts.items()}
    assert losses.objective(parts, torch.tensor([0])).item() == pytest.approx(7 + 5 + 200 + 3000)
