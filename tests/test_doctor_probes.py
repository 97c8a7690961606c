"""The doctor's probes on this machine, and the machine as it sees it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import numpy as np
import pytest

from livestyle.doctor import System, engine
from livestyle.doctor import probe as probes
from livestyle.doctor.system import Done, ProbeError, read_probe
from livestyle.frame import Frame
from livestyle.media.source import LiveSource


def test_the_real_system_reads_what_is_not_there_as_empty(tmp_path: Path) -> None:
    system = System()
    assert system.read(str(tmp_path / "no")) == ""
    assert system.listing(str(tmp_path / "no")) == []
    assert system.run("no-such-program-of-livestyle") is None
    assert system.packages()["click"]
    assert any(text.startswith("av") for text in system.requirements())


def test_a_program_that_hangs_is_ended() -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        System().run(sys.executable, "-c", "import time; time.sleep(60)", timeout=0.2)


@pytest.mark.parametrize(
    ("done", "said"),
    [
        (None, "did not start"),
        (Done(-6, "", "terminate called\nAborted\n"), "ended with -6: Aborted"),
        (Done(0, "chatter\n", ""), "ended with 0"),
        (Done(0, "[1]\n", ""), "ended with 0"),
    ],
)
def test_a_probe_that_says_nothing_is_an_error(done: Done | None, said: str) -> None:
    with pytest.raises(ProbeError, match=said):
        read_probe(done)


def test_a_probes_answer_is_its_last_line() -> None:
    assert read_probe(Done(0, 'Failed to load libx\n\n{"a": 1}\n', "noise")) == {"a": 1}


def test_the_cpu_probe_times_a_shipped_style_here(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime")
    monkeypatch.setattr(probes, "MOST_RUNS", 1)
    answer = probes.engine("cpu")
    assert answer["device"].startswith("cpu")
    assert answer["ms"] > 0
    assert answer["runs"] == 1


def test_a_probe_runs_in_a_python_of_its_own() -> None:
    answer = System().probe("codecs", timeout=60)
    assert answer["missing"] == []
    with pytest.raises(ProbeError, match="KeyError"):
        System().probe("nonsense", timeout=60)


def test_codecs_that_are_not_there_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import av.codec

    real = av.codec.Codec

    def codec(name: str, mode: Any) -> Any:
        if name == "libx264":
            raise ValueError("no codec")
        return real(name, mode)

    monkeypatch.setattr(av.codec, "Codec", codec)
    assert probes.codecs()["missing"] == ["libx264 (encoder)"]


def test_the_torchvision_probe_imports_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)  # as one that cannot be found
    assert "torchvision" in probes.torchvision()["error"]
    monkeypatch.setitem(sys.modules, "torchvision", ModuleType("torchvision"))
    monkeypatch.setitem(sys.modules, "torchvision.models", ModuleType("torchvision.models"))
    assert probes.torchvision() == {}


@pytest.mark.skipif(sys.platform != "linux", reason="the loader's words are Linux's")
def test_the_cuda_probe_names_the_driver_and_the_libraries_that_do_not_load() -> None:
    pytest.importorskip("onnxruntime")
    answer = probes.cuda_libraries()
    if answer["driver"]:
        assert engine.missing_library(answer["driver"]) == "libcuda.so.1"
    if answer["part"]:
        assert engine.missing_library(answer["part"]).endswith(".so") or ".so." in answer["part"]
    assert set(answer["missing"]) <= {name for cuda in ("12", "13") for name in probes.cuda_names(cuda, windows=False)}


def test_cuda_names_follow_the_version_and_the_system() -> None:
    assert probes.cuda_names("12", windows=False)[:4] == [
        "libcudart.so.12",
        "libcublasLt.so.12",
        "libcublas.so.12",
        "libcufft.so.11",
    ]
    assert probes.cuda_names("13", windows=True)[-2:] == ["cufft64_12.dll", "cudnn64_9.dll"]


class FakeSource:
    """A camera of known pace that takes three seconds to wake up; it moves the clock."""

    def __init__(self, fps: float, frames: int = 1000) -> None:
        self._fps, self._frames, self.now = fps, frames, 0.0

    def __iter__(self) -> Iterator[Frame]:
        self.now += 3
        for index in range(self._frames):
            yield Frame(np.zeros((48, 64, 3), np.uint8), Fraction(index), index)
            self.now += 1 / self._fps


@pytest.mark.parametrize("fps", [4.0, 30.0])
def test_the_camera_probe_counts_frames_after_the_first(fps: float) -> None:
    source = FakeSource(fps)
    answer = probes.watch(cast(LiveSource, source), clock=lambda: source.now)
    assert answer == {"mode": "64x48", "fps": pytest.approx(fps)}
    assert source.now < 3 + 1.5 + 2 / fps


@pytest.mark.parametrize("frames", [0, 1])
def test_the_camera_probe_tells_a_camera_that_gives_nothing(frames: int) -> None:
    source = FakeSource(30, frames)
    assert probes.watch(cast(LiveSource, source), clock=lambda: source.now)["fps"] == 0


def test_the_camera_probe_tells_why_it_cannot_open() -> None:
    assert "error" in probes.camera("/dev/video99")
