"""Shared by all tests: films whose answer is known, and the one tolerance."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
import pytest
from desktop import screen  # noqa: F401 (a fixture)

from livestyle import cli
from livestyle.frame import Image

SAMPLE = Path(__file__).parents[1] / "samples" / "bay.mp4"


def assert_images_close(a: Image, b: Image, levels: float = 1) -> None:
    """At most `levels` apart anywhere."""
    assert a.shape == b.shape
    assert np.abs(a.astype(int) - b.astype(int)).max() <= levels


def gradient(width: int, height: int, shift: int = 0) -> Image:
    """A smooth picture that differs in every corner and channel; `shift` moves it."""
    x, y = np.meshgrid((np.arange(width) + shift) % width / max(width - 1, 1), np.arange(height) / max(height - 1, 1))
    return (np.stack([x, y, 1 - x * y], axis=2) * 200 + 25).astype(np.uint8)


MakeFilm = Callable[..., Path]


@pytest.fixture
def make_film(tmp_path: Path) -> MakeFilm:
    """A function that writes a film of gradients: name, size, timestamps, sound, codec options."""

    def make(
        name: str = "in.mp4",
        *,
        size: tuple[int, int] = (64, 48),
        pts: Sequence[int] = range(12),
        time_base: Fraction = Fraction(1, 25),
        sound: bool = False,
        codec: str = "libx264",
        rotation: int = 0,
    ) -> Path:
        path = tmp_path / name
        with av.open(str(path), "w") as container:
            # PyAV's default is a bit rate, with which x264 on several threads gives other bits every time.
            options = {"crf": "10"} if codec == "libx264" else {}
            rate = round(1 / time_base) if time_base.numerator == 1 else 25
            video = container.add_stream(codec, rate=rate, options=options)
            video.width, video.height, video.pix_fmt = *size, "yuv444p" if size[0] % 2 or size[1] % 2 else "yuv420p"
            video.codec_context.time_base = time_base
            if rotation:
                video.set_display_rotation(rotation)
            audio = container.add_stream("aac", rate=48000) if sound else None
            for index, moment in enumerate(pts):
                frame = av.VideoFrame.from_ndarray(gradient(*size, shift=index), format="rgb24")
                # The encoder would convert it on several threads, with other bits every time.
                frame = frame.reformat(format=video.pix_fmt, threads=1)
                frame.pts, frame.time_base = moment, time_base
                container.mux(video.encode(frame))
            container.mux(video.encode(None))
            if audio is not None:
                tone = (np.sin(np.arange(48000) * 0.05) * 8000).astype(np.int16).reshape(1, -1)
                frame = av.AudioFrame.from_ndarray(tone, format="s16", layout="mono")
                frame.sample_rate, frame.pts = 48000, 0
                container.mux(audio.encode(frame))
                container.mux(audio.encode(None))
        return path

    return make


def frame_times(path: Path) -> list[Fraction]:
    """Every frame's time in seconds, exact, in the order shown."""
    with av.open(str(path)) as container:
        return [frame.pts * frame.time_base for frame in container.decode(video=0)]


def images_of(path: Path) -> list[Image]:
    """Every frame as coded, in RGB: no rotation applied."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


@pytest.fixture(scope="session")
def ffmpeg() -> Callable[..., bytes]:
    """A function that runs the ffmpeg program, an independent witness, and gives its output."""
    program = shutil.which("ffmpeg")
    if not program:
        pytest.skip("the ffmpeg program is not installed")

    def run_ffmpeg(*arguments: str | Path) -> bytes:
        command = [program, "-v", "error", "-y", *map(str, arguments)]
        return subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL).stdout

    return run_ffmpeg


class Outcome(NamedTuple):
    """What a command said and how it ended."""

    code: int
    out: str
    err: list[str]


RunCli = Callable[..., Outcome]


@pytest.fixture
def heard_signals() -> Iterator[None]:
    """Programs started meanwhile end by SIGINT and SIGHUP, even if we run under nohup or behind a script's `&`.

    Both ignore such signals, and a program inherits that: it would never end.
    """
    hearing = {getattr(signal, "SIGHUP", signal.SIGINT): signal.SIG_DFL, signal.SIGINT: signal.default_int_handler}
    ignored = [number for number in hearing if signal.getsignal(number) is signal.SIG_IGN]
    for number in ignored:
        signal.signal(number, hearing[number])
    yield
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)


@pytest.fixture
def run_cli(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[RunCli]:
    """A function that runs the command line in this process, as the `livestyle` program would."""
    numbers = (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM))
    handlers = {number: signal.getsignal(number) for number in numbers}

    def run(*arguments: str | Path) -> Outcome:
        monkeypatch.setattr("sys.argv", ["livestyle", *map(str, arguments)])
        monkeypatch.setattr(cli, "_leave_if_stuck", lambda code: None)  # it would end pytest
        capfd.readouterr()
        try:
            cli.main()
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
        out, err = capfd.readouterr()
        return Outcome(code, out, err.splitlines())

    yield run
    for number, handler in handlers.items():
        signal.signal(number, handler)
