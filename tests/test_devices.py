"""Which cameras there are and which one is meant: video devices that answer ioctl as drivers do."""

from __future__ import annotations

import errno
import json
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from livestyle.errors import InputError
from livestyle.media import camera, devices, v4l2
from livestyle.media.devices import CameraInfo, find_camera, list_cameras
from livestyle.media.size import Size
from livestyle.media.v4l2 import Format

CAPTURE, META, OUTPUT, STREAMING, DEVICE_CAPS = 0x1, 0x800000, 0x2, 0x4000000, 0x80000000
DISCRETE, CONTINUOUS, STEPWISE = 1, 2, 3
linux = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")


class Driver:
    """Answers as videodev2.h says. `sizes`: of a fourcc, its sizes or one range; `intervals`: (num, den) of a size."""

    def __init__(
        self,
        name: str = "HD Webcam",
        *,
        caps: int = CAPTURE | STREAMING,
        sizes: dict[str, list[tuple[int, ...]]] | None = None,
        intervals: Callable[[str, int, int], list[tuple[int, ...]]] = lambda *_: [(1, 30)],
        driver: str = "uvcvideo",
        endless: bool = False,
    ) -> None:
        self.name, self.caps, self.sizes, self.intervals = name, caps, sizes or {}, intervals
        self.driver, self.endless = driver, endless

    def __call__(self, request: int, buffer: bytearray) -> None:
        answer = {
            0x80685600: self.capability,  # VIDIOC_QUERYCAP
            0xC0405602: self.format,  # VIDIOC_ENUM_FMT
            0xC02C564A: self.size,  # VIDIOC_ENUM_FRAMESIZES
            0xC034564B: self.interval,  # VIDIOC_ENUM_FRAMEINTERVALS
        }[request]
        try:
            answer(buffer)
        except IndexError as error:
            raise OSError(errno.EINVAL, "Invalid argument") from error

    def capability(self, buffer: bytearray) -> None:
        both = self.caps | CAPTURE | META | DEVICE_CAPS  # of the whole device; the node's own come after it
        struct.pack_into("16s32s32s", buffer, 0, self.driver.encode(), self.name.encode(), b"usb-0000:00:14.0-1")
        struct.pack_into("III", buffer, 80, 0x060100, both, self.caps)

    def format(self, buffer: bytearray) -> None:
        index, kind = struct.unpack_from("II", buffer)
        if kind != 1:
            raise IndexError
        codes = list(self.sizes)
        code = codes[0 if self.endless else index]
        struct.pack_into("32s4s", buffer, 12, b"some description", code.encode())

    def size(self, buffer: bytearray) -> None:
        index, code = struct.unpack_from("I4s", buffer)
        entry = self.sizes[code.decode()][index]
        kind = DISCRETE if len(entry) == 2 else STEPWISE
        struct.pack_into(f"I{len(entry)}I", buffer, 8, kind, *entry)

    def interval(self, buffer: bytearray) -> None:
        index, code, width, height = struct.unpack_from("I4sII", buffer)
        entry = self.intervals(code.decode(), width, height)[index]
        kind = DISCRETE if len(entry) == 2 else CONTINUOUS
        struct.pack_into(f"I{len(entry)}I", buffer, 16, kind, *entry)


Plug = Callable[..., None]


