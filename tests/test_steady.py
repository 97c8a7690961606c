"""Steady takes flicker away, and nothing else: no ghosts, no lag, no blur."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from conftest import assert_images_close, gradient
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from livestyle.errors import InputError
from livestyle.frame import Image
from livestyle.steady import Steady

WIDTH, HEIGHT = 320, 180


def scene(seed: int = 0, width: int = WIDTH, height: int = HEIGHT, *, finest: int = 4) -> Image:
    """A random picture with texture at many scales, the finest of that many pixels."""
    random, layers = np.random.default_rng(seed), np.zeros((height, width, 3), np.float32)
    for side in (finest, 4 * finest, 40):
        small = random.normal(0, 30, (max(2, height // side), max(2, width // side), 3)).astype(np.float32)
        layers += cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(layers + 128, 20, 235).astype(np.uint8)


def with_noise(image: Image, levels: float, seed: int) -> Image:
    noise = np.random.default_rng(seed).normal(0, levels, image.shape)
    return np.clip(image + noise + 0.5, 0, 255).astype(np.uint8)


def style(image: Image) -> Image:
    """A style without flicker: the negative. All that differs from it in an output is Steady's own doing."""
    return 255 - image


def flicker(frames: list[Image]) -> float:
    return float(np.sqrt(np.mean(np.diff(np.stack(frames).astype(np.float32), axis=0) ** 2)))


def rms(a: Image, b: Image, where: NDArray[np.bool_] | None = None) -> float:
    difference = a.astype(np.float32) - b
    return float(np.sqrt(np.mean((difference if where is None else difference[where]) ** 2)))


def energy(image: Image) -> float:
    return float(sum(np.abs(np.diff(image.astype(np.float32), axis=axis)).mean() for axis in (0, 1)))


def run(images: list[Image], styled: list[Image], amount: float) -> list[Image]:
    steady = Steady()
    return [steady(image, one, amount).copy() for image, one in zip(images, styled, strict=True)]


def disc(x: float) -> NDArray[np.bool_]:
    """A head-sized disc around column x."""
    columns, rows = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
    return (columns - x) ** 2 + (rows - HEIGHT / 2) ** 2 < 40**2


def test_amount_0_is_the_styled_image_itself() -> None:
    steady, styled = Steady(), scene(1)
    steady(scene(), scene(2), 1.0)
    assert steady(scene(), styled, 0.0) is styled


def test_the_first_frame_and_the_one_after_a_reset_pass_as_they_are() -> None:
    steady, image = Steady(), scene()
    np.testing.assert_array_equal(steady(image, scene(1), 1.0), scene(1))
    steady.reset()
    np.testing.assert_array_equal(steady(image, scene(2), 1.0), scene(2))


