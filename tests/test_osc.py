"""OSC, byte for byte as apps send it, and as they should not."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livestyle.controls import Controls
from livestyle.errors import InputError, OutputError
from livestyle.osc import OscPort, parts
from livestyle.osc import message as read


def text(value: str) -> bytes:
    raw = value.encode() + b"\0"
    return raw + b"\0" * (-len(raw) % 4)


def message(address: str, *values: object) -> bytes:
    """As OSC 1.0 has it."""
    kinds, data = ",", b""
    for value in values:
        if isinstance(value, bool):
            kinds += "T" if value else "F"
        elif isinstance(value, int):
            kinds, data = kinds + "i", data + struct.pack(">i", value)
        elif isinstance(value, float):
            kinds, data = kinds + "f", data + struct.pack(">f", value)
        else:
            kinds, data = kinds + "s", data + text(str(value))
    return text(address) + text(kinds) + data


def messages(packet: bytes) -> list[tuple[str, list[object]]]:
    return [read(part) for part in parts(packet)]


def bundle(*elements: bytes) -> bytes:
    time = bytes(7) + b"\1"
    return b"#bundle\0" + time + b"".join(struct.pack(">i", len(element)) + element for element in elements)


@pytest.fixture
def controls() -> Controls:
    return Controls(["starry", "wave", "none"])


@pytest.fixture
def port(controls: Controls) -> Iterator[OscPort]:
    port = OscPort(controls, 0, token=None)
    yield port
    port.close()


def send(port: OscPort, *datagrams: bytes) -> None:
    """Returns once all are done: they are done in order, so the last one is waited for."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        for datagram in datagrams:
            out.sendto(datagram, ("127.0.0.1", port.port))
        before = port._controls.screenshots
        out.sendto(message(port.prefix + "screenshot"), ("127.0.0.1", port.port))
        pause = threading.Event()
        for _ in range(500):
            if port._controls.screenshots > before:
                return
            pause.wait(0.01)
    raise AssertionError("the port does not answer any more")


def test_the_example_of_the_specification_is_read() -> None:
    sent = bytes.fromhex("2f6f7363 696c6c61 746f722f 342f6672 65717565 6e637900 2c660000 43dc0000")
    assert messages(sent) == [("/oscillator/4/frequency", [440.0])]


def test_every_type_that_has_a_use_is_read() -> None:
    sent = text("/a") + text(",ihfdsTFN") + struct.pack(">iqfd", -1, 2**40, 0.5, 0.25) + text("wave")
    assert messages(sent) == [("/a", [-1, 2**40, 0.5, 0.25, "wave", True, False, None])]


def test_an_order_without_a_type_tag_is_read() -> None:
    assert messages(text("/livestyle/next")) == [("/livestyle/next", [])]


def test_a_bundle_is_done_in_order() -> None:
    sent = bundle(message("/a", 1), bundle(message("/b"), message("/c")), message("/d"))
    assert [address for address, _ in messages(sent)] == ["/a", "/b", "/c", "/d"]


def test_what_is_for_others_in_a_bundle_does_not_keep_ours_from_being_done(port: OscPort, controls: Controls) -> None:
    blob = text("/lights/scene") + text(",b") + struct.pack(">i4s", 4, b"scen")  # a type that is not read here
    others = bundle(
        message("/lights/dim", 0.2), blob, message("/livestyle/style", 2), message("/livestyle/strength", 7.0)
    )
    send(port, others)
    assert controls.look.style == 1
    assert port.ignored == 3


