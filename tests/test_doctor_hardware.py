"""The doctor on OpenCV, codecs, display, sound, cameras and virtual cameras, on scripted machines."""

from __future__ import annotations

from typing import Any

import pytest
from scripted import TIMEOUT, Scripted, only

from livestyle.doctor import Finding, cameras, desktop, virtual
from livestyle.doctor.system import Done, ProbeError

CAMERA = {
    "number": 0,
    "name": "Camera One",
    "path": "/dev/video0",
    "driver": "uvcvideo",
    "formats": [{"format": "MJPG", "size": "1280x720", "fps": [30.0]}],
    "problem": None,
}


# OpenCV, codecs, display, sound


@pytest.mark.parametrize(
    ("answer", "state", "fix"),
    [
        ({"version": "5.0", "gui": "QT5"}, "ok", ""),
        ({"version": "5.0", "gui": "NONE"}, "warning", "pip uninstall -y opencv-python && pip install opencv-python"),
        ({"error": "libGL.so.1: cannot open shared object file"}, "problem", "sudo apt-get install libgl1"),
        ({"error": "libSM.so.6: cannot open shared object file"}, "problem", "sudo apt-get install libsm6"),
        ({"error": "libodd.so.3: cannot open shared"}, "problem", "sudo apt-get install libgl1 libglib2.0-0"),
        ({"error": "No module named 'cv2'"}, "problem", "pip install opencv-python"),
    ],
)
def test_opencv(answer: dict[str, str], state: str, fix: str) -> None:
    found = only(desktop.opencv(Scripted(probes={"opencv": answer}, installed={"opencv-python": "5.0"})))
    assert (found.state, found.fix) == (state, fix)


def test_two_opencvs_overwrite_each_other() -> None:
    installed = {"opencv-python": "5.0", "opencv-python-headless": "5.0"}
    found = only(desktop.opencv(Scripted(installed=installed)))
    assert found.state == "problem"
    assert found.fix.startswith("pip uninstall -y opencv-python opencv-python-headless && ")


@pytest.mark.parametrize(
    ("answer", "state", "said"),
    [
        ({"version": "18.1.0", "ffmpeg": "8.1", "missing": []}, "ok", "8.1 in PyAV 18.1.0, with libx264"),
        ({"version": "18.1.0", "ffmpeg": "8.1", "missing": ["libx264 (encoder)"]}, "problem", "lacks libx264"),
        ({"error": "No module named 'av'"}, "problem", "PyAV cannot be imported"),
    ],
)
def test_codecs(answer: dict[str, Any], state: str, said: str) -> None:
    found = only(desktop.codecs(Scripted(probes={"codecs": answer})))
    assert found.state == state
    assert said in found.detail


X11, WAYLAND = {"DISPLAY": ":0"}, {"WAYLAND_DISPLAY": "wayland-0"}


@pytest.mark.parametrize(
    ("machine", "state", "said"),
    [
        (Scripted(environment=X11, probes={"display": {}}), "ok", "DISPLAY=:0: a window opens"),
        (Scripted(environment=X11, probes={"display": ProbeError("ended with -6: xcb")}), "warning", "ended with -6"),
        (Scripted(environment=X11, probes={"display": TIMEOUT}), "warning", "does not answer"),
        (Scripted(environment=X11, probes={"display": {"error": "no window"}}), "warning", "no window"),
        (Scripted(), "warning", "there is none"),
        (Scripted(platform="win32", probes={"display": {}}), "ok", "the desktop: a window opens"),
    ],
)
def test_display(machine: Scripted, state: str, said: str) -> None:
    found = only(desktop.display(machine))
    assert found.state == state
    assert said in found.detail


def test_wayland_alone_needs_xwayland() -> None:
    system = Scripted(environment=WAYLAND, probes={"display": ProbeError("ended with -6")})
    assert "Xwayland" in only(desktop.display(system)).fix


def test_microphone() -> None:
    pcm = "00-00: ALC257 Analog : ALC257 Analog : playback 1 : capture 1\n00-03: HDMI 0 : HDMI 0 : playback 1\n"
    assert only(desktop.microphone(Scripted(files={"/proc/asound/pcm": pcm}))).detail == "ALC257 Analog"
    assert only(desktop.microphone(Scripted())).state == "ok"
    assert desktop.microphone(Scripted(platform="darwin")) == []


# Cameras


def camera_machine(answer: Any, *, camera: dict[str, Any] | None = None, **changes: Any) -> Scripted:
    probed = {"cameras": {"cameras": [CAMERA | (camera or {})]}, "camera 0": answer}
    return Scripted(probes=probed, **changes)


