"""The time drawn as pixels: read back through what a loop does to it, refused when torn; and the loop itself."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from fractions import Fraction

import cv2
import numpy as np
import pytest
from conftest import RunCli
from desktop import xvfb
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from livestyle.errors import DeviceError, InputError
from livestyle.frame import Image
from livestyle.loop_bench import LoopResult, TimeSource, run_inside, run_loop
from livestyle.media.grab import GrabbedScreen
from livestyle.media.picture import resize
from livestyle.media.size import Size
from livestyle.stylizer import load
from livestyle.timecode import WRAP_MS, decode_time, encode_time

times = st.integers(0, WRAP_MS - 1)
WHITE = np.full((360, 640, 3), 255, np.uint8)
MS = 0x5A5A7


def coded(ms: int = MS) -> Image:
    return encode_time(WHITE, ms)


# The code


@settings(deadline=None)
@given(times, st.integers(36, 800), st.integers(24, 800))
def test_the_time_is_read_back_at_any_size(ms: int, width: int, height: int) -> None:
    assert decode_time(encode_time(np.full((height, width, 3), 90, np.uint8), ms)) == ms


def test_times_begin_again_after_seventeen_minutes() -> None:
    assert decode_time(coded(WRAP_MS + 5)) == 5


def test_drawing_leaves_the_picture_given_alone() -> None:
    image = np.full((100, 200, 3), 7, np.uint8)
    encode_time(image, 1)
    assert (image == 7).all()


def test_a_picture_too_small_for_the_time_is_refused() -> None:
    with pytest.raises(InputError, match="36x24"):
        encode_time(np.zeros((23, 36, 3), np.uint8), 1)


@pytest.mark.parametrize("size", [(160, 90), (320, 180), (427, 240), (1280, 720)])
def test_scaling_does_no_harm(size: tuple[int, int]) -> None:
    assert decode_time(resize(coded(), size)) == MS


def test_blur_does_no_harm() -> None:
    assert decode_time(cv2.GaussianBlur(coded(), (0, 0), 7)) == MS


@pytest.mark.parametrize("quality", [5, 30])
def test_jpeg_with_a_quarter_of_the_colour_does_no_harm(quality: int) -> None:
    stored = io.BytesIO()
    Pillow.fromarray(coded()).save(stored, "JPEG", quality=quality, subsampling="4:2:0")
    assert decode_time(np.array(Pillow.open(stored))) == MS


@settings(deadline=None)
@given(low=st.integers(0, 90), high=st.integers(140, 255), gamma=st.floats(0.4, 2.5), seed=st.integers(0, 99))
def test_exposure_noise_and_uneven_light_do_no_harm(low: int, high: int, gamma: float, seed: int) -> None:
    light = np.linspace(0.6, 1.0, 640)[None, :, None]
    noise = np.random.default_rng(seed).normal(0, 8, (360, 640, 3))
    seen = low + (high - low) * (coded() / 255) ** gamma * light + noise
    assert decode_time(np.clip(seen, 0, 255).astype(np.uint8)) == MS


def test_a_mirrored_picture_is_read() -> None:
    assert decode_time(np.ascontiguousarray(coded()[:, ::-1])) == MS


def seen_askew(image: Image, lean: float, scale: float) -> Image:
    """As a camera sees a screen: smaller, a little from the side, on a desk."""
    height, width = image.shape[:2]
    rng = np.random.default_rng(1)
    desk = cv2.GaussianBlur(rng.integers(40, 140, (480, 640, 3), np.uint8).astype(np.uint8), (0, 0), 9)
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    w, h = 640 * scale, 640 * scale * height / width
    left, top = (640 - w) / 2 + 10, (480 - h) / 2 - 14
    target = np.array(
        [[left, top], [left + w, top + lean * h], [left + w, top + h * (1 - lean / 2)], [left, top + h * (1 + lean)]],
        np.float32,
    )
    warp = cv2.getPerspectiveTransform(corners, target)
    inside = cv2.warpPerspective(np.ones((height, width), np.uint8), warp, (640, 480))
    seen = cv2.warpPerspective(image, warp, (640, 480), flags=cv2.INTER_AREA)
    return np.where(inside[..., None] > 0, seen, desk).astype(np.uint8)


@pytest.mark.parametrize("lean", [-0.05, 0.0, 0.08, 0.15])
@pytest.mark.parametrize("scale", [0.5, 0.7, 0.9])
def test_a_camera_that_sees_the_screen_askew_reads_it(lean: float, scale: float) -> None:
    assert decode_time(seen_askew(coded(), lean, scale)) == MS


@pytest.mark.parametrize("style", ["starry", "wave"])
@pytest.mark.parametrize("size", [(640, 360), (320, 180)])
def test_styles_leave_it_readable(style: str, size: tuple[int, int]) -> None:
    with load(style, threads=1) as stylizer:
        assert decode_time(stylizer(resize(coded(), size))) == MS


# Refusals


@settings(deadline=None)
@given(times, times, st.integers(90, 270))
def test_a_torn_picture_is_refused_or_one_of_its_times(first: int, second: int, row: int) -> None:
    torn = coded(first)
    torn[row:] = coded(second)[row:]
    assert decode_time(torn) in {None, first, second}


def test_every_tear_between_rows_of_bits_is_refused() -> None:
    other = MS ^ (WRAP_MS - 1)
    for row in range(120, 270, 30):
        torn = coded()
        torn[row:] = coded(other)[row:]
        assert decode_time(torn) is None, row


@settings(deadline=None)
@given(times, times)
def test_two_times_in_one_exposure_are_refused(first: int, second: int) -> None:
    mixed = ((coded(first).astype(int) + coded(second)) // 2).astype(np.uint8)
    assert decode_time(mixed) == (first if first == second else None)


@settings(deadline=None)
@given(st.integers(0, 200))
def test_pictures_without_a_time_are_refused(seed: int) -> None:
    noise = np.random.default_rng(seed).integers(0, 256, (24, 36, 3), np.uint8)
    assert decode_time(resize(noise.astype(np.uint8), (640, 360))) is None


@pytest.mark.parametrize("shape", [(1, 1, 3), (20, 20, 3), (360, 640, 3)])
def test_plain_pictures_are_refused(shape: tuple[int, int, int]) -> None:
    assert decode_time(np.full(shape, 128, np.uint8)) is None


# The loop without a screen


def test_the_time_source_shows_when_it_was_taken() -> None:
    now = [5000.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    source = TimeSource(Size(320, 180), fps=25, clock=lambda: now[0], sleep=sleep)
    frames = [frame for frame, _ in zip(source, range(4), strict=False)]
    assert [frame.captured for frame in frames] == pytest.approx([5000, 5000.04, 5000.08, 5000.12])
    assert [frame.time for frame in frames] == [Fraction(index, 25) for index in range(4)]
    assert [decode_time(frame.image) for frame in frames] == [(5_000_000 + 40 * i) % WRAP_MS for i in range(4)]


def test_inside_the_delay_is_the_engines() -> None:
    def slow(image: Image) -> Image:
        time.sleep(0.03)
        return image

    result = run_inside(slow, size=Size(160, 90), fps=20, frames=20)
    assert result.what == "capture to output only"
    assert 29 <= result.median_ms < 500  # the machine may be busy; the engine's 30 ms are the least
    assert len(result.delays_ms) + result.refused == 20


def test_pictures_without_a_time_are_counted() -> None:
    calls = iter(range(1000))
    result = run_inside(lambda image: image if next(calls) % 2 else image * 0, size=Size(160, 90), fps=25, frames=10)
    assert result.refused > 0
    assert len(result.delays_ms) + result.refused == 10


def test_a_loop_that_reads_nothing_says_what_to_do() -> None:
    with pytest.raises(DeviceError, match="in none of 5 pictures"):
        run_inside(lambda image: image * 0, size=Size(160, 90), fps=200, frames=5)


def test_the_figures_are_the_delays() -> None:
    result = LoopResult("camera to screen", tuple(float(ms) for ms in range(1, 101)), 3, 29.97)
    assert (result.median_ms, result.p95_ms) == (50.5, pytest.approx(95.05))
    assert result.line() == ("camera to screen: median 50 ms, p95 95 ms, 30.0 fps, 100 pictures read, 3 refused")
    assert result.row()["read"] == 100


def test_without_a_display_the_loop_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    with pytest.raises(DeviceError, match="display"):
        run_loop("0", lambda image: image)


def test_without_a_display_a_camera_asked_for_is_not_left_out(run_cli: RunCli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    outcome = run_cli("bench", "--loop", "--camera", "99", "--style", "none", "--frames", "10")
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err[0].startswith("error: bench: --loop --camera needs a display; leave --camera out")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--loop", "--input", "film.mp4"], "--input does not go with --loop"),
        (["--loop", "--size", "320x180"], "--size does not go with --loop"),
        (["--loop", "--peer", "peer.onnx"], "--peer does not go with --loop"),
        (["--camera", "0"], "--camera goes with --loop"),
    ],
)
def test_an_option_that_would_do_nothing_is_refused(run_cli: RunCli, words: list[str], expected: str) -> None:
    outcome = run_cli("bench", *words)
    assert (outcome.code, outcome.err[-1]) == (2, f"Error: {expected}")


# With one


@pytest.fixture(scope="module")
def screen() -> Iterator[str]:
    """The name of a virtual X display with room for two windows."""
    if not shutil.which("Xvfb"):
        pytest.skip("Xvfb is not installed")
    with xvfb("1400x500x24") as name:
        yield name


GRAB = """
import sys
from livestyle.media.camera import import_cv2
import_cv2()
from livestyle.media.grab import GrabbedScreen
with GrabbedScreen("screen:5,7," + sys.argv[1]) as source:
    frames = [frame for frame, _ in zip(source, range(3))]
