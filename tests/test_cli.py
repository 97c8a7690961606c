"""The commands: help, styles, pictures, what is said where, and exit codes."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from conftest import MakeFilm, RunCli, assert_images_close, frame_times, gradient
from PIL import Image as Pillow
from PIL import ImageCms

from livestyle import __version__
from livestyle.cli import cli
from livestyle.cli_options import progress
from livestyle.errors import InputError, MissingExtra, OutputError
from livestyle.media.picture import read_image, write_image
from livestyle.pipeline import Stats

COMMANDS = sorted(cli.commands)


@pytest.fixture
def film(make_film: MakeFilm) -> Path:
    return make_film(pts=range(3))


def save(path: Path, image: np.ndarray, **options: object) -> Path:
    Pillow.fromarray(image).save(path, **options)
    return path


# Help and usage


def test_the_commands_are_those_of_the_readme() -> None:
    assert {"video", "image", "cam", "styles", "bench", "train"} <= set(COMMANDS)


@pytest.mark.parametrize("command", [(), *((name,) for name in COMMANDS)])
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_exits_0(command: tuple[str, ...], option: str, run_cli: RunCli) -> None:
    outcome = run_cli(*command, option)
    assert outcome.code == 0
    assert outcome.out.startswith("Usage: livestyle")
    assert outcome.err == []


def test_version(run_cli: RunCli) -> None:
    outcome = run_cli("--version")
    assert outcome.code == 0
    assert __version__ in outcome.out


@pytest.mark.parametrize(
    "wrong",
    [
        ("--strength", "1.5"),
        ("--strength", "nan"),
        ("--strength", "-0.1"),
        ("--strength", "much"),
        ("--size", "0x0"),
        ("--size", "640x"),
        ("--size", "-4"),
        ("--size", "99999"),
        ("--out-size", "0"),
        ("--device", "toaster"),
        ("--threads", "-1"),
        ("--no-such-option",),
    ],
)
def test_usage_errors_exit_2(wrong: tuple[str, ...], film: Path, run_cli: RunCli) -> None:
    outcome = run_cli("video", film, film.with_name("out.mp4"), "--style", "none", *wrong)
    assert outcome.code == 2
    assert any(line.startswith("Error: ") for line in outcome.err)
    assert [path.name for path in film.parent.iterdir()] == [film.name]


@pytest.mark.parametrize("arguments", [("video",), ("image", "in.jpg"), ("nonsense",), ("cam", "--frames", "0")])
def test_missing_or_wrong_arguments_exit_2(arguments: tuple[str, ...], run_cli: RunCli) -> None:
    assert run_cli(*arguments).code == 2


# What is said


def test_what_runs_is_said_in_one_line_on_stderr(film: Path, run_cli: RunCli) -> None:
    outcome = run_cli(
        "video", film, film.with_name("out.mp4"), "--style", "starry", "--device", "cpu", "--threads", "1"
    )
    assert (outcome.code, outcome.out) == (0, "")
    assert outcome.err[0].startswith("starry: cpu, 1 thread")
    assert len(outcome.err) == 2
    assert "3 frames" in outcome.err[1]


def test_quiet_says_nothing(film: Path, run_cli: RunCli) -> None:
    assert run_cli("video", film, film.with_name("out.mp4"), "--style", "none", "--quiet") == (0, "", [])


def test_quiet_still_says_errors(film: Path, run_cli: RunCli) -> None:
    outcome = run_cli("video", "nowhere.mp4", film.with_name("out.mp4"), "--style", "none", "-q")
    assert outcome.code == 1
    assert len(outcome.err) == 1


def test_a_gpu_that_is_not_there_is_an_error(film: Path, run_cli: RunCli) -> None:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime may really have a GPU")
    outcome = run_cli("video", film, film.with_name("out.mp4"), "--device", "cuda")
    assert outcome.code == 1
    assert len(outcome.err) == 1
    assert outcome.err[0].startswith("error: device cuda: ")
    assert not film.with_name("out.mp4").exists()


def test_strength_0_is_the_neutral_mode(film: Path, run_cli: RunCli) -> None:
    styled, neutral = film.with_name("styled.mp4"), film.with_name("neutral.mp4")
    assert run_cli("video", film, styled, "--style", "starry", "--strength", "0").code == 0
    assert run_cli("video", film, neutral, "--style", "none").code == 0
    assert styled.read_bytes() == neutral.read_bytes()
    assert frame_times(styled) == frame_times(film)


# Styles


def test_styles_lists_them_for_people_and_for_programs(run_cli: RunCli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVESTYLE_HOME", "/nowhere")
    monkeypatch.setenv("COLUMNS", "200")
    table, rows = run_cli("styles"), json.loads(run_cli("styles", "--json").out)
    names = {row["name"] for row in rows}
    assert {"starry", "wave", "scream", "udnie"} <= names
    assert table.code == 0
    assert all(name in table.out for name in names)
    assert "AD 100" in table.out and " 1889 " in table.out
    assert all(row["painter"] and row["licence"] and row["data"] and row["command"] for row in rows)


def test_styles_lists_every_style_of_ones_own(run_cli: RunCli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / ("long " * 20) / "home"
    monkeypatch.setenv("LIVESTYLE_HOME", str(home))
    monkeypatch.setenv("COLUMNS", "80")
    run_cli("styles", "add", run_cli("styles", "path", "wave").out.strip(), "--name", "mine")
    (home / "styles" / "broken.onnx").write_bytes(b"cut off")
    names = [row["name"] for row in json.loads(run_cli("styles", "--json").out)]
    assert names[names.index("broken") :][:3] == ["broken", "mine", "mine#wave"]
    assert len(names) == len(set(names)) and names[-1] == "mine#matisse"
    table = run_cli("styles").out
    assert f"your own: {home / 'styles'}\n" in table  # in one piece, to be copied
    assert re.search(r"mine#matisse .* mine\.onnx", table)


# Pictures


@pytest.mark.parametrize("name", ["in.png", "in.jpg", "in.webp", "in.bmp", "in.tif"])
def test_image_keeps_an_odd_size(name: str, tmp_path: Path, run_cli: RunCli) -> None:
    source, target = save(tmp_path / name, gradient(33, 47)), tmp_path / "out.png"
    assert run_cli("image", source, target, "--style", "starry", "--threads", "1").code == 0
    assert read_image(target).shape == (47, 33, 3)
    assert (read_image(target) != read_image(source)).any()


def test_image_applies_the_cameras_orientation_once(tmp_path: Path, run_cli: RunCli) -> None:
    exif = Pillow.Exif()
    exif[0x0112] = 6  # a quarter turn clockwise
    source, target = save(tmp_path / "in.jpg", gradient(64, 48), exif=exif, quality=100), tmp_path / "out.png"
    assert run_cli("image", source, target, "--style", "none").code == 0
    with Pillow.open(target) as picture:
        assert picture.getexif().get(0x0112, 1) == 1
    # JPEG shares colour between four pixels, so a few levels are lost.
    assert_images_close(read_image(target), np.rot90(gradient(64, 48), -1), levels=12)


def test_image_lays_transparency_over_white(tmp_path: Path, run_cli: RunCli) -> None:
    rgba = np.zeros((8, 8, 4), np.uint8)
    rgba[:, 4:] = (200, 0, 0, 255)
    source, target = save(tmp_path / "in.png", rgba), tmp_path / "out.png"
    assert run_cli("image", source, target, "--style", "none").code == 0
    image = read_image(target)
    assert (image[:, :4] == 255).all()
    assert (image[:, 4:] == (200, 0, 0)).all()


@pytest.mark.parametrize("mode", ["L", "P", "CMYK", "I;16", "1", "LA"])
def test_image_reads_every_mode(mode: str, tmp_path: Path, run_cli: RunCli) -> None:
    source, target = tmp_path / ("in.png" if mode == "LA" else "in.tif"), tmp_path / "out.png"
    gray = np.full((64, 64), 128, np.uint8)
    deep = Pillow.fromarray(gray.astype(np.uint16) * 257)
    (deep if mode == "I;16" else Pillow.fromarray(gray).convert(mode)).save(source)
    assert run_cli("image", source, target, "--style", "none").code == 0
    assert read_image(target).mean() == pytest.approx(128, abs=4)


def test_image_reads_colours_by_the_pictures_own_profile(tmp_path: Path, run_cli: RunCli) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = profile.replace(b"rXYZ", b"????").replace(b"gXYZ", b"rXYZ").replace(b"????", b"gXYZ")
    red = np.full((8, 8, 3), (200, 0, 0), np.uint8)
    for icc, expected in ((profile, (200, 0, 0)), (swapped, (0, 200, 0)), (b"none at all", (200, 0, 0))):
        source, target = save(tmp_path / "in.png", red, icc_profile=icc), tmp_path / "out.png"
        result = run_cli("image", source, target, "--style", "none", "--overwrite")
        assert result.code == 0
        assert result.err[-1:] == [f"{target}: 8x8"]
        assert np.abs(read_image(target).astype(int) - expected).max() <= 2


@pytest.mark.parametrize("name", ["in.gif", "in.png", "in.jpg"])  # a JPEG of two is what a telephone writes
def test_of_several_pictures_image_takes_the_first_with_a_word(name: str, tmp_path: Path, run_cli: RunCli) -> None:
    source, frames = tmp_path / name, [Pillow.new("RGB", (32, 24), colour) for colour in ("red", "blue")]
    kind = {".jpg": "MPO"}.get(source.suffix)
    frames[0].save(source, kind, save_all=True, append_images=frames[1:])
    result = run_cli("image", source, tmp_path / "out.png", "--style", "none")
    assert result.code == 0
    assert any("the first is taken" in line for line in result.err) == (name != "in.jpg")
    assert (read_image(tmp_path / "out.png")[..., 0] > 200).all()


def test_pictures_are_named_by_text_too(tmp_path: Path) -> None:
    write_image(gradient(8, 8), f"{tmp_path}/a.png")
    assert_images_close(read_image(f"{tmp_path}/a.png"), gradient(8, 8), levels=0)


def test_image_reads_a_large_picture_without_a_word(tmp_path: Path, run_cli: RunCli) -> None:
    Pillow.new("1", (10000, 9000)).save(tmp_path / "in.png")  # Pillow warns from 89 million pixels on
    with warnings.catch_warnings(record=True) as said:
        assert read_image(tmp_path / "in.png").shape == (9000, 10000, 3)
    assert said == []


@pytest.mark.parametrize(
    ("source", "target", "word"),
    [
        (Pillow.new("F", (8, 8)), "out.png", "floating-point"),
        (Pillow.new("I", (8, 8), 1 << 30), "out.png", "32-bit"),
        (Pillow.new("1", (20000, 20000)), "out.png", "178956970"),
        (Pillow.new("L", (17000, 2)), "out.webp", "16383"),
        (Pillow.new("L", (66000, 2)), "out.jpg", "65500"),
    ],
)
def test_image_says_what_a_format_cannot_hold(
    source: Pillow.Image, target: str, word: str, tmp_path: Path, run_cli: RunCli
) -> None:
    source.save(tmp_path / "in.tif", compression="tiff_deflate")
    outcome = run_cli("image", tmp_path / "in.tif", tmp_path / target, "--style", "starry")
    assert (outcome.code, len(outcome.err)) == (1, 1)
    assert outcome.err[0].startswith("error: ")
    assert word in outcome.err[0]
    assert [path.name for path in tmp_path.iterdir()] == ["in.tif"]


def test_image_out_size_and_overwrite(tmp_path: Path, run_cli: RunCli) -> None:
    source, target = save(tmp_path / "in.png", gradient(40, 20)), tmp_path / "out.jpg"
    assert run_cli("image", source, target, "--style", "none", "--size", "16", "--out-size", "10").code == 0
    assert read_image(target).shape == (5, 10, 3)
    assert run_cli("image", source, target, "--style", "none").code == 1
    assert read_image(target).shape == (5, 10, 3)
    assert run_cli("image", source, target, "--style", "none", "--overwrite").code == 0
    assert read_image(target).shape == (20, 40, 3)


@pytest.mark.parametrize(("raised", "code"), [(KeyboardInterrupt(), 130), (SystemExit(143), 143)])
def test_a_signal_during_an_import_ends_as_a_signal(
    raised: BaseException, code: int, film: Path, run_cli: RunCli, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load_session(*_: object) -> None:
        try:
            raise ImportError("initialization failed") from raised  # what onnxruntime's pybind11 makes of it
        except ImportError as error:
            raise MissingExtra("a style", "onnxruntime", "cpu") from error

    monkeypatch.setattr("livestyle.backend.load_session", load_session)
    outcome = run_cli("video", film, film.with_name("out.mp4"))
    assert (outcome.code, "".join(outcome.err)) == (code, "")


INTERRUPTED_WHILE_LOADING = """
import sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "livestyle.cli":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Finder())
from livestyle.__main__ import main
main()
"""


def test_ctrl_c_while_the_program_loads_ends_without_a_traceback() -> None:
    program = [sys.executable, "-c", INTERRUPTED_WHILE_LOADING]
    ended = subprocess.run(program, check=False, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")


def test_the_package_runs_as_the_program() -> None:
    ended = subprocess.run([sys.executable, "-m", "livestyle", "--version"], capture_output=True, text=True, check=True)
    assert ended.stdout == f"livestyle, version {__version__}\n"


def test_an_error_gives_no_orders_to_the_terminal(tmp_path: Path, run_cli: RunCli) -> None:
    outcome = run_cli("image", tmp_path / "a\x1b[31mb.png", tmp_path / "out.png")
    assert outcome.code == 1 and "a?[31mb.png: no such file" in outcome.err[0]


def test_a_films_name_gives_no_orders_to_the_terminal(film: Path, tmp_path: Path, run_cli: RunCli) -> None:
    film = film.rename(tmp_path / "a\x1b[31m\nb.mp4")
    shown = f"{tmp_path}/styled/a?[31m b.mp4"
    made = run_cli("video", film, "--out-dir", tmp_path / "styled", "--style", "none").err
    refused = run_cli("video", film, "--out-dir", tmp_path / "styled", "--style", "none").err
    assert made[1].startswith(f"{shown}: 3 frames in ")
    assert refused[1] == f"error: {shown}: exists already; add --overwrite to replace it"
    assert len(made) == len(refused) == 3


def test_the_bar_shows_a_films_name_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with progress("a[red].mp4", quiet=False) as on_frame:
        assert on_frame
        on_frame(Stats(frames=1), 3)
    assert "a[red].mp4" in terminal.getvalue()


def test_what_is_said_gives_no_orders_to_the_terminal(make_film: MakeFilm, tmp_path: Path, run_cli: RunCli) -> None:
    film, broken = make_film("a\x1b[31mb.mp4"), tmp_path / "c\x9b31md.mp4"
    broken.write_bytes(b"")
    outcome = run_cli("video", film, broken, "--out-dir", tmp_path / "out", "--style", "none")
    said = "\n".join(outcome.err)
    assert "a?[31mb.mp4: 12 frames" in said and "c?31md.mp4: " in said
    assert all(letter.isprintable() for letter in said.replace("\n", ""))


@pytest.mark.parametrize("name", ["picture", "picture.xyz", "picture.psd", "/", "", "..", "a\0.xyz"])
def test_a_picture_of_an_unknown_kind_is_not_written(name: str, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"unknown kind of picture; use one of \.jpg"):
        write_image(gradient(8, 8), tmp_path / name)
    with pytest.raises(InputError, match="uint8 RGB"):
        write_image(gradient(8, 8) / 255, tmp_path / "picture.png")
    assert list(tmp_path.iterdir()) == []


def test_a_render_needs_nobody_to_talk_to(film: Path) -> None:
    target = film.with_name("out.mp4")
    closed = "import sys; sys.stderr = None; from livestyle.cli import main; main()"
    subprocess.run([sys.executable, "-c", closed, "video", film, target, "--style", "none"], check=True)
    assert frame_times(target) == frame_times(film)


def test_a_picture_that_cannot_have_its_name_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        write_image(gradient(8, 8), tmp_path / "a\0.png")


def test_a_package_that_is_missing_is_one_line() -> None:
    hidden = "import sys; sys.modules['av'] = None; from livestyle.cli import main; main()"
    program = [sys.executable, "-c", hidden, "compare", "a", "b"]
    outcome = subprocess.run(program, check=False, capture_output=True, text=True)
    assert outcome.returncode == 1
    assert outcome.stderr == "error: the module av is missing: pip install 'livestyle[cpu]'\n"
