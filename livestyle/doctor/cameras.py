"""The cameras: listed, permitted, and each one opened and watched for a second."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from typing import Any

from ..media.devices import LOOPBACK
from .finding import Finding
from .system import ProbeError, System

GROUP_FIX = "sudo usermod -aG video $USER   # then log out and in again"
TOO_SLOW_FPS = 15
CAMERA_SECONDS = 4.0
ALL_SECONDS = 5.0


def permission(system: System) -> list[Finding]:
    """Whether the devices of cameras, real and virtual, may be used; Linux only."""
    devices = [f"/dev/{name}" for name in system.listing("/dev") if name.startswith("video") and name[5:].isdigit()]
    closed = [device for device in devices if not system.may_write(device)]
    if closed:
        detail = f"no permission for {', '.join(closed)}"
        return [Finding("camera permission", "problem", detail, GROUP_FIX)]
    return [Finding("camera permission", "ok", f"for {', '.join(devices)}")] if devices else []


def cameras(system: System) -> list[Finding]:
    """A finding for each camera."""
    listed: list[dict[str, Any]] = system.probe("cameras")["cameras"]
    real = [camera for camera in listed if camera["driver"] != LOOPBACK]  # that is ours to write to
    if not real:
        fix = "plug one in, or give a film instead: livestyle cam --camera film.mp4"
        return [Finding("camera", "warning", "there is none", fix)]
    return list(_each(system, real))


def _each(system: System, real: list[dict[str, Any]]) -> Iterator[Finding]:
    end = time.monotonic() + ALL_SECONDS  # one after the other: two on one USB hub would slow each other
    for camera in real:
        name = f"camera {camera['number']}"
        if time.monotonic() < end:
            yield _camera(system, name, camera)
        else:
            fix = f"livestyle cam --camera {camera['number']}"
            yield Finding(name, "unknown", f"{camera['name']}: not measured, the others took too long", fix)


def _camera(system: System, name: str, camera: dict[str, Any]) -> Finding:
    what, fix = _words(system, camera)
    if camera["problem"] and not camera["formats"]:
        return Finding(name, "problem", f"{what}: {camera['problem']}", fix)
    try:
        seen = system.probe("camera", str(camera["number"]), timeout=CAMERA_SECONDS)
    except subprocess.TimeoutExpired:
        return Finding(name, "problem", f"{what}: gives no second of frames in {CAMERA_SECONDS:.0f} s", fix)
    except ProbeError as error:
        return Finding(name, "problem", f"{what}: the program that opens it crashes ({error})", fix)
    if "error" in seen:
        return Finding(name, "problem", f"{what}: {seen['error']}", fix)
    detail = f"{what}: gives {seen['mode']}, {seen['fps']:.1f} fps measured"
    if seen["warnings"] or seen["fps"] < TOO_SLOW_FPS:
        slow = f"more light, a USB 3 port, or livestyle cam --camera {camera['number']} --camera-size 640x480"
        return Finding(name, "warning", "; ".join([detail, *seen["warnings"]]), slow)
    return Finding(name, "ok", detail)


def _words(system: System, camera: dict[str, Any]) -> tuple[str, str]:
    """What to call it, and what mends it if it gives nothing."""
    what = ", ".join(word for word in (camera["name"], camera["driver"]) if word)
    if system.platform != "linux":
        return what, "close the programs that use it, and allow the camera in the system's settings"
    if not system.may_write(camera["path"]):
        return what, GROUP_FIX
    return what, f"fuser -v {camera['path']}   # and close the program that holds it"
