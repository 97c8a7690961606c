"""The real window, under Xvfb: what is in it, its keys, and its cross."""

from __future__ import annotations

import json
import os
import re
import shutil
import struct
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from ctypes.util import find_library
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import MakeFilm
from desktop import cam, press, xdotool, xvfb

from livestyle.frame import Image
from livestyle.media.grab import GrabbedScreen
from livestyle.media.picture import read_image
from livestyle.media.size import Size
from livestyle.media.window import Window, has_display, opening_size

linux = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")
PATIENCE = 30.0  # seconds for what takes a moment on an idle machine


@linux
def test_cam_opens_a_window_and_ends_after_its_frames(screen: str, make_film: MakeFilm) -> None:
    with cam(make_film(pts=range(100)), screen, "--frames", "30") as process:
        assert xdotool(screen, "search", "--sync", "--onlyvisible", "--name", "livestyle")
        _, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert err.splitlines()[0] == "none: no network runs"
    assert "64x48 at 25 fps" in err.splitlines()[1]
    assert err.splitlines()[2].startswith("30 frames")  # and no word from the toolkit


@linux
@pytest.mark.parametrize("display", [":98765", "127.0.0.1:98765", "127.0.0.1:3", "nonsense", ""])
def test_a_display_that_nobody_serves_is_none(display: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")  # of no use to OpenCV, which aborts there
    assert not has_display()


@linux
def test_a_display_that_is_served_is_one(screen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (screen, f"{screen}.0", f"unix{screen}"):
        monkeypatch.setenv("DISPLAY", name)
        assert has_display()


@linux
@pytest.mark.skipif(not (shutil.which("Xvfb") and find_library("xcb")), reason="needs Xvfb and libxcb")
def test_a_display_that_lets_only_others_in_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenCV aborts there: with sudo, over ssh, as a service."""
    any_host, any_display = struct.pack(">HH", 0xFFFF, 0), struct.pack(">H", 0)
    parts = (b"MIT-MAGIC-COOKIE-1", bytes(range(16)))
    key = tmp_path / "key"
    key.write_bytes(any_host + any_display + b"".join(struct.pack(">H", len(part)) + part for part in parts))
    with xvfb("64x48x24", "-auth", str(key)) as name:
        monkeypatch.setenv("DISPLAY", name)
        monkeypatch.setenv("XAUTHORITY", str(tmp_path / "none"))
        assert not has_display()
        monkeypatch.setenv("XAUTHORITY", str(key))
        assert has_display()


@linux
def test_a_tiny_picture_has_a_window_with_room_for_the_keys(screen: str, make_film: MakeFilm) -> None:
    with cam(make_film(size=(16, 16), pts=range(1500)), screen) as process:
        window = xdotool(screen, "search", "--sync", "--onlyvisible", "--name", "^livestyle$").split()[0]
        wait_for(lambda: "Geometry: 320x320" in xdotool(screen, "getwindowgeometry", window))
        press(screen, "q")
        process.communicate(timeout=30)
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("picture", "window"),
    [
        (Size(640, 360), Size(640, 360)),
        (Size(1920, 1080), Size(1280, 720)),
        (Size(2160, 3840), Size(405, 720)),
        (Size(9000, 2), Size(1280, 1)),
    ],
)
def test_a_window_begins_no_larger_than_a_small_screen(picture: Size, window: Size) -> None:
    assert opening_size(picture) == window


@linux
@pytest.mark.parametrize("key", ["q", "Escape"])
def test_a_key_ends_cam(key: str, screen: str, make_film: MakeFilm) -> None:
    film = make_film(pts=range(1500))  # a minute
    with cam(film, screen) as process:
        press(screen, key)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert re.search(r"\d+ frames?, ", err)


def test_all_keys_since_the_last_look_are_passed_on_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    codes = [*map(ord, "mc"), 0x10FFE1, ord("q")]  # with a Shift between, which is no key of ours
    cv2 = SimpleNamespace(
        **dict.fromkeys(("WINDOW_NORMAL", "WINDOW_KEEPRATIO", "WINDOW_GUI_NORMAL", "WND_PROP_VISIBLE"), 0),
        **dict.fromkeys(("namedWindow", "resizeWindow"), lambda *_: None),
        waitKeyEx=lambda _: codes.pop(0) if codes else -1,
        getWindowProperty=lambda *_: 1.0,
    )
    monkeypatch.setattr("livestyle.media.window.has_display", lambda: True)
    monkeypatch.setattr("livestyle.media.window.import_cv2", lambda: cv2)
    pressed: list[str] = []
    window = Window("livestyle", Size(64, 48), on_key=pressed.append)
    assert window.look()
    assert pressed == ["m", "c", "q"]
    cv2.waitKeyEx = lambda _: ord("n")  # held down
    assert window.look()


@linux
def test_quick_keys_count_though_the_frames_are_slow(screen: str) -> None:
    with cam(Path("pattern:320x240@0.05"), screen, "--control", "0") as process:
        url = next(line.split()[-1] for line in process.stderr or () if line.startswith("control port"))
        window = xdotool(screen, "search", "--sync", "--onlyvisible", "--name", "^livestyle$").split()[0]
        xdotool(screen, "windowfocus", "--sync", window)
        xdotool(screen, "key", "--window", window, "--delay", "80", "m", "c", "k")

        def states() -> list[object]:
            state = json.load(urllib.request.urlopen(f"{url}state", timeout=PATIENCE))
            return [state["mirror"], state["compare"], state["keep_color"]]

        wait_for(lambda: states() == [True, True, 1.0])
        press(screen, "q")
        assert process.wait(15) == 0  # the next frame comes after 20 s


def press_the_cross(screen: str, window: int) -> None:
    """What a window manager sends for it, in a process of its own: the message WM_DELETE_WINDOW."""
    code = f"""
from ctypes import CDLL, c_char_p, c_int, c_long, c_ulong, c_void_p
x = CDLL("libX11.so.6")
x.XOpenDisplay.restype, x.XInternAtom.restype = c_void_p, c_ulong
display = c_void_p(x.XOpenDisplay(None))
atom = lambda name: x.XInternAtom(display, c_char_p(name), c_int(0))
# An XClientMessageEvent: type, serial, send_event, display, window, message_type, format, data.
event = (c_long * 24)(33, 0, 0, 0, {window}, atom(b"WM_PROTOCOLS"), 32, atom(b"WM_DELETE_WINDOW"))
assert x.XSendEvent(display, c_ulong({window}), c_int(0), c_long(0), event)
x.XCloseDisplay(display)
"""
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "DISPLAY": screen}, check=True, timeout=30)


@linux
def test_closing_the_window_ends_cam(screen: str, make_film: MakeFilm) -> None:
    with cam(make_film(pts=range(1500)), screen) as process:
        window = xdotool(screen, "search", "--sync", "--onlyvisible", "--name", "livestyle").split()[0]
        press_the_cross(screen, int(window))
        _, err = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "Traceback" not in err


def wait_for(what: Callable[[], bool]) -> None:
    """Until it is true."""
    end = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < end
        time.sleep(0.05)


def grab(screen: str, monkeypatch: pytest.MonkeyPatch) -> Image:
    """What is on the screen now."""
    monkeypatch.setenv("DISPLAY", screen)
    with GrabbedScreen("screen") as source:
        return next(iter(source)).image


@pytest.fixture
def half_film(tmp_path: Path) -> Path:
    """A minute of a picture: red on the left, blue on the right."""
    import av

    image = np.zeros((240, 320, 3), np.uint8)
    image[:, :160, 0] = image[:, 160:, 2] = 200
    path = tmp_path / "half.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for _ in range(1500):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def colors(image: Image) -> tuple[float, float]:
    """Red minus blue at a quarter and at three quarters of the window's width, at its middle height."""
    red_less_blue = image[..., 0].astype(int) - image[..., 2]
    return float(red_less_blue[100:140, 60:100].mean()), float(red_less_blue[100:140, 220:260].mean())


@linux
def test_the_window_shows_the_picture_and_its_keys_change_it(
    screen: str,
    half_film: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    with cam(half_film, screen, "--styles", "none", "--control", "0") as process:
        said = iter(process.stderr or ())
        url = next(line.split()[-1] for line in said if line.startswith("control port"))

        def state() -> dict[str, object]:
            answer: dict[str, object] = json.load(urllib.request.urlopen(f"{url}state", timeout=PATIENCE))
            return answer

        window = xdotool(screen, "search", "--sync", "--onlyvisible", "--name", "^livestyle$").split()[0]

        def halves_are_right() -> bool:
            xdotool(screen, "windowmove", window, "0", "0")  # without a window manager it may be anywhere
            xdotool(screen, "windowraise", window)
            left, right = colors(grab(screen, monkeypatch))
            return left > 120 > -120 > right

        wait_for(halves_are_right)
        press(screen, "m")
        wait_for(lambda: state()["mirror"] is True)
        wait_for(lambda: colors(grab(screen, monkeypatch))[0] < -120)
        press(screen, "minus")
        wait_for(lambda: state()["strength"] == pytest.approx(0.9))
        press(screen, "bracketright")
        wait_for(lambda: state()["steady"] == pytest.approx(0.6))
        press(screen, "s")
        wait_for(lambda: bool(list(tmp_path.glob("livestyle-*.png"))))
        saved = read_image(next(tmp_path.glob("livestyle-*.png")))
        assert colors(saved)[0] < -120 and saved.shape == (240, 320, 3)
        press(screen, "i")
        wait_for(lambda: state()["statistics"] is True)
        top = grab(screen, monkeypatch)[5:60, 5:200]
        assert top.min(axis=2).max() > 200  # white letters
        press(screen, "r")
        wait_for(lambda: state()["record"] is True)
        wait_for(lambda: bool(list(tmp_path.glob(".livestyle-*.mp4"))))
        press(screen, "q")
        assert process.wait(PATIENCE) == 0
    assert len(list(tmp_path.glob("livestyle-*.mp4"))) == 1
    assert not list(tmp_path.glob(".livestyle-*"))