source.close()
for frame in frames:
    frame.image[0, 0] = 1
print(source.frame_size, [frame.index for frame in frames], frames[0].captured < frames[2].captured, list(source))
"""


@pytest.mark.parametrize("size", ["64x48", "61x47"])  # FFmpeg pads the rows of the second
def test_the_screen_is_grabbed_beside_opencv(size: str, screen: str) -> None:
    """In the same process FFmpeg's grabbing crashes once OpenCV is loaded."""
    environment = {**os.environ, "DISPLAY": screen}
    done = subprocess.run(
        [sys.executable, "-c", GRAB, size], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == f"{size} [0, 1, 2] True []\n", done.stderr


def test_a_screen_that_cannot_be_grabbed_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    if sys.platform == "linux":
        with pytest.raises(DeviceError, match="there is no X display here"):
            GrabbedScreen("screen")


LOOP = """
import sys, time
from livestyle.loop_bench import SCREEN, run_loop
def late(image):
    time.sleep(float(sys.argv[1]))
    return image
result = run_loop(SCREEN, late, frames=20)
print(result.what, result.median_ms, len(result.delays_ms), result.refused, sep="|")
"""


def looped(screen: str, seconds: float) -> tuple[str, float, int, int]:
    """A loop in a process of its own, for a window toolkit keeps the display it once had."""
    done = subprocess.run(
        [sys.executable, "-c", LOOP, str(seconds)],
        env={**os.environ, "DISPLAY": screen},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    what, median, read, refused = done.stdout.split("|")
    return what, float(median), int(read), int(refused)


def test_the_loop_over_a_real_screen_sees_what_the_engine_adds(screen: str) -> None:
    what, quick, read, refused = looped(screen, 0.0)
    assert what == "screen to screen, no glass"
    assert read + refused == 20
    assert read >= 15
    _, slow, _, _ = looped(screen, 0.3)
    assert slow - quick > 250
