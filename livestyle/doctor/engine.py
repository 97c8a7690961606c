"""What runs the networks: the devices proven by timing, the GPU and its driver, the processor and the memory."""

from __future__ import annotations

import re
import subprocess

from .finding import Finding
from .packages import numbers, pip
from .system import ProbeError, System

SLOW_FPS = 15  # below it a webcam does not look alive
DEVICE_SECONDS = {"cpu": 6.0, "cuda": 8.0}  # a GPU's first session takes its time
_DRIVER_FOR_CUDA = {11: 450, 12: 525, 13: 580}  # the oldest major version, from NVIDIA's CUDA release notes
_NEVER = float("inf")  # milliseconds
_NVIDIA, _DISPLAY_CLASS = "0x10de", "0x03"
_NO_GPU = "no NVIDIA GPU; the CPU does everything"
_SETS = {
    "avx2": "AVX2",
    "avx512f": "AVX-512",
    "avx512_vnni": "VNNI",
    "avx_vnni": "AVX-VNNI",
    "amx_tile": "AMX",
    "asimd": "NEON",
}


def devices(system: System) -> list[Finding]:
    """Each device onnxruntime may run on, proven by timing a shipped style there."""
    try:
        built = system.probe("providers")
    except ProbeError as error:
        detail = f"onnxruntime cannot be imported: {error}"
        return [Finding("cpu", "problem", detail, pip("cpu", "--force-reinstall"))]
    cpu, cpu_ms = _timed(system, "cpu")
    if "CUDAExecutionProvider" in built["providers"]:
        return [cpu, _cuda(system, cpu_ms, numbers(built["cuda"])[:1])]
    return [cpu, *_unused_gpu(system)]


def _timed(system: System, device: str) -> tuple[Finding, float]:
    """The finding, and the milliseconds of a frame; infinite if it does not run."""
    try:
        answer = system.probe("engine", device, timeout=DEVICE_SECONDS[device])
    except subprocess.TimeoutExpired:
        return Finding(device, "unknown", f"no frame in {DEVICE_SECONDS[device]:.0f} s", "livestyle bench"), _NEVER
    except ProbeError as error:
        answer = {"error": f"it crashed: {error}"}
    if "error" in answer:
        return Finding(device, "problem", answer["error"], pip("cpu", "--force-reinstall")), _NEVER
    ms = answer["ms"]
    detail = f"{ms:.0f} ms a frame at 640x360 ({1000 / ms:.0f} fps), {answer['device']}, median of {answer['runs']}"
    if 1000 / ms < SLOW_FPS:
        return Finding(device, "warning", f"{detail}: slow for a webcam", "livestyle cam --size 320"), ms
    return Finding(device, "ok", detail), ms


def _cuda(system: System, cpu_ms: float, cuda: tuple[int, ...]) -> Finding:
    finding, ms = _timed(system, "cuda")
    if ms < cpu_ms or finding.state == "unknown":
        return finding
    if ms < _NEVER:
        return Finding("cuda", "warning", f"{finding.detail}: slower than the CPU", "livestyle cam --device cpu")
    if not gpu_names(system) and not _on_bus(system):
        detail = f"onnxruntime-gpu is installed, but there is {_NO_GPU}"
        return Finding("cuda", "warning", detail, "livestyle cam --device cpu")
    why, fix = _why_no_cuda(system, cuda)
    return Finding("cuda", "problem", f"listed, but no session starts on it: {why or finding.detail}", fix)


def _why_no_cuda(system: System, cuda: tuple[int, ...]) -> tuple[str, str]:
    try:
        loading = system.probe("cuda_libraries")
    except ProbeError as error:
        return f"its libraries crash ({error})", pip("gpu", "--force-reinstall")
    if loading["driver"]:
        return f"{missing_library(loading['driver'])} is missing, the NVIDIA driver's", _driver_fix(system)
    if loading["part"]:
        missing = loading["missing"] or [missing_library(loading["part"])]
        return f"{', '.join(missing)}: missing, or not loadable", pip("gpu", "--upgrade", "--force-reinstall")
    driver = numbers(driver_version(system))[:1]
    oldest = _DRIVER_FOR_CUDA.get(cuda[0] if cuda else 0, 0)
    if driver and driver[0] < oldest:
        return f"driver {driver_version(system)} is too old for CUDA {cuda[0]} (needs {oldest})", _driver_fix(system)
    return "", "nvidia-smi, and end the programs that fill the GPU's memory; or livestyle cam --device cpu"


def missing_library(text: str) -> str:
    """The library a loader's complaint names."""
    found = re.search(r"([\w+.-]+\.so[\w.]*|[\w+.-]+\.dll|[\w+.-]+\.dylib)\b", text)
    return found[1] if found else text.splitlines()[0][:120]


