"""Shell completion, asked the way the shells ask."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from livestyle.cli import cli
from livestyle.completion import SHELLS, StyleType, completion_script, style_names
from livestyle.errors import InputError

SHIPPED = {"starry", "wave", "scream", "udnie", "starry-johnson", "irises-johnson"}
SHIPPED |= {"irises", "parasol", "cezanne", "kandinsky", "mosaic", "etching", "seurat", "matisse"}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LIVESTYLE_HOME", str(tmp_path))
    (tmp_path / "styles").mkdir()
    (tmp_path / "styles" / "mine.onnx").touch()
    return tmp_path


def offered(*words: str) -> list[str]:
    """What bash's function is given for the last word."""
    asked = {"_LIVESTYLE_COMPLETE": "bash_complete", "COMP_WORDS": " ".join(("livestyle", *words))}
    command = [sys.executable, "-m", "livestyle.cli"]
    environment = os.environ | asked | {"COMP_CWORD": str(len(words))}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert done.stderr == ""
    return [line.partition(",")[2] for line in done.stdout.splitlines()]


def test_commands_and_options_are_offered() -> None:
    assert "cam" in offered("ca")
    assert "--style" in offered("cam", "--st")
    assert offered("cam", "--device", "c") == ["cpu", "cuda"]


def test_a_style_is_offered_by_its_first_letters() -> None:
    assert offered("cam", "--style", "wa") == ["wave"]
    assert offered("video", "a.mp4", "b.mp4", "--style", "mi") == ["mine"]
    assert offered("cam", "--style", "no") == ["none"]


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("", SHIPPED | {"mine", "none"}),
        ("w", {"wave"}),
        ("starry+w", {"starry+wave"}),
        ("starry:0.7+sc", {"starry:0.7+scream"}),
        ("zzz", set()),
    ],
)
def test_names_begin_as_typed_and_mixes_go_on(typed: str, expected: set[str]) -> None:
    option = click.Option(["--style"], type=StyleType())
    items = StyleType().shell_complete(click.Context(cli), option, typed)
    assert {item.value for item in items} == expected
    assert all(item.help for item in items)


@pytest.mark.parametrize("typed", ["./st", "~/st", "/tmp/st", "styles/st"])
def test_what_looks_like_a_path_is_left_to_the_shell(typed: str) -> None:
    option = click.Option(["--style"], type=StyleType())
    (item,) = StyleType().shell_complete(click.Context(cli), option, typed)
    assert (item.type, item.value) == ("file", typed)


def test_all_styles_have_a_word_on_them() -> None:
    assert set(style_names()) == SHIPPED | {"mine", "none"}
    assert "Gogh" in style_names()["starry"]


def test_offering_names_loads_nothing_heavy() -> None:
    code = "import sys\nfrom livestyle.completion import style_names\nstyle_names()\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(done.stdout.split()) & {"numpy", "cv2", "av", "onnxruntime"}


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_has_a_script(shell: str) -> None:
    script = completion_script(shell, cli)
    assert f"_LIVESTYLE_COMPLETE={shell}_complete" in script
    assert script.startswith("#compdef livestyle") == (shell == "zsh")


def test_another_shell_is_an_error() -> None:
    with pytest.raises(InputError, match="shell 'csh': there are bash, zsh, fish"):
        completion_script("csh", cli)


def test_the_command_prints_the_script() -> None:
    command = [sys.executable, "-m", "livestyle.cli", "completion", "bash"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == completion_script("bash", cli).strip()


def test_bash_completes_with_the_script(tmp_path: Path) -> None:
    """The real shell loads it and calls its function, as the tab key would."""
    bash = shutil.which("bash")
    if not bash:
        pytest.skip("bash is not installed")
    program = tmp_path / "livestyle"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m livestyle.cli "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    (tmp_path / "script").write_text(completion_script("bash", cli), encoding="utf-8")
    keys = """
        source "$1"
        complete -p livestyle > /dev/null || exit 3
        COMP_WORDS=(livestyle cam --style st) COMP_CWORD=3
        _livestyle_completion livestyle st --style
        echo "${COMPREPLY[*]}"
    """
    environment = os.environ | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        [bash, "--norc", "-c", keys, "bash", tmp_path / "script"],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    assert (done.stdout.strip(), done.stderr) == ("starry starry-johnson", "")
