"""A camera is asked, then measured: an OpenCV that behaves as real cameras do, on a scripted clock."""

from __future__ import annotations

import itertools
import sys
import threading
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import MakeFilm

from livestyle.errors import DeviceError, LivestyleError
from livestyle.media import camera as camera_module
from livestyle.media.camera import Camera, open_camera
from livestyle.media.devices import LOOPBACK, CameraInfo
from livestyle.media.pace import Pace
from livestyle.media.pattern import Pattern
from livestyle.media.playback import Playback
from livestyle.media.size import Size
from livestyle.media.v4l2 import Format

VGA, HD = Size(640, 480), Size(1280, 720)
WEBCAM = CameraInfo(
    0,
    "/dev/video0",
    "HD Webcam",
    "uvcvideo",
    (Format("YUYV", VGA, (30.0,)), Format("YUYV", HD, (5.0,)), Format("MJPG", HD, (30.0,))),
)


class Capture:
    """Stands for cv2.VideoCapture: gives blue pictures at its own pace whatever it was asked for.

    Args:
        gives: the size of its pictures; None: what it was asked for.
        fps: how fast they come; `frames` of them, then it is unplugged; `damaged` that do not decode come first.
    """

    def __init__(
        self,
        *,
        gives: Size | None = None,
        fps: float = 30.0,
        fourcc: str = "YUYV",
        frames: int = 1000,
        damaged: int = 0,
        opens: bool = True,
    ) -> None:
        self.now, self.set_order, self.opened_with, self.released = 100.0, [], (), 0
        self.size, self.fourcc, self.fps, self.frames, self.damaged = gives or VGA, fourcc, fps, frames, damaged
        self._fixed, self._opens = gives is not None, opens

    def isOpened(self) -> bool:  # noqa: N802
        return self._opens

    def set(self, key: int, value: float) -> bool:
        self.set_order.append(key)
        if key == cv2.CAP_PROP_FRAME_WIDTH and not self._fixed:
            self.size = Size(int(value), self.size.height)
        if key == cv2.CAP_PROP_FRAME_HEIGHT and not self._fixed:
            self.size = Size(self.size.width, int(value))
        if key == cv2.CAP_PROP_FOURCC and not self._fixed:
            self.fourcc = int(value).to_bytes(4, "little").decode()
        return not self._fixed

    def get(self, key: int) -> float:
        if key == cv2.CAP_PROP_FOURCC:
            return float(int.from_bytes(self.fourcc.encode(), "little"))
        return 30.0 if key == cv2.CAP_PROP_FPS else 0.0

    def grab(self) -> bool:
        self.now += 1 / self.fps
        self.frames -= 1
        return self.frames >= 0

    def retrieve(self) -> tuple[bool, np.ndarray | None]:
        self.now += 0.005  # decoding takes its time
        if self.damaged:
            self.damaged -= 1
            return False, None
        return True, np.full((self.size.height, self.size.width, 3), (250, 20, 10), np.uint8)

    def release(self) -> None:
        self.released += 1


Install = Callable[..., Capture]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Install:
    """A function that makes OpenCV open that capture."""

    def put(capture: Capture) -> Capture:
        def open_capture(*arguments: object) -> Capture:
            capture.opened_with = arguments
            return capture

        monkeypatch.setattr(cv2, "VideoCapture", open_capture)
        return capture

    return put


def opened(capture: Capture, info: CameraInfo = WEBCAM, **options: object) -> tuple[Camera, list[str]]:
    said: list[str] = []
    return Camera(info, clock=lambda: capture.now, say=said.append, **options), said


# Asking


def test_size_rate_and_then_the_pixel_format_are_asked_for(install: Install) -> None:
    capture = install(Capture())
    camera, _ = opened(capture, size=HD, fps=30.0)
    order = [cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT, cv2.CAP_PROP_FPS, cv2.CAP_PROP_FOURCC]
    assert capture.set_order == order
    assert camera.given == ("MJPG", HD, 30.0)
    assert camera.asked == ("MJPG", HD, 30.0)