@pytest.fixture
def plug(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plug:
    """A function that makes /dev/videoN of a driver, or of the error its opening gives."""
    there: dict[Path, Driver | OSError] = {}

    @contextmanager
    def device(path: Path) -> Iterator[Driver]:
        if isinstance(answer := there[path], OSError):
            raise answer
        yield answer

    def plug_in(number: int, driver: Driver | OSError, name: str = "") -> None:
        path = tmp_path / f"video{number}"
        path.touch()
        there[path] = driver
        if name:
            (tmp_path / "sys" / path.name).mkdir(parents=True)
            (tmp_path / "sys" / path.name / "name").write_text(f"{name}\n")

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(devices, "DEV", tmp_path)
    monkeypatch.setattr(devices, "SYS", tmp_path / "sys")
    monkeypatch.setattr(v4l2, "device", device)
    return plug_in


def webcam() -> Driver:
    def intervals(code: str, width: int, _height: int) -> list[tuple[int, ...]]:
        return [(1, 5)] if (code, width) == ("YUYV", 1280) else [(1, 30), (2, 15)]

    return Driver(sizes={"YUYV": [(640, 480), (1280, 720)], "MJPG": [(1280, 720)]}, intervals=intervals)


# What a driver lists


def test_a_webcams_formats_are_listed(plug: Plug, tmp_path: Path) -> None:
    plug(0, webcam())
    assert list_cameras() == [
        CameraInfo(
            0,
            str(tmp_path / "video0"),
            "HD Webcam",
            "uvcvideo",
            (
                Format("YUYV", Size(640, 480), (30.0, 7.5)),
                Format("YUYV", Size(1280, 720), (5.0,)),
                Format("MJPG", Size(1280, 720), (30.0, 7.5)),
            ),
        )
    ]


@pytest.mark.parametrize("caps", [META | STREAMING, OUTPUT | STREAMING])
def test_a_node_that_gives_no_pictures_is_no_camera(plug: Plug, caps: int) -> None:
    plug(0, webcam())
    plug(1, Driver(caps=caps))
    assert [found.number for found in list_cameras()] == [0]


def test_cameras_are_in_the_order_of_their_numbers(plug: Plug) -> None:
    for number in (10, 2, 0):
        plug(number, webcam())
    assert [found.number for found in list_cameras()] == [0, 2, 10]


def test_a_range_of_sizes_and_rates_gives_the_common_ones_and_its_ends(plug: Plug) -> None:
    plug(0, Driver(sizes={"YUYV": [(48, 1920, 16, 32, 1080, 8)]}, intervals=lambda *_: [(1, 60, 1, 12, 0, 1)]))
    (found,) = list_cameras()
    sizes = [offer.size for offer in found.formats]
    assert sizes[0] == Size(48, 32)
    assert sizes[-1] == Size(1920, 1080)
    assert Size(640, 480) in sizes
    assert Size(800, 600) in sizes
    assert Size(320, 240) in sizes
    assert all((size.width - 48) % 16 == 0 for size in sizes[:-1])
    assert found.formats[0].fps == (60.0, 50.0, 30.0, 25.0, 24.0, 20.0, 15.0, 12.0)


def test_a_range_that_begins_at_no_time_at_all_is_survived(plug: Plug) -> None:
    plug(0, Driver(sizes={"YUYV": [(640, 480)]}, intervals=lambda *_: [(0, 1, 100, 1, 0, 1)]))
    assert list_cameras()[0].formats == (Format("YUYV", Size(640, 480), (0.01,)),)


def test_a_driver_that_lists_no_sizes_or_rates_is_still_a_camera(plug: Plug) -> None:
    plug(0, Driver(sizes={"YUYV": []}))
    plug(1, Driver(sizes={"YUYV": [(640, 480)]}, intervals=lambda *_: []))
    first, second = list_cameras()
    assert first.formats == ()
    assert second.formats == (Format("YUYV", Size(640, 480), ()),)


def test_a_list_without_an_end_is_cut_off(plug: Plug) -> None:
    plug(0, Driver(sizes={"YUYV": [(640, 480)]}, endless=True))
    assert len(list_cameras()[0].formats) == 128


# What does not open


@pytest.mark.parametrize(
    ("code", "word"), [(errno.EBUSY, "close the other program"), (errno.EACCES, "group video"), (errno.EIO, "Input")]
)
def test_a_camera_that_does_not_open_is_listed_with_the_reason(plug: Plug, code: int, word: str) -> None:
    plug(0, OSError(code, "Input/output error"), name="HD Webcam")
    (found,) = list_cameras()
    assert (found.name, found.formats) == ("HD Webcam", ())
    assert word in str(found.problem)


def test_what_is_no_video_device_is_left_out(plug: Plug) -> None:
    plug(0, OSError(errno.ENOTTY, "Inappropriate ioctl for device"))
    assert list_cameras() == []


@linux
def test_a_real_file_in_place_of_a_device_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "video0").touch()
    monkeypatch.setattr(devices, "DEV", tmp_path)
    assert list_cameras() == []


