"""Pictures to train on that need no download."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from livestyle import scenes
from livestyle.scenes import Scenes, dead_leaves, fractal, landscape, photographs, recoloured


def pixels(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture, np.float32)


@pytest.mark.parametrize("make", [dead_leaves, landscape])
def test_the_same_numbers_give_the_same_picture_and_others_another(make: Callable[..., Image.Image]) -> None:
    first, again, other = (pixels(make(np.random.default_rng(seed))) for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert first.shape != other.shape or not np.array_equal(first, other)


def test_scenes_are_colour_pictures_with_something_in_them() -> None:
    supply = Scenes()
    assert np.array_equal(pixels(supply.open(7)), pixels(Scenes().open(7)))
    for index in range(0, len(supply), len(supply) // 30):
        picture = supply.open(index)
        assert picture.mode == "RGB" and min(picture.size) >= 200 and max(picture.size) <= 800
        assert pixels(picture).std() > 4


def test_without_photographs_there_are_only_made_up_scenes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scenes, "photographs", lambda: ())
    assert all(Scenes().open(index).size == (scenes._SIDE, scenes._SIDE) for index in range(20))


def test_photographs_are_those_of_the_packages_that_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("skimage")
    assert {"chelsea.png", "rocket.jpg"} <= {path.name for path in photographs()}
    monkeypatch.setattr(scenes, "_FOLDERS", {"no_such_package": ("data", "a.png"), "numpy": ("nowhere", "b.png")})
    assert photographs.__wrapped__() == ()


def test_another_light_keeps_the_shapes() -> None:
    half = np.zeros((40, 40, 3), np.uint8)
    half[:, 20:] = (200, 120, 40)
    for seed in range(20):
        changed = pixels(recoloured(Image.fromarray(half), np.random.default_rng(seed)))
        assert changed[:, :19].max() == 0 and changed[:, 21:].max() > 40


@pytest.mark.parametrize("slope", [1.0, 2.0])
def test_a_fractal_has_the_spectrum_it_is_asked_for(slope: float) -> None:
    field = fractal(256, slope, np.random.default_rng(0))
    assert field.mean() == pytest.approx(0, abs=1e-4) and field.std() == pytest.approx(1, rel=1e-4)
    amplitude = np.abs(np.fft.rfft2(field))
    assert np.log2(amplitude[0, 4] / amplitude[0, 32]) / 3 == pytest.approx(slope, abs=0.01)


def test_leaves_cover_all_sizes() -> None:
    picture = pixels(dead_leaves(np.random.default_rng(1)).convert("L"))
    fine = np.abs(np.diff(picture, axis=0)) > 20
    assert 0.005 < fine.mean() < 0.2  # edges, but not everywhere
