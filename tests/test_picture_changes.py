"""Films that change on the way, that are to be turned or mirrored, and that are too large."""

from __future__ import annotations

import io
import math
import struct
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from conftest import MakeFilm, frame_times, gradient, images_of
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow

from livestyle import InputError, load, stylize_film
from livestyle.compare import compare_films
from livestyle.frame import Image
from livestyle.media.orientation import Orientation, from_matrix
from livestyle.media.reader import FilmReader
from livestyle.media.size import Size, working_size


def assert_same_picture(a: Image, b: Image, levels: float = 12) -> None:
    """Within what a codec does to a smooth picture, on average."""
    assert a.shape == b.shape
    assert np.abs(a.astype(int) - b.astype(int)).mean() <= levels / 3


# Changes on the way


def write_parts(path: Path, *parts: tuple[tuple[int, int], str], shapes: Sequence[str] = ()) -> Path:
    """An MPEG-TS of parts with their own size, pixel format and shape of pixels, five frames each, 25 a second."""
    with path.open("wb") as joined:
        for number, (size, pixels) in enumerate(parts):
            part = path.with_name(f"part{number}.ts")
            with av.open(str(part), "w", options={"mpegts_flags": "+initial_discontinuity"}) as container:
                stream = container.add_stream("libx264", rate=25, options={"bf": "0"})
                stream.width, stream.height, stream.pix_fmt = *size, pixels
                if shapes:
                    stream.codec_context.sample_aspect_ratio = Fraction(shapes[number].replace(":", "/"))
                for index in range(5):
                    frame = av.VideoFrame.from_ndarray(gradient(*size), format="rgb24")
                    frame.pts, frame.time_base = 5 * number + index, Fraction(1, 25)
                    container.mux(stream.encode(frame))
                container.mux(stream.encode(None))
            joined.write(part.read_bytes())
    return path


@pytest.mark.parametrize(
    "parts",
    [
        [((64, 48), "yuv420p"), ((128, 96), "yuv420p")],
        [((128, 96), "yuv420p"), ((64, 48), "yuv422p"), ((32, 80), "yuv420p10le")],
    ],
)
def test_frames_of_another_size_are_scaled_to_the_first_ones(
    parts: list[tuple[tuple[int, int], str]], tmp_path: Path
) -> None:
    film = write_parts(tmp_path / "in.ts", *parts)
    with FilmReader(film) as reader:
        frames = list(reader)
        assert len([line for line in reader.warnings if "changes" in line]) == len(reader.warnings) == 1
        assert str(Size(*parts[0][0])) in reader.warnings[0]
        assert str(Size(*parts[1][0])) in reader.warnings[0]
    assert [frame.time for frame in frames] == frame_times(film)
    assert len(frames) == 5 * len(parts)
    for frame in frames:
        assert_same_picture(frame.image, gradient(*parts[0][0]))


def test_pixels_of_another_shape_are_told(tmp_path: Path) -> None:
    film = write_parts(tmp_path / "in.ts", ((64, 48), "yuv420p"), ((64, 48), "yuv420p"), shapes=["16:11", "12:11"])
    stylize_film(film, tmp_path / "out.mkv", load("none"))
    with FilmReader(film) as reader:
        assert len(list(reader)) == 10
        change = "the shape of its pixels changes from 16:11 to 12:11 on the way"
        assert reader.warnings == [f"{film}: {change}; every frame is shown with the first one's"]


def test_a_film_that_changes_is_written_whole(tmp_path: Path) -> None:
    film = write_parts(tmp_path / "in.ts", ((64, 48), "yuv420p"), ((128, 96), "yuv422p"))
    stylize_film(film, tmp_path / "out.mp4", load("none"))
    assert [image.shape for image in images_of(tmp_path / "out.mp4")] == [(48, 64, 3)] * 10
    assert [it.name for it in compare_films(film, tmp_path / "out.mp4", picture=True) if it.broken] == []


