"""The test picture, and numbers that survive what happens to a picture on its way."""

from __future__ import annotations

import itertools
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from livestyle.errors import InputError
from livestyle.frame import Image
from livestyle.media.pattern import MAX_NUMBER, Pattern, draw_number, parse_pattern, read_number
from livestyle.media.size import Size

numbers = st.integers(0, MAX_NUMBER)


def noise(width: int, height: int) -> Image:
    return np.random.default_rng(3).integers(0, 256, (height, width, 3)).astype(np.uint8)


def scaled(image: Image, width: int, height: int) -> Image:
    return np.asarray(Pillow.fromarray(image).resize((width, height), Pillow.Resampling.BILINEAR))


@settings(max_examples=40)
@given(numbers, st.integers(64, 300), st.integers(20, 200))
def test_a_number_is_read_as_it_was_drawn(number: int, width: int, height: int) -> None:
    image = noise(width, height)
    draw_number(image, number)
    assert read_number(image) == number


@settings(max_examples=40)
@given(numbers, st.sampled_from([(640, 360), (160, 120), (333, 201), (1280, 720)]))
def test_a_number_survives_scaling(number: int, size: tuple[int, int]) -> None:
    image = noise(640, 480)
    draw_number(image, number)
    assert read_number(scaled(image, *size)) == number


@pytest.mark.parametrize(
    ("size", "out"), [(Size(640, 360), None), (Size(320, 240), None), (Size(1280, 720), (480, 270))]
)
def test_numbers_survive_h264_and_half_the_colours(size: Size, out: tuple[int, int] | None, tmp_path: Path) -> None:
    pattern, path, drawn = Pattern(size), tmp_path / "pattern.mp4", [0, 1, 2, 77_777, MAX_NUMBER]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"crf": "35"})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for number in drawn:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pattern.picture(number), format="rgb24")))
        container.mux(stream.encode(None))
    with av.open(str(path)) as container:
        images = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert [read_number(scaled(image, *out) if out else image) for image in images] == drawn


def test_a_number_survives_less_contrast_and_a_blur() -> None:
    image = Pattern(Size(640, 360)).picture(1234)
    small = scaled(image, 160, 90)
    dull = (scaled(small, 640, 360) * 0.4 + 70).astype(np.uint8)
    assert read_number(dull) == 1234


@given(st.integers(0, 30))
def test_a_picture_without_a_number_has_none(seed: int) -> None:
    image = np.random.default_rng(seed).integers(0, 256, (90, 160, 3)).astype(np.uint8)
    assert read_number(image) is None
    assert read_number(np.zeros((90, 160, 3), np.uint8)) is None
    assert read_number(image[:, :8]) is None


@settings(max_examples=40)
@given(numbers, st.integers(2, 29))
def test_a_number_with_a_wrong_block_is_not_read(number: int, block: int) -> None:
    image = noise(320, 100)
    draw_number(image, number)
    image[:, block * 10 : block * 10 + 10] = 255 - image[:, block * 10 : block * 10 + 10]
    assert read_number(image) is None


def test_one_covered_row_is_enough_but_two_frames_in_one_are_torn() -> None:
    one, other = Pattern(Size(320, 240)).picture(5), Pattern(Size(320, 240)).picture(6)
    covered = one.copy()
    covered[:40, 20:200] = 90
    assert read_number(covered) == 5
    assert read_number(np.concatenate([one[:120], other[120:]])) is None


def test_a_number_too_large_is_refused() -> None:
    with pytest.raises(InputError):
        draw_number(noise(64, 48), MAX_NUMBER + 1)


# The picture


def test_the_picture_moves_and_has_detail() -> None:
    pattern = Pattern(Size(320, 180))
    one, next_one = pattern.picture(0)[20:-20], pattern.picture(1)[20:-20]
    assert (one[:, 4:] == next_one[:, :-4]).all()  # 120 pixels a second
    assert np.abs(np.diff(one.astype(int), axis=1)).mean() > 5


def test_the_pattern_keeps_its_pace_and_leaves_out_what_is_late() -> None:
    now, slept = [50.0], []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    frames = iter(Pattern(Size(64, 48), fps=10, clock=lambda: now[0], sleep=sleep))
    first = list(itertools.islice(frames, 3))
    now[0] += 0.55  # the reader was busy
    late = list(itertools.islice(frames, 2))
    assert [frame.index for frame in first + late] == [0, 1, 2, 7, 8]
    assert [read_number(frame.image) for frame in first + late] == [0, 1, 2, 7, 8]
    assert late[1].time == Fraction(8, 10)
    assert late[1].captured == pytest.approx(50.8)
    assert max(slept) <= 0.1 + 1e-9


def test_a_closed_pattern_ends() -> None:
    pattern = Pattern(Size(64, 48), fps=1000)
    frames = iter(pattern)
    next(frames)
    pattern.close()
    assert list(frames) == []


@pytest.mark.parametrize(
    ("text", "size", "rate"),
    [
        ("pattern", Size(1280, 720), 30),
        ("pattern:640x360", Size(640, 360), 30),
        ("pattern:640x360@59.94", Size(640, 360), Fraction(2997, 50)),
    ],
)
def test_a_pattern_is_chosen_by_its_words(text: str, size: Size, rate: Fraction) -> None:
    pattern = parse_pattern(text)
    assert (pattern.frame_size, pattern.rate) == (size, rate)


@pytest.mark.parametrize(
    "text", ["pattern:", "pattern:640", "pattern:0x9", "pattern:640x360@0", "pattern:9x9@0.0001", "pattern:99999x2"]
)
def test_another_pattern_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="give pattern or pattern:WxH@FPS"):
        parse_pattern(text)
