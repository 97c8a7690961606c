"""Sound: every track goes over packet for packet, or anew with a word, and stays beside its picture."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from conftest import frame_times

from livestyle import load, stylize_film
from livestyle.compare import compare_films

Ffmpeg = Callable[..., bytes]
GRAIN = Fraction(1, 1000)  # of Matroska's timestamps
TRACKS = {"aac": "deu", "libmp3lame": "fra", "ac3": "jpn", "libopus": "spa", "pcm_s16le": "eng"}


def convert(source: Path, target: Path) -> list[str]:
    """Writes `target` and gives the warnings, without the path."""
    result = stylize_film(source, target, load("none"))
    assert all(line.startswith(f"{source}: ") for line in result.warnings)
    return [line.removeprefix(f"{source}: ") for line in result.warnings]


def digest(path: Path, track: int) -> str:
    """Of all that is in a sound track: PCM has no packets of its own."""
    with av.open(str(path)) as container:
        packets = container.demux(container.streams.audio[track])
        return hashlib.sha256(b"".join(bytes(packet) for packet in packets)).hexdigest()


def packets(path: Path, track: int = 0) -> list[tuple[Fraction, str]]:
    """Each packet's time and a digest of its bytes."""
    with av.open(str(path)) as container:
        return [
            (packet.pts * packet.time_base, hashlib.sha256(bytes(packet)).hexdigest())
            for packet in container.demux(container.streams.audio[track])
            if packet.size and packet.pts is not None
        ]


def picture(seconds: float = 1, rate: str = "25") -> tuple[str, ...]:
    return ("-f", "lavfi", "-i", f"testsrc2=s=64x48:r={rate}:d={seconds}")


def tone(seconds: float = 1) -> tuple[str, ...]:
    return ("-f", "lavfi", "-i", f"sine=r=48000:d={seconds}")


