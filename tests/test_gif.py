"""GIF, in and out: every picture, its time to a hundredth of a second, good colours."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from conftest import SAMPLE, MakeFilm, frame_times, gradient, images_of
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from livestyle import load, stylize_film
from livestyle.compare import compare_films
from livestyle.frame import Image
from livestyle.media.encoding import Encoding
from livestyle.media.paletted import paletted
from livestyle.media.size import Size

TICK = Fraction(1, 100)  # seconds: all the time a gif can tell
RATES = [Fraction(1001, 24000), Fraction(1001, 30000), Fraction(1, 50), Fraction(1, 12), Fraction(1, 2)]


def render(source: Path, target: Path, **options: object) -> list[str]:
    """A neutral render; what it warns of."""
    return list(stylize_film(source, target, load("none"), **options).warnings)  # type: ignore[arg-type]


@pytest.mark.parametrize("tick", RATES)
def test_every_frame_keeps_its_time(tick: Fraction, make_film: MakeFilm, tmp_path: Path) -> None:
    film, target = make_film(pts=range(40), time_base=tick), tmp_path / "out.gif"
    assert render(film, target) == []
    before, after = frame_times(film), frame_times(target)
    assert len(before) == len(after) == 40
    assert max(abs(a - b) for a, b in zip(after, before, strict=True)) <= TICK / 2


@settings(deadline=None, max_examples=20)
@given(st.lists(st.integers(20, 3000), min_size=1, max_size=20))
def test_uneven_times_are_kept(tmp_path_factory: pytest.TempPathFactory, gaps: list[int]) -> None:
    folder = tmp_path_factory.mktemp("uneven")
    film, moments = folder / "in.mkv", [sum(gaps[:count]) for count in range(len(gaps) + 1)]
    with av.open(str(film), "w") as container:
        video = container.add_stream("ffv1", rate=25)
        video.width, video.height, video.pix_fmt = 16, 16, "yuv420p"
        for moment in moments:
            frame = av.VideoFrame.from_ndarray(gradient(16, 16, shift=moment), format="rgb24")
            frame.pts, frame.time_base = moment, Fraction(1, 1000)
            video.codec_context.time_base = Fraction(1, 1000)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    render(film, folder / "out.gif")
    after = frame_times(folder / "out.gif")
    assert len(after) == len(moments)
    assert max(abs(a - Fraction(b, 1000)) for a, b in zip(after, moments, strict=True)) <= TICK


@pytest.mark.parametrize(("rate", "shown"), [(60, 50), (100, 51), (120, 51)])
def test_a_film_that_is_too_fast_for_players_keeps_its_length(
    rate: int, shown: int, make_film: MakeFilm, tmp_path: Path
) -> None:
    film, target = make_film(pts=range(rate), time_base=Fraction(1, rate)), tmp_path / "out.gif"
    (warning,) = render(film, target)
    assert warning == (
        f"{target}: players show no more than 50 pictures a second of a gif; {rate - shown} of the film's are left out"
    )
    after = frame_times(target)
    assert len(after) == shown
    assert all(b - a >= 2 * TICK for a, b in pairwise(after))
    assert abs(after[-1] - Fraction(rate - 1, rate)) <= TICK * 3 / 2
    checks = {check.name: check for check in compare_films(film, target)}
    assert checks["duration"].state == "same"
    assert [name for name, check in checks.items() if check.broken] == []


def test_the_newest_of_pictures_too_close_together_is_shown(tmp_path: Path) -> None:
    film, target = tmp_path / "in.mkv", tmp_path / "out.gif"
    with av.open(str(film), "w") as container:
        video = container.add_stream("ffv1", rate=25)
        video.width, video.height, video.pix_fmt = 16, 16, "yuv420p"
        video.codec_context.time_base = Fraction(1, 1000)
        for moment, gray in ((0, 40), (100, 80), (101, 120), (102, 160), (500, 200)):
            frame = av.VideoFrame.from_ndarray(np.full((16, 16, 3), gray, np.uint8), format="rgb24")
            frame.pts, frame.time_base = moment, Fraction(1, 1000)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    render(film, target)
    assert frame_times(target) == [0, 10 * TICK, 50 * TICK]
    assert [round(image.mean() / 40) for image in images_of(target)] == [1, 4, 5]


def test_a_gif_starts_at_zero(make_film: MakeFilm, tmp_path: Path) -> None:
    film, target = make_film(pts=range(50, 62)), tmp_path / "out.gif"
    render(film, target)
    assert frame_times(target) == [index * Fraction(1, 25) for index in range(12)]
    assert [check.name for check in compare_films(film, target) if check.broken] == []


@pytest.mark.parametrize("size", [(65, 47), (1, 1), (320, 180)])
def test_odd_sizes_need_no_padding(size: tuple[int, int], make_film: MakeFilm, tmp_path: Path) -> None:
    target = tmp_path / "out.gif"
    render(make_film(size=size, pts=range(3)), target)
    assert images_of(target)[0].shape == (size[1], size[0], 3)


def test_ffmpeg_sees_the_same_gif(make_film: MakeFilm, ffmpeg: Callable[..., bytes], tmp_path: Path) -> None:
    film, target = make_film(size=(96, 64)), tmp_path / "out.gif"
    render(film, target)
    raw = ffmpeg("-i", target, "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "rgb24", "-")
    seen = np.frombuffer(raw, np.uint8).reshape(-1, 64, 96, 3)
    assert len(seen) == 12
    for before, after in zip(images_of(film), seen, strict=True):
        cells = (after.astype(int) - before).reshape(8, 8, 8, 12, 3).mean(axis=(1, 3))
        assert np.abs(cells).max() <= 4


def cells_off(image: Image) -> float:
    """How far the worst cell of a 16x9 grid is off in 256 colours, in levels."""
    height, width = image.shape[:2]
    shown = paletted(image, Size(width, height)).reformat(format="rgb24").to_ndarray().astype(int)
    return float(np.abs((shown - image).reshape(9, height // 9, 16, width // 16, 3).mean(axis=(1, 3))).max())


def test_a_palettes_colours_are_good_on_a_painting() -> None:
    image = images_of(SAMPLE)[0]
    shown = paletted(image, Size(640, 360)).reformat(format="rgb24").to_ndarray().astype(int)
    assert len(np.unique(shown.reshape(-1, 3), axis=0)) in range(200, 257)
    assert np.abs(shown - image).mean() < 6
    assert cells_off(image) < 4
    assert cells_off(load("kandinsky")(image)) < 2  # 3.4 with an octree's colours alone


def test_a_palette_reaches_the_brightest_and_the_most_saturated() -> None:
    """Where every colour at the edge of a channel is a mean of less, dithering cannot make up for it."""
    hue, value = np.meshgrid(np.arange(320) * 255 // 320, 255 - np.arange(180))
    hsv = np.stack([hue, np.full_like(hue, 255), value], axis=2).astype(np.uint8)
    assert cells_off(np.asarray(Pillow.fromarray(hsv, "HSV").convert("RGB"))) < 4  # 24 with an octree's alone


def test_a_palette_gets_what_a_small_area_lacks() -> None:
    image = load("kandinsky")(images_of(SAMPLE)[0]).copy()
    y, x = np.mgrid[:40, :40]
    image[120:160, 600:640] = np.stack([215 + x, y // 3, x // 2], axis=2)  # a red that is nowhere else
    assert cells_off(image) < 3  # 4.1 without colours on the lacking side


def test_what_a_gif_cannot_hold_is_told(make_film: MakeFilm, tmp_path: Path) -> None:
    film = make_film(sound=True)
    assert render(film, tmp_path / "out.gif") == [f"{film}: sound track 1 (aac) does not fit into gif and is left out"]


@pytest.mark.parametrize("target", ["out.gif", "out.mp4", "out.webm"])
def test_a_gif_goes_in_too(target: str, ffmpeg: Callable[..., bytes], tmp_path: Path) -> None:
    film = tmp_path / "in.gif"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=320x192:r=10:d=1", film)
    render(film, tmp_path / target)
    assert frame_times(tmp_path / target) == frame_times(film) == [index * Fraction(1, 10) for index in range(10)]
    broken = [check for check in compare_films(film, tmp_path / target) if check.broken]
    assert broken == []


KINDS = [(".mp4", None), (".mov", "prores"), (".mkv", "hevc"), (".mkv", "av1"), (".webm", "vp9"), (".gif", None)]


@pytest.mark.parametrize(("suffix", "codec"), KINDS)
@pytest.mark.parametrize("options", [{}, {"resume": True}, {"steady": 0.5}])
@pytest.mark.parametrize("count", [1, 4])
def test_the_last_picture_is_shown_as_long_as_in_the_film(
    count: int, options: dict[str, object], suffix: str, codec: str | None, tmp_path: Path
) -> None:
    film, target = tmp_path / "in.gif", tmp_path / f"out{suffix}"
    first, *others = (Pillow.fromarray(gradient(64, 48, shift=9 * index)) for index in range(count))
    first.save(film, save_all=True, append_images=others, duration=[100, 50, 200, 1500][-count:])
    render(film, target, encoding=Encoding(codec=codec), **({} if suffix == ".gif" else options))
    with av.open(str(target)) as container:
        *_, last = container.decode(video=0)
        assert last.time_base is not None
        assert last.duration * last.time_base == Fraction(3, 2)
    assert [it.name for it in compare_films(film, target) if it.broken] == []
    assert render(target, tmp_path / "again.mkv") == []  # its end is not taken for damage


def test_a_gif_repeats_for_ever(make_film: MakeFilm, tmp_path: Path) -> None:
    render(make_film(), tmp_path / "out.gif")
    content = (tmp_path / "out.gif").read_bytes()
    assert content[content.index(b"NETSCAPE2.0") + 11 :][:5] == b"\x03\x01\x00\x00\x00"
