"""Inside the VM: running livestyle, and the virtual camera's other side."""

from __future__ import annotations

import faulthandler
import os
import resource
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2  # before av, which livestyle brings
import numpy as np

# What a run needs, so that it is loaded once and not by every fork.
import livestyle.live
import livestyle.media.virtual
import livestyle.palette  # noqa: F401
from livestyle import cli
from livestyle.frame import Image
from livestyle.media.size import Size

WEBCAM, DEVICE, RUNTIME = "/dev/video0", "/dev/video1", "/run/rig"
SMALL, RATE = Size(320, 180), 10
PATTERN = f"pattern:{SMALL}@{RATE}"
PATIENCE = 240.0  # seconds until something has gone wrong, for a busy machine; starting Python alone may take 60


class Run:
    """A `livestyle cam` of its own process, killed at the end if need be."""

    def __init__(self, *arguments: str, camera: str = PATTERN, style: str = "none", command: bool = False) -> None:
        shown = ["--virtual", "--no-window", "--steady", "0", "--fps", "2", "--max-latency", "20s"]
        self._arguments = ["cam", "--camera", camera, "--style", style, "--styles", style, *shown, *arguments]
        self._said = Path(f"/tmp/said-{time.monotonic_ns()}")
        self.pid = self._start_command() if command else self._fork()
        self._code: int | None = None

    def _start_command(self) -> int:
        with self._said.open("wb") as said:
            command = [sys.executable, "-m", "livestyle.cli", *self._arguments]
            return subprocess.Popen(command, stdout=said, stderr=said).pid

    def _fork(self) -> int:
        if pid := os.fork():
            return pid
        code = 70
        try:
            os.dup2(os.open(self._said, os.O_WRONLY | os.O_CREAT), 2)
            os.closerange(3, 256)  # a device that this process reads
            faulthandler.register(signal.SIGUSR1, file=2)  # tells where each thread is
            sys.argv = ["livestyle", *self._arguments]
            cli.main()
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)

    def code(self) -> int:
        """Its exit status, once it has ended; minus the signal that killed it."""
        try:
            until(self.ended, "the end of livestyle")
        except AssertionError as error:
            os.kill(self.pid, signal.SIGUSR1)
            time.sleep(5)
            raise AssertionError(f"{error}, which says: {self.said()}") from None
        assert self._code is not None
        return self._code

    def ended(self) -> bool:
        if self._code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self._code = os.waitstatus_to_exitcode(status) if pid else None
        return self._code is not None

    def said(self) -> list[str]:
        return self._said.read_text().splitlines() if self._said.exists() else []

    def shows(self) -> None:
        """Returns once a reader would get frames."""
        until(lambda: is_shown() or self.ended(), "the first frame")
        if self.ended():
            raise AssertionError(f"livestyle ended: {self.code()} {self.said()}")

    def stop(self, number: int = signal.SIGTERM) -> float:
        """Seconds from the signal to the end."""
        asked = time.monotonic()
        os.kill(self.pid, number)
        self.code()
        return time.monotonic() - asked

    def memory_mb(self) -> float:
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * resource.getpagesize() / 1e6

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *_: object) -> None:
        if not self.ended():
            os.kill(self.pid, signal.SIGKILL)
            self.code()


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {PATIENCE:g} s for {what}")
        time.sleep(0.02)


def load(*, exclusive_caps: int) -> None:
    """A fresh virtual camera at DEVICE."""
    busybox = f"{RUNTIME}/busybox"
    if Path("/sys/module/v4l2loopback").exists():
        subprocess.run([busybox, "rmmod", "v4l2loopback"], check=True)
    options = ["video_nr=1", "card_label=livestyle", f"exclusive_caps={exclusive_caps}", "max_buffers=8"]
    subprocess.run([busybox, "insmod", f"{RUNTIME}/v4l2loopback.ko", *options], check=True)
    until(Path(DEVICE).exists, DEVICE)


def about(attribute: str) -> str:
    path = Path("/sys/class/video4linux") / Path(DEVICE).name / attribute
    return path.read_text().strip() if path.exists() else ""


def is_shown() -> bool:
    """Newer drivers tell a state; the format is fixed by the first frame in old ones."""
    return about("state") == "capture" if about("state") else bool(about("format"))


@contextmanager
def reading() -> Iterator[Callable[[], Image]]:
    """A program that watches: a function that waits for a frame."""
    fourcc, _, rest = about("format").partition(":")
    width, height = map(int, rest.split("@")[0].split("x"))
    layout, rows, conversion = {
        "YU12": (width, height * 3 // 2, cv2.COLOR_YUV2RGB_I420),
        "YUYV": (width * 2, height, cv2.COLOR_YUV2RGB_YUY2),
    }[fourcc]
    descriptor = os.open(DEVICE, os.O_RDWR)

    def read() -> Image:
        data = np.frombuffer(os.read(descriptor, rows * layout), np.uint8)
        shape = (height, width, 2) if fourcc == "YUYV" else (rows, layout)
        return np.asarray(cv2.cvtColor(data.reshape(shape), conversion), np.uint8)

    try:
        yield read
    finally:
        os.close(descriptor)


def ffmpeg(frames: int, source: str = DEVICE) -> list[Image]:
    """Frames as the ffmpeg program reads them."""
    command = ["ffmpeg", "-v", "error", "-f", "v4l2", "-i", source, "-frames:v", str(frames)]
    command += ["-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    raw = subprocess.run(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, check=True, timeout=PATIENCE).stdout
    width, height = map(int, about("format").partition(":")[2].split("@")[0].split("x"))
    return list(np.frombuffer(raw, np.uint8).reshape(-1, height, width, 3))
