"""OpenCV and its libraries, FFmpeg's codecs, the display and the microphone."""

from __future__ import annotations

import re
import subprocess

from .engine import missing_library
from .finding import Finding
from .system import ProbeError, System

_APT = {
    "libGL.so.1": "libgl1",
    "libEGL.so.1": "libegl1",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libgthread-2.0.so.0": "libglib2.0-0",
    "libSM.so.6": "libsm6",
    "libICE.so.6": "libice6",
    "libXext.so.6": "libxext6",
    "libXrender.so.1": "libxrender1",
    "libX11.so.6": "libx11-6",
    "libxcb.so.1": "libxcb1",
}
_USUAL = "libgl1 libglib2.0-0"
_ANEW = "pip uninstall -y {} && pip install opencv-python"


def opencv(system: System) -> list[Finding]:
    """OpenCV, once, with windows."""
    wheels = [name for name in system.packages() if name.startswith("opencv-") and "python" in name]
    if len(wheels) > 1:
        detail = f"{' and '.join(wheels)} are the same module and overwrite each other"
        return [Finding("opencv", "problem", detail, _ANEW.format(" ".join(wheels)))]
    seen = system.probe("opencv")
    if "error" in seen:
        return [_no_opencv(seen["error"])]
    if seen["gui"] in ("", "NONE"):
        detail = f"{seen['version']} was built without windows"
        return [Finding("opencv", "warning", detail, _ANEW.format(" ".join(wheels) or "opencv-python-headless"))]
    return [Finding("opencv", "ok", f"{seen['version']}, windows by {seen['gui']}")]


def _no_opencv(error: str) -> Finding:
    if "No module named" in error:
        return Finding("opencv", "problem", "not installed: no camera and no window", "pip install opencv-python")
    library = missing_library(error)
    detail = f"the library {library} is missing: no camera and no window"
    return Finding("opencv", "problem", detail, f"sudo apt-get install {_APT.get(library, _USUAL)}")


def codecs(system: System) -> list[Finding]:
    """PyAV's FFmpeg, and the codecs films need."""
    seen = system.probe("codecs")
    again = "pip install --force-reinstall --only-binary :all: av"
    if "error" in seen:
        return [Finding("ffmpeg", "problem", f"PyAV cannot be imported: {seen['error']}", again)]
    detail = f"{seen['ffmpeg']} in PyAV {seen['version']}"
    if seen["missing"]:
        return [Finding("ffmpeg", "problem", f"{detail} lacks {', '.join(seen['missing'])}", again)]
    return [Finding("ffmpeg", "ok", f"{detail}, with libx264")]


def display(system: System) -> list[Finding]:
    """Whether a window opens, by opening one in another process."""
    names = [f"{name}={system.env(name)}" for name in ("DISPLAY", "WAYLAND_DISPLAY") if system.env(name)]
    if system.platform == "linux" and not names:
        fix = "run on a desktop, or without a window: livestyle cam --no-window --virtual"
        return [Finding("display", "warning", "there is none: no window", fix)]
    where = ", ".join(names) or "the desktop"
    fix = "run from a terminal on the desktop itself"
    if names and not system.env("DISPLAY"):
        fix = "install and enable Xwayland (OpenCV's window needs it), or livestyle cam --no-window --virtual"
    try:
        error = system.probe("display").get("error", "")
    except ProbeError as crash:
        error = str(crash)
    except subprocess.TimeoutExpired:
        error = "it does not answer"
    if error:
        return [Finding("display", "warning", f"{where}: no window opens ({error})", fix)]
    return [Finding("display", "ok", f"{where}: a window opens")]


def microphone(system: System) -> list[Finding]:
    """The sound inputs ALSA knows; Linux only, and nobody needs one."""
    if system.platform != "linux":
        return []
    lines = [line for line in system.read("/proc/asound/pcm").splitlines() if "capture" in line]
    names = [parts[1].strip() for line in lines if len(parts := re.split(r":", line)) > 2]
    return [Finding("microphone", "ok", ", ".join(names) or "none: a recording has no sound")]
