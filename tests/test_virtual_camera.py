"""The virtual camera without one: a driver and a pyvirtualcam that remember. tests/test_rig.py has the real ones."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import assert_images_close, gradient
from hypothesis import given
from hypothesis import strategies as st

from livestyle.errors import DeviceError
from livestyle.frame import Frame, Image
from livestyle.media import loopback, v4l2, virtual
from livestyle.media.size import Size
from livestyle.media.virtual import VirtualCamera

SIZE, RATE = Size(320, 180), Fraction(30)


class FakePackage:
    """Stands for pyvirtualcam. What it was asked for, and what it was sent, the arrays themselves."""

    def __init__(self) -> None:
        self.asked: dict[str, object] = {}
        self.sent: list[Image] = []
        self.closed, self.refusal, self.breaks = 0, "", ""
        self.PixelFormat = SimpleNamespace(RGB="rgb", YUYV="yuyv")

    def Camera(self, width: int, height: int, fps: float, **asked: object) -> FakePackage:  # noqa: N802
        if self.refusal:
            raise RuntimeError(self.refusal)
        self.asked = {"size": (width, height), **asked}
        self.device = asked.get("device", "OBS Virtual Camera")
        return self

    def send(self, image: Image) -> None:
        if self.breaks:
            raise RuntimeError(self.breaks)
        self.sent.append(image)

    def close(self) -> None:
        self.closed += 1


class FakeDriver:
    """Stands for /sys, /proc and v4l2loopback's answers."""

    def __init__(self, root: Path) -> None:
        self.sys, self.proc, self.dev = root / "sys", root / "proc", root / "dev"
        self.capabilities: dict[str, int] = {}
        self.fixed: dict[str, tuple[Size, str]] = {}
        self.refused: dict[str, int] = {}
        self.wakes_up = False
        self.make_old(False)

    def add(self, number: int, name: str = "livestyle", capabilities: int = v4l2.OUTPUT) -> Path:
        folder = self.sys / f"class/video4linux/video{number}"
        folder.mkdir(parents=True)
        (folder / "max_openers").write_text("10\n")
        (folder / "name").write_text(f"{name}\n")
        path = self.dev / f"video{number}"
        self.capabilities[str(path)] = capabilities
        return path

    def make_old(self, old: bool = True) -> None:
        version = self.sys / "module/v4l2loopback/version"
        version.parent.mkdir(parents=True, exist_ok=True)
        version.unlink() if old else version.write_text("0.15.0\n")

    def open_in(self, process: int, program: str, path: Path, flags: int) -> None:
        folder = self.proc / str(process)
        (folder / "fd").mkdir(parents=True)
        (folder / "fdinfo").mkdir()
        (folder / "comm").write_text(f"{program}\n")
        (folder / "fd" / "7").symlink_to(path)
        (folder / "fdinfo" / "7").write_text(f"pos:\t0\nflags:\t{flags | os.O_SYNC:o}\nmnt_id:\t5\n")

    @contextmanager
    def open(self, path: Path) -> Iterator[Callable[[int, bytearray], None]]:
        if number := self.refused.get(str(path)):
            raise OSError(number, os.strerror(number))
        yield lambda request, structure: self._answer(str(path), request, structure)

    def _answer(self, path: str, request: int, structure: bytearray) -> None:
        if request == v4l2.QUERYCAP:
            structure[84:92] = (v4l2.DEVICE_CAPS | 3).to_bytes(4, "little") + self.capabilities[path].to_bytes(
                4, "little"
            )
        elif request & 0xFF == 64 and path in self.fixed:  # VIDIOC_TRY_FMT
            size, fourcc = self.fixed[path]
            at = len(structure) - 200
            structure[at : at + 12] = b"".join(n.to_bytes(4, "little") for n in size) + fourcc.encode()
        elif request & 0xFF == 18:  # VIDIOC_STREAMON
            self.capabilities[path] = v4l2.OUTPUT if self.wakes_up else self.capabilities[path]
            raise OSError(errno.EINVAL, "as 0.12.7 does")


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> FakePackage:
    fake = FakePackage()
    monkeypatch.setitem(sys.modules, "pyvirtualcam", fake)  # type: ignore[arg-type]
    return fake


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeDriver:
    fake = FakeDriver(tmp_path)
    for name, value in {"SYS": fake.sys, "PROC": fake.proc, "DEV": fake.dev, "MODULES": tmp_path / "modules"}.items():
        monkeypatch.setattr(loopback, name, value)
    monkeypatch.setattr(v4l2, "device", fake.open)
    monkeypatch.setattr(virtual.sys, "platform", "linux")
    return fake


