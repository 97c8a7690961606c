"""The live chain: a film as camera, a virtual camera that remembers, and how it all ends."""

from __future__ import annotations

import errno
import itertools
import json
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from conftest import MakeFilm, RunCli, frame_times

from livestyle.chain import Chain
from livestyle.controls import Controls
from livestyle.errors import DeviceError
from livestyle.frame import Frame
from livestyle.governor import Governor
from livestyle.latency import Meter
from livestyle.live import LiveOptions, _counted, run_live
from livestyle.media.pattern import Pattern
from livestyle.media.playback import Playback
from livestyle.media.size import Size
from livestyle.media.virtual import VirtualCamera
from livestyle.media.watch import Watched
from livestyle.palette import Palette

SIGHUP = getattr(signal, "SIGHUP", 1)  # Windows has none
STOP_SECONDS = 5.0  # one is promised; test machines are busy
linux = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")

# Stands for pyvirtualcam: writes what it is sent, a line a frame, to $SENT.
FAKE_PYVIRTUALCAM = """
import json, os
class PixelFormat:
    RGB = "rgb"
class Camera:
    device = "/dev/fake"
    def __init__(self, width, height, fps, fmt):
        self.shape, self.file = [height, width, 3], open(os.environ["SENT"], "w")
        self.say({"fps": fps, "fmt": fmt, "shape": self.shape})
    def say(self, fact):
        self.file.write(json.dumps(fact) + "\\n")
    def send(self, frame):
        assert list(frame.shape) == self.shape and frame.dtype == "uint8" and frame.flags["C_CONTIGUOUS"]
        self.say(frame[4, 4].tolist())
    def close(self):
        self.file.close()
"""


