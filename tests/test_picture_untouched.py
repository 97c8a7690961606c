"""Pictures that nothing is done to come out as they went in: busy ones, small ones, turned ones."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from conftest import images_of
from handmade import RED, one_style_model, save

from livestyle import load, stylize_film
from livestyle.compare import compare_films
from livestyle.frame import Frame
from livestyle.media.color import as_420
from livestyle.media.encoding import CRF, crf_for
from livestyle.media.size import Size

Ffmpeg = Callable[..., bytes]
SIZES = ["96x64", "192x108", "320x240"]
BUSY = [(pixels, size) for pixels in ("yuv420p", "yuvj420p", "yuv420p10le", "gray") for size in SIZES]
# In the smallest a cell is 8 pixels wide, and what 4:2:0 cannot hold of 4:2:2 shows.
BUSY += [(pixels, size) for pixels in ("yuv422p", "yuv422p10le") for size in SIZES[1:]]


def busy(ffmpeg: Ffmpeg, path: Path, pixels: str = "yuv420p", size: str = "192x108") -> Path:
    """A film with hard edges between strong colours."""
    source = ("-f", "lavfi", "-i", f"testsrc2=s={size}:r=25:d=0.4")
    ffmpeg(*source, "-pix_fmt", pixels, "-c:v", "libx264", "-crf", "5", path)
    return path


def colours_kept(film: Path, target: Path) -> bool:
    (colours,) = (check for check in compare_films(film, target, picture=True) if check.name == "picture")
    return colours.state == "same"


@pytest.mark.parametrize(("pixels", "size"), BUSY)
def test_neutral_mode_keeps_busy_pictures(pixels: str, size: str, ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    film = busy(ffmpeg, tmp_path / "in.mkv", pixels, size)
    stylize_film(film, tmp_path / "out.mp4", load("none"))
    assert colours_kept(film, tmp_path / "out.mp4")


@pytest.mark.parametrize("angle", [90, 180, 270])
def test_compare_sees_no_difference_in_turning_alone(angle: int, ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    film, turned, upright = busy(ffmpeg, tmp_path / "in.mp4"), tmp_path / "turned.mp4", tmp_path / "upright.mkv"
    with av.open(str(film)) as source, av.open(str(turned), "w") as container:
        video = container.add_stream_from_template(source.streams.video[0])
        video.set_display_rotation(angle)
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = video
                container.mux(packet)
    quarter = {90: "transpose=cclock", 180: "hflip,vflip", 270: "transpose=clock"}[angle]
    ffmpeg("-noautorotate", "-i", turned, "-vf", quarter, "-c:v", "libx264", "-qp", "0", upright)
    assert colours_kept(turned, upright)


def test_chroma_of_422_becomes_the_mean_of_its_rows() -> None:
    planes = [np.full((8, 8), 120), np.tile([[100], [140]], (4, 4)), np.full((8, 4), 128)]
    frame = av.VideoFrame(8, 8, "yuv422p")
    for plane, values in zip(frame.planes, planes, strict=True):
        rows = np.zeros((8, plane.line_size), np.uint8)
        rows[:, : values.shape[1]] = values
        plane.update(rows.tobytes())
    frame.colorspace, frame.color_range = 1, 1
    halved = as_420(frame).to_ndarray()
    assert (halved[:8] == 120).all()
    assert (halved[8:10] == 120).all()
    assert as_420(as_420(frame)).to_ndarray().tolist() == halved.tolist()


def test_another_image_is_no_longer_the_films_own_picture() -> None:
    image = np.zeros((4, 4, 3), np.uint8)
    frame = Frame(image, Fraction(0), 0, coded="picture")
    assert frame.with_image(image).coded == "picture"
    assert frame.with_image(image.copy()).coded is None


def test_a_styled_picture_is_written_and_not_the_films_own(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    style = save(one_style_model(RED), tmp_path / "red.onnx")
    film = busy(ffmpeg, tmp_path / "in.mp4")
    stylize_film(film, tmp_path / "out.mp4", load(style))
    reds = images_of(tmp_path / "out.mp4")
    assert len(reds) == 10
    assert all(np.abs(image.astype(int) - RED).max() <= 4 for image in reds)


def test_small_pictures_are_coded_finer() -> None:
    sizes = [Size(1920, 1080), Size(640, 360), Size(320, 180), Size(176, 144), Size(16, 16)]
    assert [crf_for(size) for size in sizes] == [CRF, CRF, CRF - 6, 10, 8]
