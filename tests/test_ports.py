"""A port of this machine answers who knows its token, and nobody else, however they ask."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest

from livestyle import ports
from livestyle.errors import OutputError
from livestyle.ports import LocalServer, Reply, Request, as_json


def echo(request: Request) -> Reply:
    if request.path == "broken":
        raise RuntimeError("a fault")
    return as_json([request.method, request.path, request.body])


@pytest.fixture
def server() -> Iterator[LocalServer]:
    server = LocalServer("test", 0, echo)
    yield server
    server.close()


Answer = tuple[int, object]


def ask(
    server: LocalServer, path: str = "x", *, method: str = "GET", body: bytes | None = None, **headers: str
) -> Answer:
    """Status and JSON; a header is written with _ for -, and a path that begins with / has no token added."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
    whole = path if path.startswith("/") else urlsplit(server.url).path + path
    connection.request(method, whole, body, {name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def post(server: LocalServer, body: bytes, **headers: str) -> Answer:
    return ask(server, method="POST", body=body, **{"Content_Type": "application/json", **headers})


def raw(server: LocalServer, text: bytes) -> bytes:
    """All that comes back for these bytes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        connection.sendall(text)
        return b"".join(iter(lambda: connection.recv(4096), b""))


def test_the_token_opens_it(server: LocalServer) -> None:
    assert ask(server) == (200, ["GET", "x", None])
    assert ask(server, "a/b?c=d") == (200, ["GET", "a/b", None])
    assert post(server, b'{"a": 1}') == (200, ["POST", "x", {"a": 1}])


def test_every_server_has_another_token_of_128_bits(server: LocalServer) -> None:
    other = LocalServer("test", 0, echo)
    other.close()
    tokens = {urlsplit(each.url).path.strip("/") for each in (server, other)}
    assert len(tokens) == 2
    assert all(len(token) >= 22 for token in tokens)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/x",
        "//x",
        "/wrong/x",
        "/../x",
        "/%2e%2e/x",
        "/../../etc/passwd",
        "/\xe9/x",
        "*",
        "http://a/b",
        "http://[",
        "//[",
    ],
)
def test_without_the_token_there_is_nothing(path: str, server: LocalServer) -> None:
    status = raw(server, f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n\r\n".encode("latin-1")).split()[1]
    assert status == b"404"


def test_a_token_with_more_or_less_behind_it_is_wrong(server: LocalServer) -> None:
    token = urlsplit(server.url).path.strip("/")
    for wrong in (token[:-1], token + "x", token.swapcase()):
        assert ask(server, f"/{wrong}/x")[0] == 404


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "127.0.0.1.a:{port}"]
)
def test_another_host_is_refused(host: str, server: LocalServer) -> None:
    """A name of someone else's that leads to 127.0.0.1: DNS rebinding."""
    assert ask(server, Host=host.format(port=server.port)) == (403, {"error": "wrong Host"})


def test_localhost_is_this_machine_too(server: LocalServer) -> None:
    assert ask(server, Host=f"localhost:{server.port}")[0] == 200


@pytest.mark.parametrize("lines", ["", "Host: 127.0.0.1:{port}\r\nHost: evil.example\r\n"])
def test_no_host_or_two_are_refused(lines: str, server: LocalServer) -> None:
    path = urlsplit(server.url).path
    answer = raw(server, f"GET {path} HTTP/1.1\r\n{lines.format(port=server.port)}\r\n".encode())
    assert answer.split()[1] == b"403"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": ""},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
)
def test_a_page_of_another_origin_is_refused(headers: dict[str, str], server: LocalServer) -> None:
    assert ask(server, **headers)[0] == 403
    assert post(server, b"{}", **headers)[0] == 403


def test_its_own_pages_may_ask(server: LocalServer) -> None:
    own = f"http://127.0.0.1:{server.port}"
    assert ask(server, Origin=own, Sec_Fetch_Site="same-origin")[0] == 200


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_a_form_is_refused(kind: str, server: LocalServer) -> None:
    assert post(server, b"{}", Content_Type=kind)[0] == 415


@pytest.mark.parametrize("body", [b"", b"{", b"a=b", b"\xff\xfe", b"[" * 4000])
def test_a_body_that_is_not_json_is_refused(body: bytes, server: LocalServer) -> None:
    assert post(server, body) == (400, {"error": "the body is not JSON"})


@pytest.mark.parametrize("length", ["4097", "1000000000000", "9" * 4000])
def test_a_huge_body_is_refused_before_it_comes(length: str, server: LocalServer) -> None:
    assert post(server, b"", Content_Length=length)[0] == 413


@pytest.mark.parametrize("length", ["-1", "x", "1e3", "\u00b2"])
def test_a_body_without_a_length_is_refused(length: str, server: LocalServer) -> None:
    assert post(server, b"", Content_Length=length)[0] == 411
    assert post(server, b"", Transfer_Encoding="chunked", Content_Length="")[0] == 411


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "TRACE", "HEAD"])
def test_other_methods_are_refused(method: str, server: LocalServer) -> None:
    answer = raw(server, f"{method} {urlsplit(server.url).path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert answer.split()[1] == b"501"
    assert b"Access-Control" not in answer


def test_a_fault_in_an_answer_ends_only_that_answer(server: LocalServer) -> None:
    assert ask(server, "broken")[0] == 500
    assert ask(server)[0] == 200


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET /",
        b"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n[1",
    ],
)
def test_who_asks_too_slowly_is_hung_up_on(sent: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """However lively it drips, which keeps any timeout of a single read from ending."""
    monkeypatch.setattr(ports, "PATIENCE", 0.3)
    server = LocalServer("test", 0, echo)
    path, host = urlsplit(server.url).path.encode(), f"127.0.0.1:{server.port}".encode()
    stop = threading.Event()

    def drip(connection: socket.socket) -> None:
        try:
            while not stop.wait(0.05):
                connection.send(b" ")
        except OSError:
            stop.set()

    try:
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
            connection.sendall(sent.replace(b"{path}", path).replace(b"{host}", host))
            dripping = threading.Thread(target=drip, args=(connection,))
            dripping.start()
            try:
                assert connection.recv(4096) == b""  # the end, before the 5 seconds of this test
            except ConnectionResetError:
                pass
            finally:
                stop.set()
                dripping.join()
        assert ask(server)[0] == 200
    finally:
        server.close()


def test_too_many_clients_are_turned_away_and_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "MAX_CLIENTS", 2)
    server = LocalServer("test", 0, echo)
    held = [socket.create_connection(("127.0.0.1", server.port), timeout=5) for _ in range(2)]
    try:
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            ask(server)
        for connection in held:
            connection.sendall(b"\r\n")
            connection.close()
        assert eventually(lambda: ask(server)[0] == 200)
    finally:
        server.close()


def eventually(fact: Callable[[], bool]) -> bool:
    """Whether it comes true within 5 seconds."""
    pause = threading.Event()
    for _ in range(100):
        try:
            if fact():
                return True
        except (ConnectionError, http.client.HTTPException):
            pass
        pause.wait(0.05)
    return False


def test_only_this_machine_can_reach_it(server: LocalServer) -> None:
    listening = server._server.socket.getsockname()
    assert listening == ("127.0.0.1", server.port)


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_that_cannot_be_is_one_line(port: int) -> None:
    with pytest.raises(OutputError, match=f"port {port} is not to be had"):
        LocalServer("test", port, echo)


def test_a_taken_port_is_one_line(server: LocalServer) -> None:
    with pytest.raises(OutputError, match=f"^test: port {server.port} is not to be had .* name another, or 0 for any$"):
        LocalServer("test", server.port, echo)


def test_a_port_is_free_again_after_close() -> None:
    server = LocalServer("test", 0, echo)
    ask(server)
    server.close()
    server.close()
    LocalServer("test", server.port, echo).close()
