"""Time goes through untouched: any timestamps, any time base, any start, at any length."""

from __future__ import annotations

import contextlib
import itertools
import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from conftest import frame_times
from hypothesis import example, given, settings
from hypothesis import strategies as st

from livestyle import load, stylize_film

Ffmpeg = Callable[..., bytes]

TIME_BASES = [Fraction(1, 25), Fraction(1001, 24000), Fraction(1, 90000), Fraction(1001, 60000), Fraction(1, 1000)]
TARGETS = ["out.mp4", "out.mov", "out.mkv"]
HALF_MILLISECOND = Fraction(1, 2000)  # Matroska rounds to milliseconds
STEP = 40  # levels, by which a frame's brightness differs from the last one's


def write_film(path: Path, pts: Sequence[int], time_base: Fraction, *, b_frames: int = 0) -> None:
    """A film of tiny frames, each of another brightness, with exactly these timestamps."""
    exact = {"avoid_negative_ts": "disabled", "mpegts_copyts": "1", "muxdelay": "0"}
    if path.suffix in (".mp4", ".mov"):
        exact = {"movie_timescale": str(math.lcm(1000, time_base.denominator))}
    with av.open(str(path), "w", options=exact) as container:
        options = {"bf": str(b_frames), "b-adapt": "0", "preset": "ultrafast", "crf": "10"}
        stream = container.add_stream("libx264", rate=25, options=options)
        stream.width = stream.height = 16
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1
        stream.codec_context.time_base = stream.time_base = time_base
        for index, moment in enumerate(pts):
            planes = np.full((24, 16), 128, np.uint8)  # colourless
            planes[:16] = brightness(index)
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            frame.pts, frame.time_base = moment, time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def brightness(index: int) -> int:
    return 40 + index * STEP % 160


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """One for each example of a property: hypothesis does not make pytest's anew."""
    with tempfile.TemporaryDirectory() as path:
        yield Path(path)


def assert_times_kept(source: Path, target: Path) -> list[Fraction]:
    """Renders it and compares every time; gives the source's. A film that starts before zero starts at zero then.

    It starts with its sound or its picture, whichever is first.
    """
    stylize_film(source, target, load("none"))
    before, after = frame_times(source), frame_times(target)
    moved = max(Fraction(0), -min([before[0], *sound_times(source)[:1]]))
    grain = HALF_MILLISECOND if target.suffix == ".mkv" else 0
    grain *= 1 + bool(moved)  # which is rounded itself
    assert len(before) == len(after)
    wrong = [(float(b), float(a)) for b, a in zip(before, after, strict=True) if abs(a - b - moved) > grain]
    assert wrong == []
    return before


@st.composite
def growing(draw: st.DrawFn) -> tuple[list[int], Fraction]:
    """Strictly growing timestamps in one of the time bases, from any start within an hour, gaps up to some seconds."""
    time_base = draw(st.sampled_from(TIME_BASES))
    second = round(1 / time_base)
    start = draw(st.sampled_from([0, 1, 7]) | st.integers(0, 3600 * second))
    usual = draw(st.integers(1, second))
    gaps = draw(st.lists(st.just(usual) | st.integers(1, 4 * second), max_size=14))
    return list(itertools.accumulate(gaps, initial=start)), time_base


@pytest.mark.parametrize("target", TARGETS)
@settings(max_examples=40, deadline=None)
@given(
    film=growing(), b_frames=st.sampled_from([0, 2]), source=st.sampled_from(["in.mp4", "in.mov", "in.nut", "in.mkv"])
)
@example(film=([0], Fraction(1, 25)), b_frames=0, source="in.mp4")
@example(film=([5, 6], Fraction(1, 90000)), b_frames=2, source="in.nut")
def test_any_times_are_kept(target: str, film: tuple[list[int], Fraction], b_frames: int, source: str) -> None:
    pts, time_base = film
    if source == "in.mkv":  # where frames of one millisecond would fall together
        time_base = max(time_base, Fraction(1, 1000))
    with folder() as path:
        write_film(path / source, pts, time_base, b_frames=b_frames)
        before = assert_times_kept(path / source, path / target)
    grain = HALF_MILLISECOND if source == "in.mkv" else 0
    assert all(abs(time - moment * time_base) <= grain for time, moment in zip(before, pts, strict=True))


@pytest.mark.parametrize("target", TARGETS)
@settings(max_examples=25, deadline=None)
@given(
    gaps=st.lists(
        st.just(3003) | st.integers(90, 4 * 90000), min_size=6, max_size=14
    ),  # shorter ones are not known as TS
    before=st.integers(1, 50 * 90000),
    b_frames=st.sampled_from([0, 2]),
)
def test_any_film_that_starts_before_zero_is_moved_to_zero(
    target: str, gaps: list[int], before: int, b_frames: int
) -> None:
    early = list(itertools.accumulate(gaps, initial=-before))
    with folder() as path:
        # Close to its end, FFmpeg takes the clock of a transport stream for negative.
        write_film(path / "in.ts", [2**33 + moment for moment in early], Fraction(1, 90000), b_frames=b_frames)
        assert [time * 90000 for time in assert_times_kept(path / "in.ts", path / target)] == early
        assert frame_times(path / target)[0] == 0


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("b_frames", [0, 2])
def test_frames_stay_in_their_order(target: str, b_frames: int, tmp_path: Path) -> None:
    pts = list(itertools.accumulate([1, 3, 1, 1, 9, 2, 2, 2, 1, 30, 1], initial=4))
    write_film(tmp_path / "in.mp4", pts, Fraction(1, 60), b_frames=b_frames)
    stylize_film(tmp_path / "in.mp4", tmp_path / target, load("none"))
    with av.open(str(tmp_path / target)) as container:
        means = [frame.to_ndarray()[:16].mean() for frame in container.decode(video=0)]
    assert means == pytest.approx([brightness(index) for index in range(len(pts))], abs=4)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("start", [2**33 - 90000, 2**33 - 1, 2**33 - 30000])
