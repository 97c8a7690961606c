"""What a film says about itself, and what hangs on it: titles, chapters, covers, fonts, marks, the choice of video."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import AttachmentStream, Disposition

from livestyle import load, stylize_film

Ffmpeg = Callable[..., bytes]
TAGS = {"title": "Tîtel ☃ 東京", "artist": "Ä & Ö", "comment": "zwei\nZeilen", "creation_time": "2019-05-04T03:02:01"}
CHAPTERS = [(0.0, 0.4, "Anfang ♪"), (0.4, 1.0, "Ende")]


def convert(source: Path, target: Path) -> list[str]:
    """Writes `target` and gives the warnings, without the path."""
    result = stylize_film(source, target, load("none"))
    return [line.removeprefix(f"{source}: ") for line in result.warnings]


def picture(color: str = "red") -> tuple[str, ...]:
    return ("-f", "lavfi", "-i", f"color={color}:s=64x48:r=25:d=1")


def tags(path: Path) -> dict[str, str]:
    with av.open(str(path)) as container:
        return {name.lower(): text for name, text in container.metadata.items()}


def chapters(path: Path) -> list[tuple[float, float, str]]:
    with av.open(str(path)) as container:
        return [
            (
                round(float(it["start"] * it["time_base"]), 6),
                round(float(it["end"] * it["time_base"]), 6),
                it["metadata"]["title"],
            )
            for it in container.chapters()
            if it["time_base"] is not None
        ]


def covers(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        pictures = [it for it in container.streams.video if it.disposition & Disposition.attached_pic]
        return [bytes(it) for it in container.demux(pictures) if it.size] if pictures else []


def told(ffmpeg: Ffmpeg, film: Path, *options: str | Path) -> Path:
    """A film with tags and chapters."""
    about = film.with_suffix(".txt")
    lines = [";FFMETADATA1", *(f"{name}={text}".replace("\n", "\\\n") for name, text in TAGS.items())]
    for start, end, title in CHAPTERS:
        lines += [
            "[CHAPTER]",
            "TIMEBASE=1/1000",
            f"START={start * 1000:.0f}",
            f"END={end * 1000:.0f}",
            f"title={title}",
        ]
    about.write_text("\n".join(lines), encoding="utf-8")
    ffmpeg(*picture(), "-i", about, "-map_metadata", "1", "-map", "0", *options, "-c:v", "libx264", film)
    return film


@pytest.mark.parametrize("target", ["out.mp4", "out.mov", "out.m4v", "out.mkv"])
@pytest.mark.parametrize("source", ["in.mp4", "in.mov", "in.mkv"])
def test_tags_and_chapters_are_kept(source: str, target: str, ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    film = told(ffmpeg, tmp_path / source)
    assert convert(film, tmp_path / target) == []
    before, after = tags(film), tags(tmp_path / target)
    assert {name: after[name][:19] for name in TAGS if name in before} == {
        name: text[:19] for name, text in TAGS.items() if name in before
    }
    assert len(TAGS.keys() & before.keys()) >= 3
    assert chapters(tmp_path / target) == CHAPTERS


@pytest.mark.parametrize("target", ["out.mp4", "out.mov", "out.mkv"])
@pytest.mark.parametrize("source", ["in.mp4", "in.mkv"])
def test_what_is_no_longer_true_is_not_copied(source: str, target: str, ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    film, old = (
        tmp_path / source,
        ("BPS=99", "DURATION=09:09:09", "rotate=0", "ENCODER_OPTIONS=old", "NUMBER_OF_FRAMES=9"),
    )
    options = [part for tag in old for part in ("-metadata", tag, "-metadata:s:v:0", tag)]
    more = ("-movflags", "use_metadata_tags") if source == "in.mp4" else ()
    ffmpeg(*picture(), "-c:v", "libx264", *options, *more, film)
    assert convert(film, tmp_path / target) == []
    with av.open(str(tmp_path / target)) as container:
        everything = {**container.metadata, **container.streams.video[0].metadata}
    assert not {"BPS", "ENCODER_OPTIONS", "NUMBER_OF_FRAMES", "rotate"} & everything.keys()
    assert "09:09:09" not in everything.values()
    assert not any("x264" in text for text in everything.values())


def test_a_tag_without_room_is_named(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    film = tmp_path / "in.mkv"
    ffmpeg(*picture(), "-c:v", "libx264", "-metadata", "DIRECTOR=Ich", "-metadata:s:v:0", "comment=gut", film)
    assert convert(film, tmp_path / "out.mkv") == convert(film, tmp_path / "out1.mkv") == []
    assert tags(tmp_path / "out.mkv")["director"] == "Ich"
    words = convert(film, tmp_path / "out.mp4")
    assert words == ["mp4 has no room for DIRECTOR, comment; write an .mkv to keep that"]
    assert convert(film, tmp_path / "out.mov") == ["mov has no room for comment; write an .mkv to keep that"]
    assert tags(tmp_path / "out.mov")["director"] == "Ich"


def test_every_tag_that_mp4_is_said_to_have_room_for_comes_back(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    from livestyle.media.streams_tags import _MP4_TAGS

    numbers = {"track": "3/7", "disc": "1/2", "location": "+48.1000+011.5000/", "creation_time": "2019-05-04T03:02:01"}
    film = tmp_path / "in.mkv"
    counts = ("media_type", "hd_video", "gapless_playback", "compilation", "episode_sort", "season_number", "date")
    values = {name: numbers.get(name, "1" if name in counts else f"{name} é") for name in _MP4_TAGS}
    options = [part for name, text in values.items() for part in ("-metadata", f"{name}={text}")]
    ffmpeg(*picture(), "-c:v", "libx264", *options, film)
    assert convert(film, tmp_path / "out.mp4") == []
    kept = tags(tmp_path / "out.mp4")
    assert {name: kept.get(name, "")[:19] for name in values} == {name: text[:19] for name, text in values.items()}


@pytest.mark.parametrize(("language", "spelt"), [("deu", "ger"), ("ger", "ger"), ("nld", "dut"), ("fra", "fra")])
def test_languages_are_spelt_as_quicktime_does(language: str, spelt: str, ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    film = tmp_path / "in.mkv"
    ffmpeg(*picture(), "-c:v", "libx264", "-metadata:s:v:0", f"language={language}", film)
    for target, expected in (("out.mp4", language), ("out.mkv", language), ("out.mov", spelt)):
        assert convert(film, tmp_path / target) == []
        with av.open(str(tmp_path / target)) as container:
            assert container.streams.video[0].language == expected


@pytest.mark.parametrize(
    ("language", "spelt", "quicktime"), [("de", "deu", "ger"), ("en-US", "eng", "eng"), ("zh-Hans", "zho", "chi")]
)
def test_languages_of_two_letters_or_a_region_become_three(
    language: str, spelt: str, quicktime: str, ffmpeg: Ffmpeg, tmp_path: Path
) -> None:
    film = tmp_path / "in.mkv"
    ffmpeg(*picture(), "-c:v", "libx264", "-metadata:s:v:0", f"language={language}", film)
    for target, expected in (("out.mp4", spelt), ("out.mov", quicktime), ("out.mkv", language)):
        assert convert(film, tmp_path / target) == []
        with av.open(str(tmp_path / target)) as container:
            assert container.streams.video[0].language == expected


def test_a_language_without_three_letters_is_named(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    film = tmp_path / "in.mkv"
    ffmpeg(*picture(), "-c:v", "libx264", "-metadata:s:v:0", "language=i-klingon", film)
    assert convert(film, tmp_path / "out.mp4") == ["mp4 has no room for language=i-klingon; write an .mkv to keep that"]


def test_a_language_that_quicktime_does_not_know_is_named(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    film = tmp_path / "in.mkv"
    ffmpeg(*picture(), "-c:v", "libx264", "-metadata:s:v:0", "language=fil", film)
    assert convert(film, tmp_path / "out.mov") == ["mov has no room for language=fil; write an .mkv to keep that"]


@pytest.mark.parametrize("target", ["out.mp4", "out.mkv"])
@pytest.mark.parametrize("source", ["in.mp4", "in.mkv"])
def test_a_name_given_by_a_person_is_the_title(source: str, target: str, ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    film = tmp_path / source
    name = "handler_name" if source == "in.mp4" else "title"
    ffmpeg(*picture(), "-c:v", "libx264", "-metadata:s:v:0", f"{name}=Director's cut", film)
    convert(film, tmp_path / target)
    with av.open(str(tmp_path / target)) as container:
        metadata = container.streams.video[0].metadata
    assert metadata.get("title", metadata.get("name")) == "Director's cut"
    plain = tmp_path / f"plain{film.suffix}"
    ffmpeg(*picture(), "-c:v", "libx264", plain)
    convert(plain, tmp_path / f"plain-{target}")
    with av.open(str(tmp_path / f"plain-{target}")) as container:
        assert not {"title", "name"} & container.streams.video[0].metadata.keys()


# What hangs on it


@pytest.fixture
def pictures(ffmpeg: Ffmpeg, tmp_path: Path) -> list[Path]:
    """A JPEG and a PNG."""
    files = [tmp_path / "poster.jpg", tmp_path / "back.png"]
    for file in files:
        ffmpeg(*picture("blue"), "-frames:v", "1", file)
    return files


def covered(ffmpeg: Ffmpeg, film: Path, pictures: list[Path]) -> Path:
    video = (*picture(), "-f", "lavfi", "-i", "sine=d=1")
    if film.suffix == ".mkv":
        attached = [part for file in pictures for part in ("-attach", file)]
        kinds = [f"mimetype=image/{'png' if file.suffix == '.png' else 'jpeg'}" for file in pictures]
        named = [part for index, kind in enumerate(kinds) for part in (f"-metadata:s:t:{index}", kind)]
        ffmpeg(*video, "-c:v", "libx264", "-c:a", "aac", *attached, *named, film)
    else:
        inputs = [part for file in pictures for part in ("-i", file)]
        maps = [part for index in range(len(pictures) + 2) for part in ("-map", str(index))]
        copied = [
            part
            for index in range(1, len(pictures) + 1)
            for part in (f"-c:v:{index}", "copy", f"-disposition:v:{index}", "attached_pic")
        ]
        ffmpeg(*video, *inputs, *maps, "-c:v:0", "libx264", "-c:a", "aac", *copied, film)
    return film


@pytest.mark.parametrize("target", ["out.mp4", "out.mkv"])
@pytest.mark.parametrize("source", ["in.mp4", "in.mkv"])
def test_covers_are_kept_byte_for_byte(
    source: str, target: str, pictures: list[Path], ffmpeg: Ffmpeg, tmp_path: Path
) -> None:
    film = covered(ffmpeg, tmp_path / source, pictures)
    assert convert(film, tmp_path / target) == []
    assert covers(tmp_path / target) == covers(film) == [file.read_bytes() for file in pictures]
    with av.open(str(tmp_path / target)) as container:
        assert [it.type for it in container.streams] == ["video", "audio", "video", "video"]
        assert sum(1 for _ in container.decode(video=0)) == 25


def test_a_cover_that_does_not_fit_is_left_out_with_a_word(
    pictures: list[Path], ffmpeg: Ffmpeg, tmp_path: Path
) -> None:
    film = covered(ffmpeg, tmp_path / "in.mp4", pictures[:1])
    assert convert(film, tmp_path / "out.mov") == ["cover 2 (mjpeg) does not fit into mov and is left out"]


def test_fonts_are_kept_or_left_out_with_a_word(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    film, font = tmp_path / "in.mkv", tmp_path / "schöne.ttf"
    font.write_bytes(np.random.default_rng(0).bytes(20_000))
    ffmpeg(*picture(), "-c:v", "libx264", "-attach", font, "-metadata:s:t:0", "mimetype=font/ttf", film)
    assert convert(film, tmp_path / "out.mkv") == []
    with av.open(str(tmp_path / "out.mkv")) as container:
        (kept,) = (it for it in container.streams if isinstance(it, AttachmentStream))
        assert (kept.name, kept.mimetype, kept.data) == ("schöne.ttf", "font/ttf", font.read_bytes())
    words = "the attachment schöne.ttf (font/ttf) does not fit into mp4 and is left out"
    assert convert(film, tmp_path / "out.mp4") == [words]


# Marks, and which video is the film


MARKS = ["default", "dub", "comment", "forced", "hearing_impaired", "visual_impaired", "original"]


LOST = {
    "out.mkv": set[str](),
    "out.mp4": {"original"},
    "out.mov": {*MARKS[1:]},
    "out.webm": {*MARKS} - {"default", "forced"},
}


@pytest.mark.parametrize(("target", "lost"), LOST.items())
@pytest.mark.parametrize("mark", MARKS)
def test_marks_are_kept_or_named(mark: str, target: str, lost: set[str], ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    film, wanted = tmp_path / "in.mkv", Disposition[mark]
    sound = ("-f", "lavfi", "-i", "sine=d=1", "-map", "0", "-map", "1", "-map", "1", "-c:a")
    sound += ("libopus" if target == "out.webm" else "aac",)
    marks = ("-disposition:v:0", "0", "-disposition:a:0", "0", "-disposition:a:1", mark, "-default_mode", "passthrough")
    ffmpeg(*picture(), *sound, "-c:v", "libx264", *marks, film)
    words = [f"{target[4:]} has no room for {mark}; write an .mkv to keep that"] if mark in lost else []
    assert convert(film, tmp_path / target) == words
    with av.open(str(tmp_path / target)) as container:
        assert bool(container.streams.audio[1].disposition & wanted) == (mark not in lost)
        if target == "out.mkv":  # elsewhere, where nothing is the default, the first track is
            assert [int(it.disposition) for it in container.streams] == [0, 0, wanted]


@pytest.mark.parametrize("default", [0, 1])
def test_the_default_video_is_the_film(default: int, ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    film = tmp_path / "in.mkv"
    marks = [part for index in (0, 1) for part in (f"-disposition:v:{index}", "default" if index == default else "0")]
    ffmpeg(*picture("red"), *picture("lime"), "-map", "0", "-map", "1", "-c:v", "libx264", *marks, film)
    words = [f"video track {1 - default} (h264) is left out: only one video is written"]
    assert convert(film, tmp_path / "out.mp4") == words
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert len(container.streams.video) == 1
        image = next(container.decode(video=0)).to_ndarray(format="rgb24")
    assert image.mean(axis=(0, 1)).argmax() == default


def test_data_is_left_out_with_a_word_and_chapters_are_no_data(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    film = told(ffmpeg, tmp_path / "in.mov", "-timecode", "01:00:00:00")
    for target in ("out.mov", "out.mkv"):
        assert convert(film, tmp_path / target) == ["1 data track (timecode) left out"]
        assert chapters(tmp_path / target) == CHAPTERS
        with av.open(str(tmp_path / target)) as container:
            assert "timecode" not in {**container.metadata, **container.streams.video[0].metadata}


@pytest.mark.parametrize(
    ("target", "lost"),
    [("out.mkv", []), ("out.webm", ["MOOD of chapters"]), ("out.mp4", ["MOOD of chapters", "chapters that overlap"])],
)
def test_what_chapters_lose_is_named(target: str, lost: list[str], ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    film, about = tmp_path / "in.mkv", tmp_path / "about.txt"
    spans = [(0, 600), (400, 1000)]
    chapter = "[CHAPTER]\nTIMEBASE=1/1000\nSTART={}\nEND={}\ntitle=One\nMOOD=sad\n"
    about.write_text(";FFMETADATA1\n" + "".join(chapter.format(*span) for span in spans))
    ffmpeg(*picture(), "-i", about, "-map_chapters", "1", "-c:v", "libx264", film)
    lines = convert(film, tmp_path / target)
    assert len(lines) == bool(lost)
    assert all(word in lines[0] for word in lost)
