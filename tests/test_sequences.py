"""Image sequences, in and out: numbered pictures in a folder, all of them or none."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from conftest import MakeFilm, RunCli, assert_images_close, frame_times, gradient, images_of
from hypothesis import given
from hypothesis import strategies as st
from PIL import ExifTags, ImageOps
from PIL import Image as Pillow

from livestyle import load, stylize_film
from livestyle.cli_options import RateType
from livestyle.compare import compare_films
from livestyle.errors import InputError, LivestyleError, OutputError
from livestyle.media import sequence_writer
from livestyle.media.encoding import Encoding
from livestyle.media.sequence import Pattern, pattern_of, pictures_of
from livestyle.media.temporary_folder import TemporaryFolder


def render(source: Path, target: Path, **options: object) -> list[str]:
    """A neutral render; what it warns of."""
    return list(stylize_film(source, target, load("none"), **options).warnings)  # type: ignore[arg-type]


def pictures(folder: Path, count: int = 5, name: str = "{:05d}.png", first: int = 1) -> Path:
    """A folder with numbered gradients."""
    folder.mkdir(exist_ok=True)
    for index in range(count):
        Pillow.fromarray(gradient(65, 48, shift=index)).save(folder / name.format(first + index))
    return folder


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


# Out


@pytest.mark.parametrize("target", ["frames", "frames/%05d.png", "new.frames/%05d.png"])
def test_every_frame_becomes_a_numbered_picture(target: str, make_film: MakeFilm, tmp_path: Path) -> None:
    film = make_film(size=(65, 48))
    assert render(film, tmp_path / target) == []
    folder = tmp_path / target.split("/", maxsplit=1)[0]
    assert names(folder) == [f"{number:05d}.png" for number in range(1, 13)]
    for name, image in zip(names(folder), images_of(film), strict=True):
        assert_images_close(np.asarray(Pillow.open(folder / name)), image, levels=2)  # the film's own conversion
    assert names(tmp_path) == sorted([folder.name, film.name])
    assert [check.name for check in compare_films(film, tmp_path / target, picture=True) if check.broken] == []


def test_ffmpeg_reads_what_was_written(make_film: MakeFilm, ffmpeg: Callable[..., bytes], tmp_path: Path) -> None:
    render(make_film(), tmp_path / "frames" / "a-%03d.png")
    raw = ffmpeg("-i", tmp_path / "frames" / "a-%03d.png", "-f", "rawvideo", "-pix_fmt", "rgb24", "-")
    assert len(raw) == 12 * 64 * 48 * 3


def test_a_film_may_be_called_like_a_pattern(make_film: MakeFilm, tmp_path: Path) -> None:
    film = make_film("50%discount.mp4")
    render(film, tmp_path / "5%dark.mkv")
    assert frame_times(tmp_path / "5%dark.mkv") == frame_times(film)


@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".tiff", ".bmp"])
def test_other_kinds_of_pictures(suffix: str, make_film: MakeFilm, tmp_path: Path) -> None:
    render(make_film(), tmp_path / "frames" / f"%d{suffix}")
    assert names(tmp_path / "frames") == sorted(f"{number}{suffix}" for number in range(1, 13))
    assert Pillow.open(tmp_path / "frames" / f"7{suffix}").size == (64, 48)


def test_what_pictures_cannot_hold_is_told(make_film: MakeFilm, tmp_path: Path) -> None:
    film = make_film(sound=True, time_base=Fraction(1001, 30000))
    assert render(film, tmp_path / "frames") == [
        f"{film}: pictures hold nothing else; left out: sound track 1 (aac)",
        f"{tmp_path / 'frames'}: pictures have no times; as an input they need --rate 30000/1001",
    ]
    uneven = make_film("uneven.mp4", pts=[0, 1, 5, 9, 30])
    assert "not evenly spaced" in render(uneven, tmp_path / "more")[0]


def test_pictures_have_no_codec(make_film: MakeFilm, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="leave --codec, --crf and --encoder out"):
        render(make_film(), tmp_path / "frames", encoding=Encoding("h264"))


# Safety


def test_existing_pictures_need_overwrite_and_go_as_a_whole(make_film: MakeFilm, tmp_path: Path) -> None:
    film, folder = make_film(), pictures(tmp_path / "frames", 40)
    with pytest.raises(OutputError, match="--overwrite"):
        render(film, folder)
    assert len(names(folder)) == 40
    render(film, folder, overwrite=True)
    assert len(names(folder)) == 12
    assert names(tmp_path) == ["frames", film.name]


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_with_anything_else_in_it_is_never_replaced(
    overwrite: bool, make_film: MakeFilm, tmp_path: Path
) -> None:
    film, folder = make_film(), pictures(tmp_path / "frames", 2)
    (folder / "notes.txt").write_text("mine")
    for target in (folder, tmp_path):
        with pytest.raises(OutputError, match="holds other files, such as"):
            render(film, target, overwrite=overwrite)
    assert names(folder) == ["00001.png", "00002.png", "notes.txt"]


def test_files_that_are_put_into_the_folder_meanwhile_are_not_lost(make_film: MakeFilm, tmp_path: Path) -> None:
    film, folder = make_film(), pictures(tmp_path / "frames", 2)
    with pytest.raises(OutputError, match="holds other files, such as"):
        render(film, folder, overwrite=True, on_frame=lambda *_: (folder / "notes.txt").write_text("mine"))
    assert names(folder) == ["00001.png", "00002.png", "notes.txt"]
    assert names(tmp_path) == ["frames", film.name]


def test_an_empty_folder_is_filled(make_film: MakeFilm, tmp_path: Path) -> None:
    (tmp_path / "frames").mkdir()
    render(make_film(), tmp_path / "frames")
    assert len(names(tmp_path / "frames")) == 12


@pytest.mark.parametrize("link", [False, True])
def test_the_input_is_never_the_output(link: bool, tmp_path: Path) -> None:
    folder = pictures(tmp_path / "frames")
    other = tmp_path / "link"
    other.symlink_to(folder)
    with pytest.raises(OutputError, match="is the input itself"):
        render(folder / "%05d.png", other if link else tmp_path / "." / "frames", overwrite=True)
    assert len(names(folder)) == 5


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failure_leaves_the_folder_as_it_was(
    error: BaseException, make_film: MakeFilm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film, folder = make_film(), pictures(tmp_path / "frames", 3)
    resize, calls = sequence_writer.resize, []

    def fails_midway(*args: object) -> object:
        calls.append(args)
        if len(calls) == 7:
            raise error
        return resize(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(sequence_writer, "resize", fails_midway)
    with pytest.raises((LivestyleError, KeyboardInterrupt)):
        render(film, folder, overwrite=True)
    assert len(calls) == 7
    assert names(folder) == ["00001.png", "00002.png", "00003.png"]
    assert names(tmp_path) == ["frames", film.name]


# The real command line, but the writer says when it is midway, and takes its time from there on.
SLOW_FROM_MIDWAY = """
import time
from livestyle import cli
from livestyle.media.sequence_writer import SequenceWriter
write = SequenceWriter.write
def slowly(self, frame):
    write(self, frame)
    if frame.index == 5:
        print("midway", flush=True)
    if frame.index >= 5:
        time.sleep(1)