def test_the_clock_of_a_transport_stream_may_wrap(target: str, start: int, tmp_path: Path) -> None:
    pts = [start + 3003 * index for index in range(60)]
    write_film(tmp_path / "in.ts", pts, Fraction(1, 90000))
    before = assert_times_kept(tmp_path / "in.ts", tmp_path / target)
    assert len(before) == 60
    assert {b - a for a, b in itertools.pairwise(before)} == {Fraction(3003, 90000)}


@pytest.mark.parametrize("target", TARGETS)
def test_a_wrap_more_than_a_minute_on_goes_up(target: str, tmp_path: Path) -> None:
    pts = [2**33 - 65 * 90000 + 45000 * index for index in range(200)]  # a hundred seconds
    write_film(tmp_path / "in.ts", pts, Fraction(1, 90000))
    before = assert_times_kept(tmp_path / "in.ts", tmp_path / target)
    assert [time * 90000 for time in before] == pts


@pytest.mark.parametrize("target", TARGETS)
def test_ten_minutes_at_an_odd_rate_do_not_drift(target: str, tmp_path: Path) -> None:
    time_base = Fraction(1001, 12000)  # 11.988 fps
    count = int(600 / time_base)
    write_film(tmp_path / "in.mp4", range(count), time_base)
    before = assert_times_kept(tmp_path / "in.mp4", tmp_path / target)
    assert len(before) == count == 7192
    assert before[-1] == (count - 1) * time_base


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("cut", [(), ("-ss", "0.5"), ("-ss", "0.5", "-t", "0.7"), ("-itsoffset", "0.5")])
def test_edit_lists_are_obeyed(target: str, cut: tuple[str, ...], ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    whole, film = tmp_path / "whole.mp4", tmp_path / "in.mp4"
    inputs = ("-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=2", "-f", "lavfi", "-i", "sine=r=48000:d=2")
    ffmpeg(*inputs, "-c:v", "libx264", "-bf", "2", "-g", "100", "-c:a", "aac", whole)
    ffmpeg(*cut, "-i", whole, "-c", "copy", film)  # a cut between key frames: what comes before is there but not shown
    before = assert_times_kept(film, tmp_path / target)
    assert len(before) == {(): 50, ("-ss", "0.5"): 37, ("-itsoffset", "0.5"): 50}.get(cut, len(before))
    assert sound_start(tmp_path / target) == pytest.approx(sound_start(film), abs=0.022)  # a packet of AAC


def sound_start(path: Path) -> float:
    """When the first sound is heard, in seconds."""
    with av.open(str(path)) as container:
        return float(next(container.decode(audio=0)).time)


@pytest.mark.parametrize("target", TARGETS)
def test_a_wrap_moves_sound_and_picture_alike(target: str, ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    film, end = tmp_path / "in.ts", 2**33 / 90000
    inputs = ("-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=3", "-f", "lavfi", "-i", "sine=r=48000:d=3")
    offset = ("-muxdelay", "0", "-muxpreload", "0", "-output_ts_offset", f"{end - 1.5:.3f}")
    ffmpeg(*inputs, "-c:v", "libx264", "-c:a", "aac", *offset, film)
    before = assert_times_kept(film, tmp_path / target)
    assert before[0] == pytest.approx(-1.5, abs=0.2)
    assert_in_step(film, tmp_path / target, Fraction(1024, 48000))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("source", ["in.mp4", "in.mkv", "in.ts"])
def test_sound_and_picture_stay_together_at_both_ends(source: str, target: str, ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    film = tmp_path / source
    inputs = ("-f", "lavfi", "-i", "testsrc2=s=64x48:r=24000/1001:d=3", "-f", "lavfi", "-i", "sine=r=44100:d=3")
    ffmpeg(*inputs, "-c:v", "libx264", "-bf", "2", "-c:a", "aac", film)
    assert_times_kept(film, tmp_path / target)
    assert_in_step(film, tmp_path / target, Fraction(1024, 44100))


def assert_in_step(source: Path, target: Path, packet: Fraction) -> None:
    """Sound starts and ends as long after the picture as in the source, within a packet."""
    offsets = []
    for path in (source, target):
        sound, picture = sound_times(path), frame_times(path)
        offsets.append((sound[0] - picture[0], sound[-1] - picture[-1]))
    assert all(abs(a - b) <= packet + 2 * HALF_MILLISECOND for a, b in zip(*offsets, strict=True))


def sound_times(path: Path) -> list[Fraction]:
    """Each decoded piece of sound's time in seconds."""
    with av.open(str(path)) as container:
        return [frame.pts * frame.time_base for frame in container.decode(audio=0)] if container.streams.audio else []
