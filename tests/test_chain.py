"""Between camera and sinks: what the controls do to the picture, and to which frame."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import pytest
from conftest import assert_images_close, gradient

from livestyle.chain import FADE_SECONDS, Chain
from livestyle.controls import Controls, Look
from livestyle.errors import StyleError
from livestyle.frame import Image
from livestyle.governor import Governor, Networks
from livestyle.media.size import Size
from livestyle.palette import Palette
from livestyle.stylizer import NO_NETWORK

pytest.importorskip("cv2")
IMAGE = gradient(160, 96)


class FakePalette(Palette):
    """Style n paints everything in level 50 n; 0 is `none`."""

    def __init__(self) -> None:
        self.styles = ("none", "one", "two")
        self.sizes: list[tuple[int, int]] = []

    def networks(self, style: int) -> int:
        return int(style > 0)

    def device_of(self, style: int) -> str:
        return f"device {style}"

    def choices(self, style: int) -> Networks:
        return (("", 1.0),)

    def __call__(self, image: Image, style: int, strength: float = 1.0, *, network: str = "") -> Image:
        self.sizes.append((image.shape[1], image.shape[0]))
        return np.full_like(image, 50 * style) if style else image

    def mixed(self, image: Image, shares: Mapping[int, float], strength: float = 1.0, **_: str) -> Image:
        assert sum(shares.values()) == pytest.approx(1)
        return np.full_like(image, round(sum(50 * style * share for style, share in shares.items())))


@pytest.fixture
def palette() -> FakePalette:
    return FakePalette()


class Breaks(FakePalette):
    """One style cannot be painted."""

    broken = 2

    def __call__(self, image: Image, style: int, strength: float = 1.0, *, network: str = "") -> Image:
        if style == self.broken:
            raise StyleError("two: damaged")
        return super().__call__(image, style, strength)

    def mixed(self, image: Image, shares: Mapping[int, float], strength: float = 1.0, **_: str) -> Image:
        return self(image, max(shares), strength)


@pytest.fixture
def controls() -> Controls:
    return Controls(["none", "one", "two"], Look(style=1, steady=0))


Make = Callable[..., Chain]


@pytest.fixture
def make(palette: FakePalette, controls: Controls) -> Make:
    def govern(full: Size, networks: Networks) -> Governor:
        return Governor(full, fps=30, max_latency=math.inf, networks=networks)

    return lambda **given: Chain(given.pop("palette", palette), controls, given.pop("govern", govern), **given)


def level(image: Image) -> int:
    assert image.min() == image.max()
    return int(image.flat[0])


def test_the_next_picture_has_the_style_chosen(make: Make, controls: Controls) -> None:
    chain = make()
    levels = [level(chain(IMAGE))]
    controls.press("n")
    levels.append(level(chain(IMAGE)))
    assert levels == [50, 100]


@pytest.mark.parametrize(("action", "value"), [("strength", 0), ("style", "none")])
def test_without_style_the_picture_passes_bit_for_bit_and_no_network_runs(
    make: Make, controls: Controls, palette: FakePalette, action: str, value: object
) -> None:
    controls.do(action, value)
    assert (make()(IMAGE) == IMAGE).all()
    assert palette.sizes == []


def test_the_network_works_at_the_governors_size_and_the_output_keeps_the_cameras(
    make: Make, palette: FakePalette
) -> None:
    chain = make(govern=lambda full, networks: Governor(full, fps=30, max_latency=1, largest=Size(80, 48)))
    assert chain(IMAGE).shape == IMAGE.shape
    assert palette.sizes == [(80, 48)]


@pytest.mark.parametrize("size", [Size(64, 38), Size(320, 192), Size(99, 33)])
def test_the_output_has_the_size_asked_for(make: Make, size: Size) -> None:
    assert make(out_size=size)(IMAGE).shape == (size.height, size.width, 3)


def test_a_camera_that_changes_its_size_gets_a_new_governor(make: Make, palette: FakePalette) -> None:
    chain = make()
    chain(IMAGE)
    chain(gradient(64, 64))
    assert palette.sizes == [(160, 96), (64, 64)]


class Slow(FakePalette):
    """A picture takes as many seconds as it has millions of pixels, times the network's cost; style 1 has two."""

    def __init__(self, lighter: float) -> None:
        super().__init__()
        self.now, self._lighter_cost = 0.0, lighter
        self.painted: list[str] = []

    def choices(self, style: int) -> Networks:
        return (("own", 1.0), ("light", self._lighter_cost)) if style == 1 else (("", 1.0),)

    def __call__(self, image: Image, style: int, strength: float = 1.0, *, network: str = "") -> Image:
        self.painted.append(network)
        self.now += image.shape[0] * image.shape[1] / 1e6 * (self._lighter_cost if network == "light" else 1)
        return super().__call__(image, style, strength)


