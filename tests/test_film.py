"""A film goes through whole: every frame at its own time, upright, with its sound, or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from conftest import MakeFilm, RunCli, frame_times, gradient, images_of
from hypothesis import given
from hypothesis import strategies as st

from livestyle import load, stylize_film
from livestyle.compare import compare_films
from livestyle.errors import InputError
from livestyle.frame import Image
from livestyle.media.encoding import Encoding
from livestyle.media.size import Size, fit, pad_even
from livestyle.media.structure import is_whole

MILLISECOND = Fraction(1, 1000)  # the grain of Matroska's timestamps
CODED_LEVELS = 8  # the worst pixel's brightness after lossy coding; its colour is shared with its neighbours


def neutral(source: Path, target: Path, **options: object) -> Path:
    stylize_film(source, target, load("none"), **options)  # type: ignore[arg-type]
    return target


def assert_same_brightness(a: Image, b: Image) -> None:
    assert a.shape == b.shape
    assert np.abs((a.astype(int) - b) @ (0.299, 0.587, 0.114)).max() <= CODED_LEVELS


# Timestamps


TIMES = {
    "constant 25": (range(12), Fraction(1, 25)),
    "30000/1001": (range(12), Fraction(1001, 30000)),
    "variable": ([0, 1, 2, 7, 8, 20, 21, 50, 51, 52, 90, 91], Fraction(1, 90)),
    "late start": (range(50, 62), Fraction(1, 25)),
    "late start, 30000/1001": (range(7, 19), Fraction(1001, 30000)),
    "fine": ([0, 3003, 6006, 9010, 12012, 15016], Fraction(1, 90000)),
    "one frame": ([0], Fraction(1, 25)),
}


@pytest.mark.parametrize("target", ["out.mp4", "out.mkv"])
@pytest.mark.parametrize("source", ["in.mp4", "in.mkv"])
@pytest.mark.parametrize("name", TIMES)
def test_every_frame_keeps_its_time(name: str, source: str, target: str, make_film: MakeFilm, tmp_path: Path) -> None:
    pts, time_base = TIMES[name]
    film = make_film(source, pts=pts, time_base=time_base)
    before, after = frame_times(film), frame_times(neutral(film, tmp_path / target))
    grain = MILLISECOND / 2 if target.endswith("mkv") else 0
    assert len(before) == len(after) == len(pts)
    assert all(abs(a - b) <= grain for a, b in zip(after, before, strict=True))


def test_a_late_start_between_milliseconds_is_kept(ffmpeg: Callable[..., bytes], tmp_path: Path) -> None:
    film = tmp_path / "in.ts"  # whose times are 90000ths from an odd start on
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=64x48:r=30000/1001:d=0.4", "-c:v", "libx264", "-muxdelay", "0.01", film)
    before = frame_times(film)
    assert before[0] % MILLISECOND  # else this test proves nothing
    assert frame_times(neutral(film, tmp_path / "out.mp4")) == before


def test_a_film_with_b_frames_keeps_order_and_times(ffmpeg: Callable[..., bytes], tmp_path: Path) -> None:
    film = tmp_path / "in.mp4"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=0.8", "-c:v", "libx264", "-bf", "3", "-b_strategy", "0", film)
    with av.open(str(film)) as container:
        assert any(frame.pict_type == av.video.frame.PictureType.B for frame in container.decode(video=0))
    target = neutral(film, tmp_path / "out.mp4")
    assert frame_times(target) == frame_times(film)
    for before, after in zip(images_of(film), images_of(target), strict=True):
        assert after.mean(axis=(0, 1)) == pytest.approx(before.mean(axis=(0, 1)), abs=4)


# Sound


def sound_of(path: Path) -> list[tuple[Fraction, str]]:
    """Each packet's time in seconds and a digest of its bytes."""
    with av.open(str(path)) as container:
        return [
            (packet.pts * packet.time_base, hashlib.sha256(bytes(packet)).hexdigest())
            for packet in container.demux(container.streams.audio[0])
            if packet.size
        ]