SequenceWriter.write = slowly
cli.main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no such signals")
@pytest.mark.parametrize(
    ("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 128 + signal.SIGTERM), (signal.SIGKILL, -9)]
)
@pytest.mark.usefixtures("heard_signals")
def test_a_stopped_render_leaves_nothing_for_the_next(
    signum: int, code: int, make_film: MakeFilm, tmp_path: Path
) -> None:
    film, folder = make_film(), tmp_path / "frames"
    command = [sys.executable, "-c", SLOW_FROM_MIDWAY, "video", film, folder, "--style", "none"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "midway\n"
        hidden = [name for name in names(tmp_path) if name.startswith(".frames.")]
        assert len(hidden) == 1
        process.send_signal(signum)
        process.communicate(timeout=40)
    assert process.returncode == code
    assert names(tmp_path) == (sorted([*hidden, film.name]) if signum == signal.SIGKILL else [film.name])
    render(film, folder)
    assert names(tmp_path) == ["frames", film.name]


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such locks")
def test_what_a_living_writer_writes_is_left_alone(tmp_path: Path) -> None:
    living = TemporaryFolder(tmp_path / "frames")
    other = tmp_path / ".frames.1.part"
    other.mkdir()
    with pytest.raises(FileExistsError):
        TemporaryFolder(tmp_path / "frames")
    assert names(tmp_path) == [living.path.name]
    living.discard()
    living.discard()
    assert names(tmp_path) == []


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such locks")
def test_a_folder_that_was_about_to_be_replaced_comes_back(tmp_path: Path) -> None:
    pictures(tmp_path / ".frames.1.old", 2)
    TemporaryFolder(tmp_path / "frames").discard()
    assert names(tmp_path) == ["frames"]
    assert len(names(tmp_path / "frames")) == 2


# In


@pytest.mark.parametrize("source", ["frames", "frames/%05d.png"])
@pytest.mark.parametrize("rate", [None, Fraction(24000, 1001), Fraction(12)])
def test_pictures_become_a_film_at_their_rate(source: str, rate: Fraction | None, tmp_path: Path) -> None:
    pictures(tmp_path / "frames")
    target = tmp_path / "out.mp4"
    assert render(tmp_path / source, target, rate=rate) == []
    assert frame_times(target) == [index / (rate or Fraction(25)) for index in range(5)]
    assert images_of(target)[0].shape == (48, 66, 3)
    assert [check.name for check in compare_films(tmp_path / source, target, picture=True) if check.broken] == []


def test_from_pictures_to_pictures_nothing_changes(tmp_path: Path) -> None:
    source = pictures(tmp_path / "frames")
    render(source, tmp_path / "copy")
    for name in names(source):
        before, after = (np.asarray(Pillow.open(folder / name)) for folder in (source, tmp_path / "copy"))
        assert np.array_equal(before, after)


def test_pictures_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "frames", 12, "shot {}.png", first=5)
    (folder / "notes.txt").touch()
    (folder / "._shot 6.png").touch()
    (folder / "shot 7.5.png").mkdir()
    (folder / "shot 99.png").mkdir()
    expected = [f"shot {number}.png" for number in range(5, 17)]
    assert [path.name for path in pictures_of(folder)] == expected
    assert [path.name for path in pictures_of(folder / "shot %d.png")] == expected


def test_missing_numbers_and_unreadable_pictures_are_told(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "frames", 8)
    (folder / "00003.png").unlink()
    (folder / "00005.png").write_bytes(b"no picture")
    warnings = render(folder, tmp_path / "out.mkv")
    assert "1 numbers from 1 to 8 are missing" in warnings[0]
    assert warnings[1] == f"{folder}: damaged; 6 of 7 frames decoded"
    assert frame_times(tmp_path / "out.mkv") == [Fraction(index, 25) for index in (0, 1, 2, 4, 5, 6)]


def test_transparency_is_flattened_over_black_and_sizes_follow_the_first(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "frames", 1)
    Pillow.new("RGBA", (130, 96), (255, 255, 255, 0)).save(folder / "00002.png")
    warnings = render(folder, tmp_path / "copy")
    assert "the size changes from 65x48 to 130x96" in warnings[0]
    assert np.asarray(Pillow.open(tmp_path / "copy" / "00002.png")).max() == 0


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_each_picture_is_turned_as_it_says(suffix: str, tmp_path: Path) -> None:
    folder = pictures(tmp_path / "frames", 0)
    for number in range(1, 9):
        exif = Pillow.Exif()
        exif[ExifTags.Base.Orientation] = number
        image = Pillow.fromarray(gradient(64, 64, shift=number))
        image.save(folder / f"{number}{suffix}", exif=exif, quality=95, subsampling=0, lossless=True)
    assert render(folder, tmp_path / "copy") == []
    for path, name in zip(pictures_of(folder), names(tmp_path / "copy"), strict=True):
        upright = ImageOps.exif_transpose(Pillow.open(path)).convert("RGB")
        assert_images_close(np.asarray(Pillow.open(tmp_path / "copy" / name)), np.asarray(upright), levels=8)
    assert [it.name for it in compare_films(folder, tmp_path / "copy", picture=True) if it.broken] == []


def test_a_picture_turned_otherwise_than_the_first_has_another_size(tmp_path: Path) -> None:
    folder, exif = pictures(tmp_path / "frames", 1), Pillow.Exif()
    exif[ExifTags.Base.Orientation] = 6
    Pillow.fromarray(gradient(65, 48)).save(folder / "00002.png", exif=exif)
    Pillow.fromarray(gradient(48, 65)).save(folder / "00003.png", exif=exif)  # as large as the first, once turned
    change = "the size changes from 65x48 to 48x65 on the way; every frame is scaled to the first one's"
    assert render(folder, tmp_path / "copy") == [f"{folder}: {change}"]
    turned = np.asarray(Pillow.open(tmp_path / "copy" / "00003.png"))
    assert np.array_equal(turned, np.rot90(gradient(48, 65), -1))


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("empty", "is a directory without a picture"),
        ("nowhere/%05d.png", "the folder cannot be read"),
        ("empty/%05d.png", "no file has such a name"),
        ("bad", "none of its 1 pictures can be read"),
    ],
)
def test_nothing_to_read_is_one_line(source: str, words: str, tmp_path: Path, run_cli: RunCli) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "1.png").write_bytes(b"no picture")
    outcome = run_cli("video", tmp_path / source, tmp_path / "out.mp4")
    assert outcome.code == 1
    assert len(outcome.err) == 1
    assert outcome.err[0].startswith("error: ")
    assert words in outcome.err[0]