@pytest.fixture
def virtual_camera(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A fake pyvirtualcam; what it is sent is in the file."""
    folder = tmp_path / "packages"
    folder.mkdir()
    (folder / "pyvirtualcam.py").write_text(FAKE_PYVIRTUALCAM)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("SENT", str(tmp_path / "sent"))
    yield tmp_path / "sent"
    sys.modules.pop("pyvirtualcam", None)


def sent(path: Path) -> list[object]:
    return [json.loads(line) for line in path.read_text().splitlines()]


# Without a screen


@linux
@pytest.mark.parametrize("camera", ["97", "/dev/video97", "nowhere.mp4", "http://127.0.0.1:9/none"])
def test_a_missing_camera_is_one_line(camera: str, virtual_camera: Path, run_cli: RunCli) -> None:
    outcome = run_cli("cam", "--camera", camera, "--style", "none", "--virtual", "--no-window", "-q")
    assert outcome.code == 1
    assert len(outcome.err) == 1
    assert outcome.err[0].startswith("error: ")
    assert camera in outcome.err[0]


@linux
@pytest.mark.parametrize("arguments", [(), ("--no-window",)])
def test_nowhere_to_show_it_is_one_line(
    arguments: tuple[str, ...], make_film: MakeFilm, run_cli: RunCli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    outcome = run_cli("cam", "--camera", make_film(), "--style", "none", "-q", *arguments)
    assert outcome.code == 1
    assert len(outcome.err) == 1
    assert outcome.err[0].startswith("error: ")
    assert "--virtual" in outcome.err[0]


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *((option, value) for option in ("--fps", "--camera-fps", "--give-up") for value in ("nan", "inf", "-1")),
        ("--camera-fps", "0.0001"),
        ("--styles", ","),
        ("--styles", ""),
    ],
)
def test_a_value_that_makes_no_sense_is_a_usage_error(option: str, value: str, run_cli: RunCli) -> None:
    outcome = run_cli("cam", "--camera", "pattern:64x48", "--style", "none", "--no-window", option, value)
    assert outcome.code == 2
    assert option in outcome.err[-1]


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("fps = 'fast'", "write a number from 1 to 240"),
        ("strength = 'much'", "write a number from 0 to 1"),
        ("camera-fps = 'slow'", "write a number from 0.001 to 1000"),
        ("threads = 'all'", "write a whole number from 0 to 256"),
        ("frames = 2.5", "write a whole number from 1"),
    ],
)
def test_text_for_a_number_is_told_what_to_write(
    setting: str, said: str, run_cli: RunCli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIVESTYLE_HOME", str(tmp_path))
    (tmp_path / "config.toml").write_text(f"[cam]\n{setting}\n")
    outcome = run_cli("cam", "--camera", "pattern:64x48", "--style", "none", "--no-window")
    assert outcome.code == 1
    assert setting in outcome.err[-1]
    assert outcome.err[-1].endswith(said)


def test_blanks_between_styles_are_no_styles(virtual_camera: Path, run_cli: RunCli) -> None:
    arguments = ["--styles", "starry,, none,", "--virtual", "--no-window", "--frames", "1"]
    assert run_cli("cam", "--camera", "pattern:64x48", "--style", "none", *arguments).code == 0


def test_a_damaged_style_nobody_asked_for_is_left_out_aloud(
    virtual_camera: Path, run_cli: RunCli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIVESTYLE_HOME", str(tmp_path))
    (tmp_path / "styles").mkdir()
    (tmp_path / "styles" / "mine.onnx").write_bytes(b"cut off")
    command = ["cam", "--camera", "pattern:64x48", "--style", "none", "--virtual", "--no-window", "--frames", "1"]
    outcome = run_cli(*command)
    assert outcome.code == 0
    assert [line for line in outcome.err if line.startswith("left out: ") and "mine.onnx" in line]
    asked = run_cli(*command, "--styles", "mine")
    assert asked.code == 1
    assert len(asked.err) == 1


def test_a_recording_never_replaces_the_film_that_is_played(run_cli: RunCli, make_film: MakeFilm) -> None:
    film = make_film()
    before = film.read_bytes()
    arguments = ["--style", "none", "--no-window", "--record", film, "--overwrite"]
    outcome = run_cli("cam", "--camera", film, *arguments)
    assert outcome.code == 1
    assert outcome.err[-1] == f"error: {film}: is the input itself; choose another name"
    assert film.read_bytes() == before


def test_a_recording_that_fails_is_exit_1(
    run_cli: RunCli, tmp_path: Path, virtual_camera: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("livestyle.media.recorder._Film.add", full)
    command = ["cam", "--camera", "pattern:64x48", "--style", "none", "--no-window", "--record", tmp_path / "a.mp4"]
    alone = run_cli(*command, "-q")  # and it ends by itself
    assert (alone.code, len(alone.err)) == (1, 1)
    assert "No space left on device" in alone.err[0]
    beside = run_cli(*command, "-q", "--virtual", "--frames", "30")
    assert beside.code == 1
    assert len(sent(virtual_camera)) == 1 + 30  # the call goes on
    assert not list(tmp_path.glob("*.mp4"))


def test_pictures_shown_again_are_not_the_cameras() -> None:
    class Lost(Pattern):
        def __iter__(self) -> Iterator[Frame]:
            yield next(super().__iter__())
            raise DeviceError("camera 0: gives no more frames")

    opened = iter([Lost(Size(64, 48), fps=50.0)])

    def open_once() -> Pattern:
        for source in opened:
            return source
        raise DeviceError("camera 0: there is no /dev/video0")

    source = Watched(open_once, give_up=1.0)
    meter = Meter()
    came: list[Frame] = []
    chain = Chain(Palette(["none"]), Controls(["none"]), lambda full, networks: Governor(full, fps=30, max_latency=1))
    with pytest.raises(DeviceError, match="given up"):
        came.extend(_counted(source, chain, meter))
    assert len(came) > 2
    assert meter.stats().camera_fps == 0


def test_virtual_camera_gets_rgb_of_the_right_size(make_film: MakeFilm, virtual_camera: Path, run_cli: RunCli) -> None:
    film = make_film(time_base=Fraction(1, 100), pts=range(0, 48, 4))
    outcome = run_cli("cam", "--camera", film, "--style", "none", "--virtual", "--no-window", "--out-size", "32x24")
    assert outcome.code == 0
    assert "virtual camera: /dev/fake" in outcome.err
    facts, *pixels = sent(virtual_camera)
    assert facts == {"fps": 25.0, "fmt": "rgb", "shape": [24, 32, 3]}
    assert 1 <= len(pixels) <= 12
    blue = [pixel[2] for pixel in pixels]  # type: ignore[index]
    assert min(blue) > 180  # the gradient's corner is blue in RGB, red in BGR


def test_frames_ends_a_live_run(make_film: MakeFilm, virtual_camera: Path, run_cli: RunCli) -> None:
    outcome = run_cli(
        "cam", "--camera", make_film(pts=range(50)), "--style", "none", "--virtual", "--no-window", "--frames", "3"
    )
    assert outcome.code == 0
    assert len(sent(virtual_camera)) == 1 + 3
    assert outcome.err[-1].startswith("3 frames")


def test_quiet_still_says_where_the_ports_are(run_cli: RunCli) -> None:
    ports = ["--mjpeg", "0", "--control", "0", "--osc", "0"]
    outcome = run_cli("cam", "--camera", "pattern", "--style", "none", "--no-window", *ports, "--frames", "1", "-q")
    assert (outcome.code, outcome.out, len(outcome.err)) == (0, "", 3)
    picture, control, osc = outcome.err
    token = r"[\w-]{22}"
    assert re.fullmatch(rf"picture at http://127\.0\.0\.1:\d+/{token}/", picture)
    assert re.fullmatch(rf"control port: http://127\.0\.0\.1:\d+/{token}/", control)
    assert re.fullmatch(rf"OSC: port \d+, addresses /{token}/livestyle/\.\.\.", osc)


def test_a_virtual_camera_scales_what_has_another_size(virtual_camera: Path) -> None:
    camera = VirtualCamera(Size(20, 10), Fraction(30))
    assert camera.write(Frame(np.full((30, 60, 3), (9, 8, 7), np.uint8), Fraction(0), 0))
    camera.close()
    assert sent(virtual_camera)[1:] == [[9, 8, 7]]


def test_a_film_as_camera_plays_at_its_own_pace(make_film: MakeFilm, monkeypatch: pytest.MonkeyPatch) -> None:
    now, slept = [100.0], []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "sleep", sleep)
    with Playback(str(make_film(pts=[0, 1, 2, 10, 11]))) as source:
        frames = list(source)
    assert [frame.index for frame in frames] == [0, 1, 2, 3, 4]
    assert slept == pytest.approx([0, 0.04, 0.04, 0.32, 0.04])


@pytest.mark.parametrize("every", [1, 60])
def test_a_slow_source_and_skipping_do_not_delay_the_end(every: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Chain, "takes", lambda chain, index: index % every == 0)
    controls = Controls(["none"])
    options = LiveOptions("pattern:64x48@0.02" if every == 1 else "pattern:64x48@2", window=False, mjpeg_port=0)
    quitter = threading.Timer(0.5, controls.do, ["quit"])
    quitter.start()
    began = time.monotonic()
    stats, _ = run_live(options, Palette(["none"]), controls)
    assert time.monotonic() - began < 0.5 + STOP_SECONDS  # a frame comes every 50 or 30 s
    assert stats.frames <= 1


@linux
@pytest.mark.parametrize(
    ("signal_", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (getattr(signal, "SIGHUP", 1), 129)]
)
@pytest.mark.usefixtures("heard_signals")
def test_a_signal_finishes_the_recording(signal_: signal.Signals, code: int, tmp_path: Path) -> None:
    arguments = ["cam", "--camera", "pattern:160x96@25", "--style", "none", "--no-window", "--record", "a.mp4"]
    command = [sys.executable, "-m", "livestyle.cli", *arguments]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        while not any(path.stat().st_size > 2000 for path in tmp_path.glob(".a.*.mp4")):
            assert process.poll() is None
            time.sleep(0.05)
        asked = time.monotonic()
        process.send_signal(signal_)
        _, err = process.communicate(timeout=30)
    assert time.monotonic() - asked < STOP_SECONDS
    assert process.returncode == code
    assert "recorded a.mp4" in err and "Traceback" not in err
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]
    assert len(frame_times(tmp_path / "a.mp4")) > 10


def test_a_camera_gone_for_good_ends_the_run_with_exit_1(
    run_cli: RunCli, monkeypatch: pytest.MonkeyPatch, virtual_camera: Path
) -> None:
    class Dies(Pattern):
        def __iter__(self) -> Iterator[Frame]:
            yield from itertools.islice(super().__iter__(), 3)
            raise DeviceError("camera 0: gives no more frames")

    opened = iter([Dies(Size(64, 48), fps=50.0)])

    def open_once(*_: object, **__: object) -> Pattern:
        for source in opened:
            return source
        raise DeviceError("camera 0: there is no /dev/video0")

    monkeypatch.setattr("livestyle.live.open_camera", open_once)
    outcome = run_cli("cam", "--style", "none", "--virtual", "--no-window", "--give-up", "1.5")
    assert outcome.code == 1
    assert outcome.err[-1].startswith("error: ") and "camera" in outcome.err[-1]
    assert len(sent(virtual_camera)) > 4  # the last picture was held meanwhile


STUCK = """
import atexit, threading, time
from fractions import Fraction
import numpy as np
from livestyle import cli, live
from livestyle.frame import Frame
from livestyle.media.size import Size
from livestyle.media.source import Closing

class Stuck(Closing):
    frame_size, rate, patience, stillness = Size(32, 32), Fraction(30), 0.3, None
    def describe(self):
        return "stuck"
    def __iter__(self):
        yield Frame(np.zeros((32, 32, 3), np.uint8), Fraction(0), 0, captured=time.monotonic())
        time.sleep(60)
    def _release(self):
        pass

live.open_camera = lambda *_, **__: Stuck()
atexit.register(print, "Python's own ending")
cli.main()
"""


def test_a_camera_stuck_in_its_driver_does_not_crash_the_ending() -> None:
    """Python's ending under a thread that is inside FFmpeg or OpenCV was a segmentation fault now and then."""
    arguments = ["cam", "--style", "none", "--no-window", "--mjpeg", "0", "--give-up", "1"]
    done = subprocess.run(
        [sys.executable, "-c", STUCK, *arguments], capture_output=True, text=True, timeout=50, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1].startswith("error: camera: gives no picture; gone for 1 s, given up")
