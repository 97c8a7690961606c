"""The picture over HTTP, for this machine's browsers and mixers: motion JPEG."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image as Pillow

from ..frame import Frame
from ..ports import NOT_FOUND, LocalServer, Reply, Request

QUALITY = 85
_BOUNDARY = "frame"
_PAGE = b"""<!doctype html><title>livestyle</title>
<style>html,body{margin:0;height:100%;background:#000}img{width:100%;height:100%;object-fit:contain}</style>
<img src="stream.mjpg" alt="the live picture">
"""


@dataclass
class _Shown:
    """A frame, and its JPEG once somebody has asked for it."""

    frame: Frame
    jpeg: bytes | None = None


class MjpegServer:
    """A sink: `stream.mjpg`, `frame.jpg` and a page, on 127.0.0.1 under a random token.

    A client gets the newest frame whenever it has taken the one before; a slow one delays nobody. JPEGs are made in
    the clients' threads, once a frame, and only if somebody asks.

    Attributes:
        url: the page's address.
        encoded: how many JPEGs were made so far.

    Raises OutputError if the port is taken.
    """

    def __init__(self, port: int, *, quality: int = QUALITY) -> None:
        self._quality, self.encoded = quality, 0
        self._newest: _Shown | None = None
        self._closed = False
        self._changed, self._encoding = threading.Condition(), threading.Lock()
        self._server = LocalServer("mjpeg", port, self._answer)
        self.url = self._server.url

    def write(self, frame: Frame) -> None:
        """Never waits. The image is kept until the next one: do not draw into it."""
        with self._changed:
            self._newest = _Shown(frame)
            self._changed.notify_all()

    def _answer(self, request: Request) -> Reply:
        if (request.method, request.path) == ("GET", ""):
            return Reply(_PAGE, "text/html; charset=utf-8")
        if (request.method, request.path) == ("GET", "stream.mjpg"):
            return Reply(self._stream(), f"multipart/x-mixed-replace; boundary={_BOUNDARY}")
        if (request.method, request.path) == ("GET", "frame.jpg"):
            shown = self._after(None)
            return Reply(self._jpeg(shown), "image/jpeg") if shown else NOT_FOUND
        return NOT_FOUND

    def _stream(self) -> Iterator[bytes]:
        # A browser shows a part once the next boundary is there: so send it at once, not with the next frame.
        yield f"--{_BOUNDARY}\r\n".encode()
        shown = None
        while shown := self._after(shown):
            jpeg = self._jpeg(shown)
            head = f"Content-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            yield head.encode() + jpeg + f"\r\n--{_BOUNDARY}\r\n".encode()

    def _after(self, last: _Shown | None) -> _Shown | None:
        """The newest frame, once it is another than `last`; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._newest is not last)
            return None if self._closed else self._newest

    def _jpeg(self, shown: _Shown) -> bytes:
        with self._encoding:
            if shown.jpeg is None:
                file = io.BytesIO()
                Pillow.fromarray(shown.frame.image).save(file, "JPEG", quality=self._quality)
                shown.jpeg = file.getvalue()
                self.encoded += 1
            return shown.jpeg

    def close(self) -> None:
        """Ends every stream. Twice is fine."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._server.close()
