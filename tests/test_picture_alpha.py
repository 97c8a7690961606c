"""What is transparent is seen over black, in every codec that has alpha."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from conftest import gradient
from PIL import Image as Pillow
from test_color import cells

from livestyle import load, stylize_film
from livestyle.frame import Image
from livestyle.media.color import to_rgb
from livestyle.media.reader import FilmReader
from livestyle.media.size import Size
from livestyle.media.tone import tone_map_for

LEVELS = 4
SIZE = (160, 90)
KINDS: dict[str, tuple[str, ...]] = {
    "vp9.webm": ("-c:v", "libvpx-vp9", "-pix_fmt", "yuva420p", "-crf", "8", "-b:v", "0"),
    "vp8.webm": ("-c:v", "libvpx", "-pix_fmt", "yuva420p", "-auto-alt-ref", "0", "-crf", "4", "-b:v", "4M"),
    "vp9.mkv": ("-c:v", "libvpx-vp9", "-pix_fmt", "yuva420p", "-crf", "8", "-b:v", "0"),
    "prores.mov": ("-c:v", "prores_ks", "-profile:v", "4444", "-pix_fmt", "yuva444p10le"),
    "png.mov": ("-c:v", "png", "-pix_fmt", "rgba"),
    "qtrle.mov": ("-c:v", "qtrle", "-pix_fmt", "argb"),
    "ffv1.mkv": ("-c:v", "ffv1", "-pix_fmt", "yuva420p"),
}


def veiled() -> tuple[Image, Image]:
    """A picture with alpha (RGBA) that goes from clear at the left to opaque, and the same over black."""
    image = gradient(*SIZE)
    alpha = np.tile(np.linspace(0, 255, SIZE[0]).round().astype(np.uint8), (SIZE[1], 1))
    return np.dstack([image, alpha]), np.round(image * (alpha[..., None] / 255)).astype(np.uint8)


def write_veiled(ffmpeg: Callable[..., bytes], path: Path) -> Path:
    raw = path.with_suffix(".rgba")
    raw.write_bytes(veiled()[0].tobytes() * 5)
    ffmpeg("-f", "rawvideo", "-pix_fmt", "rgba", "-s", str(Size(*SIZE)), "-i", raw, *KINDS[path.name], path)
    return path


@pytest.mark.parametrize("name", KINDS)
def test_alpha_is_flattened_over_black(name: str, ffmpeg: Callable[..., bytes], tmp_path: Path) -> None:
    film, target = write_veiled(ffmpeg, tmp_path / name), tmp_path / "out.mp4"
    stylize_film(film, target, load("none"))
    flags = "accurate_rnd+full_chroma_int"
    raw = ffmpeg("-i", target, "-frames:v", "1", "-sws_flags", flags, "-f", "rawvideo", "-pix_fmt", "rgb24", "-")
    written = np.frombuffer(raw, np.uint8).reshape(SIZE[1], SIZE[0], 3)
    assert np.abs(cells(written) - cells(veiled()[1])).max() <= LEVELS


@pytest.mark.parametrize("name", ["vp8.webm", "vp9.webm"])
def test_every_frame_with_alpha_keeps_its_time(name: str, ffmpeg: Callable[..., bytes], tmp_path: Path) -> None:
    film = write_veiled(ffmpeg, tmp_path / name)
    with FilmReader(film) as reader, av.open(str(film)) as container:
        packets = [packet.pts * packet.time_base for packet in container.demux(video=0) if packet.pts is not None]
        assert [frame.time for frame in reader] == sorted(packets)
        assert reader.damage(len(packets)) is None
    stylize_film(film, tmp_path / "out.webm", load("none"))
    with av.open(str(tmp_path / "out.webm")) as container:  # what it no longer has it does not promise
        assert "alpha_mode" not in map(str.lower, container.streams.video[0].metadata)


def test_a_palette_may_have_a_transparent_colour(tmp_path: Path) -> None:
    pictures = [Pillow.new("P", (32, 16)) for _ in range(2)]
    for number, picture in enumerate(pictures):
        picture.putpalette([200, 200, 200, 40, 220, 40, 220, 40, 40])  # the first is the clear one
        picture.paste(1 + number, (16, 0, 32, 16))
    pictures[0].save(tmp_path / "in.gif", save_all=True, append_images=pictures[1:], transparency=0, disposal=2)
    with FilmReader(tmp_path / "in.gif") as reader:
        shown = [frame.image for frame in reader]
    for image, colour in zip(shown, [(40, 220, 40), (220, 40, 40)], strict=True):
        assert image[:, :16].max() == 0
        assert (image[:, 16:] == colour).all()


def test_a_palette_of_a_png_may_have_one_too(tmp_path: Path) -> None:
    picture = Pillow.new("P", (32, 16))
    picture.putpalette([200, 200, 200, 40, 220, 40])
    picture.paste(1, (16, 0, 32, 16))
    picture.save(tmp_path / "in.png", transparency=0)
    with av.open(str(tmp_path / "in.png")) as container:
        frame = next(container.decode(video=0))
    assert frame.format.name == "pal8"
    image = to_rgb(frame, Size(32, 16))
    assert image[:, :16].max() == 0
    assert (image[:, 16:] == (40, 220, 40)).all()


def test_colours_that_nobody_sees_do_not_bleed_when_scaled() -> None:
    image = np.zeros((32, 32, 4), np.uint8)
    image[..., 0] = 255  # red, all of it clear
    image[8:24, 8:24] = (0, 0, 255, 255)
    frame = av.VideoFrame.from_ndarray(image, format="rgba")
    assert to_rgb(frame, Size(11, 11))[..., 0].max() <= 1


@pytest.mark.parametrize(
    ("pixels", "levels"), [("rgba", 1), ("gbrap", 1), ("yuva444p", 3), ("rgba64le", 1), ("ya8", 1)]
)
def test_any_format_with_alpha_is_flattened(pixels: str, levels: int) -> None:
    image = np.full((16, 16, 4), 180, np.uint8)
    image[..., 3] = 128
    frame = av.VideoFrame.from_ndarray(image, format="rgba").reformat(format=pixels, dst_color_range=2)
    assert np.abs(to_rgb(frame, Size(16, 16)).astype(int) - 90).max() <= levels


def test_alpha_goes_before_the_tone_map() -> None:
    image = np.full((16, 16, 4), 40000, np.uint16)
    half, opaque = image.copy(), image.copy()
    half[..., 3], opaque[..., 3] = 32768, 65535
    opaque[..., :3] = 20000
    frames = [av.VideoFrame.from_ndarray(each, format="rgba64le") for each in (half, opaque)]
    for frame in frames:
        frame.color_trc = 18  # HLG
    a, b = (to_rgb(frame, Size(16, 16), tone_map=tone_map_for(frame)).astype(int) for frame in frames)
    assert b.min() > 0
    assert np.abs(a - b).max() <= 1
