"""Many films at once: each its target, on past the bad ones, nothing overwritten by mistake."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import MakeFilm, RunCli, frame_times

from livestyle import InputError, OutputError, load, stylize_film
from livestyle.batch import BatchResult, find_films, plan, render_all, target_of

LATER = time.time() + 86_400  # than anything that these tests do, however long others take before


class Renders:
    """A stand-in for the engine: copies a film, and fails where it is told to."""

    def __init__(self, **errors: BaseException) -> None:
        self.errors, self.seen = errors, list[tuple[str, str]]()

    def __call__(self, source: Path, target: Path) -> None:
        self.seen.append((source.name, target.name))
        if source.stem in self.errors:
            raise self.errors[source.stem]
        shutil.copy(source, target)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with a film `a.mp4`, `b.mov` and `c.avi` that are no real ones."""
    monkeypatch.chdir(tmp_path)
    for name in ("a.mp4", "b.mov", "c.avi"):
        (tmp_path / name).write_text(name)
    return tmp_path


def run(names: list[str], render_one: Renders, out: str = "styled") -> tuple[BatchResult, list[str]]:
    said: list[str] = []
    return render_all([Path(name) for name in names], Path(out), render_one, said.append), said


# What is rendered


def test_every_film_goes_to_a_folder_that_is_made(folder: Path) -> None:
    result, said = run(["a.mp4", "b.mov", "c.avi"], Renders(), out="deep/styled")
    assert sorted(path.name for path in (folder / "deep/styled").iterdir()) == ["a.mp4", "b.mov", "c.mkv"]
    assert [path.name for path in result.done] == ["a.mp4", "b.mov", "c.mkv"]
    assert (result.failed, said) == ((), [])
    assert result.line() == "3 of 3 films done"


def test_a_bad_film_is_said_and_the_others_go_on(folder: Path) -> None:
    engine = Renders(a=InputError("a.mp4: no film\nat all"), b=PermissionError(13, "Permission denied", "b.mov"))
    result, said = run(["a.mp4", "missing.mp4", "b.mov", "c.avi"], engine)
    assert [name for name, _ in engine.seen] == ["a.mp4", "missing.mp4", "b.mov", "c.avi"]
    assert said[0] == "error: a.mp4: no film at all"
    assert "missing.mp4" in said[1]
    assert said[2] == "error: b.mov: Permission denied"
    assert len(said) == 3
    assert [path.name for path, _ in result.failed] == ["a.mp4", "missing.mp4", "b.mov"]
    assert result.line() == "1 of 4 films done, 3 failed"


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(143)])
def test_an_interruption_ends_all(error: BaseException, folder: Path) -> None:
    engine = Renders(a=error)
    with pytest.raises(type(error)):
        run(["a.mp4", "b.mov"], engine)
    assert len(engine.seen) == 1


