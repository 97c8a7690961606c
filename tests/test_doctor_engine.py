"""The doctor on devices, GPU, processor and memory, on scripted machines."""

from __future__ import annotations

from typing import Any

import pytest
from scripted import TIMEOUT, Scripted, only

from livestyle.doctor import engine
from livestyle.doctor.system import Done, ProbeError

CPU = {"providers": ["CPUExecutionProvider"], "cuda": "", "version": "1.31.1"}
CUDA = {"providers": ["CUDAExecutionProvider", "CPUExecutionProvider"], "cuda": "13.0", "version": "1.31.1"}
FALLS = {"error": "device cuda: no session starts on it"}
SMI = {"nvidia-smi": Done(0, "NVIDIA T4, 580.65.06, 15360 MiB\n", "")}
BUS = {"/sys/bus/pci/devices/0000:01:00.0/vendor": "0x10de\n", "/sys/bus/pci/devices/0000:01:00.0/class": "0x030000\n"}


def timed(ms: float, device: str = "cpu, 2 threads (onnxruntime)") -> dict[str, Any]:
    return {"device": device, "ms": ms, "runs": 20}


def gpu_machine(cuda: dict[str, Any] | Exception, **changes: Any) -> Scripted:
    given: dict[str, Any] = {"programs": SMI, **changes}
    probed = {"providers": CUDA, "engine cpu": timed(20), "engine cuda": cuda, **given.pop("probes", {})}
    return Scripted(probes=probed, **given)


def test_the_cpu_is_proven_by_timing() -> None:
    system = Scripted(probes={"providers": CPU, "engine cpu": timed(20.8)})
    assert only(engine.devices(system)) == (
        "ok",
        "21 ms a frame at 640x360 (48 fps), cpu, 2 threads (onnxruntime), median of 20",
        "",
    )
    assert system.asked == ["providers", "engine cpu"]


def test_a_slow_cpu_is_a_warning() -> None:
    assert only(engine.devices(Scripted(probes={"providers": CPU, "engine cpu": timed(100)}))).state == "warning"


@pytest.mark.parametrize("answer", [{"error": "style broken"}, ProbeError("ended with -4: Illegal instruction")])
def test_a_cpu_that_does_not_run_is_a_problem(answer: Any) -> None:
    state, detail, _ = only(engine.devices(Scripted(probes={"providers": CPU, "engine cpu": answer})))
    assert state == "problem"
    assert "broken" in detail or "Illegal instruction" in detail


def test_an_onnxruntime_that_cannot_be_imported_is_a_problem() -> None:
    system = Scripted(probes={"providers": ProbeError("ended with 1: ImportError: DLL load failed")})
    assert only(engine.devices(system)).state == "problem"


def test_a_gpu_is_proven_by_timing() -> None:
    cpu, cuda = engine.devices(gpu_machine(timed(2, "cuda (onnxruntime)")))
    assert (cpu.state, cuda.state) == ("ok", "ok")
    assert cuda.detail.startswith("2 ms a frame at 640x360 (500 fps), cuda")


def test_a_gpu_slower_than_the_cpu_is_a_warning() -> None:
    cuda = engine.devices(gpu_machine(timed(30)))[1]
    assert (cuda.name, cuda.state, cuda.fix) == ("cuda", "warning", "livestyle cam --device cpu")


def test_a_device_that_hangs_is_unknown_and_the_other_is_still_told() -> None:
    cpu, cuda = engine.devices(gpu_machine(TIMEOUT))
    assert (cpu.state, cuda.state) == ("ok", "unknown")


@pytest.mark.parametrize(
    ("loading", "said", "fix"),
    [
        (
            {"driver": "libcuda.so.1: cannot open shared object file: No such file or directory"},
            "libcuda.so.1 is missing, the NVIDIA driver's",
            "sudo apt-get install nvidia-driver",
        ),
        (
            {"part": "libcublasLt.so.13: cannot open shared object file: No such file or directory"},
            "libcublasLt.so.13: missing",
            'pip install --upgrade --force-reinstall "livestyle[gpu]"',
        ),
        (
            {
                "part": "Could not find module 'C:\\x\\onnxruntime_providers_cuda.dll' (or one of its dependencies).",
                "missing": ["cudnn64_9.dll"],
            },
            "cudnn64_9.dll: missing",
            'pip install --upgrade --force-reinstall "livestyle[gpu]"',
        ),
        ({}, "no session starts on it: device cuda", "nvidia-smi"),
    ],
)
def test_a_gpu_fallen_back_from_names_the_missing_library(loading: dict[str, Any], said: str, fix: str) -> None:
    answer = {"driver": "", "part": "", "missing": [], **loading}
    cuda = engine.devices(gpu_machine(FALLS, probes={"cuda_libraries": answer}))[1]
    assert cuda.state == "problem"
    assert said in cuda.detail
    assert cuda.fix.startswith(fix)


