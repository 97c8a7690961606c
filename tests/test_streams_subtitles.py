"""Subtitles: copied where the container takes them, else the same texts at the same times, or a word."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import pytest
from conftest import MakeFilm

from livestyle import load, stylize_film
from livestyle.compare import compare_films

Ffmpeg = Callable[..., bytes]
SRT = """1
00:00:00,500 --> 00:00:01,200
Grüße, <i>schräg</i> ♪

2
00:00:01,500 --> 00:00:02,040
zwei
Zeilen

3
00:00:02,040 --> 00:00:03,960
Ende, ganz & gar
"""
ASS_FIELDS = "Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text"
CUES = [(0.5, 1.2), (1.5, 2.04), (2.04, 3.96)]


def convert(source: Path, target: Path) -> list[str]:
    """Writes `target` and gives the warnings, without the path."""
    result = stylize_film(source, target, load("none"))
    return [line.removeprefix(f"{source}: ") for line in result.warnings]


def as_srt(ffmpeg: Ffmpeg, film: Path, track: int = 0) -> str:
    """A track's texts and times as the ffmpeg program sees them."""
    text = ffmpeg("-i", film, "-map", f"0:s:{track}", "-f", "srt", "-").decode()
    return re.sub(r"<font[^>]*>|</font>", "", text).replace("\r", "").strip()


def packets(path: Path) -> list[tuple[Fraction, Fraction, str]]:
    """Start, length and digest of each subtitle."""
    with av.open(str(path)) as container:
        return [
            (it.pts * it.time_base, (it.duration or 0) * it.time_base, hashlib.sha256(bytes(it)).hexdigest())
            for it in container.demux(container.streams.subtitles[0])
            if it.size and it.pts is not None
        ]


def subtitled(ffmpeg: Ffmpeg, film: Path, codec: str, text: str = SRT, *options: str) -> Path:
    words = film.with_suffix(".srt")
    words.write_text(text, encoding="utf-8")
    picture = ("-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=4", "-i", words)
    ffmpeg(*picture, "-map", "0", "-map", "1", "-c:v", "libx264", "-c:s", codec, *options, film)
    return film