def _unused_gpu(system: System) -> list[Finding]:
    if not gpu_names(system):
        return []
    fix = f"pip uninstall -y onnxruntime && {pip('gpu')}"
    return [Finding("cuda", "warning", "there is an NVIDIA GPU, but this onnxruntime runs on the CPU only", fix)]


def gpu(system: System) -> list[Finding]:
    """The NVIDIA GPU and its driver."""
    names = gpu_names(system)
    if names:
        return [Finding("gpu", "ok", "; ".join(names))]
    done = system.run("nvidia-smi")
    if done and "mismatch" in done.out + done.err:
        return [Finding("gpu", "warning", "the NVIDIA driver was updated, but the old one still runs", "reboot")]
    if done and driver_version(system):
        detail = f"driver {driver_version(system)}, but nvidia-smi finds no GPU"
        return [Finding("gpu", "warning", detail, "reboot; in a container, start it with --gpus all")]
    if _on_bus(system):
        return [Finding("gpu", "warning", "an NVIDIA GPU without its driver", _driver_fix(system))]
    return [Finding("gpu", "ok", _NO_GPU)]


def gpu_names(system: System) -> list[str]:
    """`NVIDIA T4, driver 580.65.06, 15360 MiB`, one for each GPU the driver has."""
    done = system.run("nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader")
    if not done or done.code:
        return []
    rows = [[cell.strip() for cell in line.split(",")] for line in done.out.splitlines() if line.count(",") == 2]
    return [f"{name}, driver {driver}, {memory}" for name, driver, memory in rows]


def driver_version(system: System) -> str:
    """The NVIDIA driver's version, from nvidia-smi or from the kernel; empty if there is none."""
    for text in (*gpu_names(system), system.read("/proc/driver/nvidia/version")):
        found = re.search(r"(?:driver |Kernel Module\D*)(\d+(?:\.\d+)+)", text)
        if found:
            return found[1]
    return ""


def _on_bus(system: System) -> bool:
    folder = "/sys/bus/pci/devices"
    return any(
        system.read(f"{folder}/{name}/vendor") == _NVIDIA
        and system.read(f"{folder}/{name}/class").startswith(_DISPLAY_CLASS)
        for name in system.listing(folder)
    )


def _driver_fix(system: System) -> str:
    if system.platform == "win32":
        return "install the driver from https://www.nvidia.com/drivers and reboot"
    if "ubuntu" in system.read("/etc/os-release").lower():
        return "sudo ubuntu-drivers install && sudo reboot"
    return "sudo apt-get install nvidia-driver firmware-misc-nonfree && sudo reboot   # from non-free"


def processor(system: System) -> list[Finding]:
    """The cores this process may use, and the instruction sets that matter."""
    cores, info = _cores(system), system.read("/proc/cpuinfo")
    flags = set(" ".join(re.findall(r"^(?:flags|Features)\s*:(.*)$", info, re.MULTILINE)).split())
    names = [label for flag, label in _SETS.items() if flag in flags]
    if system.machine().lower() in ("arm64", "aarch64") and "NEON" not in names:
        names.append("NEON")  # every 64-bit ARM has it
    model = re.findall(r"^model name\s*:\s*(.*)$", info, re.MULTILINE)[:1]
    detail = ", ".join([*model, f"{cores:g} core{'s' if cores != 1 else ''}", *names])
    if cores < 2:
        return [Finding("processor", "warning", f"{detail}: camera and network share it", "livestyle cam --size 320")]
    if flags and not names:
        slow = f"{detail}, no AVX2: networks run several times slower"
        return [Finding("processor", "warning", slow, "livestyle cam --size 320")]
    return [Finding("processor", "ok", detail)]


def _cores(system: System) -> float:
    """Cores this process may use, less if a container's quota says so."""
    quota, _, period = system.read("/sys/fs/cgroup/cpu.max").partition(" ")
    allowed = int(quota) / int(period) if quota.isdigit() and period.isdigit() else _NEVER
    return min(float(system.cores()), round(allowed, 1))


def memory(system: System) -> list[Finding]:
    """The memory there is; Linux only."""
    found = dict(re.findall(r"^(\w+):\s+(\d+) kB", system.read("/proc/meminfo"), re.MULTILINE))
    if "MemAvailable" not in found:
        return []
    total, free = (int(found[key]) / (1 << 20) for key in ("MemTotal", "MemAvailable"))
    detail = f"{free:.1f} of {total:.1f} GiB free"
    if free < 0.5:
        return [Finding("memory", "warning", detail, "close other programs; livestyle cam needs 0.5 GiB")]
    return [Finding("memory", "ok", detail)]
