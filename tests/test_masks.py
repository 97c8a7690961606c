"""Only me, or all but me: the mask is where the subject is, keeps still, is never late, and the sides meet along it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import gradient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from livestyle.errors import InputError, MissingExtra
from livestyle.frame import Image
from livestyle.masks import Alpha, MaskedStyle, PictureMask, composite, open_mask
from livestyle.matting import Plane, person_file
from livestyle.subject import SteadyMask, Subject, upscale

person = pytest.mark.skipif(not person_file().is_file(), reason="the network of --mask person is not in place")

RED, BLUE = (255, 0, 0), (0, 0, 255)
sides = st.integers(1, 70)
each_size = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


def painted(colour: tuple[int, int, int], like: Image) -> Image:
    return np.full_like(like, colour)


# Composition


@each_size
@given(width=sides, height=sides, seed=st.integers(0, 9))
def test_a_composite_is_exact_where_alpha_is_full_or_empty(width: int, height: int, seed: int) -> None:
    chance = np.random.default_rng(seed)
    inside, outside = chance.integers(0, 256, (2, height, width, 3), np.uint8)
    alpha = chance.integers(0, 256, (height, width), np.uint8)
    alpha[chance.random(alpha.shape) < 0.3] = 0
    alpha[chance.random(alpha.shape) < 0.3] = 255
    alpha[: seed * height // 20], alpha[:, width - seed * width // 20 :] = 0, 0
    before = inside.copy(), outside.copy(), alpha.copy()
    mixed = composite(inside, outside, alpha)
    assert (mixed[alpha == 255] == inside[alpha == 255]).all()
    assert (mixed[alpha == 0] == outside[alpha == 0]).all()
    share = alpha[..., None] / 255
    assert np.abs(mixed - (inside * share + outside * (1 - share))).max() < 1
    assert all((a == b).all() for a, b in zip(before, (inside, outside, alpha), strict=True))


class Still:
    """A mask that is always the same."""

    def __init__(self, alpha: Alpha) -> None:
        self.alpha, self.closed = alpha, 0

    def mask(self, image: Image, *, mirrored: bool = False) -> Alpha:
        return self.alpha

    def close(self) -> None:
        self.closed += 1


def counting(colour: tuple[int, int, int], calls: list[tuple[int, int, int]]) -> Callable[[Image], Image]:
    def paint(image: Image) -> Image:
        calls.append(colour)
        return painted(colour, image)

    return paint


@pytest.mark.parametrize(
    ("alpha", "expected"), [(0, [BLUE]), (255, [RED]), (1, [RED, BLUE]), (128, [RED, BLUE]), (254, [RED, BLUE])]
)
def test_a_style_no_pixel_of_which_shows_does_not_run(alpha: int, expected: list[tuple[int, int, int]]) -> None:
    calls: list[tuple[int, int, int]] = []
    image = gradient(9, 7)
    styled = MaskedStyle(Still(np.full((7, 9), alpha, np.uint8)), counting(RED, calls), counting(BLUE, calls))(image)
    assert calls == expected
    assert np.abs(styled - (np.array(RED) * alpha / 255 + np.array(BLUE) * (1 - alpha / 255))).max() < 1


def test_a_side_without_a_style_is_the_original() -> None:
    image, alpha = gradient(8, 4), np.zeros((4, 8), np.uint8)
    alpha[:, :4] = 255
    only_me = MaskedStyle(Still(alpha), counting(RED, []), None)(image)
    assert (only_me[:, :4] == RED).all() and (only_me[:, 4:] == image[:, 4:]).all()
    all_but_me = MaskedStyle(Still(alpha), None, counting(RED, []))(image)
    assert (all_but_me[:, 4:] == RED).all() and (all_but_me[:, :4] == image[:, :4]).all()


def test_closing_closes_the_mask() -> None:
    mask = Still(np.zeros((1, 1), np.uint8))
    with MaskedStyle(mask, None, None):
        pass
    assert mask.closed == 1


# Pictures


@pytest.fixture
def half_white(tmp_path: Path) -> Path:
    """White on the left."""
    path = tmp_path / "mask.png"
    picture = np.zeros((40, 60), np.uint8)
    picture[:, :30] = 255
    Pillow.fromarray(picture).save(path)
    return path


@each_size
@given(width=sides, height=sides, mirrored=st.booleans())
def test_a_picture_is_stretched_to_any_size(width: int, height: int, mirrored: bool, half_white: Path) -> None:
    image = np.zeros((height, width, 3), np.uint8)
    alpha = PictureMask(half_white).mask(image, mirrored=mirrored)
    assert alpha.shape == (height, width) and alpha.dtype == np.uint8
    if width >= 10:
        inside, outside = (alpha[:, -1], alpha[:, 0]) if mirrored else (alpha[:, 0], alpha[:, -1])
        assert (inside == 255).all() and (outside == 0).all()


def test_a_picture_follows_size_and_mirror_from_frame_to_frame(half_white: Path) -> None:
    mask, image = PictureMask(half_white), np.zeros((20, 30, 3), np.uint8)
    first = mask.mask(image)
    assert mask.mask(image) is first
    assert (mask.mask(image, mirrored=True) == first[:, ::-1]).all()
    assert mask.mask(image[:10]).shape == (10, 30)
    with pytest.raises(ValueError, match="read-only"):
        first[0, 0] = 1


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_an_alpha_channel_counts_and_not_the_colours(mode: str, tmp_path: Path) -> None:
    pixels = np.full((8, 8, 4), 255, np.uint8)
    pixels[:, :4, :3], pixels[:, 4:, 3] = 0, 0  # black and opaque on the left, white and clear on the right
    path = tmp_path / "mask.png"
    Pillow.fromarray(pixels).convert(mode).save(path)
    alpha = PictureMask(path).mask(np.zeros((8, 8, 3), np.uint8))
    assert (alpha[:, :4] == 255).all() and (alpha[:, 4:] == 0).all()


def test_sixteen_bits_of_gray_are_scaled(tmp_path: Path) -> None:
    path = tmp_path / "mask.png"
    Pillow.fromarray(np.full((4, 4), 0x8000, np.uint16)).save(path)
    assert (PictureMask(path).mask(np.zeros((4, 4, 3), np.uint8)) == 128).all()


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("missing.png", "no such file"),
        ("missing.onnx", "cannot be read"),
        ("persona", "give `person`, a picture"),
        ("text.png", "not a picture"),
        ("net.onnx?norm=vgg", "norm="),
        (".", "give `person`"),
        ("", "give `person`"),
    ],
)
def test_a_mask_that_makes_no_sense(source: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(InputError, match=words.replace("(", r"\(")) as caught:
        open_mask(source)
    assert "\n" not in str(caught.value)


def test_person_without_its_network_is_one_line_that_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIVESTYLE_HOME", str(tmp_path))
    with pytest.raises(InputError, match=r"pip install 'livestyle\[mask\]' && python -m exporters.person;") as caught:
        open_mask("person")
    assert "\n" not in str(caught.value)


@person
def test_person_finds_nobody_in_a_gradient() -> None:
    mask = open_mask("person")
    assert mask.mask(gradient(320, 180)).mean() < 64
    mask.close()
    mask.close()


@person
def test_without_onnxruntime_person_is_one_line_with_the_pip_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtra, match=r"pip install 'livestyle\[cpu\]'"):
        open_mask("person")


# A subject that moves: a bright disc on a dark ground, which a scripted network sees as it is.

WIDTH, HEIGHT, RADIUS = 320, 180, 30


def disc(x: float, *, width: int = WIDTH, height: int = HEIGHT, bright: int = 200, dark: int = 60) -> Image:
    rows, columns = np.mgrid[:height, :width]
    share = (RADIUS + 0.5 - np.hypot(columns - x, rows - height / 2)).clip(0, 1)[..., None]
    image: Image = (dark + (bright - dark) * share).round().astype(np.uint8).repeat(3, axis=2)
    return image


def truth(x: float, **size: int) -> Alpha:
    return disc(x, bright=255, dark=0, **size)[..., 0]


def lightness(image: Image) -> Plane:
    """0..1 of a gray image."""
    return image[..., 0] * np.float32(1 / 255)


class Threshold:
    """A network that takes what is brighter than 130 for the subject, with noise if asked; it counts its resets."""

    def __init__(self, noise: float = 0.0, fails_at: int = -1) -> None:
        self._noise, self._fails_at = noise, fails_at
        self._chance = np.random.default_rng(0)
        self.calls = self.resets = 0
        self.threads: set[str] = set()

    def shrink(self, image: Image) -> Image:
        cv2 = pytest.importorskip("cv2")
        height, width = image.shape[:2]
        size = 128, min(256, max(8, round(128 * height / width)))
        small: Image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        return small

    def __call__(self, small: Image) -> Plane:
        self.calls += 1
        self.threads.add(threading.current_thread().name)
        if self.calls == self._fails_at:
            raise ValueError("network")
        mask = ((small[..., 0].astype(np.float32) - 60) / 140).clip(0, 1)
        noisy: Plane = (mask + self._chance.normal(0, self._noise, mask.shape)).clip(0, 1).astype(np.float32)
        return noisy

    def reset(self) -> None:
        self.resets += 1


def error(alpha: Alpha, expected: Alpha) -> float:
    """Mean difference along the rim of the expected disc and the found one, levels."""
    there = (alpha != expected) | ((expected > 0) & (expected < 255))
    return float(np.abs(alpha.astype(int) - expected)[there].sum() / (2 * np.pi * RADIUS))


@pytest.mark.parametrize("speed", [0, 2, 9])
def test_a_moving_subject_is_where_it_is_at_once(speed: int) -> None:
    with_network = Subject(Threshold(), behind=False)
    for step in range(12):
        x = 60 + step * speed
        alpha = with_network.mask(disc(x))
        assert error(alpha, truth(x)) < 0.2 * 255  # a fifth of a pixel; the network's are 2.5 times as large


@pytest.mark.parametrize("speed", [2, 9])
def test_a_mask_one_frame_behind_is_drawn_to_the_edges_of_this_frame(speed: int) -> None:
    subject = Subject(Threshold(), behind=True)
    for step in range(12):
        x = 60 + step * speed
        assert error(subject.mask(disc(x)), truth(x)) < 255
    subject.close()


class Lightness(Threshold):
    """A network for which the subject is as much there as the picture is light."""

    def __call__(self, small: Image) -> Plane:
        return lightness(small)


@pytest.mark.parametrize(("behind", "late"), [(False, 0), (True, 1)])
def test_a_mask_is_at_most_one_frame_late(behind: bool, late: int) -> None:
    subject = Subject(Lightness(), behind=behind)
    levels = [50, 70, 90, 115, 140, 170]  # no cuts
    alphas = [subject.mask(np.full((36, 64, 3), level, np.uint8)) for level in levels]
    for alpha, level in zip(alphas[late:], levels, strict=False):
        assert np.abs(alpha.astype(int) - round((level - 0.15 * 255) / 0.7)).max() <= 1
    subject.close()


def test_a_subject_that_passed_leaves_no_trail() -> None:
    with_network = Subject(Threshold(), behind=False)
    for step in range(20):
        x = 60 + step * 10
        alpha = with_network.mask(disc(x))
        assert alpha[:, : max(0, x - RADIUS - 12)].max(initial=0) == 0
        assert alpha[:, x + RADIUS + 12 :].max(initial=0) == 0


def test_a_dark_subject_before_a_dark_wall_leaves_no_trail() -> None:
    """The picture does not tell that it moved, only the network does."""
    steady, light = SteadyMask(), np.full((72, 128), 0.1, np.float32)
    before, after = np.zeros((2, 72, 128), np.float32)
    before[20:50, 20:50], after[20:50, 60:90] = 1, 1
    for _ in range(5):
        steady(before, light)
    assert np.abs(steady(after, light)[25:45, 25:45]).max() < 0.01


def test_the_rim_of_what_moves_lags_less_than_a_tenth_of_a_pixel_even_at_low_contrast() -> None:
    network, steady = Threshold(), SteadyMask()
    for step in range(12):
        light = network.shrink(disc(60 + 8 * step, dark=100, bright=140))[..., 0].astype(np.float32)
        mask: Plane = ((light - 100) / 40).clip(0, 1)
        lag = np.abs(steady(mask, light * np.float32(1 / 255)) - mask).sum()
        assert lag < 0.1 * 2 * np.pi * RADIUS * 128 / WIDTH


@pytest.mark.parametrize("noise", [0.05, 0.1, 0.2])
def test_a_noisy_mask_of_a_still_picture_flickers_less_than_half(noise: float) -> None:
    network, steady, image = Threshold(noise), SteadyMask(), disc(160)
    small = network.shrink(image)
    light = lightness(small)
    raw = np.stack([network(small) for _ in range(40)])
    smooth = np.stack([steady(mask, light) for mask in raw])
    assert smooth[10:].std(axis=0).mean() < 0.5 * raw[10:].std(axis=0).mean()


@pytest.mark.parametrize("behind", [False, True])
def test_a_cut_and_a_new_size_reset_the_network_and_motion_does_not(behind: bool) -> None:
    network = Threshold()
    subject = Subject(network, behind=behind)
    for x in (60, 70, 80):
        subject.mask(disc(x))
    assert network.resets == 1
    subject.mask(disc(80, dark=120, bright=255))
    assert network.resets == 2
    subject.mask(disc(80, dark=120, bright=255, width=WIDTH // 2, height=HEIGHT // 2))
    assert network.resets == 2  # the same at another size, as when the governor changes it
    subject.mask(disc(80, dark=120, bright=255)[:-20])
    assert network.resets == 3
    subject.close()


def test_the_mask_after_a_cut_is_of_the_new_picture() -> None:
    subject = Subject(Threshold(), behind=True)
    for _ in range(3):
        subject.mask(np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    assert subject.mask(np.full((HEIGHT, WIDTH, 3), 255, np.uint8)).min() == 255
    subject.close()


class MeanLight(Threshold):
    """A network whose mask is the same everywhere: the mean lightness."""

    def __call__(self, small: Image) -> Plane:
        return np.full(small.shape[:2], small.mean() / 255, np.float32)


@pytest.mark.parametrize("behind", [False, True])
def test_after_a_cut_nothing_of_the_old_mask_is_left_where_the_picture_is_the_same(behind: bool) -> None:
    subject, image = Subject(MeanLight(), behind=behind), np.full((36, 64, 3), 100, np.uint8)
    for _ in range(3):
        subject.mask(image)
    image[:, :32] = 200
    alpha = subject.mask(image)
    assert np.abs(alpha.astype(int) - alpha[0, 0]).max() <= 1
    subject.close()


class Busy(Threshold):
    """A network whose second picture takes until it is reset, or a fifth of a second."""

    def __init__(self) -> None:
        super().__init__()
        self._was_reset, self.working, self.disturbed = threading.Event(), False, False

    def __call__(self, small: Image) -> Plane:
        self.working = True
        mask = super().__call__(small)
        if self.calls == 2:
            self._was_reset.clear()
            self._was_reset.wait(0.2)
        self.working = False
        return mask

    def reset(self) -> None:
        self.disturbed |= self.working
        self._was_reset.set()


def test_a_network_is_never_reset_while_it_works() -> None:
    network = Busy()
    subject = Subject(network, behind=True)
    subject.mask(disc(100))
    subject.mask(disc(100))
    subject.mask(disc(100, dark=200, bright=255))
    subject.close()
    assert not network.disturbed


@each_size
@given(sizes=st.lists(st.tuples(sides, sides), min_size=2, max_size=4), behind=st.booleans())
def test_any_size_and_any_change_of_size(sizes: list[tuple[int, int]], behind: bool) -> None:
    subject = Subject(Threshold(), behind=behind)
    for width, height in sizes:
        for level in (255, 0):
            alpha = subject.mask(np.full((height, width, 3), level, np.uint8))
            assert alpha.shape == (height, width) and alpha.dtype == np.uint8
            assert (alpha == level).all()
    subject.close()


@pytest.mark.parametrize(("seconds", "in_thread"), [(0.004, False), (0.040, True)])
def test_a_slow_network_moves_into_a_thread(seconds: float, in_thread: bool) -> None:
    ticks = iter(np.arange(1000) * seconds)
    network = Threshold()
    subject = Subject(network, clock=lambda: float(next(ticks)))
    for _ in range(9):
        subject.mask(disc(100))
    assert any(name.startswith("livestyle-mask") for name in network.threads) == in_thread
    subject.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("livestyle-mask")]


def test_a_failure_of_the_network_reaches_the_caller() -> None:
    for behind in (False, True):
        subject = Subject(Threshold(fails_at=3), behind=behind)
        with pytest.raises(ValueError, match="network"):
            for _ in range(5):
                subject.mask(disc(100))
        subject.close()


def test_a_coarse_mask_meets_the_edges_of_the_image() -> None:
    """Its rim is drawn to the image's: a tenth of the error of bilinear scaling."""
    cv2 = pytest.importorskip("cv2")
    image, expected = disc(160.0, width=640, height=360), truth(160.0, width=640, height=360)
    small = cv2.resize(image, (160, 90), interpolation=cv2.INTER_AREA)
    blurred = cv2.GaussianBlur(cv2.resize(expected, (160, 90), interpolation=cv2.INTER_AREA), (5, 5), 0)
    alpha = upscale(blurred * np.float32(1 / 255), lightness(small), image)
    bilinear = cv2.resize(blurred, (640, 360))
    assert error(alpha, expected) < 0.1 * error(bilinear, expected)
