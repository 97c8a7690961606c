"""Neutral mode gives the source's colours back, whatever they were coded in, with tags that say so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
import pytest
from conftest import gradient
from numpy.typing import NDArray

from livestyle import load, stylize_film
from livestyle.frame import Image
from livestyle.media.color import to_rgb, to_yuv
from livestyle.media.size import Size

LEVELS = 4  # of 255, the most a cell's mean may move
SD, HD = (320, 180), (1280, 720)
BT601, BT709, BT2020, UNTAGGED = (6, 6, 6), (1, 1, 1), (9, 9, 14), (2, 2, 2)  # matrix, primaries, transfer (H.273)
MATRIX_NAMES = {6: "bt601", 1: "bt709", 9: "bt2020"}


class Coding(NamedTuple):
    """How a film is coded, and the tags its neutral copy must have."""

    pixels: str
    tags: tuple[int, int, int]
    output: tuple[int, int, int]
    full: bool = False
    codec: str = "libx264"
    size: tuple[int, int] = SD


CODINGS = {
    "bt601 limited": Coding("yuv420p", BT601, BT601),
    "bt709 limited": Coding("yuv420p", BT709, BT709),
    "bt601 full, yuvj420p": Coding("yuvj420p", BT601, BT601, full=True),
    "bt709 full, yuv420p tagged pc": Coding("yuv420p", BT709, BT709, full=True),
    "motion jpeg": Coding("yuvj420p", UNTAGGED, BT601, full=True, codec="mjpeg"),
    "4:4:4": Coding("yuv444p", BT709, BT709),
    "4:2:2": Coding("yuv422p", BT709, BT709),
    "10 bit": Coding("yuv420p10le", BT709, BT709),
    "10 bit full": Coding("yuv420p10le", BT709, BT709, full=True),
    "10 bit 4:2:2": Coding("yuv422p10le", BT601, BT601),
    "bt2020, 10 bit": Coding("yuv420p10le", BT2020, BT2020),
    "rgb": Coding("rgb24", UNTAGGED, BT601, codec="libx264rgb"),
    "rgb with alpha": Coding("rgba", UNTAGGED, BT601, codec="png"),
    "untagged SD": Coding("yuv420p", UNTAGGED, BT601),
    "untagged HD": Coding("yuv420p", UNTAGGED, BT709, size=HD),
}


def cells(image: Image) -> NDArray[np.float64]:
    """The mean RGB of a 16x9 grid of cells."""
    height, width = image.shape[0] // 9, image.shape[1] // 16
    cut = image[: 9 * height, : 16 * width].reshape(9, height, 16, width, 3)
    return np.asarray(cut.mean(axis=(1, 3)))


def encode(ffmpeg: Callable[..., bytes], path: Path, coding: Coding) -> Image:
    """A film of one picture, converted and tagged by the ffmpeg program; the picture."""
    image = gradient(*coding.size)
    raw = path.with_suffix(".rgb")
    raw.write_bytes(image.tobytes() * 2)
    rgb = coding.pixels.startswith("rgb")
    matrix = MATRIX_NAMES[coding.output[0]]
    scale = f"scale=out_color_matrix={matrix}:out_range={'pc' if coding.full else 'tv'}:flags=accurate_rnd,"
    tags = dict(zip(("-colorspace", "-color_primaries", "-color_trc"), map(str, coding.tags), strict=True))
    if coding.full:
        tags["-color_range"] = "pc"
    ffmpeg(
        *("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", str(Size(*coding.size)), "-i", raw),
        *("-vf", f"{'' if rgb else scale}format={coding.pixels}", "-c:v", coding.codec, "-qp", "0", "-q:v", "1"),
        *(word for tag in tags.items() for word in tag),
        path,
    )
    return image


def witness(ffmpeg: Callable[..., bytes], path: Path, coding: Coding) -> Image:
    """The first frame as another decoder shows it, told by the tags alone."""
    flags = "accurate_rnd+full_chroma_int"
    raw = ffmpeg("-i", path, "-frames:v", "1", "-sws_flags", flags, "-f", "rawvideo", "-pix_fmt", "rgb24", "-")
    width, height = coding.size
    return np.frombuffer(raw, np.uint8).reshape(height, width, 3)


@pytest.mark.parametrize("name", CODINGS)
def test_neutral_mode_keeps_the_colours(name: str, ffmpeg: Callable[..., bytes], tmp_path: Path) -> None:
    coding = CODINGS[name]
    source, target = tmp_path / "in.mkv", tmp_path / "out.mp4"
    image = encode(ffmpeg, source, coding)
    stylize_film(source, target, load("none"))
    assert np.abs(cells(witness(ffmpeg, target, coding)) - cells(image)).max() <= LEVELS


def test_neutral_mode_keeps_gray(ffmpeg: Callable[..., bytes], tmp_path: Path) -> None:
    coding = Coding("gray", UNTAGGED, BT601)
    source, target = tmp_path / "in.mkv", tmp_path / "out.mp4"
    image = encode(ffmpeg, source, coding)
    luma = np.repeat((image @ np.array([0.299, 0.587, 0.114]))[..., None], 3, axis=2)
    stylize_film(source, target, load("none"))
    assert np.abs(cells(witness(ffmpeg, target, coding)) - cells(luma)).max() <= LEVELS


@pytest.mark.parametrize("name", CODINGS)
def test_output_is_tagged_as_it_is_coded(name: str, ffmpeg: Callable[..., bytes], tmp_path: Path) -> None:
    coding = CODINGS[name]
    source, target = tmp_path / "in.mkv", tmp_path / "out.mp4"
    encode(ffmpeg, source, coding)
    stylize_film(source, target, load("none"))
    with av.open(str(target)) as container:
        frame = next(container.decode(video=0))
    assert frame.format.name == "yuv420p"
    assert (int(frame.colorspace), int(frame.color_primaries), int(frame.color_trc)) == coding.output
    assert int(frame.color_range) == 1  # limited


@pytest.mark.parametrize("scaled", [Size(320, 180), Size(160, 90), Size(480, 270)])
@pytest.mark.parametrize("pixels", ["yuv420p", "yuv422p", "yuv420p10le", "nv12"])
def test_scaling_while_decoding_keeps_the_colours(pixels: str, scaled: Size) -> None:
    image = gradient(*SD)
    matrix = av.video.reformatter.Colorspace.ITU709
    frame = to_yuv(image, Size(*SD), matrix).reformat(format=pixels, src_color_range=1, dst_color_range=1)
    frame.colorspace = int(matrix)
    assert np.abs(cells(to_rgb(frame, scaled)) - cells(image)).max() <= 2
