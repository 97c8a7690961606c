"""Whatever is wrong: one line that says so, exit 1, nothing left behind and nothing overwritten."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import pytest
from conftest import MakeFilm, Outcome, RunCli, frame_times
from PIL import Image as Pillow

from livestyle import OutputError, load, stylize_film
from livestyle.frame import Image

SHIPPED = Path(__file__).parents[1] / "livestyle" / "styles" / "lite.onnx"


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder with what is in it."""
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def assert_one_line(outcome: Outcome, *words: str, midway: bool = False) -> None:
    """Exit 1 and a single error line with all the words; of what fails midway, after the device line."""
    lines = outcome.err[1:] if midway else outcome.err
    assert outcome.code == 1
    assert outcome.out == ""
    assert len(lines) == 1, outcome.err
    assert lines[0].startswith("error: ")
    assert all(word in lines[0] for word in words), lines[0]


@pytest.fixture
def film(make_film: MakeFilm) -> Path:
    return make_film()


# Names


@pytest.mark.parametrize(
    "line",
    [
        ("video", "", "out.mp4"),
        ("video", "in.mp4", ""),
        ("video", "in.mp4", "--out-dir", ""),
        ("video", "in.mp4", "", "--out-dir", "styled"),
        ("image", "", "out.png"),
        ("compare", "in.mp4", ""),
        ("bench", "--input", ""),
        ("styles", "--gallery", ""),
        ("train", ""),
    ],
    ids=" ".join,
)
def test_an_empty_name_is_one_line(
    line: tuple[str, ...], film: Path, run_cli: RunCli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a variable of the shell that is not set gives it: it would mean the folder we are in."""
    monkeypatch.chdir(film.parent)
    before = tree(film.parent)
    assert_one_line(run_cli(*line), "empty name")
    assert tree(film.parent) == before


# Sources


def write_sound_only(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=48000)
        frame = av.AudioFrame(format="fltp", layout="mono", samples=4800)
        frame.sample_rate, frame.pts = 48000, 0
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


BAD_FILMS: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing.mp4": (lambda path: None, "no such file"),
    "folder.mp4": (Path.mkdir, "directory"),
    "text.mp4": (lambda path: path.write_text("to be or not to be\n" * 99), "not a film"),
    "empty.mp4": (Path.touch, "not a film"),
    "noise.mkv": (lambda path: path.write_bytes(bytes(range(256)) * 16), "not a film"),
    "sound.mp4": (write_sound_only, "no video"),
    "text.txt": (lambda path: path.write_text("to be or not to be\n" * 99), "is text"),
    "http:text.mp4": (lambda path: path.write_text("to be or not to be\n" * 99), "not a film"),
    "n" * 300 + ".mp4": (lambda path: None, "name too long"),
}


@pytest.mark.parametrize("name", BAD_FILMS)
def test_a_film_that_cannot_be_read(name: str, tmp_path: Path, run_cli: RunCli) -> None:
    make, why = BAD_FILMS[name]
    make(tmp_path / name)
    before = tree(tmp_path)
    assert_one_line(run_cli("video", tmp_path / name, tmp_path / "out.mp4", "--style", "none"), why.split()[-1])
    assert tree(tmp_path) == before


def test_an_address_is_told_which_command_plays_it(tmp_path: Path, run_cli: RunCli) -> None:
    outcome = run_cli("video", "https://localhost/film.mp4", tmp_path / "out.mp4", "--style", "none")
    assert_one_line(outcome, "no such file", "livestyle cam --camera")


@pytest.mark.skipif(sys.platform == "win32", reason="a program is a shell script here")
def test_a_picture_that_is_a_program_is_not_run(
    tmp_path: Path, run_cli: RunCli, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture, ghostscript = tmp_path / "picture.jpg", tmp_path / "gs"
    Pillow.new("RGB", (16, 16)).save(picture, "EPS")
    ghostscript.write_text(f"#!/bin/sh\ntouch '{tmp_path}/run'\n")
    ghostscript.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr("PIL.EpsImagePlugin.gs_binary", None)  # it has not been looked for
    assert_one_line(run_cli("image", picture, tmp_path / "out.png", "--style", "none"), "PostScript", "not run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["missing.jpg", "folder.jpg", "text.jpg", "empty.png"])
def test_a_picture_that_cannot_be_read(name: str, tmp_path: Path, run_cli: RunCli) -> None:
    if name == "folder.jpg":
        (tmp_path / name).mkdir()
    elif name != "missing.jpg":
        (tmp_path / name).write_text("no picture" * (name == "text.jpg"))
    before = tree(tmp_path)
    assert_one_line(run_cli("image", tmp_path / name, tmp_path / "out.png", "--style", "none"), name)
    assert tree(tmp_path) == before


@pytest.mark.parametrize("name", ["in.mp4", "in.mkv"])
@pytest.mark.parametrize("seed", range(20))
def test_a_damaged_film_gives_what_decodes_or_one_line(
    name: str, seed: int, make_film: MakeFilm, tmp_path: Path, run_cli: RunCli
) -> None:
    film = make_film(name, pts=range(25), sound=True)
    content, chance = bytearray(film.read_bytes()), random.Random(seed)
    if seed % 3 == 0:
        del content[chance.randrange(len(content)) :]
    for _ in range(chance.choice([1, 5, 50])):
        content[chance.randrange(len(content))] = chance.randrange(256)
    film.write_bytes(content)
    outcome = run_cli("video", film, tmp_path / f"out{film.suffix}", "--style", "none")
    if outcome.code:
        assert_one_line(outcome)
        assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_title_that_is_not_utf8_is_no_obstacle(film: Path, run_cli: RunCli) -> None:
    content = film.read_bytes()
    assert b"Lavf" in content  # the encoder's name in the metadata
    film.write_bytes(content.replace(b"Lavf", b"La\xe8f"))
    assert run_cli("video", film, film.with_name("out.mp4"), "--style", "none").code == 0


@pytest.mark.parametrize("name", ["in.mp4", "in.png"])
def test_a_file_that_may_not_be_read_is_no_usage_error(
    name: str, film: Path, run_cli: RunCli, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, access = film.with_name(name), os.access
    source.touch()
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.R_OK and access(path, mode))
    command = "video" if name == "in.mp4" else "image"
    assert_one_line(run_cli(command, source, film.with_name("out" + source.suffix), "--style", "none"), name, "read")


# Targets


@pytest.mark.parametrize(
    ("target", "word"),
    [
        ("nowhere/out.mp4", "does not exist"),
        ("folder.mp4", "directory"),
        ("out.xyz", ".mp4"),
        ("in.mp4/out.mp4", "does not exist"),
        ("o" * 300 + ".mp4", "name too long"),
        ("/proc/out.mp4", "/proc"),
        ("/dev/full/out.mp4", "does not exist"),
    ],
)
def test_a_target_that_cannot_be_written(target: str, word: str, film: Path, run_cli: RunCli) -> None:
    (film.parent / "folder.mp4").mkdir()
    before = tree(film.parent)
    midway = target.startswith("/proc")  # its permissions promise what it does not hold
    outcome = run_cli("video", film, film.parent / target, "--style", "none")
    assert_one_line(outcome, word.rsplit(maxsplit=1)[-1], midway=midway)
    assert tree(film.parent) == before


def test_an_existing_target_needs_overwrite(film: Path, tmp_path: Path, run_cli: RunCli) -> None:
    target = tmp_path / "out.mp4"
    target.write_bytes(b"mine")
    assert_one_line(run_cli("video", film, target, "--style", "none"), "--overwrite")
    assert target.read_bytes() == b"mine"
    assert run_cli("video", film, target, "--style", "none", "--overwrite").code == 0
    assert target.read_bytes()[4:8] == b"ftyp"


def test_a_link_that_leads_nowhere_is_not_replaced_unasked(film: Path, run_cli: RunCli) -> None:
    target = film.with_name("out.mp4")
    target.symlink_to("nowhere.mp4")
    assert_one_line(run_cli("video", film, target, "--style", "none"), "--overwrite")
    assert target.is_symlink()


def test_names_may_look_like_addresses(film: Path, run_cli: RunCli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(film.parent)
    source, target = film.rename("http:in.mp4"), Path("file:out.mp4")
    assert run_cli("video", source, target, "--style", "none").code == 0
    assert len(frame_times(target.absolute())) == len(frame_times(source.absolute())) > 0


@pytest.mark.parametrize("overwrite", [(), ("--overwrite",)])
@pytest.mark.parametrize("kind", ["itself", "dotted", "symlink", "hard link", "source is the link"])
def test_the_input_is_never_the_output(
    kind: str, overwrite: tuple[str, ...], film: Path, run_cli: RunCli, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = film, film.with_name("link.mp4")
    if kind == "itself":
        target = film
    elif kind == "dotted":
        monkeypatch.chdir(film.parent)
        target = Path("../") / film.parent.name / film.name
    elif kind == "hard link":
        target.hardlink_to(film)
    else:
        target.symlink_to(film)
        source, target = (target, film) if kind == "source is the link" else (film, target)
    before = tree(film.parent)
    assert_one_line(run_cli("video", source, target, "--style", "none", *overwrite), "input itself")
    assert tree(film.parent) == before


# Styles


@pytest.mark.parametrize(
    ("style", "near"), [("stary", "starry"), ("scraem", "scream"), ("nnoe", "none"), ("STARRY", "starry")]
)
def test_an_unknown_style_suggests_the_nearest(style: str, near: str, film: Path, run_cli: RunCli) -> None:
    before = tree(film.parent)
    assert_one_line(run_cli("video", film, film.parent / "out.mp4", "--style", style), style, f"'{near}'")
    assert tree(film.parent) == before


@pytest.mark.parametrize("share", [0.0, 0.3, 0.999])
def test_a_truncated_style_file(share: float, film: Path, run_cli: RunCli) -> None:
    style, whole = film.parent / "cut.onnx", SHIPPED.read_bytes()
    style.write_bytes(whole[: int(len(whole) * share)])
    assert_one_line(run_cli("video", film, film.parent / "out.mp4", "--style", style), "cut.onnx")
    assert not (film.parent / "out.mp4").exists()


@pytest.mark.parametrize(
    "style", ["missing.onnx", "x" * 5000, "starry:x+wave", "starry:0", "starry:1e308+wave:1e308", "", "+", "photo.jpg"]
)
def test_a_style_that_makes_no_sense(style: str, film: Path, run_cli: RunCli) -> None:
    assert_one_line(run_cli("video", film, film.parent / "out.mp4", "--style", style))
    assert not (film.parent / "out.mp4").exists()


# Missing packages


@pytest.mark.parametrize(
    ("module", "arguments", "words"),
    [
        ("onnxruntime", ["image", "in.png", "out.png"], ["onnxruntime", "pip install 'livestyle[cpu]'"]),
        ("onnxruntime", ["train", "in.png"], ["onnxruntime", "pip install 'livestyle[cpu]'"]),
        ("onnxscript", ["train", "in.png"], ["onnxscript", "pip install 'livestyle[train]'"]),  # not after it
        (
            "pyvirtualcam",
            ["cam", "--camera", "in.mp4", "--style", "none", "--virtual", "--no-window", "-q"],
            ["pyvirtualcam", "pip install 'livestyle[live]'"],
        ),
    ],
)
def test_a_missing_package_is_one_line_with_the_pip_command(
    module: str, arguments: list[str], words: list[str], make_film: MakeFilm, tmp_path: Path
) -> None:
    make_film()
    Pillow.new("RGB", (16, 16)).save(tmp_path / "in.png")
    code = f"import sys; sys.modules[{module!r}] = None; from livestyle.cli import main; main()"
    command, home = [sys.executable, "-c", code, *arguments], {**os.environ, "LIVESTYLE_HOME": str(tmp_path)}
    done = subprocess.run(command, cwd=tmp_path, env=home, capture_output=True, text=True, check=False)
    assert_one_line(Outcome(done.returncode, done.stdout, done.stderr.splitlines()), *words)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4", "in.png"]


def test_a_package_that_lacks_a_library_of_the_system_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "av.py").write_text("raise ImportError('libva.so.2: cannot open shared object file', name='av')")
    code = "import sys; sys.path.insert(0, '.'); from livestyle.cli import main; main()"
    command = [sys.executable, "-c", code, "video", "in.mp4", "out.mp4"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    outcome = Outcome(done.returncode, done.stdout, done.stderr.splitlines())
    assert_one_line(outcome, "av cannot be imported (libva.so.2: cannot open", "livestyle doctor")


# Interruptions


class Fails:
    """An engine that fails on its third frame."""

    lanes = 1

    def __init__(self, error: BaseException) -> None:
        self._error, self._left = error, 3

    def __call__(self, image: Image) -> Image:
        self._left -= 1
        if not self._left:
            raise self._error
        return image


@pytest.mark.parametrize("error", [ValueError("engine"), KeyboardInterrupt()])
@pytest.mark.parametrize("exists", [False, True])
def test_a_failure_midway_leaves_everything_as_it_was(error: BaseException, exists: bool, film: Path) -> None:
    target = film.with_name("out.mp4")
    if exists:
        target.write_bytes(b"mine")
    before = tree(film.parent)
    with pytest.raises(type(error)):
        stylize_film(film, target, Fails(error), overwrite=True)  # type: ignore[arg-type]
    assert tree(film.parent) == before


@pytest.mark.parametrize("options", [{}, {"resume": True}, {"workers": 2}], ids=str)
def test_what_gets_the_targets_name_meanwhile_is_not_replaced_unasked(options: dict[str, Any], film: Path) -> None:
    target = film.with_name("out.mp4")
    with load("none") as stylizer:
        with pytest.raises(OutputError, match="exists already"):
            stylize_film(film, target, stylizer, **options, on_frame=lambda *_: target.write_bytes(b"mine"))
        assert target.read_bytes() == b"mine"
        stylize_film(film, target, stylizer, **options, overwrite=True)
    assert sorted(path.name for path in film.parent.iterdir()) == ["in.mp4", "out.mp4"]


# As on a full disk: no file may grow over half a kilobyte.
CRAMPED = (
    "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (512, 512)); from livestyle import cli; cli.main()"
)


@pytest.mark.skipif(sys.platform == "win32", reason="no RLIMIT_FSIZE")
@pytest.mark.parametrize("target", ["out.mp4", "out.mkv"])
def test_a_full_disk_is_one_line_and_leaves_nothing(target: str, film: Path) -> None:
    before = tree(film.parent)
    program = [sys.executable, "-c", CRAMPED, "video", "in.mp4", target, "--style", "none"]
    done = subprocess.run(program, cwd=film.parent, capture_output=True, text=True, check=False)
    assert_one_line(
        Outcome(done.returncode, done.stdout, done.stderr.splitlines()), target, "cannot be written", midway=True
    )
    assert tree(film.parent) == before


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.usefixtures("heard_signals")
def test_a_signal_ends_the_command_and_leaves_nothing(signum: signal.Signals, code: int, make_film: MakeFilm) -> None:
    film = make_film(pts=range(200))
    before = tree(film.parent)
    program = [
        sys.executable,
        "-c",
        SLOW_FROM_MIDWAY,
        "video",
        str(film),
        str(film.with_name("out.mp4")),
        "--style",
        "none",
    ]
    with subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stdout.readline() == "midway\n"
        assert any(".part." in path for path in tree(film.parent))
        process.send_signal(signum)
        _, err = process.communicate(timeout=40)
    assert process.returncode == code
    assert "Traceback" not in err
    assert tree(film.parent) == before


# The real command line, but the writer says when it is midway, and takes its time from there on.
SLOW_FROM_MIDWAY = """
import time
from livestyle import cli
from livestyle.media.writer import FilmWriter
write = FilmWriter.write
def slowly(self, frame):
    write(self, frame)
    if frame.index == 150:
        print("midway", flush=True)
    if frame.index >= 150:
        time.sleep(1)
FilmWriter.write = slowly
cli.main()
"""


def test_check_target_is_said_before_anything_runs(film: Path) -> None:
    with pytest.raises(OutputError, match="unknown kind"):
        stylize_film(film, film.with_suffix(".xyz"), load("none"))
    assert os.listdir(film.parent) == [film.name]
