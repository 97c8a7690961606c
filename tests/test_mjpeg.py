"""The picture over HTTP: newest frame to everyone, encoded once, and nobody waits for anybody."""

from __future__ import annotations

import io
import itertools
import os
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from urllib.parse import urlsplit

import av
import numpy as np
import pytest
from conftest import gradient
from PIL import Image as Pillow

from livestyle.errors import OutputError
from livestyle.frame import Frame
from livestyle.media.mjpeg import MjpegServer

JPEG_LEVELS = 6  # of a plain colour after quality 85


@pytest.fixture
def server() -> Iterator[MjpegServer]:
    server = MjpegServer(0)
    yield server
    server.close()


def frame(index: int, width: int = 64, height: int = 48) -> Frame:
    """A plain frame whose red says which it is."""
    return Frame(np.full((height, width, 3), (index, 100, 200), np.uint8), Fraction(index, 30), index)


class Viewer:
    """A client that takes a part when it is asked to."""

    def __init__(self, server: MjpegServer) -> None:
        self._socket = socket.create_connection(("127.0.0.1", urlsplit(server.url).port), timeout=5)
        self._file = self._socket.makefile("rb")
        path = urlsplit(server.url).path + "stream.mjpg"
        self._socket.sendall(f"GET {path} HTTP/1.1\r\nHost: {urlsplit(server.url).netloc}\r\n\r\n".encode())
        self.head = b"".join(iter(self._file.readline, b"\r\n"))
        assert self._file.readline() == b"--frame\r\n"

    def next(self) -> np.ndarray | None:
        """The next picture, complete with the boundary behind it; None at the end."""
        lines = list(iter(self._file.readline, b"\r\n"))[:3] if self._peek() else []
        if not lines:
            return None
        fields = dict(line.decode().strip().split(": ") for line in lines)
        assert fields["Content-Type"] == "image/jpeg"
        picture = self._file.read(int(fields["Content-Length"]))
        assert self._file.read(11) == b"\r\n--frame\r\n"
        return np.asarray(Pillow.open(io.BytesIO(picture)))

    def _peek(self) -> bytes:
        return self._file.peek(1)[:1]  # type: ignore[attr-defined, no-any-return]

    def close(self) -> None:
        self._file.close()
        self._socket.close()


def get(url: str) -> tuple[str, bytes]:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return answer.headers["Content-Type"], answer.read()


def test_every_viewer_gets_every_frame_it_has_time_for_encoded_once(server: MjpegServer) -> None:
    viewers = [Viewer(server) for _ in range(3)]
    assert b"multipart/x-mixed-replace; boundary=frame" in viewers[0].head
    assert b"no-store" in viewers[0].head
    for index in range(10, 60, 10):
        server.write(frame(index))
        for viewer in viewers:
            image = viewer.next()
            assert image is not None
            assert np.abs(image.mean(axis=(0, 1)) - (index, 100, 200)).max() < JPEG_LEVELS
    assert server.encoded == 5
    for viewer in viewers:
        viewer.close()


def test_nothing_is_encoded_while_nobody_watches(server: MjpegServer) -> None:
    for index in range(100):
        server.write(frame(index))
    assert server.encoded == 0


def test_a_late_viewer_begins_with_the_newest_frame(server: MjpegServer) -> None:
    for index in (10, 20, 200):
        server.write(frame(index))
    viewer = Viewer(server)
    image = viewer.next()
    assert image is not None
    assert abs(image[..., 0].mean() - 200) < JPEG_LEVELS
    viewer.close()


def test_a_viewer_who_takes_nothing_delays_neither_the_chain_nor_others(server: MjpegServer) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (720, 1280, 3), dtype=np.uint8)  # a JPEG of a megabyte
    stuck, lively = Viewer(server), Viewer(server)
    longest = 0.0
    for index in range(30):
        before = time.perf_counter()
        server.write(Frame(noise, Fraction(index, 30), index))
        longest = max(longest, time.perf_counter() - before)
        assert lively.next() is not None
    assert longest < 0.1
    assert server.encoded == 30
    stuck.close()
    lively.close()


def test_a_slow_viewer_goes_on_with_the_newest_frame(server: MjpegServer) -> None:
    viewer = Viewer(server)
    server.write(frame(10))
    assert viewer.next() is not None
    for index in range(20, 250, 10):  # small ones: some are in the socket's buffers, the rest are forgotten
        server.write(frame(index, 640, 480))
    last = 0.0
    while last < 240 - JPEG_LEVELS:
        image = viewer.next()
        assert image is not None
        assert image[..., 0].mean() > last
        last = float(image[..., 0].mean())
    viewer.close()