def test_a_still_scene_worked_on_at_another_size_goes_over_smoothly() -> None:
    steady, large, smaller = Steady(), scene(), (WIDTH * 4 // 5, HEIGHT * 4 // 5)
    small = cv2.resize(large, smaller, interpolation=cv2.INTER_AREA)
    fresh = scene(3, *smaller)  # the strokes at that size
    last = cv2.resize([steady(large, scene(1), 0.5) for _ in range(4)][-1], smaller)
    after = [steady(small, fresh, 0.5) for _ in range(12)]
    assert rms(after[0], last) < 0.6 * rms(fresh, last)
    assert rms(after[-1], fresh) < 2


def test_a_frame_of_another_aspect_starts_anew() -> None:
    steady = Steady()
    steady(scene(), scene(1), 1.0)
    other = scene(2, WIDTH + 16, HEIGHT)
    np.testing.assert_array_equal(steady(other, style(other), 1.0), style(other))


@pytest.mark.parametrize("sensor", [0.0, 4.0], ids=["clean", "4 levels of sensor noise"])
def test_flicker_of_a_still_scene_is_halved_by_default_and_least_at_1(sensor: float) -> None:
    images = [with_noise(scene(), sensor, seed) for seed in range(16)]
    styled = [with_noise(scene(1), 12, seed) for seed in range(100, 116)]
    before, default, most = flicker(styled[6:]), *(flicker(run(images, styled, a)[6:]) for a in (0.5, 1.0))
    assert default < 0.5 * before
    assert most < 0.2 * before


def test_a_still_picture_is_reached_exactly() -> None:
    """Rounding in a recursion may stop levels away from its goal; ours must not."""
    steady, image = Steady(), scene()
    steady(image, np.full_like(image, 90), 1.0)
    for _ in range(60):
        output = steady(image, style(image), 1.0)
    np.testing.assert_array_equal(output, style(image))


def test_a_cut_shows_nothing_of_the_scene_before() -> None:
    steady = Steady()
    for _ in range(5):
        steady(scene(), style(scene()), 1.0)
    np.testing.assert_array_equal(steady(scene(7), style(scene(7)), 1.0), style(scene(7)))


def test_a_cut_to_a_scene_with_the_same_corner_shows_nothing_of_the_scene_before() -> None:
    steady, after = Steady(), scene(7)
    after[:, : WIDTH // 4] = scene()[:, : WIDTH // 4]
    for _ in range(5):
        steady(scene(), style(scene()), 1.0)
    styled = style(after) // 2  # the other scene makes the style darker everywhere
    np.testing.assert_array_equal(steady(after, styled, 1.0), styled)


@pytest.mark.parametrize("amount", [0.5, 1.0])
def test_what_a_moving_head_uncovers_has_no_ghost_of_it(amount: float) -> None:
    places = [60 + 6 * t for t in range(24)]
    images = [np.where(disc(x)[..., None], np.uint8(30), scene()) for x in places]
    outputs = run(images, [style(image) for image in images], amount)
    trails = [rms(outputs[t], style(images[t]), disc(places[t - 1]) & ~disc(places[t])) for t in range(1, len(places))]
    assert max(trails) < 5  # the head is 100 levels from its background


@pytest.mark.parametrize("speed", [0.3, 1.5, 4.0], ids=lambda pixels: f"{pixels} pixels a frame")
def test_a_moving_camera_does_not_blur(speed: float) -> None:
    wide = scene(0, WIDTH + 120, HEIGHT, finest=2)
    matrices = [np.array([[1, 0, -speed * t], [0, 1, 0.0]]) for t in range(24)]
    images = [cv2.warpAffine(wide, matrix, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC) for matrix in matrices]
    outputs = run(images, [style(image) for image in images], 0.5)
    assert min(energy(o) / energy(style(i)) for o, i in zip(outputs, images, strict=True)) > 0.95


def test_a_moving_camera_still_flickers_less() -> None:
    wide = scene(0, WIDTH + 120, HEIGHT)
    images = [np.ascontiguousarray(wide[:, 3 * t : 3 * t + WIDTH]) for t in range(24)]
    coarse = [np.random.default_rng(t).normal(0, 12, (30, 40, 3)).astype(np.float32) for t in range(24)]
    boil = [cv2.resize(noise, (WIDTH, HEIGHT)) for noise in coarse]
    styled = [np.clip(style(i) + b, 0, 255).astype(np.uint8) for i, b in zip(images, boil, strict=True)]
    outputs = run(images, styled, 0.5)
    before, after = (
        [rms(frames[t][:, :-3], frames[t - 1][:, 3:]) for t in range(8, 24)] for frames in (styled, outputs)
    )
    assert np.mean(after) < 0.7 * np.mean(before)


@pytest.mark.parametrize("speed", [0, 3], ids=["still camera", "moving camera"])
@pytest.mark.parametrize("amount", [0.5, 1.0])
def test_an_exposure_ramp_is_followed_without_lag(amount: float, speed: int) -> None:
    wide = scene(0, WIDTH + 120, HEIGHT)
    images = [cv2.convertScaleAbs(wide[:, speed * t : speed * t + WIDTH], alpha=1 - 0.015 * t) for t in range(24)]
    outputs = run(images, images, amount)
    lag = [abs(float(o.mean()) - float(i.mean())) for o, i in zip(outputs, images, strict=True)]
    assert max(lag) < 1


@pytest.mark.parametrize("level", [0, 255])
def test_moving_black_and_white_do_not_wrap_around(level: int) -> None:
    """Differences are added in eight bits: a level past the darkest or the brightest must not come out as another."""
    wide = scene(0, WIDTH + 120, HEIGHT)
    images = [np.ascontiguousarray(wide[:, 3 * t : 3 * t + WIDTH]) for t in range(12)]
    boil = [with_noise(np.full_like(images[0], 128), 60, t) for t in range(12)]
    extreme = scene(5) > 128
    styled = [np.where(extreme, np.uint8(level), noise) for noise in boil]
    outputs = run(images, styled, 1.0)
    steps = [np.abs(o.astype(int) - s)[extreme] for o, s in zip(outputs, styled, strict=True)]
    assert any(step.any() for step in steps)  # they were blended
    assert max(int(step.max()) for step in steps) < 128


def test_a_moving_picture_that_flashes_stays_between_its_levels() -> None:
    """The past is further away than eight bits with a sign hold."""
    wide = scene(0, WIDTH + 120, HEIGHT)
    images = [np.ascontiguousarray(wide[:, 3 * t : 3 * t + WIDTH]) for t in range(8)]
    styled = [np.full_like(image, 255 if t % 2 else 60) for t, image in enumerate(images)]
    outputs = run(images, styled, 1.0)
    assert any((o != s).any() for o, s in zip(outputs, styled, strict=True))  # they were blended
    assert min(int(output.min()) for output in outputs) >= 60


def test_a_change_too_slow_to_see_from_frame_to_frame_does_not_lag_far_behind() -> None:
    """A lamp dims a corner by a level a frame, the style by three: a blind blend would lag by 23 levels."""
    lamp = np.clip(1.5 - np.hypot(*np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))) / 80, 0, 1)[..., None]
    images = [(scene() / 4 + 60 - lamp * t).astype(np.uint8) for t in range(50)]
    styled = [np.clip(3 * image.astype(int) - 60, 0, 255).astype(np.uint8) for image in images]
    outputs = run(images, styled, 1.0)
    assert max(rms(o, s, lamp[..., 0] == 1) for o, s in zip(outputs, styled, strict=True)) < 12


@settings(deadline=None)
@given(width=st.integers(1, 70), height=st.integers(1, 70), amount=st.floats(0, 1), shift=st.integers(0, 9))
def test_any_size_works_and_inputs_are_not_written_to(width: int, height: int, amount: float, shift: int) -> None:
    steady = Steady()
    for move in (0, shift, 2 * shift):
        image = gradient(width, height, move)
        styled = style(image)
        output = steady(image, styled, amount)
        assert (output.shape, output.dtype) == (image.shape, np.uint8)
        np.testing.assert_array_equal(image, gradient(width, height, move))
        np.testing.assert_array_equal(styled, style(image))


def test_a_still_scene_without_flicker_passes_unchanged() -> None:
    for output in run([scene()] * 5, [style(scene())] * 5, 1.0):
        assert_images_close(output, style(scene()), levels=0)


def test_sizes_that_differ_and_amounts_out_of_range_are_refused() -> None:
    with pytest.raises(InputError, match="same size"):
        Steady()(scene(), scene()[:-1], 0.5)
    with pytest.raises(InputError, match="from 0"):
        Steady()(scene(), scene(), 1.5)