def test_a_driver_too_old_for_this_cuda_is_named() -> None:
    old = {"nvidia-smi": Done(0, "NVIDIA T4, 535.183.01, 15360 MiB\n", "")}
    answer = {"cuda_libraries": {"driver": "", "part": "", "missing": []}}
    cuda = engine.devices(gpu_machine(FALLS, programs=old, probes=answer))[1]
    assert "driver 535.183.01 is too old for CUDA 13 (needs 580)" in cuda.detail


def test_the_gpu_build_without_a_gpu_is_only_a_warning() -> None:
    cuda = engine.devices(gpu_machine(FALLS, programs={}))[1]
    assert (cuda.state, cuda.fix) == ("warning", "livestyle cam --device cpu")


def test_a_gpu_that_the_cpu_build_leaves_idle_is_told() -> None:
    system = Scripted(probes={"providers": CPU, "engine cpu": timed(20)}, programs=SMI)
    cuda = engine.devices(system)[1]
    assert cuda.state == "warning"
    assert cuda.fix == 'pip uninstall -y onnxruntime && pip install "livestyle[gpu]"'


@pytest.mark.parametrize(
    ("text", "library"),
    [
        ("Failed to load library libonnxruntime_x: libcudnn_adv.so.9: cannot open shared object", "libcudnn_adv.so.9"),
        ("libGL.so.1: cannot open shared object file: No such file or directory", "libGL.so.1"),
        ("Could not find module 'nvcuda.dll' (or one of its dependencies)", "nvcuda.dll"),
        ("something else\nand more", "something else"),
    ],
)
def test_the_missing_library_is_read_from_the_loaders_words(text: str, library: str) -> None:
    assert engine.missing_library(text) == library


@pytest.mark.parametrize(
    ("machine", "state", "said"),
    [
        (Scripted(programs=SMI), "ok", "NVIDIA T4, driver 580.65.06, 15360 MiB"),
        (Scripted(), "ok", "no NVIDIA GPU; the CPU does everything"),
        (Scripted(files=BUS), "warning", "an NVIDIA GPU without its driver"),
        (Scripted(platform="win32", files=BUS), "warning", "an NVIDIA GPU without its driver"),
        (
            Scripted(programs={"nvidia-smi": Done(18, "Failed: Driver/library version mismatch", "")}),
            "warning",
            "the NVIDIA driver was updated, but the old one still runs",
        ),
        (
            Scripted(
                files={"/proc/driver/nvidia/version": "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  x"},
                programs={"nvidia-smi": Done(6, "No devices were found", "")},
            ),
            "warning",
            "driver 535.183.01, but nvidia-smi finds no GPU",
        ),
    ],
)
def test_gpu_and_driver(machine: Scripted, state: str, said: str) -> None:
    assert only(engine.gpu(machine))[:2] == (state, said)


def test_the_drivers_line_is_that_of_the_system() -> None:
    ubuntu = only(engine.gpu(Scripted(files={**BUS, "/etc/os-release": "ID=ubuntu"})))
    windows = only(engine.gpu(Scripted(files=BUS, platform="win32")))
    assert ubuntu.fix.startswith("sudo ubuntu-drivers install")
    assert "nvidia.com/drivers" in windows.fix


CPUINFO = "model name\t: A Processor\nflags\t\t: sse2 avx avx2 avx512f avx512_vnni\n"


@pytest.mark.parametrize(
    ("machine", "state", "said"),
    [
        (Scripted(files={"/proc/cpuinfo": CPUINFO}), "ok", "A Processor, 4 cores, AVX2, AVX-512, VNNI"),
        (Scripted(files={"/proc/cpuinfo": "flags\t: sse2 avx\n"}), "warning", "4 cores, no AVX2"),
        (Scripted(files={"/proc/cpuinfo": CPUINFO}, cores=1), "warning", "1 core, AVX2"),
        (Scripted(files={"/proc/cpuinfo": "Features\t: fp asimd\n"}, machine="aarch64"), "ok", "4 cores, NEON"),
        (Scripted(platform="darwin", machine="arm64"), "ok", "4 cores, NEON"),
        (Scripted(platform="win32", machine="AMD64"), "ok", "4 cores"),
        (Scripted(files={"/sys/fs/cgroup/cpu.max": "150000 100000\n"}), "warning", "1.5 cores"),
        (Scripted(files={"/sys/fs/cgroup/cpu.max": "max 100000\n"}), "ok", "4 cores"),
    ],
)
def test_processor(machine: Scripted, state: str, said: str) -> None:
    found = only(engine.processor(machine))
    assert found.state == state
    assert said in found.detail


def test_memory() -> None:
    def with_free(kib: int) -> Scripted:
        return Scripted(files={"/proc/meminfo": f"MemTotal:  16777216 kB\nMemAvailable:  {kib} kB\n"})

    assert only(engine.memory(with_free(8388608))) == ("ok", "8.0 of 16.0 GiB free", "")
    assert only(engine.memory(with_free(100000))).state == "warning"
    assert engine.memory(Scripted(platform="darwin")) == []
