"""HTTP for this machine only: a server that answers those who know its token, and no web page of another origin."""

from __future__ import annotations

import hmac
import json
import logging
import secrets
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from socketserver import TCPServer, ThreadingMixIn
from typing import Any

from .errors import OutputError

LOCALHOST = "127.0.0.1"
MAX_BODY = 4096  # bytes
MAX_CLIENTS = 64  # connections at once
PATIENCE = 5.0  # seconds a client has for its whole request, and for taking one piece of the answer
_SEND_BUFFER = 128 * 1024  # bytes: what a slow viewer may lag behind
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; img-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
logger = logging.getLogger(__name__)


def new_token() -> str:
    """A secret for an address."""
    return secrets.token_urlsafe(16)


def is_token(given: str, token: str) -> bool:
    """Whether they are the same; takes as long for any two of one length."""
    return hmac.compare_digest(given.encode(errors="replace"), token.encode())


@dataclass(frozen=True)
class Request:
    """What a client asks: the path without the token, such as `state`; a POST's body is JSON."""

    method: str
    path: str
    body: Any = None


@dataclass(frozen=True)
class Reply:
    """An answer; a body of several pieces is sent as they come."""

    body: bytes | Iterable[bytes]
    kind: str = "application/json"
    status: int = 200


def as_json(value: object, status: int = 200) -> Reply:
    """A reply in JSON."""
    return Reply(json.dumps(value).encode(), status=status)


NOT_FOUND = as_json({"error": "there is nothing at this address"}, 404)


class LocalServer:
    """Serves `answer` on 127.0.0.1, under a path with a random token, from threads of its own.

    Refused are: another Host (a name that someone points at this machine), another Origin (a page of another site),
    a wrong token, a POST that is not JSON (what a form could send), a body over 4 KiB and a request that takes long.

    Args:
        name: what it is, for messages.
        port: 0 for any that is free.
        answer: called in a client's thread.

    Attributes:
        url: its address, with the token and a slash at the end.

    Raises OutputError if the port is taken.
    """

    def __init__(self, name: str, port: int, answer: Callable[[Request], Reply]) -> None:
        try:
            self._server = _Server(answer, port)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise OutputError(f"{name}: port {port} is not to be had ({reason}); name another, or 0 for any") from error
        self.port = self._server.server_address[1]
        self.url = f"http://{LOCALHOST}:{self.port}/{self._server.token}/"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name=f"livestyle-{name}")
        self._thread.start()
        self._open = True

    def close(self) -> None:
        """Ends every connection. Twice is fine."""
        if self._open:
            self._open = False
            self._server.shutdown()
            self._server.server_close()
            self._server.hang_up()
            self._thread.join()


@dataclass
class _Client:
    """A connection; `deadline` is on the monotonic clock, None while it is being answered."""

    deadline: float | None = field(default_factory=lambda: time.monotonic() + PATIENCE)


class _Server(ThreadingMixIn, TCPServer):  # http.server's own would ask the network for this machine's name
    daemon_threads = True
    block_on_close = False
    request_queue_size = MAX_CLIENTS
    allow_reuse_address = sys.platform != "win32"  # where it would let a second program listen too

    def __init__(self, answer: Callable[[Request], Reply], port: int) -> None:
        self.answer, self.token = answer, new_token()
        self._clients: dict[socket.socket, _Client] = {}
        self._lock = threading.Lock()
        super().__init__((LOCALHOST, port), _Handler)
        self.hosts = {f"{name}:{self.server_address[1]}" for name in (LOCALHOST, "localhost")}

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        with self._lock:
            if len(self._clients) >= MAX_CLIENTS:
                connection.close()
                raise OSError("too many clients")  # socketserver goes on with the next
            self._clients[connection] = _Client()
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._clients.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """Between requests, ten times a second: hangs up on who takes too long to ask."""
        now = time.monotonic()
        self.hang_up(lambda client: client.deadline is not None and client.deadline < now)

    def hang_up(self, whom: Callable[[_Client], bool] = lambda client: True) -> None:
        with self._lock:
            for connection, client in self._clients.items():
                if whom(client):
                    with suppress(OSError):
                        connection.shutdown(socket.SHUT_RDWR)  # wakes its thread, which closes it

    def asked(self, connection: socket.socket) -> None:
        """Its request is complete."""
        with self._lock:
            if connection in self._clients:
                self._clients[connection].deadline = None

    def handle_error(self, request: Any, client_address: Any) -> None:
        logger.debug("a client", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = PATIENCE
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._serve(None)

    def do_POST(self) -> None:
        self._serve(self._read_json)

    def _serve(self, read: Callable[[], Any] | None) -> None:
        with suppress(OSError):  # the client has gone, or does not take it
            self._send(self._refusal() or self._answer(read))

    def _refusal(self) -> Reply | None:
        """Why this request is not even looked at."""
        if self.headers.get_all("Host", []) not in [[host] for host in self.server.hosts]:
            return as_json({"error": "wrong Host"}, 403)
        origin, site = self.headers.get("Origin"), self.headers.get("Sec-Fetch-Site", "none")
        foreign = origin is not None and origin not in {f"http://{host}" for host in self.server.hosts}
        if foreign or site not in ("none", "same-origin"):
            return as_json({"error": "a page of another origin may not ask"}, 403)
        if not is_token(self._parts()[0], self.server.token):
            return NOT_FOUND
        return None

    def _parts(self) -> tuple[str, str]:
        token, _, path = self.path.partition("?")[0].removeprefix("/").partition("/")
        return token, path.lstrip("/")  # the address that is told ends with one

    def _answer(self, read: Callable[[], Any] | None) -> Reply:
        try:
            body = read() if read else None
        except _Unreadable as error:
            return as_json({"error": str(error)}, error.status)
        self.server.asked(self.connection)
        try:
            return self.server.answer(Request(self.command, self._parts()[1], body))
        except Exception:  # a fault of ours must end this answer only
            logger.debug("no answer to %s", self._parts()[1], exc_info=True)
            return as_json({"error": "livestyle failed to answer"}, 500)

    def _read_json(self) -> Any:
        if self.headers.get_content_type() != "application/json" or "Content-Type" not in self.headers:
            raise _Unreadable("send it with Content-Type: application/json", 415)
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()):
            raise _Unreadable("send it with a Content-Length", 411)
        if len(length) > 9 or int(length) > MAX_BODY:
            raise _Unreadable(f"at most {MAX_BODY} bytes", 413)
        try:
            return json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError) as error:
            raise _Unreadable("the body is not JSON", 400) from error

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        for name, value in {**_HEADERS, "Content-Type": reply.kind}.items():
            self.send_header(name, value)
        if isinstance(reply.body, bytes):
            self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        pieces: Iterator[bytes] = iter([reply.body] if isinstance(reply.body, bytes) else reply.body)
        try:
            for piece in pieces:
                self.wfile.write(piece)
        finally:
            if hasattr(pieces, "close"):  # a generator learns at once that nobody reads any more
                pieces.close()

    def version_string(self) -> str:
        return "livestyle"

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: addresses hold the token."""


class _Unreadable(Exception):
    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status
