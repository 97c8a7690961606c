"""Styles side by side: changing, fading, and one network loaded once."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import assert_images_close, gradient

import livestyle
from livestyle.errors import InputError, StyleError
from livestyle.palette import Palette

IMAGE = gradient(64, 48)


@pytest.fixture(scope="module")
def palette() -> Palette:
    return Palette(["starry", "wave", "none"], device="cpu")


@pytest.mark.parametrize("number", [0, 1])
def test_a_style_looks_as_when_loaded_alone(palette: Palette, number: int) -> None:
    with livestyle.load(palette.styles[number], device="cpu") as alone:
        assert_images_close(palette(IMAGE, number), alone(IMAGE), levels=0)


def test_styles_of_one_network_share_it(palette: Palette) -> None:
    assert len({id(part.backend) for parts in palette._parts for part in parts if part.backend}) == 1


def test_strength_zero_is_the_image_itself(palette: Palette) -> None:
    assert palette(IMAGE, 0, strength=0) is IMAGE
    assert palette.mixed(IMAGE, {0: 0.5, 1: 0.5}, strength=0) is IMAGE


@pytest.mark.parametrize(("share", "number"), [(0.0, 0), (1.0, 1)])
def test_a_fade_begins_and_ends_with_the_styles_themselves(palette: Palette, share: float, number: int) -> None:
    assert_images_close(palette.mixed(IMAGE, {0: 1 - share, 1: share}), palette(IMAGE, number), levels=0)


def test_a_fade_within_a_network_is_the_mix_of_the_codes(palette: Palette) -> None:
    with livestyle.load("starry:0.75+wave:0.25", device="cpu") as mix:
        assert_images_close(palette.mixed(IMAGE, {0: 0.75, 1: 0.25}), mix(IMAGE))


def test_a_fade_to_none_blends_pixels(palette: Palette) -> None:
    half = palette.mixed(IMAGE, {0: 0.5, 2: 0.5})
    expected = (palette(IMAGE, 0).astype(float) + IMAGE) / 2
    assert np.abs(half - expected).max() <= 1


def test_networks_are_counted(palette: Palette) -> None:
    assert [palette.networks(number) for number in range(3)] == [1, 1, 0]


def test_only_the_first_style_is_loaded_at_once() -> None:
    palette = Palette(["none", "wave"])
    assert palette.device == "no network runs"
    assert [vars(part.backend).get("_backend") for part in palette._parts[1]] == [None]
    palette(IMAGE, 1)
    assert vars(palette._parts[1][0].backend)["_backend"].device.startswith("cpu")


def test_an_unknown_style_is_told_before_anything_runs() -> None:
    with pytest.raises(StyleError, match="did you mean 'starry'"):
        Palette(["wave", "stary"])


def test_no_style_is_an_error() -> None:
    with pytest.raises(InputError):
        Palette([])


def test_a_slow_style_has_a_lighter_one_after_the_same_painting() -> None:
    palette = Palette(["starry-johnson", "starry"], device="cpu")
    (own, dear), (lighter, cheap) = palette.choices(0)
    assert (own, lighter) == ("starry-johnson", "starry") and dear > cheap
    assert_images_close(palette(IMAGE, 0, network="starry"), palette(IMAGE, 1), levels=0)
    assert palette.choices(1) == (("", 1.0),)


def test_a_style_file_removed_meanwhile_is_one_plain_line(tmp_path: Path) -> None:
    file = tmp_path / "mine.onnx"
    shutil.copy(Path(livestyle.__file__).parent / "styles" / "lite.onnx", file)
    palette = Palette(["none", str(file)], device="cpu")
    file.unlink()
    with pytest.raises(StyleError, match=r"^\S+mine\.onnx: is no longer there$"):
        palette(IMAGE, 1)
