"""The driver of the virtual camera: v4l2loopback and Secure Boot on Linux, OBS and UnityCapture elsewhere."""

from __future__ import annotations

import re

from ..media.loopback import LOAD, RELOAD
from .finding import Finding
from .packages import numbers, pip
from .system import System

NAME = "virtual camera"
REOPENS_SINCE = (0, 13)  # also the first to tell its version; Debian 12 and Ubuntu 22.04 have 0.12.7
_MODULE, _LOADED = "v4l2loopback", "/sys/module/v4l2loopback"
SECURE_BOOT = "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
_LOAD, _UNLOAD = f"sudo {LOAD}", "sudo modprobe -r v4l2loopback"
_KEYS = ("/var/lib/shim-signed/mok/MOK.der", "/var/lib/dkms/mok.pub")  # Ubuntu's, Debian's
_OBS_ON_WINDOWS = "{A3FCE0F5-3493-419F-958A-ABA1250EC20B}"
_UNITY_ON_WINDOWS = "{5C2CD55C-92AD-4999-8666-912BD3E70010}"
_OBS_ON_MAC = "com.obsproject.obs-studio.mac-camera-extension"
_OBS_LINE = "install OBS Studio from https://obsproject.com, then Start Virtual Camera in it once"
_OBS_ON_LINUX = (
    "/usr/bin/obs",
    "/usr/local/bin/obs",
    "/snap/bin/obs-studio",
    "/var/lib/flatpak/app/com.obsproject.Studio",
)
_OBS_OF_USER = ".local/share/flatpak/app/com.obsproject.Studio"
_UNTESTED = "this check is untested here"


def virtual_camera(system: System) -> list[Finding]:
    """Whether `--virtual` has a driver."""
    if "pyvirtualcam" not in system.packages():
        return [Finding(NAME, "warning", "pyvirtualcam is not installed: no --virtual", pip("live"))]
    kinds = {"win32": _windows, "darwin": _mac}
    return [kinds.get(system.platform, _linux)(system)]


def _linux(system: System) -> Finding:
    if system.exists(_LOADED):
        return _loaded(system)
    version = _installed(system)
    if version:
        return _not_loaded(system, version)
    sources = [name for name in system.listing("/usr/src") if name.startswith(_MODULE)]
    if sources:
        detail = f"{sources[-1]} is not built for this kernel ({system.kernel()})"
        return Finding(
            NAME, "warning", detail, "sudo apt-get install linux-headers-$(uname -r) && sudo dkms autoinstall"
        )
    return Finding(NAME, "warning", "v4l2loopback is not installed: no --virtual", _install(system))


def _loaded(system: System) -> Finding:
    version = system.read(f"{_LOADED}/version")
    exclusive = "Y" in system.read(f"{_LOADED}/parameters/exclusive_caps")
    folder = "/sys/devices/virtual/video4linux"
    devices = [f'/dev/{name} "{system.read(f"{folder}/{name}/name")}"' for name in system.listing(folder)]
    detail = f"v4l2loopback {version or 'before 0.13'}, exclusive_caps={int(exclusive)}, {', '.join(devices)}"
    if not devices:
        return Finding(NAME, "warning", f"{detail}no device", f"{_UNLOAD} && {_LOAD}")
    if not exclusive:
        return Finding(NAME, "warning", f"{detail}: browsers do not list it", f"{_UNLOAD} && {_LOAD}")
    if numbers(version) >= REOPENS_SINCE:
        return Finding(NAME, "ok", detail)
    trap = "once a program has closed it, others cannot write to it until the module is loaded anew; livestyle can"
    return Finding(NAME, "ok", f"{detail}: {trap}", RELOAD)


def _installed(system: System) -> str:
    """The version of the module on disk, `before 0.13` where it tells none; empty if there is no module."""
    if f"/{_MODULE}.ko" not in "/" + system.read(f"/lib/modules/{system.kernel()}/modules.dep"):
        return ""
    for modinfo in ("modinfo", "/usr/sbin/modinfo"):  # Debian's users do not have sbin in their PATH
        done = system.run(modinfo, "-F", "version", _MODULE)
        if done and done.code == 0 and done.out.strip():
            return done.out.strip()
    return "before 0.13"


