"""The doctor as a whole, and what it says of Python, packages and what is the user's own."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from scripted import INSTALLED, TIMEOUT, Scripted, only

from livestyle.doctor import _AGAIN, CHECKS, Check, Finding, System, own, packages, report, run_doctor

# The whole


def test_a_check_that_fails_or_hangs_leaves_the_others_alone() -> None:
    never = threading.Event()

    def fails(_: System) -> list[Finding]:
        raise RuntimeError("a driver\nspoke")

    def too_slow(_: System) -> list[Finding]:
        raise TIMEOUT

    def hangs(_: System) -> list[Finding]:
        never.wait()
        return []

    fine = Finding("last", "ok", "fine")
    checks = [
        Check("one", fails),
        Check("two", too_slow),
        Check("three", hangs, seconds=0.05),
        Check("four", fails, alone=True),
    ]
    findings = run_doctor(system=Scripted(), checks=[*checks, Check("last", lambda _: [fine])])
    never.set()
    assert findings == [
        Finding("one", "unknown", "could not be checked (RuntimeError: a driver spoke)", _AGAIN),
        Finding("two", "unknown", "could not be checked (it took too long)", _AGAIN),
        Finding("three", "unknown", "could not be checked (it took too long)", _AGAIN),
        Finding("four", "unknown", "could not be checked (RuntimeError: a driver spoke)", _AGAIN),
        fine,
    ]


def test_a_measuring_check_runs_while_no_other_does() -> None:
    running: set[str] = set()
    seen: list[set[str]] = []

    def note(name: str) -> Check:
        def look(_: System) -> list[Finding]:
            running.add(name)
            seen.append(set(running))
            if name == "measures":
                running.remove(name)
            return [Finding(name, "ok", "")]

        return Check(name, look, alone=name == "measures")

    findings = run_doctor(system=Scripted(), checks=[note("a"), note("measures"), note("b")])
    assert {"measures"} in seen
    assert [finding.name for finding in findings] == ["a", "measures", "b"]


def test_the_home_folder_is_not_told() -> None:
    told = Finding("x", "problem", "/home/ada/.config broken, /home/adam is not", 'mv "/home/ada/a b" "/home/ada"')
    (finding,) = run_doctor(system=Scripted(), checks=[Check("x", lambda _: [told])])
    assert finding.detail == "~/.config broken, /home/adam is not"
    assert finding.fix == 'mv "$HOME/a b" "$HOME"'


def test_the_report_has_a_line_for_each_finding_its_fix_and_the_sum() -> None:
    lines = report(
        [Finding("a", "ok", "good"), Finding("long", "problem", "bad", "mend it"), Finding("c", "warning", "so so")]
    ).splitlines()
    assert [line.split() for line in lines] == [
        ["\x1b[32mok", "\x1b[0m", "a", "good"],
        ["\x1b[31mproblem", "\x1b[0m", "long", "bad"],
        ["->", "mend", "it"],
        ["\x1b[33mwarning", "\x1b[0m", "c", "so", "so"],
        [],
        ["1", "problem,", "1", "warning"],
    ]
    assert report([Finding("a", "ok", "good")]).endswith("all is well")


def test_a_finding_is_a_row_of_plain_values() -> None:
    row = Finding("a", "ok", "good").row()
    assert json.loads(json.dumps(row)) == {"name": "a", "state": "ok", "detail": "good", "fix": ""}


def test_on_a_machine_where_nothing_answers_each_check_still_says_something() -> None:
    findings = run_doctor(system=Scripted(probes={}, installed={}, requirements=[]))
    assert {"unknown", "problem"} <= {finding.state for finding in findings}
    assert len(findings) >= len(CHECKS) - 3  # memory, permission and torchvision have nothing to say of nothing


# Python and packages


def test_python_and_system() -> None:
    system = Scripted(files={"/etc/os-release": 'NAME="Debian"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n'})
    state, detail, _ = only(packages.python(system))
    assert (state, detail) == ("ok", "3.12.1, Debian GNU/Linux 12 (bookworm), Linux 6.1.0-amd64, x86_64")
    assert only(packages.python(Scripted(python=(3, 10, 9)))).state == "problem"


def test_packages_and_extras_as_the_metadata_asks() -> None:
    found = {finding.name: finding for finding in packages.packages(Scripted())}
    assert found["packages"] == Finding("packages", "ok", "av 18.1.0, click 8.5.1")
    assert found["extra live"] == Finding("extra live", "ok", "pyvirtualcam 0.15.0")
    assert found["extra train"].state == "ok"
    assert found["extra train"].fix == 'pip install "livestyle[train]"'
    assert set(found) == {
        "packages",
        "extra live",
        "extra mask",
        "extra train",
    }  # the engines have a check of their own


@pytest.mark.parametrize(
    ("change", "said", "fix"),
    [
        ({"av": "19.0.0"}, "av 19.0.0 (needs <19,>=14)", 'pip install "av<19,>=14"'),
        ({"av": "9.2"}, "av 9.2 (needs <19,>=14)", 'pip install "av<19,>=14"'),
        ({"click": None}, "click is missing (needs >=8.1)", 'pip install "click>=8.1"'),
    ],
)
def test_a_missing_or_unfit_package_is_a_problem(change: dict[str, str | None], said: str, fix: str) -> None:
    installed = {name: version for name, version in (INSTALLED | change).items() if version}
    finding = packages.packages(Scripted(installed=installed))[0]
    assert finding == Finding("packages", "problem", said, fix)


@pytest.mark.parametrize("installed", [{"torch": "2.13.0+cpu"}, {"torch": "2.12.0", "safetensors": "0.8"}])
def test_half_an_extra_is_a_warning(installed: dict[str, str]) -> None:
    found = {finding.name: finding for finding in packages.packages(Scripted(installed=INSTALLED | installed))}
    assert found["extra train"].state == "warning"
    assert "not complete" in found["extra train"].detail


def test_a_package_of_another_extra_does_not_make_half_of_this_one() -> None:
    installed = INSTALLED | {"onnx": "1.23.2", "tflite": "2.18.0"}
    found = {finding.name: finding for finding in packages.packages(Scripted(installed=installed))}
    assert found["extra mask"].detail == "onnx 1.23.2, tflite 2.18.0"
    assert (found["extra train"].state, found["extra train"].detail.split(";")[0]) == ("ok", "not installed")


def test_without_metadata_packages_are_unknown() -> None:
    assert only(packages.packages(Scripted(requirements=[]))).state == "unknown"


def test_a_torchvision_for_another_torch_is_a_warning() -> None:
    installed = INSTALLED | {"torchvision": "0.28.0"}
    error = "operator torchvision::nms does not exist"
    found = packages.torchvision(Scripted(installed=installed, probes={"torchvision": {"error": error}}))
    assert only(found).state == "warning"
    assert error in only(found).detail
    assert "vgg19" in only(found).detail
    fits = packages.torchvision(Scripted(installed=installed, probes={"torchvision": {}}))
    assert fits == [Finding("torchvision", "ok", "0.28.0")]
    assert packages.torchvision(Scripted()) == []


def test_two_onnxruntimes_overwrite_each_other() -> None:
    installed = {"onnxruntime": "1.31.1", "onnxruntime-gpu": "1.30.0", "onnxruntime-extensions": "0.14"}
    state, detail, fix = only(packages.onnxruntime(Scripted(installed=installed)))
    assert (state, detail) == (
        "problem",
        "onnxruntime 1.31.1 and onnxruntime-gpu 1.30.0 are the same module and overwrite each other",
    )
    assert fix == 'pip uninstall -y onnxruntime onnxruntime-gpu && pip install "livestyle[gpu]"'


def test_one_onnxruntime_is_well_and_none_is_a_problem() -> None:
    assert only(packages.onnxruntime(Scripted())) == ("ok", "onnxruntime 1.31.1", "")
    assert only(packages.onnxruntime(Scripted(installed={}))).fix == 'pip install "livestyle[cpu]"'


# What is the user's own


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LIVESTYLE_HOME", str(tmp_path))
    return tmp_path


def test_the_own_folder_is_writable_or_its_nearest_parent(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = home / "not" / "made"
    monkeypatch.setenv("LIVESTYLE_HOME", str(inner))
    assert only(own.folder(Scripted(files={str(home): ""}))) == ("ok", str(inner), "")
    found = only(own.folder(Scripted(files={str(home): ""}, closed=(str(home),))))
    assert found.state == "problem"
    assert str(home) in found.fix
    assert not inner.exists()


def test_settings(home: Path) -> None:
    file = home / "config.toml"
    assert only(own.settings(Scripted()))[:2] == ("ok", f"none; they would be in {file}")
    file.write_text("style = 'wave'\n[cam]\ncamera = 1\n")
    assert only(own.settings(Scripted()))[:2] == ("ok", f"{file}: style, camera")
    file.write_text("stile = 'wave'\n")
    found = only(own.settings(Scripted()))
    assert found.state == "problem"
    assert "did you mean 'style'?" in found.detail


def test_styles_shipped_and_own(home: Path) -> None:
    (home / "styles").mkdir()
    (good,) = own.styles(Scripted())
    assert good.state == "ok"
    assert good.detail.endswith("0 of your own")
    (home / "styles" / "mine.onnx").write_bytes(b"no network")
    _, bad = own.styles(Scripted())
    assert (bad.name, bad.state) == ("style mine", "warning")
    assert "damaged" in bad.detail


def test_a_damaged_shipped_style_is_a_problem(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from livestyle import styles
    from livestyle.errors import StyleError

    def broken(name: str) -> None:
        raise StyleError(f"{name}: damaged")

    monkeypatch.setattr(styles, "find", broken)
    assert only(own.styles(Scripted())).state == "problem"
