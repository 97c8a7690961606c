"""Image effects: what each one changes, and what it leaves alone."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from conftest import assert_images_close, gradient
from hypothesis import given, settings
from hypothesis import strategies as st

from livestyle.effects import compare_split, downsample, fade, keep_color, mirrored, upsample
from livestyle.errors import InputError
from livestyle.frame import Image
from livestyle.media.size import Size


def luma(image: Image) -> Image:
    """BT.601, in levels."""
    return np.asarray(image @ np.array([0.299, 0.587, 0.114]))


def gray(width: int, height: int) -> Image:
    return np.repeat(gradient(width, height)[..., :1], 3, axis=2)


def stripes(width: int, height: int) -> Image:
    """Vertical edges, 5 pixels apart: sharper than a picture of half the size can hold."""
    row = np.where(np.arange(width) // 5 % 2, 200, 60)
    return np.broadcast_to(row[None, :, None], (height, width, 3)).astype(np.uint8)


def test_keep_color_0_is_the_styled_image_itself() -> None:
    styled = gradient(16, 9, 3)
    assert keep_color(gradient(16, 9), styled, 0) is styled


def test_keep_color_has_the_styled_brightness_and_the_inputs_colour() -> None:
    image, styled = np.full((8, 8, 3), (150, 90, 60), np.uint8), gray(8, 8) // 2 + 60
    kept = keep_color(image, styled, 1)
    assert np.abs(luma(kept) - luma(styled)).max() <= 1
    chroma = kept.astype(int) - kept[..., 1:2]
    assert_images_close(chroma, np.broadcast_to((60, 0, -30), kept.shape), levels=0)


def test_keep_color_of_a_gray_picture_is_gray() -> None:
    kept = keep_color(gray(20, 10), gradient(20, 10, 5), 1)
    assert_images_close(kept, np.repeat(kept[..., :1], 3, axis=2), levels=0)


def test_keep_color_in_between_is_between() -> None:
    image, styled = gradient(20, 10), gradient(20, 10, 9)
    half = (styled.astype(float) + keep_color(image, styled, 1)) / 2
    assert_images_close(keep_color(image, styled, 0.5), half)


def test_fade_goes_from_the_first_to_the_second() -> None:
    a, b = gradient(12, 7), gradient(12, 7, 4)
    assert fade(a, b, 0) is a
    assert fade(a, b, 1) is b
    assert_images_close(fade(a, b, 0.25), 0.75 * a + 0.25 * b)


def test_compare_split_shows_the_original_left_and_the_styled_image_right() -> None:
    image, styled = np.full((6, 640, 3), 10, np.uint8), np.full((6, 640, 3), 90, np.uint8)
    split = compare_split(image, styled)
    assert (split[:, :320] == 10).all()
    assert (split[:, 320] == 255).all()
    assert (split[:, 321:] == 90).all()


def test_mirrored_twice_is_the_image() -> None:
    image = gradient(13, 5)
    np.testing.assert_array_equal(mirrored(image), image[:, ::-1])
    np.testing.assert_array_equal(mirrored(mirrored(image)), image)


def test_scaling_to_the_same_size_is_the_image_itself() -> None:
    image = gradient(20, 10)
    assert downsample(image, Size(20, 10)) is image
    assert upsample(image, gradient(20, 10, 3)) is image


@pytest.mark.parametrize("size", [Size(160, 90), Size(80, 45), Size(213, 120), Size(7, 3)], ids=str)
def test_downsample_keeps_the_mean(size: Size) -> None:
    image = gradient(320, 180)
    small = downsample(image, size)
    assert small.shape[1::-1] == size
    assert np.abs(small.mean(axis=(0, 1)) - image.mean(axis=(0, 1))).max() < 1


def test_upsample_is_as_sharp_as_its_guide() -> None:
    """The style here is the negative, so the right answer is known: the guide's negative."""
    guide = stripes(320, 180)
    small = 255 - downsample(guide, Size(160, 90))
    error = np.abs(upsample(small, guide).astype(int) - (255 - guide)).mean()
    bilinear = np.abs(cv2.resize(small, (320, 180)).astype(int) - (255 - guide)).mean()
    assert error < 0.25 * bilinear


def test_upsample_makes_no_halos() -> None:
    guide = stripes(320, 180)
    small = 255 - downsample(guide, Size(160, 90))
    large = upsample(small, guide)
    assert large.min() >= 55 - 8
    assert large.max() <= 195 + 8


def test_upsample_keeps_strokes_that_the_guide_does_not_have() -> None:
    strokes, flat = stripes(160, 90), np.full((180, 320, 3), 128, np.uint8)
    assert_images_close(upsample(strokes, flat), cv2.resize(strokes, (320, 180)), levels=0)


def test_upsample_does_not_bring_the_guides_noise() -> None:
    noise = np.random.default_rng(0).normal(0, 3, (180, 320, 3))
    guide, small = np.clip(128 + noise, 0, 255).astype(np.uint8), np.full((90, 160, 3), 90, np.uint8)
    assert_images_close(upsample(small, guide), np.full_like(guide, 90), levels=1)


PAIRS: dict[str, Callable[[Image, Image], Image]] = {
    "keep_color": lambda a, b: keep_color(a, b, 0.7),
    "fade": lambda a, b: fade(a, b, 0.3),
    "compare_split": compare_split,
    "mirrored": lambda a, b: mirrored(a),
    "downsample": lambda a, b: downsample(a, Size(max(1, a.shape[1] // 3), max(1, a.shape[0] // 2))),
    "upsample": lambda a, b: upsample(downsample(b, Size((a.shape[1] + 1) // 2, max(1, a.shape[0] // 3))), a),
}


@pytest.mark.parametrize("effect", PAIRS.values(), ids=PAIRS)
@settings(deadline=None)
@given(width=st.integers(1, 40), height=st.integers(1, 40))
def test_any_size_works_and_nothing_is_written_to(
    effect: Callable[[Image, Image], Image], width: int, height: int
) -> None:
    a, b = gradient(width, height), gradient(width, height, 2)
    result = effect(a, b)
    assert result.dtype == np.uint8
    assert result.flags["C_CONTIGUOUS"]
    if effect is not PAIRS["downsample"]:
        assert result.shape == a.shape
    np.testing.assert_array_equal(a, gradient(width, height))
    np.testing.assert_array_equal(b, gradient(width, height, 2))


def test_shares_out_of_range_and_sizes_that_differ_are_refused() -> None:
    a, b = gradient(8, 8), gradient(8, 9)
    for effect in (keep_color, fade):
        with pytest.raises(InputError, match="from 0 to 1"):
            effect(a, a, -0.1)
        with pytest.raises(InputError, match="same size"):
            effect(a, b, 0.5)
    with pytest.raises(InputError, match="same size"):
        compare_split(a, b)