@pytest.mark.parametrize(
    ("formats", "size", "asked"),
    [
        (WEBCAM.formats, HD, "MJPG"),
        (WEBCAM.formats, VGA, ""),
        (WEBCAM.formats[:2], HD, ""),  # it has none
        ((), HD, "MJPG"),  # it does not tell
        (WEBCAM.formats, None, ""),
    ],
)
def test_mjpg_is_asked_for_where_the_picture_is_large(
    formats: tuple[Format, ...], size: Size | None, asked: str, install: Install
) -> None:
    camera, _ = opened(install(Capture()), CameraInfo(0, "", "HD Webcam", formats=formats), size=size)
    assert camera.asked.fourcc == asked


@pytest.mark.parametrize(
    ("formats", "pixels", "size"),
    [
        (WEBCAM.formats, 640, VGA),
        (WEBCAM.formats, 1000, HD),
        ((Format("YUYV", Size(640, 360), ()), Format("YUYV", VGA, ())), 700, VGA),
        ((), 640, VGA),
        ((), 1280, HD),
    ],
)
def test_a_long_side_alone_asks_for_the_cameras_nearest_size(
    formats: tuple[Format, ...], pixels: int, size: Size, install: Install
) -> None:
    camera, _ = opened(install(Capture()), CameraInfo(0, "", "HD Webcam", formats=formats), size=pixels)
    assert camera.asked.size == size


def test_nothing_is_asked_where_nothing_is_wanted(install: Install) -> None:
    capture = install(Capture())
    camera, _ = opened(capture)
    assert capture.set_order == []
    assert camera.frame_size == VGA


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")
def test_on_linux_the_driver_is_asked_directly(install: Install) -> None:
    capture = install(Capture())
    opened(capture)
    assert capture.opened_with == (0, cv2.CAP_V4L2)


# Frames


def test_frames_are_rgb_with_the_moment_of_the_grab(install: Install) -> None:
    capture = install(Capture(fps=25))
    camera, _ = opened(capture)
    began = capture.now
    frames = list(itertools.islice(camera, 3))
    assert frames[0].image[0, 0].tolist() == [10, 20, 250]
    assert frames[0].image.flags["C_CONTIGUOUS"]
    assert [frame.captured for frame in frames] == pytest.approx([began + 0.04, began + 0.085, began + 0.13])
    assert [float(frame.time) for frame in frames] == pytest.approx([0, 0.045, 0.09], abs=2e-6)
    assert [frame.index for frame in frames] == [0, 1, 2]


def test_a_size_that_changes_goes_through(install: Install) -> None:
    capture = install(Capture())
    camera, _ = opened(capture)
    frames = iter(camera)
    assert next(frames).image.shape == (480, 640, 3)
    capture.size = HD
    assert next(frames).image.shape == (720, 1280, 3)
    assert camera.frame_size == HD


def test_damaged_pictures_are_left_out(install: Install) -> None:
    capture = install(Capture())
    camera, _ = opened(capture)
    frames = iter(camera)
    next(frames)
    capture.damaged = 5
    assert next(frames).index == 1


@pytest.mark.parametrize("capture", [Capture(frames=3), Capture()], ids=["unplugged", "nothing but damage"])
def test_a_camera_that_gives_no_more_is_an_error(capture: Capture, install: Install) -> None:
    camera, _ = opened(install(capture))
    frames = iter(camera)
    next(frames)
    capture.damaged = 10**6
    with pytest.raises(DeviceError, match='camera 0 "HD Webcam": gives no more frames; is it still plugged in'):
        list(frames)


@pytest.mark.parametrize("capture", [Capture(opens=False), Capture(frames=0), Capture(damaged=10**6)])
def test_a_camera_that_does_not_open_is_an_error_and_released(capture: Capture, install: Install) -> None:
    with pytest.raises(DeviceError, match='camera 0 "HD Webcam"'):
        opened(install(capture))
    assert capture.released == 1