# How they are shown


def test_a_row_is_plain_values(plug: Plug, tmp_path: Path) -> None:
    plug(0, webcam())
    row = json.loads(json.dumps(list_cameras()[0].row()))
    assert row["formats"][1] == {"format": "YUYV", "size": "1280x720", "fps": [5.0]}
    assert {key: row[key] for key in ("number", "name", "path", "driver", "problem")} == {
        "number": 0,
        "name": "HD Webcam",
        "path": str(tmp_path / "video0"),
        "driver": "uvcvideo",
        "problem": None,
    }


def test_pixel_formats_of_the_same_sizes_and_rates_share_a_line() -> None:
    formats = (
        Format("YUYV", Size(640, 480), (30.0, 7.5)),
        Format("MJPG", Size(1280, 720), (30.0,)),
        Format("UYVY", Size(640, 480), (30.0, 7.5)),
    )
    lines = CameraInfo(0, "/dev/video0", "HD Webcam", "uvcvideo", formats).lines()
    assert lines == [
        '0  "HD Webcam" (/dev/video0, uvcvideo)',
        "   YUYV, UYVY: 640x480 at 30/7.5 fps",
        "   MJPG: 1280x720 at 30 fps",
    ]


def test_without_a_list_the_numbers_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    class Capture:
        def __init__(self, number: int) -> None:
            self.number = number

        def isOpened(self) -> bool:  # noqa: N802
            return self.number in (0, 3)

        def get(self, key: int) -> float:
            return [640.0, 480.0, 30.0][key]

        def getBackendName(self) -> str:  # noqa: N802
            return "MSMF"

        def release(self) -> None:
            pass

    fake = SimpleNamespace(VideoCapture=Capture, CAP_PROP_FRAME_WIDTH=0, CAP_PROP_FRAME_HEIGHT=1, CAP_PROP_FPS=2)
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(camera, "import_cv2", lambda: fake)
    found = list_cameras()
    assert [(one.number, one.driver, one.formats[0].size) for one in found] == [
        (0, "MSMF", Size(640, 480)),
        (3, "MSMF", Size(640, 480)),
    ]
    assert "not told on win32" in str(found[0].problem)


# Which one is meant

CAMERAS = [
    CameraInfo(0, "/dev/video0", "HD Webcam"),
    CameraInfo(2, "/dev/video2", "HD Webcam Pro"),
    CameraInfo(4, "/dev/video4", "Capture Card"),
]


@pytest.mark.parametrize(
    ("wanted", "number"),
    [("0", 0), ("4", 4), ("capture", 4), ("PRO", 2), ("hd webcam", 0), ("/dev/video2", 2), ("1", None), ("cat", None)],
)
def test_a_camera_is_found_by_number_name_or_path(wanted: str, number: int | None) -> None:
    found = find_camera(wanted, CAMERAS)
    assert (found and found.number) == number


def test_a_link_to_a_device_is_that_device(tmp_path: Path) -> None:
    (tmp_path / "video7").touch()
    (tmp_path / "by-id").symlink_to(tmp_path / "video7")
    cameras = [CameraInfo(7, str((tmp_path / "video7").resolve()), "Webcam")]
    assert find_camera(str(tmp_path / "by-id"), cameras) is cameras[0]


def test_a_name_that_fits_several_lists_them() -> None:
    with pytest.raises(InputError, match='several have that name; choose a number: 0 "HD Webcam", 2 "HD Webcam Pro"'):
        find_camera("webcam", CAMERAS)
