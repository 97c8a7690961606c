"""Pictures that are more than a flat view: the film says so still, or a line says that it does not."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import pytest
from test_cropping import add_box

from livestyle import load, stylize_film

Ffmpeg = Callable[..., bytes]
PICTURE = ("-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=0.2")


def marked(ffmpeg: Ffmpeg, path: Path, mode: str, aspect: str = "1") -> Path:
    """A film of two views in Matroska, or in MPEG-4 by way of it."""
    film = path.with_suffix(".mkv")
    stereo = ("-metadata:s:v:0", f"stereo_mode={mode}")
    ffmpeg(*PICTURE, "-vf", f"setsar={aspect}", "-c:v", "libx264", *stereo, film)
    if film != path:
        ffmpeg("-i", film, "-c", "copy", "-strict", "unofficial", path)
    return path


def view_of(path: Path) -> tuple[str | None, Fraction | None]:
    """How the film holds two views, and the shape of its pixels."""
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        return video.metadata.get("stereo_mode"), video.sample_aspect_ratio


@pytest.mark.parametrize("source", ["in.mkv", "in.mp4"])
@pytest.mark.parametrize("target", ["out.mkv", "out.webm"])
def test_matroska_says_that_a_film_is_3d(target: str, source: str, ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    film = marked(ffmpeg, tmp_path / source, "left_right")
    assert stylize_film(film, tmp_path / target, load("none")).warnings == ()
    assert view_of(tmp_path / target)[0] == "left_right"


def test_3d_that_only_the_pictures_tell_is_kept(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    film = tmp_path / "in.mp4"
    ffmpeg(*PICTURE, "-c:v", "libx264", "-x264-params", "frame-packing=4", film)
    stylize_film(film, tmp_path / "out.mkv", load("none"))
    assert view_of(tmp_path / "out.mkv")[0] == "top_bottom"


@pytest.mark.parametrize(("source", "mode"), [("in.mkv", "right_left"), ("in.mp4", "left_right")])
@pytest.mark.parametrize("target", ["out.mp4", "out.mov"])
def test_3d_that_is_lost_is_told_once(target: str, source: str, mode: str, ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    film = marked(ffmpeg, tmp_path / source, mode)
    (line,) = stylize_film(film, tmp_path / target, load("none")).warnings
    assert line.startswith(f"{film}: 3D ({mode}); {target[4:]} does not say so")


@pytest.mark.parametrize("aspect", ["2/1", "1/2"])
@pytest.mark.parametrize("mode", ["left_right", "bottom_top", "col_interleaved_lr", "row_interleaved_rl"])
def test_pixels_of_a_3d_film_keep_their_shape(mode: str, aspect: str, ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    film = marked(ffmpeg, tmp_path / "in.mkv", mode, aspect)
    assert view_of(film) == (mode, Fraction(aspect))
    stylize_film(film, tmp_path / "out.mkv", load("none"))
    assert view_of(tmp_path / "out.mkv") == (mode, Fraction(aspect))


def test_a_view_all_around_that_is_lost_is_told(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    film = tmp_path / "in.mp4"
    ffmpeg(*PICTURE, "-c:v", "libx264", film)
    parts = (
        b"\0\0\0\x0dsvhd" + bytes(5),
        b"\0\0\0\x3cproj",
        b"\0\0\0\x18prhd" + bytes(16),
        b"\0\0\0\x1cequi" + bytes(20),
    )
    add_box(film, b"sv3d", b"".join(parts))  # Google's Spherical Video V2
    (line,) = stylize_film(film, tmp_path / "out.mkv", load("none")).warnings
    assert line == f"{film}: a view all around (360 degrees); the copy does not say so"