def _not_loaded(system: System, version: str) -> Finding:
    detail = f"v4l2loopback {version} is installed but not loaded"
    if not _secure_boot(system):
        return Finding(NAME, "warning", detail, _LOAD)
    key = next((key for key in _KEYS if system.exists(key)), _KEYS[-1])
    fix = f"sudo mokutil --import {key} && sudo reboot   # enrol the key at the blue screen, then {_LOAD}"
    return Finding(NAME, "warning", f"{detail}, and Secure Boot refuses a module that is not signed", fix)


def _install(system: System) -> str:
    told = re.findall(r'^ID(?:_LIKE)?="?([^"\n]*)', system.read("/etc/os-release"), re.MULTILINE)
    families = set(" ".join(told).split())
    if "fedora" in families:
        return "sudo dnf install akmod-v4l2loopback   # from RPM Fusion"
    if "arch" in families:
        return "sudo pacman -S v4l2loopback-dkms linux-headers"
    return "sudo apt-get install v4l2loopback-dkms linux-headers-$(uname -r)"


def obs(system: System) -> list[Finding]:
    """OBS Studio on Linux, where it is no driver but wants the same one; elsewhere it is the virtual camera itself."""
    if system.platform != "linux":
        return []
    if not any(map(system.exists, (*_OBS_ON_LINUX, str(system.home() / _OBS_OF_USER)))):
        return [Finding("obs", "ok", "not installed; not needed on Linux")]
    shared = "installed; as a viewer it takes livestyle's camera, its own virtual camera needs a device of its own"
    return [Finding("obs", "ok", shared, f"{_UNLOAD} && {_LOAD} devices=2   # only for both at once")]


def secure_boot(system: System) -> list[Finding]:
    """Whether the firmware refuses unsigned kernel modules, as DKMS builds them; Linux only."""
    if system.platform != "linux":
        return []
    if not _secure_boot(system):
        return [Finding("secure boot", "ok", "off")]
    if system.exists(_LOADED):
        return [Finding("secure boot", "ok", "on; v4l2loopback is signed and loaded")]
    return [Finding("secure boot", "ok", "on: v4l2loopback must be signed with a key the firmware knows")]


def _secure_boot(system: System) -> bool:
    variable = system.read_bytes(SECURE_BOOT)
    if variable:
        return variable[-1] == 1  # four bytes of attributes, then the value
    done = system.run("mokutil", "--sb-state") if system.exists("/sys/firmware/efi") else None
    return bool(done and "SecureBoot enabled" in done.out)


def _windows(system: System) -> Finding:
    for name, number in (("OBS", _OBS_ON_WINDOWS), ("UnityCapture", _UNITY_ON_WINDOWS)):
        done = system.run("reg", "query", rf"HKLM\SOFTWARE\Classes\CLSID\{number}")
        if done and done.code == 0:
            return Finding(NAME, "ok", f"{name}'s is registered ({_UNTESTED})")
    return Finding(NAME, "warning", f"neither OBS's nor UnityCapture's is registered ({_UNTESTED})", _OBS_LINE)


def _mac(system: System) -> Finding:
    done = system.run("systemextensionsctl", "list")
    lines = [line for line in (done.out if done else "").splitlines() if _OBS_ON_MAC in line]
    plugin = "/Library/CoreMediaIO/Plug-Ins/DAL/obs-mac-virtualcam.plugin"
    if any("activated enabled" in line for line in lines) or system.exists(plugin):
        return Finding(NAME, "ok", f"OBS's is installed ({_UNTESTED})")
    if lines:
        fix = "System Settings > Privacy & Security: allow OBS's camera extension"
        return Finding(NAME, "warning", f"OBS's waits for your permission ({_UNTESTED})", fix)
    return Finding(NAME, "warning", f"OBS's is not installed ({_UNTESTED})", _OBS_LINE)