def test_a_camera_with_a_problem_says_which(install: Install) -> None:
    install(Capture())
    with pytest.raises(DeviceError, match="may not be opened"):
        Camera(CameraInfo(0, "/dev/video0", "HD Webcam", problem="may not be opened: add yourself"))


def test_a_virtual_camera_may_stand_still_but_a_sensor_may_not(install: Install) -> None:
    assert opened(install(Capture()))[0].stillness == 1.0
    assert opened(install(Capture()), CameraInfo(0, "", "OBS", driver=LOOPBACK))[0].stillness is None


# Measuring


def test_the_rate_is_measured_and_told_after_a_second(install: Install) -> None:
    capture = install(Capture(fps=32.0))  # and 5 ms for each picture: 27.6
    camera, said = opened(capture, size=HD, fps=30.0)
    assert camera.rate == 30
    frames = list(itertools.islice(camera, 40))
    assert frames[-1].captured - frames[0].captured > 1
    assert said == ['camera 0 "HD Webcam": 1280x720 MJPG, asked 30 fps, measured 27.6']
    assert camera.describe() == said[0]
    assert camera.rate == Fraction(28)


def test_the_rate_follows_the_last_second(install: Install) -> None:
    pace = Pace()
    for i in range(60):
        pace.add(i / 30)
    assert pace.fps == pytest.approx(30)
    for i in range(20):
        pace.add(2 + i / 10)
    assert pace.fps == pytest.approx(10)


def test_no_rate_is_known_before_a_second_is_over() -> None:
    pace = Pace()
    assert pace.fps is None
    for i in range(10):
        pace.add(i / 30)
    assert pace.fps is None


def warnings(said: list[str]) -> list[str]:
    return [line for line in said if line.startswith("warning: ")]


def test_a_silent_drop_to_yuyv_at_four_frames_is_told_with_its_cause(install: Install) -> None:
    camera, said = opened(install(Capture(gives=HD, fps=4.2)), size=HD, fps=30.0)
    list(itertools.islice(camera, 30))
    assert camera.given == ("YUYV", HD, 30.0)
    assert warnings(said) == [
        'warning: camera 0 "HD Webcam": gives 4.1 frames a second, not 30: 1280x720 YUYV comes at no more than 5 here; '
        "try --camera-size 640x480"
    ]


def test_the_shortfall_of_the_last_second_can_be_asked_for(install: Install) -> None:
    camera, _ = opened(install(Capture(gives=HD, fps=4.2)), size=HD, fps=30.0)
    frames = iter(camera)
    next(frames)
    assert camera.shortfall() is None  # nothing is known yet
    list(itertools.islice(frames, 6))
    assert "comes at no more than 5" in str(camera.shortfall())


def test_a_drop_the_driver_does_not_explain_is_put_down_to_the_light(install: Install) -> None:
    camera, said = opened(install(Capture(fps=12)), fps=30.0)
    list(itertools.islice(camera, 50))
    assert "in low light cameras expose longer" in warnings(said)[0]


def test_a_drop_of_an_unknown_camera_names_what_to_try(install: Install) -> None:
    camera, said = opened(install(Capture(fps=12)), CameraInfo(0, "", "camera 0"), fps=30.0)
    list(itertools.islice(camera, 50))
    assert "try --camera-size 640x360" in warnings(said)[0]


def test_no_larger_size_is_named_as_a_cure(install: Install) -> None:
    camera, said = opened(install(Capture(gives=Size(160, 120), fps=12)), fps=30.0)
    list(itertools.islice(camera, 50))
    assert warnings(said)[0].endswith("try another port or cable")


def test_a_drop_in_the_middle_is_told_once_and_again_after_it_recovered(install: Install) -> None:
    capture = install(Capture(gives=Size(64, 48), frames=10**6))
    camera, said = opened(capture, fps=30.0)
    for fps, expected in [(40, 0), (10, 1), (9, 1), (40, 1), (10, 2)]:
        capture.fps = fps
        list(itertools.islice(camera, 100))
        assert len(warnings(said)) == expected


