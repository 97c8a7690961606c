"""`livestyle styles add`, `remove`, `path` and `--gallery`."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from conftest import RunCli
from handmade import RED, one_style_model, save

import livestyle
from livestyle.styles import own

LITE = Path(livestyle.__file__).parent / "styles" / "lite.onnx"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LIVESTYLE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


def test_an_added_style_is_found_by_its_name_and_gone_when_removed(run_cli: RunCli, home: Path) -> None:
    added = run_cli("styles", "add", LITE, "--name", "mine")
    target = home / "styles" / "mine.onnx"
    assert (added.code, added.out) == (0, f"{target}\n") and target.read_bytes() == LITE.read_bytes()
    assert run_cli("styles", "path", "mine").out == f"{target}\n"
    assert run_cli("styles", "path", "mine#wave").out == f"{target}\n"
    assert run_cli("styles", "path").out == f"{home / 'styles'}\n"
    (home / "styles" / "mine.card.html").touch()
    (home / "styles" / "mine2.card.html").touch()
    assert run_cli("styles", "remove", "mine").code == 0
    assert [path.name for path in (home / "styles").iterdir()] == ["mine2.card.html"] and own() == {}


@pytest.mark.parametrize("name", ["", "starry", "none", "mine", "a+b", "a:1", ".a", "a#b", "../a", " a", "a "])
def test_a_name_that_is_taken_or_cannot_be_written_is_an_error(name: str, run_cli: RunCli, home: Path) -> None:
    assert run_cli("styles", "add", LITE, "--name", "mine").code == 0
    before = sorted(home.rglob("*"))
    refused = run_cli("styles", "add", LITE, "--name", name)
    assert refused.code == 1 and len(refused.err) == 1 and "--name" in refused.err[0]
    assert sorted(home.rglob("*")) == before


@pytest.mark.parametrize("name", ["x" * 201, "波" * 67, "x" * 250])
def test_a_name_that_leaves_no_room_for_others_beside_it_is_an_error(name: str, run_cli: RunCli, home: Path) -> None:
    refused = run_cli("styles", "add", LITE, "--name", name)
    assert refused.code == 1 and len(refused.err) == 1 and "too long" in refused.err[0]
    assert run_cli("styles", "add", LITE, "--name", "x" * 200).code == 0


def test_only_whole_style_files_are_ones_own(home: Path) -> None:
    (home / "styles" / "folder.onnx").mkdir(parents=True)
    (home / "styles" / ".mine.1234.part.onnx").touch()  # of a training that was killed
    (home / "styles" / "gone.onnx").symlink_to("nowhere")
    assert own() == {}


def test_the_table_shows_names_as_they_are(run_cli: RunCli) -> None:
    for name in ("[red]x", "[b]"):
        assert run_cli("styles", "add", LITE, "--name", name).code == 0
    listed = run_cli("styles")
    assert listed.code == 0 and "[red]x" in listed.out and "[b]" in listed.out


def test_what_is_no_file_has_no_path(run_cli: RunCli) -> None:
    refused = run_cli("styles", "path", "none")
    assert refused.code == 1 and "leaves pictures as they are" in refused.err[0]


def test_an_empty_name_is_not_the_folder(run_cli: RunCli) -> None:
    refused = run_cli("styles", "path", "")
    assert (refused.code, refused.out) == (1, "")


def test_ones_own_style_is_replaced_if_asked(run_cli: RunCli) -> None:
    assert run_cli("styles", "add", LITE, "--name", "mine").code == 0
    assert run_cli("styles", "add", LITE, "--name", "mine", "--overwrite").code == 0


def test_a_file_that_fails_the_checks_is_not_added(run_cli: RunCli, tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(LITE.read_bytes()[:5000])
    refused = run_cli("styles", "add", tmp_path / "bad.onnx")
    assert refused.code == 1 and "damaged" in refused.err[0] and own() == {}


def test_a_file_that_passes_the_checks_but_does_not_run_is_not_added(run_cli: RunCli, tmp_path: Path) -> None:
    unloadable, unrunnable = one_style_model(RED), one_style_model(RED)
    unloadable.graph.node[1].input[0] = "nowhere"
    unrunnable.graph.node[-1].input[0] = "colour"  # one number of each, not a picture
    for model, reason in ((unloadable, "onnxruntime cannot load it"), (unrunnable, "of (64, 64, 3)")):
        file = save(model, tmp_path / "bad.onnx")
        refused = run_cli("styles", "add", file)
        assert refused.code == 1 and len(refused.err) == 1 and own() == {}
        assert refused.err[0].startswith(f"error: {file}: ") and reason in refused.err[0]
    assert run_cli("styles", "add", save(one_style_model(RED), tmp_path / "good.onnx")).code == 0


@pytest.mark.parametrize(("name", "reason"), [("starry", "comes with livestyle"), ("nine", "did you mean 'mine'")])
def test_only_ones_own_styles_are_removed(name: str, reason: str, run_cli: RunCli) -> None:
    run_cli("styles", "add", LITE, "--name", "mine")
    refused = run_cli("styles", "remove", name)
    assert refused.code == 1 and reason in refused.err[0] and list(own()) == ["mine"]
    assert LITE.exists()


def test_the_gallery_is_one_file_with_every_style(
    run_cli: RunCli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "skimage", None)  # then a single frame: quicker
    run_cli("styles", "add", LITE, "--name", "mine")
    assert run_cli("styles", "--gallery").out == "gallery.html\n"
    text = (tmp_path / "gallery.html").read_text(encoding="utf-8")
    assert {"none", "starry", "starry-johnson", "mine", "mine#wave"} <= set(re.findall(r"<h2>(.*?)</h2>", text))
    pictures = re.findall(r"src='([^']{40})", text)
    assert len(pictures) == text.count("<h2>") and all(src.startswith("data:image/jpeg;base64,") for src in pictures)
    assert "http" not in text
    assert run_cli("styles", "--gallery").code == 1  # it is there already
    assert run_cli("styles", "--gallery", "gallery.html", "--overwrite").code == 0