def test_another_pixel_format_alone_is_no_change_to_speak_of(tmp_path: Path) -> None:
    film = write_parts(tmp_path / "in.ts", ((64, 48), "yuv420p"), ((64, 48), "yuv422p10le"))
    with FilmReader(film) as reader:
        for frame in reader:
            assert_same_picture(frame.image, gradient(64, 48))
        assert reader.warnings == []


# Display matrices

ONE = 1 << 16
MATRICES = {  # a, b, c, d of x' = ax + cy, y' = bx + dy, and what numpy makes of it
    "upright": ((1, 0, 0, 1), lambda image: image),
    "quarter clockwise": ((0, 1, -1, 0), lambda image: np.rot90(image, -1)),
    "half": ((-1, 0, 0, -1), lambda image: np.rot90(image, 2)),
    "quarter anticlockwise": ((0, -1, 1, 0), np.rot90),
    "mirrored": ((-1, 0, 0, 1), np.fliplr),
    "upside down": ((1, 0, 0, -1), np.flipud),
    "transposed": ((0, 1, 1, 0), lambda image: image.transpose(1, 0, 2)),
    "transposed the other way": ((0, -1, -1, 0), lambda image: np.rot90(image.transpose(1, 0, 2), 2)),
}


def with_matrix(film: Path, a: float, b: float, c: float, d: float) -> Path:
    """The film with another display matrix in its track header."""
    content = film.read_bytes()
    at = content.index(b"tkhd") + 4 + 40
    matrix = struct.pack(">9i", *(round(v * ONE) for v in (a, b, 0, c, d, 0, 0, 0)), 1 << 30)
    assert content[at : at + 4] == struct.pack(">i", ONE)
    film.write_bytes(content[:at] + matrix + content[at + 36 :])
    return film


@pytest.mark.parametrize("name", MATRICES)
def test_every_display_matrix_is_applied_once(name: str, make_film: MakeFilm, tmp_path: Path) -> None:
    matrix, turned = MATRICES[name]
    film = with_matrix(make_film(pts=range(2)), *matrix)
    with FilmReader(film) as reader:
        image = next(iter(reader)).image
        assert (reader.size.height, reader.size.width) == image.shape[:2]
        assert image.flags.c_contiguous
        assert reader.warnings == []
    assert_same_picture(image, turned(gradient(64, 48)))
    stylize_film(film, tmp_path / "out.mp4", load("none"))
    assert_same_picture(images_of(tmp_path / "out.mp4")[0], turned(gradient(64, 48)))


