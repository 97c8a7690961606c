"""Sources behind FFmpeg: films and streams over the network, and the screen, each the real thing on this machine."""

from __future__ import annotations

import contextlib
import ctypes
import io
import itertools
import shutil
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import av
import pytest
from conftest import MakeFilm
from desktop import xvfb
from PIL import Image as Pillow

from livestyle.errors import DeviceError, InputError
from livestyle.frame import Image
from livestyle.media import playback
from livestyle.media.camera import open_camera
from livestyle.media.pattern import Pattern, read_number
from livestyle.media.playback import NetworkStream, Playback, without_password
from livestyle.media.screen import Region, Screen, grabber, parse_screen
from livestyle.media.size import Size
from livestyle.media.watch import Watched

Answer = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def serving(answer: Answer) -> Iterator[str]:
    """The address of a web server that answers every request so."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with contextlib.suppress(OSError):  # the client has gone
                answer(self)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def jpeg(image: Image) -> bytes:
    data = io.BytesIO()
    Pillow.fromarray(image).save(data, "jpeg", quality=95)
    return data.getvalue()


def mjpeg(pictures: int) -> Answer:
    """A network camera of the cheap kind: JPEG after JPEG, then it hangs up."""
    pattern = Pattern(Size(320, 240))

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        request.end_headers()
        for number in range(pictures):
            data = jpeg(pattern.picture(number))
            request.wfile.write(b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(data))
            request.wfile.write(data + b"\r\n")

    return answer


def sending(content: bytes) -> Answer:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Type", "video/mp4")
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)

    return answer


SDP = """v=0
o=- 0 0 IN IP4 127.0.0.1
s=camera
t=0 0
m=video 0 RTP/AVP 96
a=rtpmap:96 H264/90000
a=fmtp:96 packetization-mode=1
a=control:track0
""".replace("\n", "\r\n")
RTSP_REPLIES = {
    "OPTIONS": "Public: OPTIONS, DESCRIBE, SETUP, PLAY\r\n",
    "SETUP": "Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\nSession: 1\r\n",
    "PLAY": "Session: 1\r\n",
}


def speak_rtsp(connection: socket.socket, pictures: int) -> None:
    """An RTSP camera's side of one connection: its pictures as RTP between the answers, then it hangs up."""
    requests = connection.makefile("r", encoding="ascii", newline="\r\n")
    while request := "".join(iter(requests.readline, "\r\n")):
        method, number = request.split()[0], request.partition("CSeq: ")[2].split()[0]
        body = f"Content-Type: application/sdp\r\nContent-Length: {len(SDP)}\r\n\r\n{SDP}"
        rest = body if method == "DESCRIBE" else RTSP_REPLIES.get(method, "") + "\r\n"
        connection.sendall(f"RTSP/1.0 200 OK\r\nCSeq: {number}\r\n{rest}".encode())
        if method == "PLAY":
            send_rtp(connection, pictures)
            return


def send_rtp(connection: socket.socket, pictures: int) -> None:
    """Numbered pictures as H.264; FFmpeg makes the RTP packets, which come by UDP and go on over the connection."""
    pattern = Pattern(Size(320, 240))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as packets:
        packets.bind(("127.0.0.1", 0))
        packets.settimeout(0.02)
        with av.open(f"rtp://127.0.0.1:{packets.getsockname()[1]}", "w", format="rtp") as muxer:
            stream = muxer.add_stream("libx264", rate=25, options={"tune": "zerolatency", "g": "5"})
            stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
            for number in range(pictures):
                muxer.mux(stream.encode(av.VideoFrame.from_ndarray(pattern.picture(number), format="rgb24")))
                with contextlib.suppress(TimeoutError):
                    while packet := packets.recv(65536):
                        connection.sendall(b"$\x00" + len(packet).to_bytes(2, "big") + packet)


@contextmanager
def rtsp_camera(pictures: int) -> Iterator[str]:
    """The address of an RTSP camera that hangs up after so many pictures, each time it is called."""
    closed = threading.Event()

    def serve() -> None:
        while not closed.is_set():
            with contextlib.suppress(OSError), server.accept()[0] as connection:
                speak_rtsp(connection, pictures)

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"rtsp://127.0.0.1:{server.getsockname()[1]}/live"
        finally:
            closed.set()
            thread.join()


# The network


def test_an_rtsp_camera_gives_its_pictures_and_is_called_again_when_it_hangs_up() -> None:
    said: list[str] = []
    numbers = []
    with rtsp_camera(40) as address, Watched(lambda: open_camera(address), say=said.append) as source:
        assert source.frame_size == Size(320, 240)
        for frame in source:
            numbers.append(read_number(frame.image))
            if any("back after" in line for line in said):
                break
    first = [number for number in numbers[:-1] if number is not None]  # the last is of the second call
    assert first == sorted(first)  # the newest win: what comes while it opens may be left out
    assert len(set(first)) > 20
    assert "trying again" in said[0]


def test_a_network_camera_gives_its_pictures_and_its_end_is_a_loss() -> None:
    with serving(mjpeg(12)) as address, open_camera(f"{address}/video") as source:
        assert isinstance(source, NetworkStream)
        assert source.frame_size == Size(320, 240)
        frames = iter(source)
        seen = [next(frames) for _ in range(8)]
        with pytest.raises(DeviceError, match=r"the stream has ended|the connection is lost"):
            list(frames)
    numbers = [read_number(frame.image) for frame in seen]
    assert numbers == list(range(numbers[0] or 0, (numbers[0] or 0) + 8))
    assert all(a.captured <= b.captured for a, b in itertools.pairwise(seen))


