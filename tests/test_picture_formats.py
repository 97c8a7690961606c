"""Neutral mode keeps the colours of pixel formats that few films have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from conftest import gradient
from test_color import BT601, BT709, HD, LEVELS, UNTAGGED, Coding, cells, encode, witness

from livestyle import load, stylize_film
from livestyle.media.color import to_rgb
from livestyle.media.size import Size

CODINGS = {
    "gbrp": Coding("gbrp", UNTAGGED, BT601, codec="ffv1"),
    "gbrp, 10 bit": Coding("gbrp10le", UNTAGGED, BT601, codec="ffv1"),
    "gbrp, 12 bit": Coding("gbrp12le", UNTAGGED, BT601, codec="ffv1"),
    "bgr": Coding("bgr24", UNTAGGED, BT601, codec="rawvideo"),
    "bgra": Coding("bgra", UNTAGGED, BT601, codec="ffv1"),
    "HD rgb": Coding("gbrp", (0, 2, 2), BT709, codec="ffv1", size=HD),
    "48 bit rgb": Coding("rgb48be", UNTAGGED, BT601, codec="png"),
    "palette": Coding("pal8", UNTAGGED, BT601, codec="png"),
    "xyz": Coding("xyz12le", UNTAGGED, BT601, codec="rawvideo"),
    "4:1:1": Coding("yuv411p", BT601, BT601, codec="ffv1"),
    "4:1:0": Coding("yuv410p", BT601, BT601, codec="ffv1"),
    "4:4:0": Coding("yuv440p", BT709, BT709, codec="ffv1"),
    "4:4:4 full": Coding("yuv444p", BT709, BT709, codec="ffv1", full=True),
    "4:2:2 full": Coding("yuv422p", BT709, BT709, codec="ffv1", full=True),
    "12 bit": Coding("yuv420p12le", BT709, BT709, codec="ffv1"),
    "12 bit 4:2:2 full": Coding("yuv422p12le", BT709, BT709, codec="ffv1", full=True),
    "12 bit 4:4:4": Coding("yuv444p12le", BT709, BT709, codec="ffv1"),
    "16 bit 4:4:4": Coding("yuv444p16le", BT601, BT601, codec="ffv1"),
    "packed 4:2:2": Coding("uyvy422", BT709, BT709, codec="rawvideo"),
    "prores": Coding("yuv422p10le", UNTAGGED, BT601, codec="prores_ks"),
}


CONTAINERS = {"uyvy422": ".mov", "xyz12le": ".nut", "bgr24": ".nut"}  # for raw pixels; .mkv else


@pytest.mark.parametrize("name", CODINGS)
def test_neutral_mode_keeps_the_colours_and_tags_them(name: str, ffmpeg: Callable[..., bytes], tmp_path: Path) -> None:
    coding = CODINGS[name]
    source = tmp_path / f"in{CONTAINERS.get(coding.pixels, '.mkv')}"
    target = tmp_path / "out.mp4"
    image = encode(ffmpeg, source, coding)
    stylize_film(source, target, load("none"))
    assert np.abs(cells(witness(ffmpeg, target, coding)) - cells(image)).max() <= LEVELS
    with av.open(str(target)) as container:
        frame = next(container.decode(video=0))
    assert (int(frame.colorspace), int(frame.color_primaries), int(frame.color_trc)) == coding.output


@pytest.mark.parametrize("color_range", [0, 1, 2])
@pytest.mark.parametrize(("pixels", "bits"), [("gray", 8), ("gray10le", 10), ("gray12le", 12), ("gray16le", 16)])
def test_gray_is_full_range_unless_it_is_tagged_as_limited(pixels: str, bits: int, color_range: int) -> None:
    levels = np.tile(np.arange(256), (16, 1))
    codes = (16 + levels * 219 / 255) * 2 ** (bits - 8) if color_range == 1 else levels * (2**bits - 1) / 255
    kind = np.uint8 if bits == 8 else np.uint16
    frame = av.VideoFrame(256, 16, pixels)
    rows = np.zeros((16, frame.planes[0].line_size // np.dtype(kind).itemsize), kind)
    rows[:, :256] = np.round(codes)
    frame.planes[0].update(rows.tobytes())
    frame.color_range = color_range
    image = to_rgb(frame, Size(256, 16))
    assert np.abs(image.astype(int) - levels[..., None]).max() <= 1


def test_the_smpte_240m_matrix_is_kept(ffmpeg: Callable[..., bytes], tmp_path: Path) -> None:
    source, target, raw = tmp_path / "in.mkv", tmp_path / "out.mp4", tmp_path / "in.rgb"
    image = gradient(320, 180)
    raw.write_bytes(image.tobytes() * 2)
    scale = "scale=out_color_matrix=smpte240m:flags=accurate_rnd,format=yuv420p"
    tags = [word for tag in ("-colorspace", "-color_primaries", "-color_trc") for word in (tag, "smpte240m")]
    video = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "320x180", "-i", raw)
    ffmpeg(*video, "-vf", scale, "-c:v", "libx264", "-qp", "0", *tags, source)
    stylize_film(source, target, load("none"))
    shown = witness(ffmpeg, target, Coding("yuv420p", (7, 7, 7), (7, 7, 7)))
    assert np.abs(cells(shown) - cells(image)).max() <= LEVELS


@pytest.mark.parametrize(
    ("tag", "name"), [("ycgco", "YCgCo"), ("bt2020c", "BT.2020 with constant luminance"), ("bt709", "")]
)
def test_a_matrix_that_is_not_known_is_told(tag: str, name: str, ffmpeg: Callable[..., bytes], tmp_path: Path) -> None:
    source = tmp_path / "in.mkv"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=64x48:d=0.2", "-c:v", "libx264", "-colorspace", tag, source)
    warnings = stylize_film(source, tmp_path / "out.mp4", load("none")).warnings
    assert [line for line in warnings if "not known here" in line] == [
        f"{source}: colours coded as {name}, which is not known here; they come out wrong"
    ][: bool(name)]
