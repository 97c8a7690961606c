"""Clocks that jump, and films that do not say when their frames are shown."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.packet import Packet
from av.stream import Stream
from conftest import frame_times
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from livestyle import load, stylize_film
from livestyle.compare import compare_films
from livestyle.media.clock import continued
from livestyle.media.frame_times import FrameTimes

Ffmpeg = Callable[..., bytes]
CLIP = ("-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=2", "-f", "lavfi", "-i", "sine=r=48000:d=2")
FRAME = 3600  # ticks of 1/90000 s


@pytest.fixture(scope="module")
def streams() -> tuple[Stream, Stream]:
    """A video and a sound stream for handmade packets."""
    container = av.open(io.BytesIO(), "w", format="mpegts")
    return container.add_stream("mpeg2video", rate=25), container.add_stream("mp2", rate=48000)


def packet(stream: Stream, time: int) -> Packet[Any]:
    made: Packet[Any] = Packet(b"something")
    made.stream, made.time_base = stream, Fraction(1, 90000)
    made.pts = made.dts = time
    return made


def ends(*them: Stream) -> list[Packet[Any]]:
    """The empty packets that come last."""
    empty = []
    for stream in them:
        made: Packet[Any] = Packet()
        made.stream = stream
        empty.append(made)
    return empty


def times(packets: Sequence[Packet[Any]], stream: Stream) -> list[int]:
    return [it.dts for it in packets if it.size and it.stream_index == stream.index and it.dts is not None]


def continued_times(video: Stream, moments: Sequence[int]) -> list[int]:
    return times(list(continued([*(packet(video, moment) for moment in moments), *ends(video)], video)), video)


@settings(deadline=None)
@given(pieces=st.lists(st.tuples(st.integers(-(2**32), 2**33), st.integers(2, 20)), min_size=1, max_size=6))
def test_pieces_go_on_one_after_the_other(streams: tuple[Stream, Stream], pieces: list[tuple[int, int]]) -> None:
    moments = [start + FRAME * index for start, count in pieces for index in range(count)]
    assume(not any(-9000 <= after - before <= 0 for before, after in itertools.pairwise(moments)))  # no jump that tells
    out = continued_times(streams[0], moments)
    steps = [after - before for before, after in itertools.pairwise(out)]
    assert len(out) == len(moments)
    assert out[0] == moments[0]
    joints = set(itertools.accumulate(count for _, count in pieces))
    for at, (step, (before, after)) in enumerate(zip(steps, itertools.pairwise(moments), strict=True), 1):
        is_gap = 0 < after - before <= 3600 * 90000
        assert step == (after - before if is_gap or at not in joints else FRAME)


@pytest.mark.parametrize("wrong", [10**9, -(10**6), 20 * 90000, 0])
@pytest.mark.parametrize("at", [3, 9])
def test_a_single_time_far_off_is_damage(streams: tuple[Stream, Stream], wrong: int, at: int) -> None:
    right = [10**7 + FRAME * index for index in range(10)]
    assert continued_times(streams[0], [*right[:at], wrong, *right[at + 1 :]]) == right


@pytest.mark.parametrize("early", [-2, 0, 2])
def test_sound_jumps_with_the_picture_before_or_after_it(streams: tuple[Stream, Stream], early: int) -> None:
    video, sound = streams
    pictures = [packet(video, start + FRAME * index) for start in (0, 0, 900) for index in range(50)]
    noises = [packet(sound, start + FRAME * index) for start in (0, 0, 900) for index in range(50)]
    order: list[Packet[Any]] = []
    for index in range(150 + abs(early)):
        order += pictures[index - max(0, early) :][:1] if index >= max(0, early) else []
        order += noises[index - max(0, -early) :][:1] if index >= max(0, -early) else []
    out = list(continued([*order, *ends(video, sound)], video))
    expected = [FRAME * index for index in range(150)]
    assert times(out, video) == expected
    assert times(out, sound) == expected


def test_sound_that_jumps_alone_is_not_held_for_ever(streams: tuple[Stream, Stream]) -> None:
    video, sound = streams
    lone = (packet(sound, 10**6 + index if index < 10 else index) for index in range(2000))
    given = continued(itertools.chain(lone, ends(video, sound)), video)
    assert len(list(itertools.islice(given, 500))) == 500
    assert len(times(list(given), sound)) == 1500


@pytest.mark.parametrize("target", ["out.mp4", "out.mkv"])
@pytest.mark.parametrize(
    ("kind", "codecs"), [("ts", ("libx264", "-bf", "2", "-c:a", "aac")), ("mpg", ("mpeg2video", "-c:a", "mp2"))]
)
def test_films_put_one_behind_the_other_go_on(
    kind: str, codecs: tuple[str, ...], target: str, ffmpeg: Ffmpeg, tmp_path: Path
) -> None:
    film, piece = tmp_path / f"in.{kind}", tmp_path / f"piece.{kind}"
    ffmpeg(*CLIP, "-c:v", *codecs, piece)
    film.write_bytes(piece.read_bytes() * 3)
    result = stylize_film(film, tmp_path / target, load("none"))
    after = frame_times(tmp_path / target)
    assert not any("damaged" in warning for warning in result.warnings)
    assert len(after) == 150
    assert all(abs(b - a - Fraction(1, 25)) <= Fraction(1, 500) for a, b in itertools.pairwise(after))
    assert [check.name for check in compare_films(film, tmp_path / target) if check.broken] == []


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_frames_of_an_avi_come_in_their_order(codec: str, ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    film = tmp_path / "in.avi"
    ffmpeg(*CLIP, "-c:v", codec, "-bf", "2", "-c:a", "mp3", film)
    stylize_film(film, tmp_path / "out.mp4", load("none"))
    after = frame_times(tmp_path / "out.mp4")
    assert len(after) == 50
    assert {b - a for a, b in itertools.pairwise(after)} == {Fraction(1, 25)}


def frame(pts: int | None, dts: int | None = None) -> av.VideoFrame:
    made = av.VideoFrame.from_ndarray(np.zeros((24, 16), np.uint8), format="yuv420p")
    made.pts, made.dts = pts, dts
    return made


@pytest.mark.parametrize(
    ("container", "frames", "shown"),
    [
        ("mp4", [(5, 0), (6, 1), (9, 2)], [5, 6, 9]),
        ("avi", [(1, 2), (3, 3), (2, 4), (4, None)], [2, 3, 4, 14]),
        ("h264", [(None, None)] * 3, [0, 10, 20]),
        ("matroska,webm", [(5, 4), (3, 6), (8, 7)], [5, 6, 8]),  # damaged
        ("matroska,webm", [(5, 4), (5, 4), (3, None)], [5, 5, 15]),
    ],
)
def test_where_the_container_does_not_say_it_the_best_guess_is_taken(
    container: str, frames: list[tuple[int | None, int | None]], shown: list[int]
) -> None:
    times = FrameTimes(container, 10)
    assert [times.of(frame(*it)) for it in frames] == shown
