"""WebM: VP9 or AV1; Opus and Vorbis go over as they are, other sound becomes Opus, text becomes WebVTT."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import pytest

from livestyle import load, stylize_film
from livestyle.compare import Check, compare_films

WORDS = "1\n00:00:00,200 --> 00:00:00,600\nOne <i>two</i>\n\n2\n00:00:00,600 --> 00:00:00,900\nThree\n"


@pytest.fixture
def full_film(ffmpeg: Callable[..., bytes], tmp_path: Path) -> Path:
    """AAC, Opus, Vorbis, text, chapters, titles, an attachment."""
    film, words, about = tmp_path / "in.mkv", tmp_path / "words.srt", tmp_path / "about.txt"
    words.write_text(WORDS)
    chapter = "[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=500\ntitle=One\n"
    about.write_text(f";FFMETADATA1\ntitle=My film\nartist=Me\n{chapter}")
    sounds = [part for tone in (300, 400, 500) for part in ("-f", "lavfi", "-i", f"sine=f={tone}:r=48000:d=1")]
    maps = [part for stream in range(5) for part in ("-map", str(stream))]
    codecs = (
        "-c:v",
        "ffv1",
        "-c:s",
        "srt",
        "-c:a:0",
        "aac",
        "-c:a:1",
        "libopus",
        "-c:a:2",
        "libvorbis",
        "-ac:a:2",
        "2",
    )
    tags = ("-metadata:s:a:1", "language=fra", "-metadata:s:s:0", "language=deu", "-map_metadata", "5")
    attached = ("-attach", words, "-metadata:s:t:0", "mimetype=text/plain")
    picture = ("-f", "lavfi", "-i", "testsrc2=s=320x192:r=25:d=1")
    ffmpeg(*picture, *sounds, "-i", words, "-i", about, *maps, *codecs, *tags, *attached, film)
    return film


def checks(source: Path, target: Path) -> dict[str, Check]:
    return {check.name: check for check in compare_films(source, target)}


def codecs(path: Path) -> list[str]:
    with av.open(str(path)) as container:
        return [stream.codec_context.codec.canonical_name for stream in container.streams]


def test_everything_goes_over_that_webm_can_hold(full_film: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.webm"
    warnings = stylize_film(full_film, target, load("none")).warnings
    assert codecs(target) == ["vp9", "opus", "opus", "vorbis", "webvtt"]
    assert warnings == (
        f"{full_film}: sound track 1 (aac) does not fit into webm and becomes opus",
        f"{full_film}: the attachment words.srt (text/plain) does not fit into webm and is left out",
    )
    found = checks(full_film, target)
    assert [name for name, check in found.items() if check.broken] == []
    assert {found[name].state for name in ("timestamps", "subtitles", "chapters", "metadata")} == {"same"}
    assert found["subtitles"].detail.startswith("subrip -> webvtt")


def test_what_webm_takes_is_copied_packet_for_packet(full_film: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first.webm", tmp_path / "second.webm"
    stylize_film(full_film, first, load("none"))
    assert stylize_film(first, second, load("none")).warnings == ()
    found = checks(first, second)
    assert [name for name, check in found.items() if check.broken] == []
    assert "identical" in found["sound"].detail
    assert found["sync at end"].detail == "unmoved"


@pytest.mark.parametrize("target", ["out.mp4", "out.mkv"])
def test_webm_goes_into_other_containers(target: str, full_film: Path, tmp_path: Path) -> None:
    film = tmp_path / "in.webm"
    stylize_film(full_film, film, load("none"))
    stylize_film(film, tmp_path / target, load("none"))
    assert [name for name, check in checks(film, tmp_path / target).items() if check.broken] == []