def test_a_camera_is_measured() -> None:
    system = camera_machine({"mode": "1280x720 MJPG", "fps": 29.7, "warnings": []})
    (finding,) = cameras.cameras(system)
    assert finding == Finding("camera 0", "ok", "Camera One, uvcvideo: gives 1280x720 MJPG, 29.7 fps measured")


@pytest.mark.parametrize(
    ("answer", "state", "said"),
    [
        ({"mode": "1280x720 YUYV", "fps": 4.1, "warnings": []}, "warning", "gives 1280x720 YUYV, 4.1 fps measured"),
        ({"mode": "640x480", "fps": 20.0, "warnings": ["gives 20, not 30"]}, "warning", "measured; gives 20, not 30"),
        ({"error": "camera 0: cannot be opened"}, "problem", "cannot be opened"),
        (TIMEOUT, "problem", "gives no second of frames in 4 s"),
        (ProbeError("ended with -11"), "problem", "crashes"),
    ],
)
def test_a_camera_that_gives_little_or_nothing(answer: Any, state: str, said: str) -> None:
    found = only(cameras.cameras(camera_machine(answer)))
    assert found.state == state
    assert said in found.detail


def test_a_camera_of_another_group_is_not_opened() -> None:
    locked = {"formats": [], "driver": "", "problem": "may not be opened"}
    system = camera_machine({}, camera=locked, closed=("/dev/video0",))
    found = only(cameras.cameras(system))
    assert (found.state, found.fix) == ("problem", cameras.GROUP_FIX)
    assert "camera 0" not in system.asked


def test_a_virtual_camera_is_no_camera() -> None:
    system = Scripted(probes={"cameras": {"cameras": [CAMERA | {"driver": "v4l2 loopback"}]}})
    assert only(cameras.cameras(system))[:2] == ("warning", "there is none")


def test_cameras_that_take_too_long_together_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cameras, "ALL_SECONDS", -1.0)
    assert only(cameras.cameras(camera_machine({}))).state == "unknown"


def test_permission_for_the_devices_of_cameras() -> None:
    files: dict[str, str | bytes] = {"/dev/video0": "", "/dev/video10": "", "/dev/videos": "", "/dev/tty": ""}
    assert only(cameras.permission(Scripted(files=files))).detail == "for /dev/video0, /dev/video10"
    found = only(cameras.permission(Scripted(files=files, closed=("/dev/video10",))))
    assert found == (
        "problem",
        "no permission for /dev/video10",
        "sudo usermod -aG video $USER   # then log out and in again",
    )
    assert cameras.permission(Scripted()) == []


# The virtual camera

DEPS = {"/lib/modules/6.1.0-amd64/modules.dep": "kernel/a.ko:\nupdates/dkms/v4l2loopback.ko: kernel/videodev.ko\n"}
MODINFO = {"/usr/sbin/modinfo": Done(0, "0.12.7\n", "")}
SECURE = {virtual.SECURE_BOOT: b"\x06\0\0\0\x01"}
INSECURE = {virtual.SECURE_BOOT: b"\x06\0\0\0\0"}


def loaded(version: str, caps: str, *, device: bool = True) -> dict[str, str | bytes]:
    """A loaded module; those before 0.13 tell no version."""
    files: dict[str, str | bytes] = {
        **({"/sys/module/v4l2loopback/version": f"{version}\n"} if version else {}),
        "/sys/module/v4l2loopback/parameters/exclusive_caps": f"{caps},N,N,N\n",
    }
    return files | ({"/sys/devices/virtual/video4linux/video2/name": "livestyle\n"} if device else {})