def error_of(size: Size = SIZE, device: str | None = None) -> str:
    with pytest.raises(DeviceError) as caught:
        VirtualCamera(size, RATE, device=device)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def shot(image: Image) -> Frame:
    return Frame(image, Fraction(0), 0)


# Where there is none


def test_without_a_driver_the_line_that_installs_it_is_told(package: FakePackage, driver: FakeDriver) -> None:
    package.refusal = "'v4l2loopback' backend: No v4l2 loopback\ndevice found. Did you run 'modprobe v4l2loopback'?"
    told = error_of()
    assert "\n" not in told and "Did you run" not in told
    assert "sudo apt-get install v4l2loopback-dkms linux-headers-$(uname -r)" in told
    assert "sudo modprobe v4l2loopback card_label=livestyle exclusive_caps=1" in told


def test_an_installed_driver_only_has_to_be_loaded(
    package: FakePackage, driver: FakeDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    package.refusal = "none"
    listed = loopback.MODULES / loopback.platform.release() / "modules.dep"
    listed.parent.mkdir(parents=True)
    listed.write_text("updates/dkms/v4l2loopback.ko.xz: kernel/drivers/media/v4l2-core/videodev.ko\n")
    assert "apt-get" not in error_of()
    assert "sudo modprobe v4l2loopback" in error_of()


@pytest.mark.parametrize(("system", "word"), [("win32", "UnityCapture"), ("darwin", "OBS Studio")])
def test_other_systems_are_told_what_to_install(
    system: str, word: str, package: FakePackage, driver: FakeDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(virtual.sys, "platform", system)
    package.refusal = "OBS virtual camera device not found"
    assert word in error_of()
    assert "v4l2loopback" not in error_of()


def test_other_systems_get_the_device_by_name(
    package: FakePackage, driver: FakeDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(virtual.sys, "platform", "win32")
    driver.add(1)  # is not looked at
    assert VirtualCamera(SIZE, RATE, device="Unity Video Capture").device == "Unity Video Capture"
    assert package.asked["device"] == "Unity Video Capture"


# Which device


@pytest.mark.parametrize("wanted", ["10", "/dev/video10", "studio cam"])
def test_a_device_is_chosen_by_number_path_or_name(
    wanted: str, package: FakePackage, driver: FakeDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver.add(2, "livestyle")
    chosen = driver.add(10, "My Studio Camera")
    wanted = wanted.replace("/dev", str(driver.dev))
    assert VirtualCamera(SIZE, RATE, device=wanted).device == str(chosen)


def test_an_unknown_device_is_answered_with_those_there_are(package: FakePackage, driver: FakeDriver) -> None:
    driver.add(2, "livestyle")
    assert '/video2 "livestyle"' in error_of(device="7")


def test_a_webcam_is_no_virtual_camera(package: FakePackage, driver: FakeDriver) -> None:
    (driver.sys / "class/video4linux/video0").mkdir(parents=True)
    (driver.sys / "class/video4linux/video0/name").write_text("HD Webcam\n")
    chosen = driver.add(1)
    assert VirtualCamera(SIZE, RATE).device == str(chosen)


def test_the_first_by_number_is_taken(package: FakePackage, driver: FakeDriver) -> None:
    driver.add(10)
    first = driver.add(9)
    assert VirtualCamera(SIZE, RATE).device == str(first)


def test_one_that_is_written_to_is_passed_over(package: FakePackage, driver: FakeDriver) -> None:
    taken = driver.add(1)
    driver.open_in(12, "livestyle", taken, os.O_WRONLY)
    free = driver.add(2)
    assert VirtualCamera(SIZE, RATE).device == str(free)


@pytest.mark.parametrize("capabilities", [v4l2.CAPTURE, v4l2.CAPTURE | v4l2.OUTPUT])
def test_if_all_are_written_to_the_writer_is_named(capabilities: int, package: FakePackage, driver: FakeDriver) -> None:
    taken = driver.add(1, capabilities=capabilities)
    driver.open_in(12, "obs", taken, os.O_WRONLY)
    driver.open_in(13, "zoom", taken, os.O_RDWR)
    told = error_of()
    assert "obs (process 12)" in told
    assert "zoom" not in told


def test_watching_programs_do_not_take_a_device(package: FakePackage, driver: FakeDriver) -> None:
    path = driver.add(1, capabilities=v4l2.CAPTURE | v4l2.OUTPUT)
    driver.open_in(13, "zoom", path, os.O_RDWR)
    assert VirtualCamera(SIZE, RATE).device == str(path)


def test_no_permission_names_the_group(package: FakePackage, driver: FakeDriver) -> None:
    driver.refused[str(driver.add(1))] = errno.EACCES
    assert "usermod -aG video" in error_of()


# Debian 12's driver, which forgets that its writer left


def test_an_old_driver_is_woken_up(package: FakePackage, driver: FakeDriver) -> None:
    driver.make_old()
    driver.wakes_up = True
    path = driver.add(1, capabilities=0)
    assert VirtualCamera(SIZE, RATE).device == str(path)


def test_an_old_driver_is_left_ready_for_the_next_writer(package: FakePackage, driver: FakeDriver) -> None:
    driver.make_old()
    driver.wakes_up = True
    path = str(driver.add(1))
    with_writer = VirtualCamera(SIZE, RATE)
    driver.capabilities[path] = v4l2.CAPTURE  # from the first frame on
    with_writer.close()
    assert driver.capabilities[path] == v4l2.OUTPUT


def test_an_old_driver_that_stays_stuck_is_told_with_the_line_to_reload_it(
    package: FakePackage, driver: FakeDriver
) -> None:
    driver.make_old()
    path = driver.add(1, capabilities=v4l2.CAPTURE)
    driver.open_in(13, "zoom", path, os.O_RDWR)
    told = error_of()
    assert "zoom (process 13)" in told
    assert "modprobe -r v4l2loopback && sudo modprobe v4l2loopback card_label=livestyle exclusive_caps=0" in told


def test_a_new_driver_is_never_called_stuck(package: FakePackage, driver: FakeDriver) -> None:
    driver.wakes_up = True
    path = str(driver.add(1, capabilities=v4l2.CAPTURE))
    assert "modprobe" not in error_of()
    assert driver.capabilities[path] == v4l2.CAPTURE


def test_a_new_driver_is_left_alone_at_the_end(package: FakePackage, driver: FakeDriver) -> None:
    driver.wakes_up = True
    path = str(driver.add(1))
    camera = VirtualCamera(SIZE, RATE)
    driver.capabilities[path] = v4l2.CAPTURE  # another writer was quick
    camera.close()
    assert driver.capabilities[path] == v4l2.CAPTURE


# What is sent


def test_an_image_of_the_right_size_is_not_copied(package: FakePackage, driver: FakeDriver) -> None:
    image = gradient(*SIZE)
    assert VirtualCamera(SIZE, RATE).write(shot(image)) is True
    assert package.sent[0] is image


def test_what_is_sent_is_contiguous(package: FakePackage, driver: FakeDriver) -> None:
    mirrored = gradient(*SIZE)[:, ::-1]
    VirtualCamera(SIZE, RATE).write(shot(mirrored))
    assert package.sent[0].flags["C_CONTIGUOUS"]
    assert (package.sent[0] == mirrored).all()


def test_an_odd_size_is_made_even_without_scaling(package: FakePackage, driver: FakeDriver) -> None:
    camera, image = VirtualCamera(Size(321, 181), RATE), gradient(321, 181)
    camera.write(shot(image))
    assert package.asked["size"] == camera.size == (322, 182)
    assert (package.sent[0][:181, :321] == image).all()
    assert (package.sent[0][181, :321] == image[180]).all()
    assert "holds" not in camera.describe()


def test_a_device_held_at_another_size_gets_the_picture_with_bars(package: FakePackage, driver: FakeDriver) -> None:
    driver.fixed[str(driver.add(1))] = (Size(640, 480), "YU12")
    camera = VirtualCamera(SIZE, RATE)
    camera.write(shot(gradient(*SIZE)))
    sent = package.sent[0]
    assert camera.size == package.asked["size"] == (640, 480)
    assert "640x480" in camera.describe()
    assert sent.shape == (480, 640, 3)
    assert not sent[:60].any()
    assert not sent[420:].any()
    assert_images_close(sent[60:420:2, ::2], gradient(*SIZE), levels=2)  # linear, enlarged by two


def test_a_free_device_is_preferred_to_one_of_another_size(package: FakePackage, driver: FakeDriver) -> None:
    driver.fixed[str(driver.add(1))] = (Size(640, 480), "YU12")
    free = driver.add(2)
    assert VirtualCamera(SIZE, RATE).device == str(free)


def test_a_new_shape_leaves_nothing_of_the_old_one(package: FakePackage, driver: FakeDriver) -> None:
    camera = VirtualCamera(SIZE, RATE)
    camera.write(shot(np.full((100, 400, 3), 255, np.uint8)))
    camera.write(shot(np.full((400, 100, 3), 9, np.uint8)))
    assert package.sent[1].max() == 9


def test_a_device_held_at_yuyv_gets_yuyv(package: FakePackage, driver: FakeDriver) -> None:
    driver.fixed[str(driver.add(1))] = (SIZE, "YUYV")
    VirtualCamera(SIZE, RATE).write(shot(np.full((180, 320, 3), (255, 0, 0), np.uint8)))
    assert package.asked["fmt"] == "yuyv"
    assert package.sent[0].nbytes == 320 * 180 * 2
    # BT.601's red, in the narrow range
    assert np.abs(package.sent[0].reshape(-1, 4).astype(int) - (82, 90, 82, 240)).max() <= 1


def test_a_device_held_at_other_pixels_is_refused(package: FakePackage, driver: FakeDriver) -> None:
    driver.fixed[str(driver.add(1))] = (SIZE, "GREY")
    assert "GREY" in error_of()


@given(
    st.builds(Size, st.integers(2, 4000), st.integers(2, 4000)),
    st.builds(Size, st.integers(8, 1000).map(lambda n: n * 2), st.integers(8, 1000).map(lambda n: n * 2)),
)
def test_a_picture_fits_in_and_keeps_its_shape(image: Size, size: Size) -> None:
    left, top, inner = virtual.inside(image, size)
    assert left % 2 == top % 2 == 0
    assert left >= 0 <= top
    assert left + inner.width <= size.width
    assert top + inner.height <= size.height
    assert size.width == inner.width or size.height == inner.height
    scale = min(size.width / image.width, size.height / image.height)
    for side, shown in zip(image, inner, strict=True):
        assert shown == 1 or abs(shown - side * scale) <= 0.5


# Its end


def test_a_device_that_takes_no_more_frames_is_one_line(package: FakePackage, driver: FakeDriver) -> None:
    driver.add(1)
    camera = VirtualCamera(SIZE, RATE)
    package.breaks = "error writing\nframe"
    with pytest.raises(DeviceError, match="error writing frame"):
        camera.write(shot(gradient(*SIZE)))


def test_closing_twice_releases_it_once(package: FakePackage, driver: FakeDriver) -> None:
    camera = VirtualCamera(SIZE, RATE)
    camera.close()
    camera.close()
    assert package.closed == 1