def test_a_large_camera_begins_at_a_size_that_is_quick_enough(make: Make) -> None:
    palette = Slow(1.0)
    make(palette=palette, clock=lambda: palette.now)(gradient(3840, 2160))
    width, height = palette.sizes[-1]
    assert 0.01 < width * height / 1e6 < 1 / 30  # of a frame's time, neither too little nor too much
    assert max(palette.sizes)[0] < 352  # nothing larger was tried


@pytest.mark.parametrize(("lighter", "network"), [(0.02, "light"), (0.9, "own")])
def test_a_style_too_slow_gives_way_to_its_lighter_one(make: Make, lighter: float, network: str) -> None:
    palette = Slow(lighter)
    chain = make(palette=palette, clock=lambda: palette.now)
    chain(gradient(640, 360) if network == "light" else gradient(200, 120))
    assert palette.painted[-1] == network


def test_a_style_without_a_lighter_one_has_its_own_governor(make: Make, controls: Controls) -> None:
    palette = Slow(0.02)
    chain = make(palette=palette, clock=lambda: palette.now)
    chain(gradient(640, 360))
    controls.do("style", "two")
    chain(gradient(640, 360))
    assert palette.painted[-1] == ""


def test_a_crossfade_goes_through_the_middle_and_ends(make: Make, controls: Controls) -> None:
    now = [10.0]
    chain = make(clock=lambda: now[0])
    chain(IMAGE)
    controls.press("x")
    levels = []
    for moment in (0.0, 0.5, 1.0, 1.5):
        now[0] = 10.0 + moment * FADE_SECONDS
        levels.append(level(chain(IMAGE)))
    assert levels == [50, 75, 100, 100]
    assert controls.look.fade_from is None


def test_a_crossfade_begun_during_another_goes_on_from_what_is_seen(make: Make, controls: Controls) -> None:
    now = [10.0]
    chain = make(clock=lambda: now[0])
    chain(IMAGE)
    controls.do("crossfade", "two")
    levels = []
    for moment, order in ((0.0, None), (0.5, "none"), (0.5, None), (1.0, "one"), (1.0, None), (2.0, None)):
        now[0] = 10.0 + moment * FADE_SECONDS
        levels.append(level(chain(IMAGE)))
        if order:
            controls.do("crossfade", order)
    assert levels == [50, 75, 75, 38, 38, 50]
    assert controls.look.fade_from is None


def test_freeze_repeats_the_last_picture_until_it_ends(make: Make, controls: Controls) -> None:
    controls.do("style", "none")
    chain = make()
    first = chain(IMAGE)
    controls.press("space")
    assert chain(IMAGE[:, ::-1]) is first
    controls.press("space")
    assert (chain(IMAGE[:, ::-1]) == IMAGE[:, ::-1]).all()


def test_mirror_exchanges_left_and_right(make: Make, controls: Controls) -> None:
    controls.do("style", "none")
    controls.press("m")
    assert (make()(IMAGE) == IMAGE[:, ::-1]).all()


def test_compare_keeps_the_left_half(make: Make, controls: Controls) -> None:
    controls.press("c")
    styled = make()(IMAGE)
    assert (styled[:, :80] == IMAGE[:, :80]).all()
    assert (styled[:, 85:] == 50).all()


def test_keep_color_keeps_the_cameras_hue(make: Make, controls: Controls) -> None:
    red = np.zeros((96, 160, 3), np.uint8)
    red[..., 0] = 200
    controls.do("keep_color", 1.0)
    kept = make()(red).astype(int)
    assert (kept[..., 0] > kept[..., 1] + 60).all()


def test_a_still_noisy_picture_gets_steadier(make: Make, controls: Controls, palette: FakePalette) -> None:
    noise = np.random.default_rng(3)
    palette.__class__ = type("Noisy", (FakePalette,), {
        "__call__": lambda self, image, style, strength=1.0, **_: noise.integers(90, 160, image.shape, np.uint8),
    })  # fmt: skip
    chain = make()
    raw = np.stack([chain(IMAGE) for _ in range(8)]).astype(float)
    controls.do("steady", 1.0)
    steady = np.stack([chain(IMAGE) for _ in range(16)][8:]).astype(float)
    assert np.abs(np.diff(steady, axis=0)).mean() < 0.5 * np.abs(np.diff(raw, axis=0)).mean()