@pytest.mark.parametrize(
    ("files", "state", "said", "fix"),
    [
        (loaded("0.15.0", "Y"), "ok", 'v4l2loopback 0.15.0, exclusive_caps=1, /dev/video2 "livestyle"', ""),
        (loaded("0.15.0", "N"), "warning", "browsers do not list it", "exclusive_caps=1"),
        (loaded("", "Y"), "ok", "others cannot write to it until the module is loaded anew", "exclusive_caps=0"),
        (loaded("", "N"), "warning", "browsers do not list it", "exclusive_caps=1"),
        (loaded("0.15.0", "Y", device=False), "warning", "no device", "sudo modprobe -r v4l2loopback && "),
        ({}, "warning", "not installed", "sudo apt-get install v4l2loopback-dkms"),
        ({"/etc/os-release": "ID=fedora\n"}, "warning", "not installed", "sudo dnf install"),
        ({"/etc/os-release": 'ID=manjaro\nID_LIKE="arch"\n'}, "warning", "not installed", "sudo pacman -S"),
        ({"/etc/os-release": "ID=debian\nHOME_URL=https://search\n"}, "warning", "not installed", "sudo apt-get"),
        (DEPS, "warning", "v4l2loopback 0.12.7 is installed but not loaded", "sudo modprobe v4l2loopback"),
        (DEPS | INSECURE, "warning", "installed but not loaded", "exclusive_caps=1"),
        (DEPS | SECURE, "warning", "Secure Boot refuses", "sudo mokutil --import /var/lib/dkms/mok.pub"),
        (
            DEPS | SECURE | {"/var/lib/shim-signed/mok/MOK.der": b"key"},
            "warning",
            "Secure Boot refuses",
            "sudo mokutil --import /var/lib/shim-signed/mok/MOK.der",
        ),
        (
            {"/usr/src/v4l2loopback-0.12.7/Makefile": ""},
            "warning",
            "v4l2loopback-0.12.7 is not built for this kernel (6.1.0-amd64)",
            "dkms autoinstall",
        ),
    ],
)
def test_the_linux_driver(files: dict[str, str | bytes], state: str, said: str, fix: str) -> None:
    found = only(virtual.virtual_camera(Scripted(files=files, programs=MODINFO)))
    assert found.state == state
    assert said in found.detail
    assert fix in found.fix


def test_a_module_that_tells_no_version_is_an_old_one() -> None:
    found = only(virtual.virtual_camera(Scripted(files=DEPS)))
    assert found.detail == "v4l2loopback before 0.13 is installed but not loaded"


def test_without_pyvirtualcam_the_driver_is_of_no_use() -> None:
    found = only(virtual.virtual_camera(Scripted(installed={}, files=loaded("0.15.0", "Y"))))
    assert (found.state, found.fix) == ("warning", 'pip install "livestyle[live]"')


@pytest.mark.parametrize(
    ("machine", "said"),
    [
        (Scripted(files=SECURE), "on: v4l2loopback must be signed"),
        (Scripted(files=SECURE | loaded("0.15.0", "Y")), "on; v4l2loopback is signed and loaded"),
        (Scripted(files=INSECURE), "off"),
        (Scripted(), "off"),
        (
            Scripted(files={"/sys/firmware/efi/x": ""}, programs={"mokutil": Done(0, "SecureBoot enabled\n", "")}),
            "on: ",
        ),
    ],
)
def test_secure_boot(machine: Scripted, said: str) -> None:
    assert only(virtual.secure_boot(machine)).detail.startswith(said)


@pytest.mark.parametrize("path", ["/usr/bin/obs", "/var/lib/flatpak/app/com.obsproject.Studio"])
def test_obs_on_linux_is_told_to_have_a_device_of_its_own(path: str) -> None:
    state, detail, fix = only(virtual.obs(Scripted(files={path: ""})))
    assert (state, detail.split(";")[0]) == ("ok", "installed")
    assert "devices=2" in fix
    assert only(virtual.obs(Scripted())).detail.startswith("not installed")
    assert virtual.obs(Scripted(platform="darwin")) == []  # there it is the virtual camera's own finding


def test_secure_boot_is_no_matter_elsewhere() -> None:
    assert virtual.secure_boot(Scripted(platform="win32")) == []


def registry(number: str) -> dict[str, Done]:
    return {rf"reg query HKLM\SOFTWARE\Classes\CLSID\{number}": Done(0, "", "")}


def extension(state: str) -> dict[str, Done]:
    line = f"* * 2MMRE5MTB8 com.obsproject.obs-studio.mac-camera-extension (31) OBS Virtual Camera [{state}]"
    return {"systemextensionsctl list": Done(0, line, "")}


@pytest.mark.parametrize(
    ("machine", "state", "said"),
    [
        (Scripted(platform="win32", programs=registry("{A3FCE0F5-3493-419F-958A-ABA1250EC20B}")), "ok", "OBS's"),
        (
            Scripted(platform="win32", programs=registry("{5C2CD55C-92AD-4999-8666-912BD3E70010}")),
            "ok",
            "UnityCapture's",
        ),
        (Scripted(platform="win32"), "warning", "neither"),
        (Scripted(platform="darwin", programs=extension("activated enabled")), "ok", "is installed"),
        (Scripted(platform="darwin", programs=extension("activated waiting for user")), "warning", "your permission"),
        (Scripted(platform="darwin"), "warning", "is not installed"),
    ],
)
def test_the_virtual_cameras_of_other_systems(machine: Scripted, state: str, said: str) -> None:
    found = only(virtual.virtual_camera(machine))
    assert found.state == state
    assert said in found.detail
    assert "untested" in found.detail
