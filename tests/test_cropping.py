"""Pictures of which the container says that not all is shown: what is written is what is shown."""

from __future__ import annotations

import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from conftest import frame_times, images_of

from livestyle import load, stylize_film
from livestyle.compare import compare_films
from livestyle.media.encoding import Encoding

Ffmpeg = Callable[..., bytes]
LEFT, TOP, RIGHT, BOTTOM = 32, 16, 48, 8
AROUND = ((b"moov", 8), (b"trak", 8), (b"mdia", 8), (b"minf", 8), (b"stbl", 8), (b"stsd", 16), (b"avc1", 8))


def add_box(film: Path, name: bytes, body: bytes) -> None:
    """Writes a box into what an mp4 that ends with its index says of its H.264 video."""
    data = bytearray(film.read_bytes())
    at, heads = 0, []
    for around, skip in AROUND:
        while data[at + 4 : at + 8] != around:
            at += int.from_bytes(data[at : at + 4])
        heads.append(at)
        at += skip
    end = heads[-1] + int.from_bytes(data[heads[-1] : heads[-1] + 4])
    box = (8 + len(body)).to_bytes(4) + name + body
    for head in heads:
        data[head : head + 4] = (int.from_bytes(data[head : head + 4]) + len(box)).to_bytes(4)
    data[end:end] = box
    film.write_bytes(data)


def add_clean_aperture(film: Path, size: tuple[int, int]) -> None:
    """ISO/IEC 14496-12, 12.1.4."""
    middle = (LEFT - RIGHT, 2, TOP - BOTTOM, 2)
    add_box(film, b"clap", struct.pack(">8i", size[0] - LEFT - RIGHT, 1, size[1] - TOP - BOTTOM, 1, *middle))


def remuxed(film: Path, target: Path) -> Path:
    """The same packets in another container, by FFmpeg's newer library: it writes the crop into Matroska."""
    with av.open(str(film)) as source, av.open(str(target), "w") as output:
        track = output.add_stream_from_template(source.streams.video[0], opaque=True)
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = track
                output.mux(packet)
    return target


@pytest.mark.parametrize("codec", ["h264", "vp9"])
@pytest.mark.parametrize("shape", ["1", "4/3"])
@pytest.mark.parametrize("kind", ["mp4", "mkv"])
def test_what_is_cut_off_is_not_shown(kind: str, shape: str, codec: str, ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    film, out = tmp_path / "in.mp4", tmp_path / "out.mkv"
    picture = ("-f", "lavfi", "-i", f"testsrc2=s=320x192:r=25:d=0.2,setsar={shape}")
    ffmpeg(*picture, "-c:v", "libx264", "-crf", "5", film)
    whole = images_of(film)
    add_clean_aperture(film, (320, 192))
    film = film if kind == "mp4" else remuxed(film, tmp_path / "in.mkv")
    with av.open(str(film)) as container:
        aspect = container.streams.video[0].sample_aspect_ratio
    stylize_film(film, out, load("none"), encoding=Encoding(codec=codec, crf=5))
    images = images_of(out)
    cut = [image[TOP : 192 - BOTTOM, LEFT : 320 - RIGHT] for image in whole]
    assert [image.shape for image in images] == [image.shape for image in cut]
    assert max(np.abs(a.astype(int) - b).mean() for a, b in zip(images, cut, strict=True)) < 4
    assert frame_times(out) == frame_times(film)
    with av.open(str(out)) as container:
        found = container.streams.video[0].sample_aspect_ratio or Fraction(1)
    assert abs(found / aspect - 1) < Fraction(1, 100)
    assert abs(aspect - Fraction(shape)) < Fraction(1, 100)
    assert [check.name for check in compare_films(film, out) if check.broken] == []