@pytest.mark.parametrize(
    ("source", "target", "codec"),
    [
        ("in.mp4", "out.mp4", "aac"),
        ("in.mkv", "out.mkv", "aac"),
        ("in.mkv", "out.mp4", "aac"),
        ("in.mp4", "out.mp4", "libmp3lame"),
        ("in.mkv", "out.mkv", "libmp3lame"),
        ("in.mkv", "out.mkv", "libopus"),
    ],
)
def test_sound_is_copied_packet_for_packet(
    source: str, target: str, codec: str, ffmpeg: Callable[..., bytes], tmp_path: Path
) -> None:
    film = tmp_path / source
    picture = ("-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=1", "-f", "lavfi", "-i", "sine=r=48000:d=1.5")
    ffmpeg(*picture, "-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", codec, film)
    before, after = sound_of(film), sound_of(neutral(film, tmp_path / target))
    assert len(before) > 40
    assert [digest for _, digest in after] == [digest for _, digest in before]
    assert max(abs(a - b) for (a, _), (b, _) in zip(after, before, strict=True)) <= MILLISECOND / 2


def test_sound_that_does_not_fit_is_left_out_with_a_warning(ffmpeg: Callable[..., bytes], tmp_path: Path) -> None:
    film = tmp_path / "in.mkv"
    picture = ("-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=0.4", "-f", "lavfi", "-i", "sine=r=48000:d=0.4")
    ffmpeg(*picture, "-c:v", "libx264", "-c:a", "wavpack", film)
    result = stylize_film(film, tmp_path / "out.mp4", load("none"))
    assert len(result.warnings) == 1
    assert "wavpack" in result.warnings[0]
    assert len(frame_times(tmp_path / "out.mp4")) == 10