@pytest.mark.parametrize(
    ("source", "codec", "target"),
    [
        ("in.mkv", "subrip", "out.mkv"),
        ("in.mkv", "ass", "out.mkv"),
        ("in.mkv", "webvtt", "out.mkv"),
        ("in.mp4", "mov_text", "out.mp4"),
        ("in.mp4", "mov_text", "out.mov"),
        ("in.mov", "mov_text", "out.mp4"),
    ],
)
def test_subtitles_that_fit_are_copied(source: str, codec: str, target: str, ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    film = subtitled(ffmpeg, tmp_path / source, codec)
    assert convert(film, tmp_path / target) == []
    assert packets(tmp_path / target) == packets(film)
    assert len(packets(film)) >= 3


@pytest.mark.parametrize(
    ("source", "codec", "target", "becomes"),
    [
        ("in.mkv", "subrip", "out.mp4", "mov_text"),
        ("in.mkv", "subrip", "out.mov", "mov_text"),
        ("in.mkv", "webvtt", "out.mp4", "mov_text"),
        ("in.mp4", "mov_text", "out.mkv", "subrip"),
        ("in.mov", "mov_text", "out.mkv", "subrip"),
    ],
)
def test_texts_and_times_survive_another_codec(
    source: str, codec: str, target: str, becomes: str, ffmpeg: Ffmpeg, tmp_path: Path
) -> None:
    film = subtitled(ffmpeg, tmp_path / source, codec)
    assert convert(film, tmp_path / target) == []
    assert as_srt(ffmpeg, tmp_path / target) == as_srt(ffmpeg, film) == SRT.strip()
    with av.open(str(tmp_path / target)) as container:
        assert container.streams.subtitles[0].codec_context.codec.canonical_name == becomes


def test_there_and_back_again_nothing_is_lost(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    film = subtitled(ffmpeg, tmp_path / "in.mkv", "subrip")
    convert(film, tmp_path / "between.mp4")
    convert(tmp_path / "between.mp4", tmp_path / "out.mkv")
    assert as_srt(ffmpeg, tmp_path / "out.mkv") == SRT.strip()
    assert [it[:2] for it in packets(tmp_path / "out.mkv")] == [it[:2] for it in packets(film)]
    assert [(float(start), float(start + length)) for start, length, _ in packets(film)] == CUES


def test_what_webvtt_takes_for_a_tag_is_shown(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    text = "1\n00:00:00,500 --> 00:00:01,200\nI <3 you & x < y > z\n\n"
    film = subtitled(ffmpeg, tmp_path / "in.mkv", "subrip", text)
    stylize_film(film, tmp_path / "out.webm", load("none"))
    assert as_srt(ffmpeg, tmp_path / "out.webm").endswith("I <3 you & x < y > z")
    assert [it.name for it in compare_films(film, tmp_path / "out.webm") if it.broken] == []


@pytest.mark.parametrize("target", ["out.mp4", "out.webm"])
def test_drawings_do_not_become_words(target: str, ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    drawn = r"{\an7\p1}m 0 0 l 10 0 10 10{\p0}"
    texts = ((0, drawn), (1, rf"fixed\hspace{drawn}"), (2, r"{\pos(1,2)}x"))
    events = "".join(f"Dialogue: 0,0:00:0{at}.00,0:00:0{at}.50,Default,,0,0,0,,{text}\n" for at, text in texts)
    words = tmp_path / "words.ass"
    words.write_text(f"[Script Info]\nScriptType: v4.00+\n\n[Events]\nFormat: {ASS_FIELDS}\n{events}")
    film = tmp_path / "in.mkv"
    picture = ("-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=3", "-i", words)
    ffmpeg(*picture, "-map", "0", "-map", "1", "-c:v", "libx264", "-c:s", "copy", film)
    stylize_film(film, tmp_path / target, load("none"))
    shown = as_srt(ffmpeg, tmp_path / target).split("\n\n")
    assert [text.split("\n", 2)[2] for text in shown] == ["fixed\N{NO-BREAK SPACE}space", "x"]
    assert [it.name for it in compare_films(film, tmp_path / target) if it.broken] == []


def test_lost_styles_are_told(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    film = subtitled(ffmpeg, tmp_path / "in.mkv", "ass", SRT, "-metadata:s:s:0", "language=deu")
    assert convert(film, tmp_path / "out.mp4") == [
        "subtitle track 1 (ass, deu) becomes mov_text and loses its styles and places"
    ]
    assert as_srt(ffmpeg, tmp_path / "out.mp4") == SRT.strip()


OVERLAPPING = """1
00:00:00,500 --> 00:00:02,000
A

2
00:00:01,000 --> 00:00:03,000
B

3
00:00:01,000 --> 00:00:01,500
C
"""


def test_subtitles_at_the_same_time_are_shown_together(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    film = subtitled(ffmpeg, tmp_path / "in.mkv", "subrip", OVERLAPPING)
    convert(film, tmp_path / "out.mp4")
    blocks = [block.split("\n")[1:] for block in as_srt(ffmpeg, tmp_path / "out.mp4").split("\n\n")]
    assert blocks == [
        ["00:00:00,500 --> 00:00:01,000", "A"],
        ["00:00:01,000 --> 00:00:01,500", "A", "B", "C"],
        ["00:00:01,500 --> 00:00:02,000", "A", "B"],
        ["00:00:02,000 --> 00:00:03,000", "B"],
    ]


def test_languages_and_marks_stay(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    marks = ("-metadata:s:s:0", "language=fra", "-disposition:s:0", "forced")
    film = subtitled(ffmpeg, tmp_path / "in.mkv", "subrip", SRT, *marks)
    for target in ("out.mkv", "out.mp4"):
        assert convert(film, tmp_path / target) == []
        with av.open(str(tmp_path / target)) as container:
            track = container.streams.subtitles[0]
            assert track.language == "fra"
            assert track.disposition & av.stream.Disposition.forced


def with_pictures_for_subtitles(film: Path, target: Path) -> Path:
    """The film with a track of Blu-ray subtitles in it: what a packet holds does not matter."""
    with av.open(str(film)) as before, av.open(str(target), "w") as after:
        video = after.add_stream_from_template(before.streams.video[0], opaque=True)
        subtitles = after.add_mux_stream("hdmv_pgs_subtitle")
        subtitles.time_base = Fraction(1, 1000)
        for packet in before.demux(video=0):
            if packet.size:
                packet.stream = video
                after.mux(packet)
        cue = av.Packet(b"\x80\x00\x00")
        cue.pts = cue.dts = 200
        cue.duration, cue.time_base, cue.stream = 100, Fraction(1, 1000), subtitles
        after.mux(cue)
    return target


def test_subtitles_of_pictures_are_copied_or_left_out_with_a_word(make_film: MakeFilm, tmp_path: Path) -> None:
    film = with_pictures_for_subtitles(make_film("plain.mkv"), tmp_path / "in.mkv")
    assert convert(film, tmp_path / "out.mkv") == []
    assert packets(tmp_path / "out.mkv") == packets(film) != []
    assert convert(film, tmp_path / "out.mp4") == [
        "subtitle track 1 (hdmv_pgs_subtitle) does not fit into mp4 and is left out; write an .mkv to keep it"
    ]


@pytest.mark.parametrize("target", ["out.mkv", "out.mp4", "out.gif"])
def test_tracks_of_a_codec_nobody_knows_are_left_out_with_a_word(
    target: str, make_film: MakeFilm, ffmpeg: Ffmpeg, tmp_path: Path
) -> None:
    film, words = make_film("plain.mkv", sound=True), tmp_path / "words.srt"
    words.write_text(SRT, encoding="utf-8")
    known = ffmpeg("-i", film, "-i", words, "-map", "0", "-map", "1", "-c", "copy", "-f", "matroska", "-")
    film.write_bytes(known.replace(b"A_AAC", b"A_NEW").replace(b"S_TEXT/UTF8", b"S_TEXT/NEW8"))
    assert convert(film, tmp_path / target) == [
        f"{kind} track {number} (unknown) is of a codec that is not known here and is left out"
        for number, kind in enumerate(["sound", "subtitle"], start=1)
    ]


# A message of ATSC A/53 that holds one code of CEA-608, as a unit of H.264.
CAPTION = b"\x00\x00\x01\x06\x04\x0e\xb5\x00\x31GA94\x03\x41\xff\xfc\x94\x2c\xff\x80"


def test_captions_inside_pictures_are_told_once(make_film: MakeFilm, ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    coded = tmp_path / "plain.h264"
    ffmpeg("-i", make_film(), "-c", "copy", coded)
    captioned, picture = tmp_path / "in.h264", rb"\x00\x00\x01(?=[\x41\x65\x01\x61][\x80-\xff])"
    captioned.write_bytes(re.sub(picture, lambda found: CAPTION + found[0], coded.read_bytes()))
    told = "closed captions lie inside its pictures; those that are styled have none"
    assert convert(captioned, tmp_path / "out.mp4") == [told]
    assert convert(coded, tmp_path / "plain.mp4") == []