class HalfMask:
    """The left half is inside, of the picture as the camera gave it."""

    def mask(self, image: Image, *, mirrored: bool = False) -> np.ndarray:
        alpha = np.zeros(image.shape[:2], np.uint8)
        alpha[:, : image.shape[1] // 2] = 255
        return np.ascontiguousarray(alpha[:, ::-1]) if mirrored else alpha

    def close(self) -> None:
        """Nothing runs beside."""


def test_the_mask_keeps_the_chosen_style_inside(make: Make, controls: Controls) -> None:
    chain = make(mask=HalfMask(), sides=(None, 0))
    styled = chain(IMAGE)
    assert (styled[:, :79] == 50).all()
    assert_images_close(styled[:, 81:], IMAGE[:, 81:])
    controls.press("n")
    assert (chain(IMAGE)[:, :79] == 100).all()


def test_both_sides_of_a_mask_have_a_style(make: Make) -> None:
    styled = make(mask=HalfMask(), sides=(2, 1))(IMAGE)
    assert (styled[:, :79] == 100).all() and (styled[:, 81:] == 50).all()


def test_the_mask_is_mirrored_with_the_picture(make: Make, controls: Controls) -> None:
    controls.press("m")
    styled = make(mask=HalfMask(), sides=(None, 0))(IMAGE)
    assert (styled[:, 81:] == 50).all()


def test_the_device_is_that_of_the_style_in_use(make: Make, controls: Controls) -> None:
    chain, devices = make(), []
    for action, value in (("style", "none"), ("style", "two"), ("strength", 0), ("strength", 1)):
        controls.do(action, value)
        chain(IMAGE)
        devices.append(chain.device)
    assert devices == [NO_NETWORK, "device 2", NO_NETWORK, "device 2"]


def test_the_device_behind_a_mask_is_that_of_a_side_with_a_network(make: Make) -> None:
    chain = make(mask=HalfMask(), sides=(0, 2))
    chain(IMAGE)
    assert chain.device == "device 2"


@pytest.mark.parametrize(
    ("sides", "said"),
    [
        ((0, 2), "none inside, two outside: device 2"),
        ((None, 0), "one inside, none outside: device 1"),
        ((0, 0), f"none inside, none outside: {NO_NETWORK}"),
    ],
)
def test_what_is_announced_is_what_a_mask_lets_be_seen(make: Make, sides: tuple[int | None, int], said: str) -> None:
    assert make(mask=HalfMask(), sides=sides).describe() == said


def test_without_a_mask_the_style_is_announced(make: Make) -> None:
    assert make().describe() == "one: device 1"


def skipping(chain: Chain) -> Chain:
    """The chain, painting a picture of seconds, so that most of the camera's frames are skipped."""
    chain(IMAGE)
    assert chain.governor is not None
    for second in range(20):
        chain.governor.update(5.0, 5.0, second)
    assert not chain.takes(1)
    return chain


@pytest.mark.parametrize(("action", "value"), [("style", "none"), ("style", "two"), ("strength", 0), ("freeze", True)])
def test_a_change_of_style_and_pictures_without_a_network_end_the_skipping(
    make: Make, controls: Controls, action: str, value: object
) -> None:
    chain = skipping(make())
    controls.do(action, value)
    assert chain.takes(1)  # what was done is to be seen at once
    chain(IMAGE)
    chain.observe(0.02)
    assert chain.takes(1)


def test_the_style_that_made_it_skip_goes_on_skipping(make: Make, controls: Controls) -> None:
    chain = skipping(make())
    controls.do("mirror")
    chain(IMAGE)
    chain.observe(0.02)
    assert not chain.takes(1)


def test_the_governor_hears_of_styled_pictures_only(make: Make, controls: Controls) -> None:
    heard: list[float] = []

    class Listening(Governor):
        def update(self, engine: float, latency: float, now: float):  # type: ignore[no-untyped-def]
            heard.append(latency)
            return super().update(engine, latency, now)

    chain = make(govern=lambda full, networks: Listening(full, fps=30, max_latency=1))
    chain(IMAGE)
    chain.observe(0.02)
    chain.observe(None)
    controls.press("space")
    chain(IMAGE)
    chain.observe(0.03)
    assert heard == [0.02]


@pytest.mark.parametrize("action", ["style", "crossfade"])
def test_a_style_that_fails_is_left_for_the_one_before(controls: Controls, make: Make, action: str) -> None:
    said: list[str] = []
    chain = make(palette=Breaks(), say=said.append)
    before = chain(IMAGE)
    controls.do(action, "two")
    assert (chain(IMAGE) == before).all()
    assert (controls.look.style, controls.look.fade_from) == (1, None)
    assert said == ["two: damaged; back to one"]


def test_a_style_that_fails_from_the_first_picture_on_is_an_error(controls: Controls, make: Make) -> None:
    controls.do("style", "two")
    with pytest.raises(StyleError):
        make(palette=Breaks())(IMAGE)


def test_the_style_that_went_well_so_far_is_an_error_once_it_fails(make: Make) -> None:
    palette = Breaks()
    chain = make(palette=palette)
    chain(IMAGE)
    palette.broken = 1
    with pytest.raises(StyleError):
        chain(IMAGE)