def test_a_mistake_in_the_program_is_not_a_bad_film(folder: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        run(["a.mp4", "b.mov"], Renders(a=ZeroDivisionError()))


def test_films_are_really_rendered_and_an_existing_one_needs_overwrite(make_film: MakeFilm, tmp_path: Path) -> None:
    films, out = [make_film("a.mp4"), make_film("b.mkv"), make_film("c.avi")], tmp_path / "out"
    stylizer = load("none")
    said: list[str] = []
    films[1].write_bytes(films[1].read_bytes()[:100])
    result = render_all(films, out, lambda film, target: stylize_film(film, target, stylizer), said.append)
    assert [path.name for path in result.done] == ["a.mp4", "c.mkv"]
    assert all(len(frame_times(path)) == 12 for path in result.done)
    assert len(said) == 1
    assert said[0].startswith(f"error: {films[1]}: ")
    said.clear()
    result = render_all(films[:1], out, lambda film, target: stylize_film(film, target, stylizer), said.append)
    assert result.done == ()
    assert "--overwrite" in said[0]


# Again, after an interruption


def resumed(names: list[str], engine: Renders) -> tuple[BatchResult, list[str], list[str]]:
    said: list[str] = []
    noted: list[str] = []
    films = [Path(name) for name in names]
    return render_all(films, Path("styled"), engine, said.append, resume=True, note=noted.append), said, noted


def test_an_interrupted_batch_goes_on_behind_the_films_that_are_done(folder: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(["a.mp4", "b.mov", "c.avi"], Renders(b=KeyboardInterrupt()))
    engine = Renders()
    result, said, noted = resumed(["a.mp4", "b.mov", "c.avi"], engine)
    assert [name for name, _ in engine.seen] == ["b.mov", "c.avi"]
    assert [path.name for path in result.before] == ["a.mp4"]
    assert (result.failed, said, len(noted)) == ((), [], 1)
    assert noted[0].startswith(f"{Path('styled/a.mp4')}: done already")
    assert result.line() == "3 of 3 films done, 1 of them before"


def make_changed_source(folder: Path) -> None:
    os.utime(folder / "a.mp4", (LATER, LATER))


def make_empty_target(folder: Path) -> None:
    (folder / "styled/a.mp4").write_bytes(b"")


def make_interrupted_replacement(folder: Path) -> None:
    left = folder / "styled/.a.mp4.livestyle"
    left.mkdir()
    (left / "manifest.json").write_text("{}")
    os.utime(left / "manifest.json", (LATER, LATER))


@pytest.mark.parametrize("make", [make_changed_source, make_empty_target, make_interrupted_replacement])
def test_a_target_that_is_not_this_film_done_is_not_passed_over(make: Callable[[Path], None], folder: Path) -> None:
    run(["a.mp4"], Renders())
    make(folder)
    engine = Renders(a=OutputError("styled/a.mp4: exists already"))
    result, said, noted = resumed(["a.mp4"], engine)
    assert (len(result.failed), len(said), noted) == (1, 1, [])


def test_what_a_run_left_that_was_killed_at_the_very_end_goes(folder: Path) -> None:
    run(["a.mp4"], Renders())
    left = folder / "styled/.a.mp4.livestyle"
    left.mkdir()
    (left / "manifest.json").write_text("{}")
    os.utime(folder / "styled/a.mp4", (LATER, LATER))
    result, _, _ = resumed(["a.mp4"], Renders())
    assert len(result.before) == 1
    assert not left.exists()


def test_the_same_command_again_is_no_failure(make_film: MakeFilm, tmp_path: Path, run_cli: RunCli) -> None:
    films, out = [make_film("a.mp4"), make_film("b.mp4")], tmp_path / "styled"
    command = ["video", *films, "--out-dir", out, "--style", "none", "--resume"]
    assert run_cli(*command).code == 0
    before = [path.stat() for path in sorted(out.iterdir())]
    outcome = run_cli(*command)
    assert (outcome.code, outcome.err[-1]) == (0, "2 of 2 films done, 2 of them before")
    assert [path.stat() for path in sorted(out.iterdir())] == before
    assert run_cli(*command, "--quiet").err == []
    assert run_cli(*command, "--overwrite").err[-1] == "2 of 2 films done"
    assert run_cli(*command[:-1]).code == 1


# Names


@pytest.mark.parametrize(
    ("name", "target"),
    [
        *(("x.mp4", "x.mp4"), ("x.MOV", "x.MOV"), ("x.m4v", "x.m4v"), ("x.mkv", "x.mkv"), ("x.webm", "x.webm")),
        *(("x.avi", "x.mkv"), ("x.ts", "x.mkv"), ("x.3gp", "x.mp4"), ("x.gif", "x.gif"), ("x.y.wmv", "x.y.mkv")),
        *(("deep/x.mp4", "x.mp4"), ("x", "x.mkv")),
    ],
)
def test_a_target_has_its_films_name_and_a_suffix_that_can_be_written(name: str, target: str) -> None:
    assert target_of(Path(name), Path("out")) == Path("out") / target


def test_a_folder_stands_for_the_films_in_it_but_not_below(folder: Path) -> None:
    (folder / "notes.txt").touch()
    (folder / "._a.mp4").touch()
    (folder / ".a.77.part.mp4").touch()
    (folder / "below.mp4").mkdir()
    (folder / "below.mp4" / "d.mp4").touch()
    (folder / "UPPER.MP4").touch()
    assert find_films([folder]) == [folder / name for name in ("UPPER.MP4", "a.mp4", "b.mov", "c.avi")]


def test_a_folder_without_films_is_an_error(folder: Path) -> None:
    (folder / "none").mkdir()
    with pytest.raises(InputError, match="none: no film in this folder"):
        run(["a.mp4", "none"], Renders())
    assert not (folder / "styled").exists()


def test_a_pattern_that_the_shell_left_alone_is_expanded(folder: Path) -> None:
    (folder / "folder.mp4").mkdir()
    assert find_films([Path("?.m*")]) == [Path("a.mp4"), Path("b.mov")]
    with pytest.raises(InputError, match=r"\*\.wmv: no file has such a name"):
        find_films([Path("*.wmv")])


def test_a_name_with_brackets_that_exists_is_no_pattern(folder: Path) -> None:
    (folder / "[ab].mp4").touch()
    assert find_films([Path("[ab].mp4")]) == [Path("[ab].mp4")]


def test_a_film_named_twice_is_rendered_once(folder: Path) -> None:
    names = [Path("a.mp4"), Path("./a.mp4"), folder / "a.mp4", Path("*.mp4"), folder]
    assert [film.name for film in find_films(names)] == ["a.mp4", "b.mov", "c.avi"]


# What must not be


@pytest.mark.parametrize("pair", [("deep/a.mp4", "a.mp4"), ("a.avi", "a.mkv"), ("A.MP4", "a.mp4")])
def test_two_films_for_one_target_are_refused_before_anything_is_written(pair: tuple[str, str], folder: Path) -> None:
    engine = Renders()
    with pytest.raises(OutputError, match="would both be written there") as raised:
        run(["c.avi", *pair], engine)
    assert all(name in str(raised.value) for name in pair)
    assert engine.seen == []
    assert not (folder / "styled").exists()


@pytest.mark.parametrize("kind", ["itself", "dotted", "folder is a link", "link", "hard link", "another input"])
def test_no_target_is_one_of_the_inputs(kind: str, folder: Path) -> None:
    names, out = ["b.mov", "a.mp4"], folder / "styled"
    if kind == "itself":
        out = folder
    elif kind == "dotted":
        out = folder / ".." / folder.name
    elif kind == "folder is a link":
        out.symlink_to(folder)
    else:
        out.mkdir()
        if kind == "link":
            (out / "a.mp4").symlink_to(folder / "a.mp4")
        elif kind == "hard link":
            (out / "a.mp4").hardlink_to(folder / "a.mp4")
        else:
            (out / "a.mp4").write_text("other")
            names.append("styled/a.mp4")
    engine = Renders()
    with pytest.raises(OutputError, match=r"one of the inputs|would both be written"):
        run(names, engine, out=str(out))
    assert engine.seen == []
    assert (folder / "a.mp4").read_text() == "a.mp4"


def test_an_input_that_is_another_films_target_is_refused(folder: Path) -> None:
    (folder / "styled").mkdir()
    (folder / "styled" / "a.mp4").write_text("other")
    (folder / "other.mov").symlink_to("styled/a.mp4")
    with pytest.raises(OutputError, match="one of the inputs"):
        plan([Path("a.mp4"), Path("other.mov")], Path("styled"))


def test_out_dir_must_not_be_a_file(folder: Path) -> None:
    with pytest.raises(OutputError, match="is a file"):
        run(["a.mp4"], Renders(), out="b.mov")
    with pytest.raises(OutputError, match=r"cannot be made \(Not a directory\)"):
        run(["a.mp4"], Renders(), out="b.mov/deep")