def test_pictures_that_are_too_large_are_told_how_to_be_allowed(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="more than 3000 pixels, allow that with --max-pixels"):
        render(pictures(tmp_path / "frames"), tmp_path / "out.mp4", max_pixels=3000)
    render(tmp_path / "frames", tmp_path / "out.mp4", max_pixels=65 * 48)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".bmp", ".tif"])
def test_a_picture_that_is_too_large_is_not_decoded(suffix: str, tmp_path: Path) -> None:
    folder = pictures(tmp_path / "frames", 1)
    Pillow.new("RGB", (512, 512)).save(folder / f"00002{suffix}")
    assert render(folder, tmp_path / "out.mp4", max_pixels=65 * 48) == [f"{folder}: damaged; 1 of 2 frames decoded"]


def test_a_rate_is_for_pictures_only(make_film: MakeFilm, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--rate is for image sequences"):
        render(make_film(), tmp_path / "out.mp4", rate=Fraction(30))


def test_a_batch_takes_a_folder_of_pictures_for_one_film(tmp_path: Path, run_cli: RunCli) -> None:
    pictures(tmp_path / "shot")
    outcome = run_cli("video", tmp_path / "shot", "--out-dir", tmp_path / "out", "--style", "none", "--rate", "29.97")
    assert outcome.code == 0
    assert frame_times(tmp_path / "out" / "shot.mp4")[4] == 4 * Fraction(1001, 30000)


# Names and rates


@given(st.integers(0, 10**7), st.integers(1, 6))
def test_a_pattern_finds_its_own_numbers(number: int, digits: int) -> None:
    pattern = pattern_of(Path(f"frames/a%0{digits}d-b.png"))
    assert pattern == Pattern(Path("frames"), "a", digits, "-b.png")
    assert pattern.number(pattern.name(number)) == number
    assert pattern.number("x" + pattern.name(number)) is None


@pytest.mark.parametrize("name", ["film.mp4", "100%.png", "%s.png", "%d-%d.png"])
def test_other_names_are_no_patterns(name: str) -> None:
    assert pattern_of(Path(name)) is None


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        *(("25", Fraction(25)), ("23.976", Fraction(24000, 1001)), ("23.98", Fraction(24000, 1001))),
        *(("29.97", Fraction(30000, 1001)), ("59.94", Fraction(60000, 1001)), ("30000/1001", Fraction(30000, 1001))),
        *(("12.5", Fraction(25, 2)), ("1/2", Fraction(1, 2))),
    ],
)
def test_rates_as_people_write_them(text: str, rate: Fraction) -> None:
    assert RateType().convert(text, None, None) == rate


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "1/0", "fast", "5000"])
def test_what_is_no_rate_is_a_usage_error(text: str, tmp_path: Path, run_cli: RunCli) -> None:
    assert run_cli("video", tmp_path / "in", tmp_path / "out.mp4", "--rate", text).code == 2
