"""What a key does, a program can do too: over HTTP, with the token."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from livestyle.control_port import ControlPort
from livestyle.controls import Controls


@pytest.fixture
def controls() -> Controls:
    return Controls(["starry", "wave", "none"])


@pytest.fixture
def port(controls: Controls) -> Iterator[ControlPort]:
    port = ControlPort(controls, 0)
    yield port
    port.close()


def ask(url: str, order: object = None) -> tuple[int, dict[str, object]]:
    """Status and answer; posts the order if there is one."""
    body = None if order is None else json.dumps(order).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


@pytest.mark.parametrize("name", ["state", "/state"])  # the address that is told ends with a slash
def test_state_tells_everything(name: str, port: ControlPort, controls: Controls) -> None:
    assert ask(port.url + name) == (200, controls.state())


def test_do_does_it_and_says_so(port: ControlPort, controls: Controls) -> None:
    assert ask(port.url + "do", {"action": "style", "value": "wave"}) == (200, {"said": "style wave"})
    assert ask(port.url + "do", {"action": "next"}) == (200, {"said": "style none"})
    assert ask(port.url + "do", {"action": "strength", "value": 0.3}) == (200, {"said": "strength 30%"})
    assert controls.look.style == 2
    assert controls.look.strength == 0.3


@pytest.mark.parametrize(
    "order",
    [
        {"action": "dance"},
        {"action": "style", "value": "monet"},
        {"action": "style", "value": {"a": []}},
        {"action": "strength", "value": 2},
        {"action": "strength", "value": float("nan")},
        {"action": "mirror", "value": "yes"},
        {"action": 5},
        {"action": ["next"]},
        {"action": "next", "more": 1},
        {"value": 1},
        {},
        [],
        "next",
        7,
    ],
)
def test_a_wrong_order_is_told_and_changes_nothing(order: object, port: ControlPort, controls: Controls) -> None:
    before = controls.state()
    status, answer = ask(port.url + "do", order)
    assert (status, list(answer)) == (400, ["error"])
    assert controls.state() == before


def test_state_cannot_be_posted_nor_an_order_got(port: ControlPort) -> None:
    assert ask(port.url + "do")[0] == 404
    assert ask(port.url + "state", {})[0] == 404
    assert ask(port.url)[0] == 404


def test_statistics_come_with_the_state(controls: Controls) -> None:
    port = ControlPort(controls, 0, statistics=lambda: {"fps": 29.9})
    try:
        assert ask(port.url + "state") == (200, {**controls.state(), "measured": {"fps": 29.9}})
    finally:
        port.close()
