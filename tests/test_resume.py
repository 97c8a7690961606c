"""A render that was interrupted goes on, and nobody can tell from the film."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import pytest
from conftest import MakeFilm, RunCli, frame_times

from livestyle import InputError, OutputError, load, stylize_film
from livestyle.compare import compare_films
from livestyle.media.pieces import PacketFile, joined, packets_in
from livestyle.segments import FRAMES
from livestyle.work_folder import WorkFolder, folder_of

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="POSIX only")
LENGTH = 3 * FRAMES + 30
LOOK = ("--style", "wave", "--steady", "0.8")

# The real command line, but it says when it has come to a frame, and is slow from there on.
SLOW_FROM = """
import sys, time
from livestyle import cli
from livestyle.resume import _SegmentWriter
write, limit = _SegmentWriter.write, int(sys.argv.pop(1))
def slow(self, frame):
    if frame.index >= limit:
        if frame.index == limit:
            print("midway", flush=True)
        time.sleep(0.2)
    write(self, frame)
_SegmentWriter.write = slow
cli.main()
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def interrupt(number: int, *arguments: str | Path, at: int = 2 * FRAMES + 50) -> tuple[int, str]:
    """The exit code and the last words of a render that gets a signal while it writes that frame."""
    command = [sys.executable, "-c", SLOW_FROM, str(at), *map(str, arguments)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stdout and process.stdout.readline() == "midway\n"
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
        return process.returncode, said.rstrip().rpartition("\n")[2]


@pytest.fixture
def film(heard_signals: None, make_film: MakeFilm) -> Path:
    """More than three segments, in uneven time, with sound."""
    return make_film(pts=[3 * index + index % 2 for index in range(LENGTH)], time_base=Fraction(1, 75), sound=True)


def begun(film: Path, **options: object) -> Path:
    """A target whose render ended in its third segment."""
    target = film.with_name("out.mp4")

    def stop(stats: object, expected: int | None) -> None:
        if stats.frames == 2 * FRAMES + 50:  # type: ignore[attr-defined]
            raise KeyboardInterrupt

    with load("wave") as stylizer, pytest.raises(KeyboardInterrupt):
        stylize_film(film, target, stylizer, resume=True, on_frame=stop, **options)  # type: ignore[arg-type]
    return target


# The same bits


@POSIX
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_an_interrupted_render_goes_on_to_the_same_bits(
    number: signal.Signals, film: Path, tmp_path: Path, run_cli: RunCli
) -> None:
    whole, target = tmp_path / "whole.mp4", tmp_path / "out.mp4"
    assert run_cli("video", film, whole, *LOOK, "--resume").code == 0
    code, word = interrupt(number, "video", film, target, *LOOK, "--resume")
    assert code == {signal.SIGKILL: -9, signal.SIGINT: 130, signal.SIGTERM: 143}[number]
    assert ("the same command goes on" in word) == (number != signal.SIGKILL)
    assert names(tmp_path) == [".out.mp4.livestyle", "in.mp4", "whole.mp4"]
    kept = names(tmp_path / ".out.mp4.livestyle")
    assert {"000000.packets", "000001.packets"} <= set(kept)
    assert "000002.packets" not in kept
    assert run_cli("video", film, target, *LOOK, "--resume").code == 0
    assert digest(target) == digest(whole)
    assert names(tmp_path) == ["in.mp4", "out.mp4", "whole.mp4"]


def test_what_is_done_is_not_done_again_and_counts(film: Path) -> None:
    target, counted = begun(film), []
    with load("wave") as stylizer:
        result = stylize_film(
            film, target, stylizer, resume=True, on_frame=lambda stats, expected: counted.append(stats.frames)
        )
    assert counted == list(range(2 * FRAMES + 1, LENGTH + 1))
    assert (result.stats.frames, result.stats.earlier) == (LENGTH, 2 * FRAMES)
    assert not result.warnings


def test_the_joined_film_keeps_all_that_a_film_must(film: Path, tmp_path: Path) -> None:
    for suffix in ("mp4", "mov"):
        target = tmp_path / f"out.{suffix}"
        with load("none") as stylizer:
            stylize_film(film, target, stylizer, resume=True)
        assert not [check for check in compare_films(film, target) if check.broken], suffix
    assert frame_times(tmp_path / "out.mp4") == frame_times(film)


def test_every_segment_begins_with_a_key_frame(film: Path, tmp_path: Path) -> None:
    with load("none") as stylizer:
        stylize_film(film, tmp_path / "out.mp4", stylizer, resume=True)
    with av.open(str(tmp_path / "out.mp4")) as container:
        keys = [index for index, frame in enumerate(container.decode(video=0)) if frame.key_frame]
    assert keys == [0, FRAMES, 2 * FRAMES, 3 * FRAMES]


@pytest.mark.parametrize("length", [1, FRAMES - 1, FRAMES, FRAMES + 1, 2 * FRAMES])
def test_films_that_end_near_a_border(length: int, make_film: MakeFilm, tmp_path: Path) -> None:
    film = make_film(pts=range(length))
    with load("none") as stylizer:
        result = stylize_film(film, tmp_path / "out.mp4", stylizer, resume=True)
    assert result.stats.frames == length
    assert frame_times(tmp_path / "out.mp4") == frame_times(film)


# What is left behind is used only if it fits


def change_settings(film: Path) -> dict[str, object]:
    return {"keep_color": 0.5}


def change_film(film: Path) -> dict[str, object]:
    os.utime(film, ns=(0, 0))
    return {}


@pytest.mark.parametrize(
    ("change", "word"), [(change_settings, "other settings"), (change_film, "another film, or this one before")]
)
def test_a_folder_of_another_render_is_not_used(
    change: Callable[[Path], dict[str, object]], word: str, film: Path, tmp_path: Path
) -> None:
    target = begun(film)
    options = change(film)
    with load("wave") as stylizer:
        result = stylize_film(film, target, stylizer, resume=True, **options)  # type: ignore[arg-type]
        stylize_film(film, tmp_path / "whole.mp4", stylizer, resume=True, **options)  # type: ignore[arg-type]
    assert result.stats.earlier == 0
    assert [warning for warning in result.warnings if word in warning] == list(result.warnings)
    assert len(result.warnings) == 1
    assert digest(target) == digest(tmp_path / "whole.mp4")


def test_a_film_that_is_replaced_meanwhile_does_not_lend_its_sound(film: Path, make_film: MakeFilm) -> None:
    other = make_film("other.mp4", sound=True)

    def replace(*_: object) -> None:
        if other.exists():
            other.replace(film)

    with load("none") as stylizer, pytest.raises(InputError, match="changed while it was rendered"):
        stylize_film(film, film.with_name("out.mp4"), stylizer, workers=1, on_frame=replace)
    assert names(film.parent) == [film.name]


def test_another_style_or_strength_begins_anew(film: Path) -> None:
    target = begun(film)
    with load("starry") as stylizer:
        result = stylize_film(film, target, stylizer, resume=True)
    assert result.stats.earlier == 0
    assert "another style" in result.warnings[0]


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty"])
def test_a_damaged_segment_is_made_again(damage: str, film: Path, tmp_path: Path) -> None:
    target = begun(film)
    segment = folder_of(target) / "000001.packets"
    content = bytearray(segment.read_bytes())
    content[len(content) // 2] ^= 1
    segment.write_bytes({"cut": content[: len(content) // 2], "flipped": content, "empty": b""}[damage])
    with load("wave") as stylizer:
        result = stylize_film(film, target, stylizer, resume=True)
        stylize_film(film, tmp_path / "whole.mp4", stylizer, resume=True)
    assert result.stats.earlier == FRAMES
    assert digest(target) == digest(tmp_path / "whole.mp4")


def test_a_manifest_that_cannot_be_read_is_not_trusted(film: Path) -> None:
    target = begun(film)
    (folder_of(target) / "manifest.json").write_text("{")
    with load("wave") as stylizer:
        result = stylize_film(film, target, stylizer, resume=True)
    assert result.stats.earlier == 0
    assert "manifest" in result.warnings[0]


def test_without_resume_a_folder_left_behind_goes_once_the_film_is_complete(film: Path) -> None:
    target = begun(film)
    with load("none") as stylizer:
        stylize_film(film, target, stylizer)
    assert names(film.parent) == ["in.mp4", "out.mp4"]


# The folder


def test_a_strangers_file_in_the_folder_is_never_removed(make_film: MakeFilm) -> None:
    film = make_film()
    folder = folder_of(film.with_name("out.mp4"))
    folder.mkdir()
    (folder / "diary.txt").write_text("mine")
    with load("none") as stylizer, pytest.raises(OutputError, match=r"diary\.txt"):
        stylize_film(film, film.with_name("out.mp4"), stylizer, resume=True)
    assert (folder / "diary.txt").read_text() == "mine"


@POSIX
def test_a_link_in_the_folders_place_is_refused(make_film: MakeFilm, tmp_path: Path) -> None:
    film, elsewhere = make_film(), tmp_path / "elsewhere"
    elsewhere.mkdir()
    folder_of(film.with_name("out.mp4")).symlink_to(elsewhere)
    with load("none") as stylizer, pytest.raises(OutputError, match="in the way"):
        stylize_film(film, film.with_name("out.mp4"), stylizer, resume=True)
    assert names(elsewhere) == []


@POSIX
def test_two_renders_do_not_share_a_folder(make_film: MakeFilm) -> None:
    film = make_film()
    target = film.with_name("out.mp4")
    with WorkFolder(target, {}, keep=True), load("none") as stylizer, pytest.raises(OutputError, match="written"):
        stylize_film(film, target, stylizer, resume=True)


def test_a_note_survives_its_file(tmp_path: Path) -> None:
    note = {"film": {"size": 1}, "settings": {"size": (1, 2)}}
    with WorkFolder(tmp_path / "out.mp4", note, keep=True) as folder:
        folder.segment(0).write_bytes(b"x")
    with WorkFolder(tmp_path / "out.mp4", note, keep=True) as folder:
        assert not folder.warnings
        assert json.loads((folder.path / "manifest.json").read_text())["film"] == {"size": 1}
        folder.remove()
    assert names(tmp_path) == []


# Packets


def coded(pts: list[int]) -> Iterator[av.Packet]:
    """Packets in the order given, with nothing but a number in them."""
    for moment in pts:
        packet = av.Packet(bytes([moment % 256]))
        packet.pts, packet.is_keyframe = moment, moment == min(pts)
        yield packet


def test_packets_come_back_as_they_were_with_decoding_times_of_one_film(tmp_path: Path) -> None:
    parts = [[0, 40, 20, 10, 30], [50, 52, 51, 70, 60]]
    for number, pts in enumerate(parts):
        with PacketFile(tmp_path / f"{number}.packets", Fraction(1, 90)) as file:
            file.add(coded(pts))
        assert packets_in(tmp_path / f"{number}.packets") == 5
    packets = list(joined([tmp_path / "0.packets", tmp_path / "1.packets"]))
    assert [packet.pts for packet in packets] == parts[0] + parts[1]
    assert [bytes(packet)[0] for packet in packets] == parts[0] + parts[1]
    assert [packet.is_keyframe for packet in packets] == [pts in (0, 50) for pts in parts[0] + parts[1]]
    dts = [packet.dts for packet in packets]
    assert dts == sorted(set(dts))
    assert all(packet.dts <= packet.pts for packet in packets)
    assert dts == [-20, -10, 0, 10, 20, 30, 40, 50, 51, 52]


def test_a_half_written_segment_has_no_name(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), PacketFile(tmp_path / "0.packets", Fraction(1, 90)) as file:
        file.add(coded([0]))
        raise KeyboardInterrupt
    assert names(tmp_path) == []
