"""Each codec in each container that takes it: colours, times and tags stay; hardware only after a trial."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from conftest import MakeFilm, RunCli, frame_times

from livestyle import cli_options, load, stylize_film
from livestyle.compare import compare_films
from livestyle.errors import DeviceError, InputError, OutputError
from livestyle.media import encoders
from livestyle.media.encoders import choose_encoder, why_not
from livestyle.media.encoding import CONTAINERS, H264, USUAL, Encoder, Encoding
from livestyle.media.reader import FilmReader
from livestyle.media.size import Size
from livestyle.media.writer import FilmWriter, _mend

MILLISECOND = Fraction(1, 1000)  # the grain of Matroska's timestamps
PAIRS = [(suffix, codec) for suffix, container in CONTAINERS.items() for codec in container.codecs if codec != "gif"]
SMALL = Size(64, 48)


def render(source: Path, target: Path, *wishes: Any, **options: Any) -> list[str]:
    """A neutral render; what it warns of."""
    return list(stylize_film(source, target, load("none"), encoding=Encoding(*wishes), **options).warnings)


def probe(path: Path) -> dict[str, str]:
    """What the ffprobe program, an independent witness, says of the video."""
    program = shutil.which("ffprobe")
    if not program:
        pytest.skip("the ffprobe program is not installed")
    command = [program, "-v", "error", "-select_streams", "v", "-show_streams", "-of", "json", path]
    streams: list[dict[str, str]] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)[
        "streams"
    ]
    return streams[0]


def broken(source: Path, target: Path) -> list[str]:
    return [f"{check.name}: {check.detail}" for check in compare_films(source, target, picture=True) if check.broken]


@pytest.mark.parametrize(("suffix", "codec"), PAIRS)
def test_every_codec_keeps_times_colours_and_sound(
    suffix: str, codec: str, make_film: MakeFilm, tmp_path: Path
) -> None:
    pts = [0, 1001, 2002, 3100, 4004, 9000, 9100, 9200, 10010, 11011, 20000, 20100]
    film = make_film("in.mkv", size=(320, 192), pts=pts, time_base=Fraction(1, 30000), sound=True)
    target = tmp_path / f"out{suffix}"
    warnings = render(film, target, codec)
    assert broken(film, target) == []
    grain = 0 if suffix in (".mp4", ".m4v", ".mov") else MILLISECOND
    assert len(frame_times(target)) == len(pts)
    for before, after in zip(frame_times(film), frame_times(target), strict=True):
        assert abs(before - after) <= grain
    assert probe(target)["codec_name"] == codec
    assert warnings == ([f"{film}: sound track 1 (aac) does not fit into webm and becomes opus"] * (suffix == ".webm"))


@pytest.mark.parametrize("codec", encoders.CODECS)
def test_a_codecs_colours_are_tagged(codec: str, make_film: MakeFilm, tmp_path: Path) -> None:
    target = tmp_path / "out.mkv"
    render(make_film(size=(1280, 720), pts=range(2)), target, codec)  # untagged: bt709 from 720 lines on
    facts = probe(target)
    assert [facts[f"color_{name}"] for name in ("space", "primaries", "transfer")] == ["bt709"] * 3
    assert facts["pix_fmt"] == ("yuv422p10le" if codec == "prores" else "yuv420p")
    # ProRes has no other range, and FFmpeg does not say it.
    assert facts.get("color_range", "tv") == "tv"


@pytest.mark.parametrize("suffix", [".mp4", ".m4v", ".mov"])
def test_hevc_is_tagged_as_quicktime_wants_it(suffix: str, make_film: MakeFilm, tmp_path: Path) -> None:
    render(make_film(), tmp_path / f"out{suffix}", "hevc")
    assert probe(tmp_path / f"out{suffix}")["codec_tag_string"] == "hvc1"


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1", "vp9"])
def test_a_higher_crf_makes_a_smaller_film(codec: str, make_film: MakeFilm, tmp_path: Path) -> None:
    film = make_film(size=(256, 192), pts=range(6))
    sizes = []
    for crf in (5, 25, 50):
        render(film, tmp_path / "out.mkv", codec, crf, overwrite=True)
        sizes.append((tmp_path / "out.mkv").stat().st_size)
    assert sizes[0] > sizes[1] > sizes[2]


@pytest.mark.parametrize(("suffix", "codec"), [(".webm", "vp9"), (".mp4", "h264"), (".mkv", "h264")])
def test_without_a_wish_the_container_chooses(suffix: str, codec: str, make_film: MakeFilm, tmp_path: Path) -> None:
    seen: list[Encoder] = []
    stylize_film(make_film(), tmp_path / f"out{suffix}", load("none"), on_encoder=seen.append)
    assert [encoder.codec for encoder in seen] == [codec] == [probe(tmp_path / f"out{suffix}")["codec_name"]]


def test_the_usual_film_is_coded_by_x264_as_before() -> None:
    assert choose_encoder(USUAL, Path("out.mp4"), Size(640, 360)) == H264


@pytest.mark.skipif(sys.platform != "linux" or os.getuid() != 0, reason="only root may make threads urgent, on Linux")
@pytest.mark.parametrize("codec", encoders.CODECS)
def test_no_encoder_starves_the_machine(codec: str, make_film: MakeFilm, tmp_path: Path) -> None:
    """SVT-AV1 would leave us, our threads and all that we start with the highest real-time priority."""
    seen: set[int] = set()
    with FilmReader(make_film()) as film, FilmWriter(tmp_path / "out.mkv", film, encoding=Encoding(codec)) as writer:
        for frame in film:
            writer.write(frame)
            for thread in Path("/proc/self/task").iterdir():
                with suppress(ProcessLookupError):
                    seen.add(os.sched_getscheduler(int(thread.name)))
    assert seen == {os.SCHED_OTHER}


# What cannot be


@pytest.mark.parametrize(
    ("target", "wishes", "error", "words"),
    [
        ("out.webm", ("h264",), OutputError, ".webm does not take h264; it takes vp9, av1"),
        ("out.mp4", ("prores",), OutputError, ".mp4 does not take prores; it takes h264, hevc, av1, vp9"),
        ("out.gif", ("vp9",), OutputError, ".gif does not take vp9; it takes gif"),
        ("out.mp4", ("h264", 52.0), InputError, "crf 52: h264 takes 0 to 51"),
        ("out.mp4", ("av1", 0.5), InputError, "crf 0.5: av1 takes 1 to 63"),  # FFmpeg would take its own, 35
        ("out.mov", ("prores", 20.0), InputError, "prores has no crf"),
        ("out.mp4", ("h264", None, "magic"), InputError, "no encoder 'magic' for h264"),
        ("out.webm", (None, None, "libx264"), OutputError, ".webm does not take h264"),
        ("out.mp4", ("h264", None, "libx265"), InputError, "no encoder 'libx265' for h264"),
    ],
)
def test_what_cannot_be_coded_is_told_before_anything_is_written(
    target: str, wishes: tuple[Any, ...], error: type[Exception], words: str, make_film: MakeFilm, tmp_path: Path
) -> None:
    film = make_film()
    with pytest.raises(error) as told:
        render(film, tmp_path / target, *wishes)
    assert words in str(told.value)
    assert str(told.value).startswith(f"{tmp_path / target}: ")
    assert [path.name for path in tmp_path.iterdir()] == [film.name]


def test_a_size_the_encoder_cannot_take_is_one_line(make_film: MakeFilm, tmp_path: Path) -> None:
    film = make_film(size=(2, 2), pts=range(2))
    with pytest.raises(OutputError, match="libx265 cannot code 2x2"):
        render(film, tmp_path / "out.mp4", "hevc")
    assert [path.name for path in tmp_path.iterdir()] == [film.name]


# Hardware


def test_a_trial_finds_that_software_works() -> None:
    assert why_not(H264, Size(62, 35)) == ""


def test_a_trial_finds_wrong_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    def black(image: Any, *args: Any) -> av.VideoFrame:
        return encoders_to_yuv(image * 0, *args)

    encoders_to_yuv = encoders.to_yuv
    monkeypatch.setattr(encoders, "_tried", {})
    monkeypatch.setattr(encoders, "to_yuv", black)
    assert "levels wrong" in why_not(H264, SMALL)


def pretend(monkeypatch: pytest.MonkeyPatch, works: dict[str, bool]) -> list[str]:
    """Has trials of the hardware end as told; the list fills with those that were made."""
    tried: list[str] = []

    def trial(encoder: Encoder, size: Size) -> str:
        tried.append(encoder.name)
        return "" if works.get(encoder.name) else "no such card"

    monkeypatch.setattr(encoders, "why_not", trial)
    monkeypatch.setattr(av, "codecs_available", {*av.codecs_available, *works})
    return tried


def test_auto_takes_the_first_hardware_that_passes_its_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = pretend(monkeypatch, {"hevc_nvenc": False, "hevc_videotoolbox": True, "hevc_qsv": True})
    encoder = choose_encoder(Encoding("hevc", encoder="auto"), Path("out.mp4"), SMALL)
    assert (encoder.name, encoder.hardware) == ("hevc_videotoolbox", True)
    assert tried == ["hevc_nvenc", "hevc_videotoolbox"]
    assert encoder.describe() == "hevc by hevc_videotoolbox (hardware)"


def test_auto_takes_software_where_every_trial_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = pretend(monkeypatch, {"h264_nvenc": False, "h264_qsv": False})
    encoder = choose_encoder(Encoding(encoder="auto"), Path("out.mp4"), SMALL)
    assert encoder.describe() == "h264 by libx264 (software)"
    assert {"h264_nvenc", "h264_qsv"} <= set(tried)


@pytest.mark.parametrize("name", ["nvenc", "h264_nvenc"])
def test_hardware_asked_for_by_name_is_never_replaced(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, {"h264_nvenc": False})
    with pytest.raises(DeviceError, match=r"^out.mp4: the encoder h264_nvenc does not work here \(no such card\)"):
        choose_encoder(Encoding(encoder=name), Path("out.mp4"), SMALL)


def test_an_encoders_own_name_says_the_codec_too() -> None:
    assert choose_encoder(Encoding(encoder="libsvtav1"), Path("out.mp4"), SMALL).codec == "av1"


# The command line


def test_the_command_says_which_encoder_runs(make_film: MakeFilm, tmp_path: Path, run_cli: RunCli) -> None:
    target = tmp_path / "out.mkv"
    outcome = run_cli("video", make_film(), target, "--style", "none", "--codec", "vp9", "--crf", "40")
    assert outcome.code == 0
    assert f"{target}: vp9 by libvpx-vp9 (software)" in outcome.err


def test_the_command_tells_in_one_line_what_cannot_be(make_film: MakeFilm, tmp_path: Path, run_cli: RunCli) -> None:
    target = tmp_path / "out.webm"
    outcome = run_cli("video", make_film(), target, "--codec", "h264")
    assert (outcome.code, outcome.err) == (1, [f"error: {target}: .webm does not take h264; it takes vp9, av1"])


def test_the_command_tells_a_codecs_own_range(make_film: MakeFilm, tmp_path: Path, run_cli: RunCli) -> None:
    target = tmp_path / "out.mp4"
    outcome = run_cli("video", make_film(), target, "--crf", "90")
    assert (outcome.code, outcome.err) == (1, [f"error: {target}: crf 90: h264 takes 0 to 51"])


def test_the_command_offers_the_codecs_there_are() -> None:
    assert cli_options.CODECS == encoders.CODECS


def test_a_batch_finds_a_container_for_the_codec(make_film: MakeFilm, tmp_path: Path, run_cli: RunCli) -> None:
    out = tmp_path / "out"
    outcome = run_cli("video", make_film(), "--out-dir", out, "--style", "none", "--codec", "prores")
    assert outcome.code == 0
    assert [path.name for path in out.iterdir()] == ["in.mkv"]


@pytest.mark.parametrize("dts", [680864655651721187, -680864655651721187])
def test_a_decoding_time_that_cannot_be_is_mended(dts: int) -> None:
    """As x265 now and then gives for films of two frames."""
    packet = av.Packet(b"x")
    packet.pts, packet.dts = 512, dts
    _mend(packet)
    assert (packet.pts, packet.dts) == (512, 512)
    packet.dts = 0
    _mend(packet)
    assert packet.dts == 0