# Shape


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_rotation_is_applied_once_and_not_written_again(
    rotation: int, make_film: MakeFilm, ffmpeg: Callable[..., bytes], tmp_path: Path
) -> None:
    film = make_film(rotation=rotation, pts=range(2))
    with av.open(str(film)) as container:
        assert next(container.decode(video=0)).rotation % 360 == rotation
    target = neutral(film, tmp_path / "out.mp4")
    with av.open(str(target)) as container:
        frame = next(container.decode(video=0))
    assert frame.rotation == 0
    raw = ffmpeg("-i", film, "-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "rgb24", "-")  # turns by itself
    upright = np.frombuffer(raw, np.uint8).reshape(frame.height, frame.width, 3)
    assert (frame.width, frame.height) == ((64, 48) if rotation == 180 else (48, 64))
    assert_same_brightness(images_of(target)[0], upright)


@pytest.mark.parametrize("size", [(33, 47), (35, 48), (48, 35), (1, 1), (1, 16)])
def test_odd_sides_are_padded_to_even_by_repeating_the_edge(
    size: tuple[int, int], make_film: MakeFilm, tmp_path: Path
) -> None:
    width, height = size
    film = make_film(size=size, pts=range(2))
    image = images_of(neutral(film, tmp_path / "out.mp4"))[0]
    assert image.shape == (height + height % 2, width + width % 2, 3)
    assert_same_brightness(image, pad_even(gradient(*size)))


@given(width=st.integers(1, 9), height=st.integers(1, 9))
def test_pad_even_repeats_the_last_row_and_column(width: int, height: int) -> None:
    image = gradient(width, height)
    padded = pad_even(image)
    assert padded.shape == (height + height % 2, width + width % 2, 3)
    rows = np.minimum(np.arange(padded.shape[0]), height - 1)
    columns = np.minimum(np.arange(padded.shape[1]), width - 1)
    assert np.array_equal(padded, image[rows][:, columns])


@given(width=st.integers(1, 4000), height=st.integers(1, 4000), side=st.integers(1, 4000))
def test_fit_makes_the_long_side_exact_and_keeps_the_shape(width: int, height: int, side: int) -> None:
    fitted = fit(Size(width, height), side)
    assert max(fitted) == side
    assert min(fitted) >= 1
    assert abs(fitted.width * height - fitted.height * width) <= max(width, height)


def test_sample_aspect_ratio_is_kept_and_turns_with_the_picture(ffmpeg: Callable[..., bytes], tmp_path: Path) -> None:
    film, turned = tmp_path / "in.mp4", tmp_path / "turned.mp4"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=64x48:d=0.1,setsar=4/3", "-c:v", "libx264", film)
    ffmpeg("-i", film, "-c", "copy", "-metadata:s:v:0", "rotate=90", turned)
    for source, aspect in ((film, Fraction(4, 3)), (turned, Fraction(3, 4))):
        with av.open(str(neutral(source, tmp_path / "out.mp4", overwrite=True))) as container:
            assert container.streams.video[0].sample_aspect_ratio == aspect


@pytest.mark.parametrize("target", ["out.mkv", "out.webm"])
@pytest.mark.parametrize("aspect", ["4/3", "16/11", "8/9", "1/7", "100/1"])
def test_matroska_says_how_wide_a_pixel_is(
    aspect: str, target: str, ffmpeg: Callable[..., bytes], tmp_path: Path
) -> None:
    film, other, out = tmp_path / "in.mp4", tmp_path / "square.mp4", tmp_path / target
    for path, shape in ((film, aspect), (other, "1")):
        ffmpeg("-f", "lavfi", "-i", f"testsrc2=s=62x48:d=0.2,setsar={shape}", "-c:v", "libx264", path)
    neutral(film, out, encoding=Encoding(codec="vp9"))
    with av.open(str(out)) as container:
        found = container.streams.video[0].sample_aspect_ratio
        assert found and abs(found / Fraction(aspect) - 1) < 0.01
        assert len(list(container.decode(video=0))) == 5
        container.seek(100_000)
        assert next(container.decode(video=0)).time is not None
    assert is_whole(out, "matroska")
    states = [check.state for one in (film, other) for check in compare_films(one, out) if check.name == "pixel shape"]
    assert states == ["same", "differs"]


def test_size_is_what_the_engine_sees_and_the_output_keeps_the_films(make_film: MakeFilm, tmp_path: Path) -> None:
    seen: set[tuple[int, ...]] = set()

    class Spy:
        lanes = 1

        def __call__(self, image: Image) -> Image:
            seen.add(image.shape)
            return image

    stylize_film(make_film(), tmp_path / "out.mp4", Spy(), size=32)  # type: ignore[arg-type]
    assert seen == {(24, 32, 3)}
    assert images_of(tmp_path / "out.mp4")[0].shape == (48, 64, 3)


@pytest.mark.parametrize(("out_size", "shape"), [(32, (24, 32, 3)), (Size(50, 21), (22, 50, 3)), (128, (96, 128, 3))])
def test_out_size_is_the_outputs(
    out_size: Size | int, shape: tuple[int, ...], make_film: MakeFilm, tmp_path: Path
) -> None:
    assert images_of(neutral(make_film(), tmp_path / "out.mp4", out_size=out_size))[0].shape == shape


def test_a_large_film_is_styled_smaller_and_keeps_its_size(make_film: MakeFilm, tmp_path: Path) -> None:
    film, target = make_film(size=(2304, 1296), pts=range(2)), tmp_path / "out.mp4"
    with load("starry", film=True) as stylizer:
        result = stylize_film(film, target, stylizer)
    assert images_of(target)[0].shape == (1296, 2304, 3)
    assert any("styled at 1927x1083" in warning for warning in result.warnings)


def test_a_large_film_passes_untouched_without_a_style(make_film: MakeFilm, tmp_path: Path) -> None:
    film, target = make_film(size=(2304, 1296), pts=range(2)), tmp_path / "out.mp4"
    with load("none", film=True) as stylizer:
        result = stylize_film(film, target, stylizer)
    assert result.warnings == ()


def test_more_pixels_than_allowed_are_refused(make_film: MakeFilm, tmp_path: Path, run_cli: RunCli) -> None:
    outcome = run_cli("video", make_film(), tmp_path / "out.mp4", "--max-pixels", "3000", "-q")
    assert outcome.code == 1
    assert len(outcome.err) == 1
    assert outcome.err[0].endswith("64x48 is more than 3000 pixels; if you trust it, allow more with --max-pixels 3072")


@pytest.mark.parametrize("size", [0, -5, (64, 48), 1.5, "wide"])
def test_from_python_a_size_that_is_none_is_an_error(size: Any, tmp_path: Path) -> None:
    for name in ("size", "out_size"):
        with pytest.raises(InputError, match="give WxH or the long side in pixels"):
            stylize_film("in.mp4", tmp_path / "out.mp4", load("none"), **{name: size})


def test_from_python_a_style_is_loaded_first(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="stylizer 'starry': give what livestyle"):
        stylize_film("in.mp4", tmp_path / "out.mp4", "starry")  # type: ignore[arg-type]


@pytest.mark.parametrize("workers", [0, -1])
def test_from_python_no_workers_are_an_error(workers: int, make_film: MakeFilm, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="give a whole number from 1"):
        stylize_film(make_film(), tmp_path / "out.mp4", load("none"), workers=workers)