@pytest.mark.parametrize("name", MATRICES)
def test_turned_pictures_are_what_the_ffmpeg_program_shows(
    name: str, make_film: MakeFilm, ffmpeg: Callable[..., bytes]
) -> None:
    film = with_matrix(make_film(pts=range(2)), *MATRICES[name][0])
    raw = ffmpeg("-i", film, "-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "rgb24", "-")
    with FilmReader(film) as reader:
        image = next(iter(reader)).image
    assert_same_picture(image, np.frombuffer(raw, np.uint8).reshape(image.shape))


@pytest.mark.parametrize(("degrees", "quarters"), [(10, 0), (80, 1), (-100, 3), (170, 2)])
def test_other_angles_are_rounded_with_a_word(degrees: int, quarters: int, make_film: MakeFilm) -> None:
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    film = with_matrix(make_film(pts=range(2)), cos, sin, -sin, cos)
    with FilmReader(film) as reader:
        image = next(iter(reader)).image
        assert len(reader.warnings) == 1
        assert f"{degrees} degrees" in reader.warnings[0]
    assert_same_picture(image, np.rot90(gradient(64, 48), -quarters))


def test_the_size_asked_for_is_the_upright_ones(make_film: MakeFilm) -> None:
    film = with_matrix(make_film(pts=range(2)), *MATRICES["transposed"][0])
    with FilmReader(film, size=Size(30, 40)) as reader:
        assert next(iter(reader)).image.shape == (40, 30, 3)


def test_a_matrix_that_shows_nothing_is_no_matrix() -> None:
    assert from_matrix([0] * 9) == Orientation()


# Sizes


def test_a_film_over_the_limit_is_refused_before_a_frame_is_decoded(
    make_film: MakeFilm, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = make_film(size=(64, 48))
    FilmReader(film, max_pixels=64 * 48).close()
    monkeypatch.setattr("livestyle.media.reader.Decoder", lambda *args, **kwargs: pytest.fail("decodes"))
    with pytest.raises(InputError, match=r"in.mp4: 64x48 is more than 3071 pixels; .*--max-pixels 3072") as refused:
        FilmReader(film, max_pixels=64 * 48 - 1)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("codec", ["libx264", "mjpeg", "ffv1"])
def test_as_many_pixels_as_the_film_has_are_enough(codec: str, ffmpeg: Callable[..., bytes], tmp_path: Path) -> None:
    film = tmp_path / "in.mkv"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=170x90:r=25:d=0.2", "-pix_fmt", "yuvj420p", "-c:v", codec, film)
    with pytest.raises(InputError, match=r"more than 15000 pixels.*--max-pixels"):
        FilmReader(film, max_pixels=15000)
    with FilmReader(film, max_pixels=15300) as reader:
        assert len(list(reader)) == 5


def jpeg(size: tuple[int, int]) -> bytes:
    content = io.BytesIO()
    Pillow.fromarray(gradient(*size)).save(content, "jpeg")
    return content.getvalue()


def test_a_bomb_further_on_is_not_decoded(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "in.mkv"), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        for index in range(9):
            packet = av.Packet(jpeg((64, 48) if index < 5 else (512, 512)))
            packet.pts = packet.dts = index
            packet.time_base, packet.stream, packet.is_keyframe = Fraction(1, 25), stream, True
            container.mux(packet)
    with FilmReader(tmp_path / "in.mkv", max_pixels=512 * 512) as reader:
        assert len(list(reader)) == 9
    with FilmReader(tmp_path / "in.mkv", max_pixels=512 * 512 - 1) as reader:
        assert len(list(reader)) == 5
        assert "damaged; 5 of 9 frames decoded" in (reader.damage(5) or "")


def test_opening_a_film_decodes_no_bomb_to_learn_its_format(tmp_path: Path) -> None:
    Pillow.new("RGB", (4000, 4000)).save(tmp_path / "in.png")
    with pytest.raises(InputError, match=r"in.png: no frame .* more than 15996000 pixels, .*--max-pixels"):
        FilmReader(tmp_path / "in.png", max_pixels=3999 * 4000)


def test_an_animated_webp_is_refused_by_its_name(tmp_path: Path) -> None:
    frames = [Pillow.new("RGB", (64, 48), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "in.webp", save_all=True, append_images=frames[1:])
    with pytest.raises(InputError, match=r"in.webp: an animated WebP, which FFmpeg does not read; [^-]*$"):
        FilmReader(tmp_path / "in.webp")
    frames[0].save(tmp_path / "still.webp")
    with FilmReader(tmp_path / "still.webp") as reader:
        assert len(list(reader)) == 1


@given(width=st.integers(1, 16384), height=st.integers(1, 16384), limit=st.integers(1, 2**22))
def test_the_working_size_keeps_the_shape_within_the_limit(width: int, height: int, limit: int) -> None:
    size = Size(width, height)
    small = working_size(size, limit)
    if width * height <= limit:
        assert small == size
        return
    assert min(small) >= 1
    assert small.width * small.height <= limit or min(small) == 1
    scale = math.sqrt(limit / (width * height))
    assert abs(small.width - width * scale) <= 1
    assert abs(small.height - height * scale) <= 1


def test_common_films_are_processed_whole() -> None:
    assert working_size(Size(1920, 1080)) == (1920, 1080)
    assert working_size(Size(1080, 1920)) == (1080, 1920)
    assert working_size(Size(4096, 2160)) == (1990, 1049)
