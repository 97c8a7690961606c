"""Interlaced films come out as whole pictures: as many, each at its own time."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from conftest import MakeFilm, frame_times, gradient

from livestyle import load, stylize_film
from livestyle.frame import Image
from livestyle.media import filters
from livestyle.media.playback import NetworkStream
from livestyle.media.reader import FilmReader

SIZE = (96, 64)
H264 = ("-c:v", "libx264", "-qp", "4", "-flags", "+ilme+ildct", "-x264opts", "tff=1")
KINDS: dict[str, tuple[str, ...]] = {
    "h264.mp4": H264,
    "ten bit 4:2:2.mkv": (*H264, "-pix_fmt", "yuv422p10le"),
    "mpeg2.ts": ("-c:v", "mpeg2video", "-flags", "+ilme+ildct", "-q:v", "2"),
    "prores.mov": ("-c:v", "prores_ks", "-flags", "+ilme+ildct"),
    "packed.mov": ("-c:v", "rawvideo", "-pix_fmt", "uyvy422", "-field_order", "tt"),
}


def moving_box(moment: int) -> Image:
    """A white box on a gradient, 3 pixels to the right of where it was a moment before."""
    image = gradient(*SIZE)
    image[16:48, 4 + 3 * moment : 20 + 3 * moment] = 255
    return image


def film_of_fields(ffmpeg: Callable[..., bytes], path: Path, *, frames: int = 10, first: str = "top") -> Path:
    """An interlaced film: moments 2n and 2n + 1 of the box are the fields of frame n."""
    raw = path.with_suffix(".rgb")
    raw.write_bytes(b"".join(moving_box(moment).tobytes() for moment in range(2 * frames)))
    fields = f"scale=out_color_matrix=bt601,format=yuv422p,tinterlace=interleave_{first}"
    codec = [word.replace("tff=1", "tff=1" if first == "top" else "bff=1") for word in KINDS[path.name]]
    size = ("-s", f"{SIZE[0]}x{SIZE[1]}", "-r", "50")
    source = ("-f", "rawvideo", "-pix_fmt", "rgb24", *size, "-i", raw)
    ffmpeg(*source, "-vf", fields, "-top", str(int(first == "top")), *codec, path)
    with av.open(str(path)) as container:
        assert next(container.decode(video=0)).interlaced_frame
    return path


def read(path: Path) -> tuple[list[Image], list[Fraction], list[str]]:
    with FilmReader(path) as reader:
        frames = list(reader)
        return [frame.image for frame in frames], [frame.time for frame in frames], reader.warnings


def error(image: Image, wanted: Image) -> float:
    """The mean difference, in levels."""
    return float(np.abs(image.astype(int) - wanted.astype(int)).mean())


@pytest.mark.parametrize("name", KINDS)
def test_interlaced_films_give_whole_pictures_at_their_own_times(
    name: str, ffmpeg: Callable[..., bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = film_of_fields(ffmpeg, tmp_path / name)
    images, times, warnings = read(film)
    assert times == frame_times(film)
    assert len(images) == 10
    assert warnings == [f"{film}: interlaced; deinterlaced"]
    monkeypatch.setattr(filters, "_deinterlacer", lambda frame: None)
    combed, _, _ = read(film)
    for index in range(1, 9):
        wanted = moving_box(2 * index)
        assert error(images[index], wanted) < 0.7 * error(combed[index], wanted)


def test_the_bottom_field_may_come_first(ffmpeg: Callable[..., bytes], tmp_path: Path) -> None:
    images, _, _ = read(film_of_fields(ffmpeg, tmp_path / "h264.mp4", first="bottom"))
    for index in range(1, 9):
        assert error(images[index], moving_box(2 * index)) < error(images[index], moving_box(2 * index + 1))


def test_the_copy_is_not_interlaced(ffmpeg: Callable[..., bytes], tmp_path: Path) -> None:
    film = film_of_fields(ffmpeg, tmp_path / "h264.mp4")
    stylize_film(film, tmp_path / "out.mp4", load("none"))
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert not any(frame.interlaced_frame for frame in container.decode(video=0))
    assert frame_times(tmp_path / "out.mp4") == frame_times(film)


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_short_films_lose_no_frame(frames: int, ffmpeg: Callable[..., bytes], tmp_path: Path) -> None:
    film = film_of_fields(ffmpeg, tmp_path / "h264.mp4", frames=frames)
    assert read(film)[1] == frame_times(film)


def test_progressive_films_meet_no_filter(make_film: MakeFilm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filters, "Graph", lambda: pytest.fail("a filter graph on the plain path"))
    images, _, warnings = read(make_film())
    assert len(images) == 12
    assert warnings == []


def flagged(index: int, *, size: tuple[int, int] = (32, 24)) -> av.VideoFrame:
    """A frame of one gray that is said to be interlaced, with a time that no filter would like."""
    frame = av.VideoFrame(*size, "yuv420p")
    for plane in frame.planes:
        plane.update(bytes([index]) * plane.buffer_size)
    frame.pts, frame.time_base = 1000 - index, Fraction(1, 7)
    (frame,) = filters.Filter(frame, "setfield", mode="tff").feed(frame)
    assert frame.interlaced_frame
    return frame


def test_a_change_of_size_on_the_way_loses_no_frame() -> None:
    sizes = [(32, 24)] * 3 + [(48, 24)] * 3 + [(32, 24)]
    said: list[str] = []
    frames = list(filters.deinterlaced((flagged(i, size=size) for i, size in enumerate(sizes)), said.append))
    assert [(frame.width, frame.height) for frame in frames] == sizes
    assert [(frame.pts, frame.time_base) for frame in frames] == [(1000 - i, Fraction(1, 7)) for i in range(7)]
    assert [bytes(frame.planes[0])[0] for frame in frames] == list(range(7))
    assert said == ["interlaced; deinterlaced"]


def test_progressive_frames_among_interlaced_ones_stay_as_they_are() -> None:
    stripes = np.zeros((24, 32, 3), np.uint8)
    stripes[::2] = 255  # a deinterlacer would take them for two fields
    plain = av.VideoFrame.from_ndarray(stripes, format="rgb24").reformat(format="yuv444p")
    plain.pts, plain.time_base = 7, Fraction(1, 7)
    (first,) = filters.Filter(plain, "setfield", mode="tff").feed(plain)
    shown = list(filters.deinterlaced([first, plain, plain], lambda what: None))
    assert bytes(shown[0].planes[0]) != bytes(plain.planes[0])
    assert bytes(shown[2].planes[0]) == bytes(plain.planes[0])


def test_frames_too_small_for_a_deinterlacer_stay_as_they_are() -> None:
    said: list[str] = []
    frames = list(filters.deinterlaced((flagged(i, size=(16, 2)) for i in range(3)), said.append))
    assert [frame.pts for frame in frames] == [1000, 999, 998]
    assert len(said) == 1
    assert "16x2" in said[0]


def test_a_film_of_the_network_is_deinterlaced_too(ffmpeg: Callable[..., bytes], tmp_path: Path) -> None:
    film = film_of_fields(ffmpeg, tmp_path / "mpeg2.ts")
    images, _, _ = read(film)
    with NetworkStream(film.as_uri()) as stream:
        streamed = [frame.image for frame in stream]
    assert len(streamed) == len(images)
    assert all(np.array_equal(*pair) for pair in zip(streamed, images, strict=True))
