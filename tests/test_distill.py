"""Making the small loss network: least squares first, then agreement with the teacher on what is painted too."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")
pytest.importorskip("onnx")

from conftest import gradient  # noqa: E402
from PIL import Image as Pillow  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402

from livestyle.losses import content_loss  # noqa: E402
from livestyle.nets.vgg import LossNetwork, LossNetworks, load_loss_network, student_from  # noqa: E402
from livestyle.training import distill  # noqa: E402

torch.set_num_threads(1)
WIDTHS = {"11": 4, "12": 3, "21": 6, "22": 3, "31": 8, "32": 4, "33": 4, "34": 4, "41": 4}
TEACHER = {"0": (3, 4), "2": (4, 6), "5": (6, 6), "7": (6, 6), "10": (6, 8), "12": (8, 8), "14": (8, 8)}
TEACHER |= {"16": (8, 8), "19": (8, 10)}  # VGG-19 to relu4_1


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Photos, paintings and a teacher of few channels."""
    torch.manual_seed(0)
    monkeypatch.setattr(distill, "WIDTHS", WIDTHS)
    monkeypatch.setattr(distill, "_WIDE", {"41": 10})
    monkeypatch.setattr(distill, "_SIDE", 32)
    rng = np.random.default_rng(0)
    for place in ("photos", "paintings"):
        (tmp_path / place).mkdir()
        for i in range(3):
            image = gradient(80, 60, shift=25 * i) if place == "photos" else rng.integers(0, 256, (60, 80, 3), np.uint8)
            Pillow.fromarray(image).save(tmp_path / place / f"{i}.png")
    weights = {}
    for number, (inputs, outputs) in TEACHER.items():
        weights[f"features.{number}.weight"] = torch.randn(outputs, inputs, 3, 3) / (3 * inputs**0.5)
        weights[f"features.{number}.bias"] = torch.rand(outputs) / 3
    save_file(weights, tmp_path / "teacher.safetensors")
    return tmp_path


def teacher_of(folder: Path) -> LossNetwork:
    network = load_loss_network(folder / "teacher.safetensors")
    network.pad_mode = "reflect"
    return network


def test_least_squares_find_a_layer_as_wide_as_the_teachers(folder: Path) -> None:
    teacher = teacher_of(folder)
    student = student_from(distill.first_weights(teacher, torch.rand(8, 3, 32, 32)))
    x = torch.rand(1, 3, 32, 32)
    torch.testing.assert_close(student(x, ["relu1_1"]), teacher(x, ["relu1_1"]), atol=0.01, rtol=0.01)


def test_a_narrower_layer_keeps_the_channels_that_tell_the_most() -> None:
    y = torch.rand(2, 4, 16, 16)
    y[:, 2] = 3 * y[:, 0]  # says what the first says, louder
    y[:, 3] = 0.01
    assert distill._telling(y, 2, torch.Generator().manual_seed(0)) == [1, 2]


def test_the_student_comes_to_agree_with_its_teacher(folder: Path) -> None:
    teachers = LossNetworks([teacher_of(folder)])
    weights = distill.first_weights(teacher_of(folder), torch.rand(8, 3, 32, 32))
    x = torch.rand(4, 3, 32, 32)
    right = teachers(x, distill.NAMES)

    def disagreement(layer: str) -> float:
        told = student_from({name: tensor.detach() for name, tensor in weights.items()})(x, [layer])
        return content_loss(told, {layer: right[layer]}, {layer: 1.0}).mean().item()

    before = disagreement("relu4_1")
    steps = distill.distill(teachers, weights, photos=folder / "photos", paintings=folder / "paintings", iterations=60)
    assert [step for step, _ in steps] == list(range(1, 61))
    assert disagreement("relu4_1") < 0.7 * before
    assert disagreement("relu1_1") < 0.01


def test_its_command_writes_a_loss_network(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = folder / "small.safetensors"
    arguments = ["--teacher", str(folder / "teacher.safetensors"), "--photos", str(folder / "photos")]
    arguments += ["--paintings", str(folder / "paintings"), "--out", str(out), "--iterations", "2"]
    monkeypatch.setattr(sys, "argv", ["distill", *arguments])
    distill.main()
    assert load_loss_network(out).layers == distill.NAMES
    assert all(tensor.dtype == torch.float16 for tensor in load_file(out).values())


def test_its_options_are_told_without_a_teacher() -> None:
    told = subprocess.run(
        [sys.executable, "-m", "livestyle.training.distill", "--help"], capture_output=True, text=True, check=True
    )
    assert "--teacher" in told.stdout


def test_a_missing_teacher_is_one_line(tmp_path: Path) -> None:
    folders = ["--photos", str(tmp_path), "--paintings", str(tmp_path), "--out", str(tmp_path / "out.safetensors")]
    program = [sys.executable, "-m", "livestyle.training.distill", "--teacher", "nowhere.safetensors", *folders]
    run = subprocess.run(program, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert run.stderr.splitlines()[-1].startswith("error: nowhere.safetensors") and "Traceback" not in run.stderr