def test_a_gone_viewer_is_forgotten(server: MjpegServer) -> None:
    viewer = Viewer(server)
    server.write(frame(1))
    viewer.next()
    viewer.close()
    pause = threading.Event()
    for index in range(100):  # the second write into a closed connection fails
        server.write(frame(index))
        pause.wait(0.02)
        if not server._server._server._clients:
            break
    encoded = server.encoded
    for index in range(10):
        server.write(frame(index))
    assert not server._server._server._clients
    assert server.encoded == encoded


def test_close_ends_within_a_second_whatever_viewers_do() -> None:
    server = MjpegServer(0)
    before = threading.active_count()
    viewers = [Viewer(server) for _ in range(3)]
    server.write(Frame(np.random.default_rng(0).integers(0, 255, (1080, 1920, 3), dtype=np.uint8), Fraction(0), 0))
    assert viewers[0].next() is not None  # one reads, two are stuck in the middle of a picture
    began = time.perf_counter()
    server.close()
    assert time.perf_counter() - began < 1
    assert viewers[0].next() is None
    pause = threading.Event()
    for _ in range(100):
        if threading.active_count() < before:
            break
        pause.wait(0.02)
    assert threading.active_count() < before  # the server's own has ended too
    server.close()
    for viewer in viewers:
        viewer.close()


def test_one_picture_can_be_had(server: MjpegServer) -> None:
    server.write(Frame(gradient(64, 48), Fraction(0), 0))
    kind, jpeg = get(server.url + "frame.jpg")
    assert kind == "image/jpeg"
    assert np.abs(np.asarray(Pillow.open(io.BytesIO(jpeg))).astype(int) - gradient(64, 48)).mean() < JPEG_LEVELS
    assert get(server.url + "frame.jpg")[1] == jpeg
    assert server.encoded == 1


def test_the_page_shows_the_stream(server: MjpegServer) -> None:
    kind, page = get(server.url)
    assert kind.startswith("text/html")
    assert b'src="stream.mjpg"' in page


@pytest.mark.parametrize("path", ["", "stream.mjpg", "frame.jpg"])
def test_the_token_is_asked_for(path: str, server: MjpegServer) -> None:
    server.write(frame(1))
    with pytest.raises(urllib.error.HTTPError, match="404"):
        get(f"http://{urlsplit(server.url).netloc}/wrong/{path}")


def test_a_taken_port_is_one_line(server: MjpegServer) -> None:
    port = urlsplit(server.url).port
    assert port is not None
    with pytest.raises(OutputError, match=f"mjpeg: port {port} is not to be had"):
        MjpegServer(port)


# Other programs read it


def playing(server: MjpegServer, stop: threading.Event) -> threading.Thread:
    """A thread that writes 50 frames a second."""

    def play() -> None:
        index = 0
        while not stop.wait(0.02):
            server.write(frame(index * 3 % 250, 320, 240))
            index += 1

    thread = threading.Thread(target=play)
    thread.start()
    return thread


def test_ffmpeg_reads_the_stream(server: MjpegServer) -> None:
    stop = threading.Event()
    thread = playing(server, stop)
    try:
        with av.open(server.url + "stream.mjpg", format="mpjpeg", timeout=10) as stream:
            images = [image.to_ndarray(format="rgb24") for image in itertools.islice(stream.decode(video=0), 10)]
    finally:
        stop.set()
        thread.join()
    assert len({round(image[..., 0].mean()) for image in images}) > 5  # it moves
    assert all(np.abs(image[..., 1:].mean(axis=(0, 1)) - (100, 200)).max() < JPEG_LEVELS for image in images)


def test_a_browser_shows_the_page(server: MjpegServer, tmp_path: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if not browser:
        pytest.skip("chromium is not installed")
    picture = tmp_path / "page.png"
    stop = threading.Event()
    thread = playing(server, stop)
    flags = ["--headless", "--disable-gpu", "--no-first-run", "--virtual-time-budget=2000", "--window-size=400,300"]
    flags += ["--no-sandbox"] if os.geteuid() == 0 else []
    try:
        command = [browser, *flags, f"--user-data-dir={tmp_path}/profile", f"--screenshot={picture}", server.url]
        subprocess.run(command, check=True, timeout=60, capture_output=True)
    finally:
        stop.set()
        thread.join()
    shown = np.asarray(Pillow.open(picture).convert("RGB"))
    assert np.abs(shown[shown.shape[0] // 2, shown.shape[1] // 2, 1:].astype(int) - (100, 200)).max() < 2 * JPEG_LEVELS