@pytest.mark.parametrize(
    ("action", "value", "state"),
    [
        ("style", 2, {"style": "wave"}),
        ("style", 3.0, {"style": "none"}),
        ("style", "wave", {"style": "wave"}),
        ("next", 1.0, {"style": "wave"}),
        ("next", 1, {"style": "wave"}),
        ("next", 0.0, {"style": "starry"}),  # the button goes up
        ("next", 0, {"style": "starry"}),
        ("crossfade", 3, {"style": "none"}),
        ("crossfade", 1.0, {"style": "wave"}),
        ("crossfade", 0, {"style": "starry"}),
        ("strength", 0.25, {"strength": 0.25}),
        ("strength", 0, {"strength": 0.0}),
        ("mirror", 1.0, {"mirror": True}),
        ("mirror", 0.0, {"mirror": False}),
        ("mirror", True, {"mirror": True}),
        ("record", 1, {"record": True}),
        ("strength_down", 1.0, {"strength": 0.9}),
    ],
)
def test_values_are_taken_as_apps_send_them(
    action: str, value: object, state: dict[str, object], port: OscPort, controls: Controls
) -> None:
    send(port, message(f"/livestyle/{action}", value))
    assert controls.state() == {**controls.state(), **state}
    assert port.ignored == 0


def test_an_order_without_a_value_changes_a_switch_over(port: OscPort, controls: Controls) -> None:
    send(port, message("/livestyle/freeze"), message("/livestyle/mirror"), message("/livestyle/mirror"))
    assert controls.look.freeze
    assert not controls.look.mirror


MALFORMED = {
    "nothing": b"",
    "noise": b"\xff" * 50,
    "no slash": text("livestyle/next"),
    "no end": b"/livestyle/next",
    "cut value": message("/livestyle/strength", 0.5)[:-2],
    "cut text": text("/livestyle/style") + text(",s") + b"wave",
    "unknown type": text("/livestyle/next") + text(",q"),
    "blob": text("/livestyle/next") + text(",b") + struct.pack(">i", -5),
    "negative size": bundle() + struct.pack(">i", -4),  # python-osc 1.10.2 never ends on it
    "no size": bundle() + struct.pack(">i", 0),
    "size beyond the end": bundle() + struct.pack(">i", 1000),
    "cut size": bundle() + b"\0\0",
    "unknown address": message("/livestyle/dance"),
    "not ours": message("/other/next"),
    "root": message("/"),
    "too deep": message("/livestyle/style/3"),
    "two values": message("/livestyle/style", 1, 2),
    "no such style": message("/livestyle/style", 99),
    "switch with a text": message("/livestyle/mirror", "yes"),
    "not a number": message("/livestyle/strength", float("nan")),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_what_makes_no_sense_is_counted_and_nothing_else(name: str, port: OscPort, controls: Controls) -> None:
    before = controls.state()
    send(port, MALFORMED[name])
    assert port.ignored == 1
    assert controls.state() == before


def test_a_bundle_nested_a_thousandfold_is_no_trouble(port: OscPort, controls: Controls) -> None:
    nested = message("/livestyle/next")
    for _ in range(1000):
        nested = bundle(nested)
    send(port, nested)
    assert controls.look.style == 1


@given(st.binary(max_size=200) | st.binary(max_size=200).map(lambda rest: bundle() + rest))
def test_no_bytes_do_harm(datagram: bytes) -> None:
    with suppress(InputError):
        messages(datagram)


def test_a_token_is_asked_for(controls: Controls) -> None:
    port = OscPort(controls, 0, token="secret")
    try:
        assert port.prefix == "/secret/livestyle/"
        send(port, message("/livestyle/next"), message("/wrong/livestyle/next"), message("/secret/next"))
        assert (port.ignored, controls.look.style) == (3, 0)
        send(port, message("/secret/livestyle/next"))
        assert (port.ignored, controls.look.style) == (3, 1)
    finally:
        port.close()


def test_only_this_machine_can_reach_it(port: OscPort) -> None:
    assert port._socket.getsockname()[0] == "127.0.0.1"


def test_a_taken_port_is_one_line(port: OscPort, controls: Controls) -> None:
    with pytest.raises(OutputError, match=f"OSC: port {port.port} is not to be had"):
        OscPort(controls, port.port, token=None)


def test_close_is_quick_and_twice_is_fine(controls: Controls) -> None:
    port = OscPort(controls, 0, token=None)
    port.close()
    port.close()
    OscPort(controls, port.port, token=None).close()
