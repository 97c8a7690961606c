"""Sound that is coded but not heard, before zero: it goes over packet for packet and moves nothing."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from conftest import frame_times

from livestyle import load, stylize_film
from livestyle.compare import compare_films
from livestyle.frame import Image

Ffmpeg = Callable[..., bytes]
MILLISECOND = Fraction(1, 1000)  # Matroska's grain
PICTURE = ("-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=2")
TONE = ("-f", "lavfi", "-i", "sine=r=48000:d=2")
CODECS = {"aac": ("aac",), "mp3": ("libmp3lame",), "opus": ("libopus", "-strict", "-2"), "alac": ("alac",)}
CUTS = {"whole": (), "cut": ("-ss", "0.5"), "late": ("-itsoffset", "0.5")}


def sound_packets(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]


def heard(path: Path) -> tuple[Fraction, Image]:
    """When the first sample is heard, and all of them."""
    with av.open(str(path)) as container:
        frames = list(container.decode(audio=0))
    return frames[0].pts * frames[0].time_base, np.concatenate([frame.to_ndarray() for frame in frames], axis=1)


@pytest.mark.parametrize("target", ["out.mkv", "out.mp4"])
@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("codec", CODECS)
def test_a_run_up_stays_unheard_and_moves_nothing(
    codec: str, cut: str, target: str, ffmpeg: Ffmpeg, tmp_path: Path
) -> None:
    whole, film, styled = tmp_path / "whole.mp4", tmp_path / "in.mp4", tmp_path / target
    ffmpeg(*PICTURE, *TONE, "-c:v", "libx264", "-g", "100", "-c:a", *CODECS[codec], whole)
    ffmpeg(*CUTS[cut], "-i", whole, "-c", "copy", "-strict", "-2", film)
    stylize_film(film, styled, load("none"))
    assert sound_packets(styled) == sound_packets(film)
    (start, before), (start_after, after) = heard(film), heard(styled)
    assert abs(start_after - start) <= 2 * MILLISECOND
    assert abs(after.shape[1] - before.shape[1]) <= 1  # a sample, by which Matroska's nanoseconds may round
    assert all(abs(a - b) <= MILLISECOND for a, b in zip(frame_times(styled), frame_times(film), strict=True))


def test_a_film_with_a_run_up_is_kept_as_compare_sees_it(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    film = tmp_path / "in.mp4"
    ffmpeg(*PICTURE, *TONE, "-c:v", "libx264", "-c:a", "aac", film)
    stylize_film(film, tmp_path / "out.mkv", load("none"))
    assert [check.name for check in compare_films(film, tmp_path / "out.mkv") if check.broken] == []


def test_every_track_has_a_run_up_of_its_own(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    film, styled = tmp_path / "in.mp4", tmp_path / "out.mkv"
    maps = ("-map", "0", "-map", "1", "-map", "1", "-c:a:0", "aac", "-c:a:1", "libmp3lame")
    ffmpeg(*PICTURE, *TONE, *maps, "-c:v", "libx264", film)
    stylize_film(film, styled, load("none"))
    with av.open(str(styled)) as container:
        assert [stream.codec_context.delay for stream in container.streams.audio] == [1024, 1105]
    assert frame_times(styled)[0] == 0