def in_five_codecs(ffmpeg: Ffmpeg, film: Path) -> Path:
    options: list[str] = []
    for index, (codec, language) in enumerate(TRACKS.items()):
        options += ["-map", "1", f"-c:a:{index}", codec, f"-metadata:s:a:{index}", f"language={language}"]
        options += [f"-metadata:s:a:{index}", f"title=Ton {index} ♪", "-b:a", "96k"]
    ffmpeg(*picture(), *tone(), "-map", "0", *options, "-disposition:a:2", "default", "-c:v", "libx264", film)
    return film


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".m4v"])
def test_five_tracks_in_five_codecs_are_copied(suffix: str, ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    film, target = in_five_codecs(ffmpeg, tmp_path / "in.mkv"), tmp_path / f"out{suffix}"
    assert convert(film, target) == []
    assert [digest(target, index) for index in range(5)] == [digest(film, index) for index in range(5)]
    assert len({digest(film, index) for index in range(5)}) == 5
    for index in range(4):
        assert [content for _, content in packets(target, index)] == [content for _, content in packets(film, index)]
    with av.open(str(target)) as container:
        assert [it.language for it in container.streams.audio] == list(TRACKS.values())
        assert [bool(it.disposition & av.stream.Disposition.default) for it in container.streams.audio] == [
            index == 2 for index in range(5)
        ]
        titles = [it.metadata.get("title") or it.metadata.get("name") for it in container.streams.audio]
    assert titles == [f"Ton {index} ♪" for index in range(5)]


def test_only_the_track_that_does_not_fit_is_encoded_anew(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    film, target = in_five_codecs(ffmpeg, tmp_path / "in.mkv"), tmp_path / "out.mov"
    assert convert(film, target) == ["sound track 4 (opus, spa) does not fit into mov and becomes aac"]
    for index in (0, 1, 2, 4):
        assert digest(target, index) == digest(film, index)
    with av.open(str(target)) as container:
        assert [it.codec_context.codec.canonical_name for it in container.streams.audio] == [
            "aac", "mp3", "ac3", "aac", "pcm_s16le",
        ]  # fmt: skip
        assert container.streams.audio[3].language == "spa"


def test_the_ffmpeg_program_finds_the_same_sound(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    film, target = in_five_codecs(ffmpeg, tmp_path / "in.mkv"), tmp_path / "out.mp4"
    convert(film, target)

    def seen(path: Path) -> bytes:
        return ffmpeg("-i", path, "-map", "0:a:0", "-map", "0:a:1", "-c", "copy", "-f", "streamhash", "-")

    assert seen(target) == seen(film)


# Encoded anew


def onsets(path: Path) -> list[float]:
    """When each beep starts, in seconds after the first picture."""
    first = frame_times(path)[0]
    samples, rate, start = [], 0, None
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            rate = frame.sample_rate
            if frame.pts is None:
                continue
            start = frame.pts * frame.time_base if start is None else start
            gap = round((frame.pts * frame.time_base - start) * rate) - sum(len(it) for it in samples)
            if gap > rate // 100:  # a hole in the timestamps is silence
                samples.append(np.zeros(gap))
            values = frame.to_ndarray().astype(float)
            values = values / (2**15 if "s16" in frame.format.name else 2**31 if "s32" in frame.format.name else 1)
            samples.append(values.reshape(-1, frame.layout.nb_channels)[:, 0] if values.shape[0] == 1 else values[0])
    loud = np.abs(np.concatenate(samples)) > 0.05
    starts = [at for at in np.flatnonzero(loud) if not loud[max(0, at - rate // 20) : at].any()]
    return [float(start - first) + at / rate for at in starts]


BEEPS = "aevalsrc='0.5*sin(3000*t)*lt(mod(t,0.5),0.1)*gte(t,0.5)':s=48000:d=3"


@pytest.mark.parametrize(
    ("codec", "source", "target", "becomes"),
    [
        ("wavpack", "in.mkv", "out.mp4", "aac"),
        ("nellymoser", "in.flv", "out.mkv", "flac"),
        ("wmav2", "in.wmv", "out.mkv", "flac"),  # whose decoder gives its last frame without a time
        ("wmav1", "in.wmv", "out.mp4", "aac"),  # whose decoder gives nothing for its first packets
    ],
)
def test_sound_encoded_anew_keeps_its_place(
    codec: str, source: str, target: str, becomes: str, ffmpeg: Ffmpeg, tmp_path: Path
) -> None:
    film, kind = tmp_path / source, "mp4" if target == "out.mp4" else "matroska"
    video = "mpeg4" if source == "in.wmv" else "libx264"
    ffmpeg(*picture(3), "-f", "lavfi", "-i", BEEPS, "-c:v", video, "-c:a", codec, "-ar", "44100", film)
    words = convert(film, tmp_path / target)
    assert words == [f"sound track 1 ({codec}) does not fit into {kind} and becomes {becomes}"]
    before, after = onsets(film), onsets(tmp_path / target)
    assert len(before) == 5
    assert after == pytest.approx(before, abs=0.004)
    checks = {check.name: check.state for check in compare_films(film, tmp_path / target)}
    assert (checks["sync at start"], checks["sync at end"]) == ("same", "same")


def edited(source: Path, target: Path, edit: Callable[[av.Packet], av.Packet | None]) -> Path:
    """The film with its sound packets as `edit` gives them back; None leaves one out."""
    with av.open(str(source)) as before, av.open(str(target), "w") as after:
        tracks = [after.add_stream_from_template(it, opaque=True) for it in before.streams]
        for packet in before.demux():
            kept = edit(packet) if packet.stream.type == "audio" and packet.size else packet
            if kept is not None and kept.size:
                kept.stream = tracks[packet.stream.index]
                after.mux(kept)
    return target


def test_a_gap_in_sound_encoded_anew_stays_a_gap(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    whole = tmp_path / "whole.mkv"
    ffmpeg(*picture(3), "-f", "lavfi", "-i", BEEPS, "-c:v", "libx264", "-c:a", "libvorbis", whole)
    film = edited(whole, tmp_path / "in.mkv", lambda it: None if 1.2 < it.pts * it.time_base < 1.8 else it)
    assert len(onsets(film)) == 4
    convert(film, tmp_path / "out.mov")
    assert onsets(tmp_path / "out.mov") == pytest.approx(onsets(film), abs=0.004)


@pytest.mark.parametrize("source", ["in.avi", "in.mkv"])
@pytest.mark.parametrize("target", ["out.mp4", "out.m4v", "out.mov"])
@pytest.mark.parametrize(("channels", "layout"), [(2, "stereo"), (6, "5.1")])
def test_channels_that_are_only_counted_are_named(
    source: str, target: str, channels: int, layout: str, ffmpeg: Ffmpeg, tmp_path: Path
) -> None:
    film = tmp_path / source
    ffmpeg(*picture(), *tone(), "-c:v", "mpeg4", "-c:a", "pcm_s16le", "-ac", str(channels), tmp_path / "first.avi")
    ffmpeg("-i", tmp_path / "first.avi", "-c", "copy", film)
    assert convert(film, tmp_path / target) == []
    assert digest(tmp_path / target, 0) == digest(film, 0)
    with av.open(str(tmp_path / target)) as container:
        assert container.streams.audio[0].layout.name == layout


@pytest.mark.parametrize(("layout", "kept"), [("5.1(side)", "5.1"), ("5.1", "5.1"), ("stereo", "stereo")])
def test_surround_at_the_sides_stays_surround(layout: str, kept: str, ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    film = tmp_path / "in.mkv"
    ffmpeg(*picture(), *tone(), "-af", f"aformat=channel_layouts={layout}", "-c:v", "libx264", "-c:a", "flac", film)
    assert convert(film, tmp_path / "out.webm") == ["sound track 1 (flac) does not fit into webm and becomes opus"]
    with av.open(str(tmp_path / "out.webm")) as container:
        assert container.streams.audio[0].layout.name == kept


def test_surround_stays_surround(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    film = tmp_path / "in.mkv"
    ffmpeg(*picture(), *tone(), "-c:v", "libx264", "-c:a", "wavpack", "-ac", "6", film)
    convert(film, tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert container.streams.audio[0].layout.name == "5.1"


def test_damaged_sound_is_counted(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    whole = tmp_path / "whole.mkv"
    ffmpeg(*picture(), *tone(), "-c:v", "libx264", "-c:a", "libvorbis", whole)

    def spoil(packet: av.Packet) -> av.Packet:
        if not 0.2 < packet.pts * packet.time_base < 0.3:
            return packet
        rubbish = av.Packet(b"\xff" * 9)
        rubbish.pts, rubbish.dts, rubbish.time_base = packet.pts, packet.dts, packet.time_base
        spoilt.append(rubbish)
        return rubbish

    spoilt: list[av.Packet] = []
    film = edited(whole, tmp_path / "in.mkv", spoil)
    words = f"{len(spoilt)} damaged packets of sound or subtitles are left out"
    assert words in convert(film, tmp_path / "out.mov")
    assert spoilt


# In step with the picture


def shifted(ffmpeg: Ffmpeg, film: Path, offset: float, rate: str, seconds: float = 2, sound: float = 2) -> Path:
    """A film with B-frames whose sound starts so much later than its picture."""
    late = ("-itsoffset", str(offset))
    video = ("-c:v", "libx264", "-bf", "2", "-b_strategy", "0", "-c:a", "aac")
    options = ("-avoid_negative_ts", "make_non_negative") if film.suffix == ".mkv" else ()
    ffmpeg(*picture(seconds, rate), *late, *tone(sound), "-map", "0", "-map", "1", *video, *options, film)
    return film


def span(path: Path) -> tuple[Fraction, Fraction]:
    """How much later than the first picture the sound starts and ends."""
    first, sound = frame_times(path)[0], packets(path)
    return sound[0][0] - first, sound[-1][0] - first


@pytest.mark.parametrize("target", ["out.mp4", "out.mov", "out.mkv"])
@pytest.mark.parametrize("source", ["in.mp4", "in.mkv", "in.ts"])
@pytest.mark.parametrize("offset", [0, 0.5, -0.3])
def test_sound_starts_and_ends_where_it_did(
    offset: float, source: str, target: str, ffmpeg: Ffmpeg, tmp_path: Path
) -> None:
    film = shifted(ffmpeg, tmp_path / source, offset, "25")
    convert(film, tmp_path / target)
    before, after = span(film), span(tmp_path / target)
    assert before[0] == pytest.approx(offset, abs=0.03)
    assert max(abs(a - b) for a, b in zip(after, before, strict=True)) <= GRAIN


@pytest.mark.parametrize("rate", ["24000/1001", "30000/1001", "60000/1001"])
@pytest.mark.parametrize("target", ["out.mp4", "out.mkv"])
def test_sound_stays_in_step_at_broken_rates(rate: str, target: str, ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    film = shifted(ffmpeg, tmp_path / "in.mp4", 0, rate)
    convert(film, tmp_path / target)
    before, after = span(film), span(tmp_path / target)
    assert max(abs(a - b) for a, b in zip(after, before, strict=True)) <= GRAIN
    times = [[time - frames[0] for time in frames] for frames in (frame_times(film), frame_times(tmp_path / target))]
    assert max(abs(a - b) for a, b in zip(*times, strict=True)) <= GRAIN


@pytest.mark.parametrize("sound", [1.0, 3.0])
@pytest.mark.parametrize("target", ["out.mp4", "out.mkv"])
def test_sound_that_ends_at_another_time_is_whole(sound: float, target: str, ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    film = shifted(ffmpeg, tmp_path / "in.mp4", 0, "25", sound=sound)
    convert(film, tmp_path / target)
    assert [it for _, it in packets(tmp_path / target)] == [it for _, it in packets(film)]
    assert span(tmp_path / target)[1] == pytest.approx(sound, abs=0.03)


@pytest.mark.parametrize("target", ["out.mp4", "out.mkv"])
def test_sound_lies_beside_its_picture_in_the_file(target: str, ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    film = tmp_path / "in.mkv"
    ffmpeg(*picture(20, "5"), *tone(20), "-c:v", "libx264", "-c:a", "aac", film)
    convert(film, tmp_path / target)
    with av.open(str(tmp_path / target)) as container:
        found = [it for it in container.demux() if it.pos is not None and it.dts is not None]
        newest, worst = {0: 0.0, 1: 0.0}, 0.0
        for packet in sorted(found, key=lambda it: it.pos or 0):
            newest[packet.stream.index] = float((packet.dts or 0) * packet.time_base)
            worst = max(worst, abs(newest[0] - newest[1]))
    assert worst < 1.5  # MPEG-4's chunks hold up to a second


@pytest.mark.parametrize(
    ("source", "codec", "target"),
    [("in.mkv", "alac", "out.mp4"), ("in.mkv", "alac", "out.mov"), ("in.avi", "flac", "out.mp4")],
)
def test_the_last_packet_is_heard_where_nobody_says_how_long_it_is(
    source: str, codec: str, target: str, ffmpeg: Ffmpeg, tmp_path: Path
) -> None:
    film, styled = tmp_path / source, tmp_path / target
    ffmpeg(*picture(), *tone(1.13), "-c:v", "mpeg4", "-c:a", codec, film)
    stylize_film(film, styled, load("none"))
    assert np.array_equal(*(np.frombuffer(ffmpeg("-i", one, "-f", "s16le", "-"), np.int16) for one in (film, styled)))


@pytest.mark.parametrize("again", [False, True])
def test_what_is_not_heard_at_the_end_does_not_count(again: bool, ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    film, styled = tmp_path / "in.mkv", tmp_path / "out.mp4"
    ffmpeg(*picture(), *tone(1.13), "-c:v", "mpeg4", "-c:a", "pcm_s16le" if again else "libopus", film)
    if again:  # by FFmpeg's newer library, whose last packet is as long as it is heard
        stylize_film(film, tmp_path / "new.webm", load("none"))
        film = tmp_path / "new.webm"
    stylize_film(film, styled, load("none"))
    with av.open(str(styled)) as container:
        sound = container.streams.audio[0]
        assert abs(sound.duration * sound.time_base - Fraction("1.13")) <= Fraction(1, 1000)