def test_a_network_camera_that_hangs_up_is_called_again() -> None:
    said: list[str] = []
    with serving(mjpeg(6)) as address, Watched(lambda: open_camera(f"{address}/video"), say=said.append) as source:
        for _ in source:
            if any("back after" in line for line in said):
                break
    assert "trying again" in said[0]


def test_a_film_on_a_web_server_keeps_its_pace_and_ends(make_film: MakeFilm, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    film = make_film("in.mkv", pts=range(25)).read_bytes()
    with serving(sending(film)) as address, open_camera(f"{address}/in.mkv") as source:
        frames = list(source)
    assert len(frames) == 25  # the first one, decoded at opening, too
    assert frames[-1].captured - 100 == pytest.approx(24 / 25, abs=0.001)
    assert source.patience == playback.READ_SECONDS  # no frame waits for its time any more


@pytest.mark.parametrize("scheme", ["http", "rtsp"])
def test_an_address_that_does_not_answer_is_given_up(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(playback, "CONNECT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"{scheme}://user:s3cret@127.0.0.1:{silent.getsockname()[1]}/live"
        began = time.monotonic()
        with pytest.raises(DeviceError, match=r"\*\*\*@127\.0\.0\.1:\d+/live: cannot be opened") as raised:
            open_camera(address)
    assert time.monotonic() - began < 5
    assert "s3cret" not in str(raised.value)


def test_what_is_no_film_at_an_address_is_one_line() -> None:
    no_film = sending(b"<html>no film</html>" * 100)
    with serving(no_film) as address, pytest.raises(DeviceError, match="cannot be opened") as raised:
        open_camera(f"{address}/?token=s3cret")
    assert "s3cret" not in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("rtsp://admin:s3cret@10.0.0.1:554/live", "rtsp://***@10.0.0.1:554/live"),
        ("rtsp://admin:s3/c@ret@10.0.0.1/live", "rtsp://***@10.0.0.1/live"),
        ("http://10.0.0.1/video?user=a&password=s3cret&size=2", "http://10.0.0.1/video?user=a&password=***&size=2"),
        ("http://10.0.0.1/?access_token=s3cret#t=5", "http://10.0.0.1/?access_token=***#t=5"),
        ("rtsp://10.0.0.1/live", "rtsp://10.0.0.1/live"),
    ],
)
def test_passwords_are_not_shown(address: str, shown: str) -> None:
    assert without_password(address) == shown


def test_a_film_without_end_closes_while_it_waits(make_film: MakeFilm) -> None:
    source = Playback(make_film(pts=[0, 1, 5000]))
    began = threading.Event()
    reader = threading.Thread(target=lambda: [began.set() for _ in source])
    reader.start()
    assert began.wait(10)
    source.close()
    reader.join(5)
    assert not reader.is_alive()


# The screen


@pytest.mark.parametrize(
    ("text", "region"),
    [("screen", None), ("screen:10,20,640x360", Region(10, 20, Size(640, 360)))],
)
def test_a_part_of_the_screen_is_chosen_by_its_words(text: str, region: Region | None) -> None:
    assert parse_screen(text) == region


@pytest.mark.parametrize("text", ["screen:", "screen:1,2", "screen:1,2,3", "screen:1,2,0x5", "screen:-1,2,3x4"])
def test_another_part_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="screen"):
        parse_screen(text)


def test_without_a_display_there_is_no_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(DeviceError, match="there is no X display here"):
        Screen()


def test_each_system_has_its_grabber(monkeypatch: pytest.MonkeyPatch) -> None:
    region = Region(10, 20, Size(64, 48))
    monkeypatch.setenv("DISPLAY", ":7")
    monkeypatch.setattr(sys, "platform", "linux")
    assert grabber(region, 30) == (
        ":7+10,20",
        "x11grab",
        {"framerate": "30", "fpsprobesize": "0", "video_size": "64x48"},
    )
    monkeypatch.setattr(sys, "platform", "win32")
    assert grabber(region, 30)[2]["offset_x"] == "10"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert grabber(None, 30)[1] == "avfoundation"


def paint(display: str, color: int) -> None:
    """Makes the whole screen one colour."""
    x = ctypes.CDLL("libX11.so.6")
    x.XOpenDisplay.restype, x.XDefaultRootWindow.restype = ctypes.c_void_p, ctypes.c_ulong
    connection = ctypes.c_void_p(x.XOpenDisplay(display.encode()))
    root = ctypes.c_ulong(x.XDefaultRootWindow(connection))
    x.XSetWindowBackground(connection, root, ctypes.c_ulong(color))
    x.XClearWindow(connection, root)
    x.XCloseDisplay(connection)


@pytest.fixture(scope="module")
def display() -> Iterator[str]:
    """A virtual X display of one colour, red 200, green 100, blue 50."""
    if not shutil.which("Xvfb"):
        pytest.skip("Xvfb is not installed")
    with xvfb("320x240x24") as name:
        paint(name, 0xC86432)
        yield name


@pytest.mark.parametrize(("text", "size"), [("screen", Size(320, 240)), ("screen:100,50,64x48", Size(64, 48))])
def test_the_screen_is_a_camera(text: str, size: Size, display: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", display)
    with open_camera(text) as source:
        assert source.frame_size == size
        frames = list(itertools.islice(source, 20))
    assert frames[2].image.shape == (size.height, size.width, 3)
    assert frames[2].image[20:-20, 20:-20].reshape(-1, 3).mean(axis=0) == pytest.approx([200, 100, 50], abs=1)
    assert (frames[-1].captured or 0) - (frames[0].captured or 0) > 0.3  # it comes at its own pace


def test_a_region_beside_the_display_is_an_error(display: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPLAY", display)
    with pytest.raises(DeviceError, match="is the display there, and the region on it"):
        open_camera("screen:300,0,640x360")