def test_a_second_in_which_the_computer_was_busy_is_no_drop(install: Install) -> None:
    capture = install(Capture(gives=Size(64, 48), fps=40))
    camera, said = opened(capture, fps=30.0)
    frames = iter(camera)
    list(itertools.islice(frames, 60))
    capture.now += 0.9
    list(itertools.islice(frames, 60))
    assert warnings(said) == []


def test_another_size_than_asked_is_told(install: Install) -> None:
    camera, said = opened(install(Capture(gives=VGA, fps=35)), size=HD, fps=30.0)
    list(itertools.islice(camera, 40))
    assert said[0].startswith('camera 0 "HD Webcam": 640x480 YUYV (asked 1280x720), asked 30 fps, measured')
    assert warnings(said) == [
        'warning: camera 0 "HD Webcam": gives 640x480, not the 1280x720 asked for; it has 1280x720, 640x480'
    ]


def test_a_rate_just_below_is_no_drop(install: Install) -> None:
    camera, said = opened(install(Capture(fps=26)), fps=30.0)
    list(itertools.islice(camera, 60))
    assert warnings(said) == []


# Closing


def test_closing_twice_releases_once(install: Install) -> None:
    capture = install(Capture())
    with opened(capture)[0] as camera:
        camera.close()
    assert capture.released == 1
    assert list(camera) == []


def test_closing_never_releases_under_a_read(install: Install) -> None:
    capture, reading, go_on = install(Capture()), threading.Event(), threading.Event()
    camera, _ = opened(capture)

    def grab() -> bool:
        reading.set()
        return go_on.wait(10)

    capture.grab = grab
    frames: list[object] = []
    reader = threading.Thread(target=lambda: frames.extend(camera))
    reader.start()
    assert reading.wait(10)
    camera.close()
    assert capture.released == 0
    go_on.set()
    reader.join(10)
    assert capture.released == 1
    assert frames == []


# Which source


@pytest.fixture
def one_camera(monkeypatch: pytest.MonkeyPatch, install: Install) -> Capture:
    monkeypatch.setattr(camera_module, "list_cameras", lambda: [WEBCAM])
    return install(Capture())


@pytest.mark.parametrize("source", ["0", "webcam", "/dev/video0"])
def test_a_camera_opens_by_number_name_and_path(source: str, one_camera: Capture) -> None:
    with open_camera(source, size=HD, fps=30.0) as camera:
        assert isinstance(camera, Camera)
        assert camera.info is WEBCAM
        assert one_camera.size == HD


@pytest.mark.parametrize("source", ["1", "/dev/video1", "logitech"])
def test_a_camera_that_is_not_there_lists_those_that_are(source: str, one_camera: Capture) -> None:
    with pytest.raises(DeviceError, match='cameras here: 0 "HD Webcam"') as raised:
        open_camera(source)
    assert source in str(raised.value)


def test_a_film_opens_as_a_playback(make_film: MakeFilm) -> None:
    with open_camera(str(make_film())) as source:
        assert isinstance(source, Playback)
        assert source.frame_size == Size(64, 48)
        assert source.describe().endswith("in.mp4: 64x48 at 25 fps")


def test_a_film_that_is_not_there_is_named() -> None:
    with pytest.raises(LivestyleError, match=r"nowhere\.mp4: no such file"):
        open_camera("nowhere.mp4")


def test_a_file_with_a_cameras_name_is_a_film(one_camera: Capture, make_film: MakeFilm, in_folder: Path) -> None:
    make_film().rename(in_folder / "webcam")
    with open_camera("webcam") as source:
        assert isinstance(source, Playback)


@pytest.fixture
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    yield tmp_path


def test_a_pattern_opens_by_its_word() -> None:
    with open_camera("pattern:64x48@10") as source:
        assert isinstance(source, Pattern)
        assert (source.frame_size, source.rate) == (Size(64, 48), 10)
