"""Open Sound Control: what the keys do, for TouchOSC, stream decks and VJ tools on this machine.

The little of OSC 1.0 that is needed is read here: python-osc 1.10 never ends on a bundle with a negative size.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from typing import Any

from .controls import Controls
from .errors import InputError, OutputError
from .ports import LOCALHOST, is_token

_MAX_DATAGRAM = 65_507  # bytes, of UDP
_BUNDLE = b"#bundle\0"
_NUMBERS = {"i": ">i", "h": ">q", "f": ">f", "d": ">d"}
_CONSTANTS = {"T": True, "F": False, "N": None}


class OscPort:
    """UDP on 127.0.0.1: `/livestyle/ACTION` with a value or none does what `Controls.do` does.

    Apps send numbers where buttons are meant: for a switch 0 is off and the rest on; an order without a value (such
    as `next`) is done by a button going down (not 0), and 3.0 is style 3. A bundle is done at once, whatever its time.

    Args:
        port: 0 for any that is free.
        token: a secret that addresses begin with (`/TOKEN/livestyle/next`); None for none.

    Attributes:
        prefix: what addresses begin with.
        ignored: how many datagrams and orders made no sense so far.

    Raises OutputError if the port is taken.
    """

    def __init__(self, controls: Controls, port: int, *, token: str | None) -> None:
        self._controls, self._token = controls, token
        self.prefix = f"/{token}/livestyle/" if token else "/livestyle/"
        self.ignored = 0
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.bind((LOCALHOST, port))
        except (OSError, OverflowError) as error:
            self._socket.close()
            reason = getattr(error, "strerror", None) or error
            raise OutputError(f"OSC: port {port} is not to be had ({reason}); name another, or 0 for any") from error
        self._socket.settimeout(0.1)
        self.port: int = self._socket.getsockname()[1]
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="livestyle-osc")
        self._thread.start()

    def _listen(self) -> None:
        while not self._closed.is_set():
            try:
                datagram = self._socket.recv(_MAX_DATAGRAM)
            except OSError:  # nothing came, or an answer of ours found nobody
                continue
            self._take(datagram)

    def _take(self, datagram: bytes) -> None:
        """Does all its orders that make sense; those for others of a show may lie in the same bundle."""
        try:
            for part in parts(datagram):
                try:
                    self._do(*message(part))
                except InputError:
                    self.ignored += 1
        except InputError:  # a bundle is broken
            self.ignored += 1

    def _do(self, address: str, values: list[Any]) -> None:
        action = self._action(address)
        if len(values) > 1:
            raise InputError(f"{address}: give one value or none")
        known = self._controls.state().get(action)
        value = values[0] if values else None
        if isinstance(known, bool):
            value = None if value is None else _truth(value)
        elif known is None and isinstance(value, int | float):
            if not value:  # the button goes up
                return
            value = value if action == "crossfade" and type(value) is int else None
        elif action == "style" and isinstance(value, float) and value.is_integer():
            value = int(value)
        self._controls.do(action, value)

    def _action(self, address: str) -> str:
        parts = address.removeprefix("/").split("/")
        known = self._token is None or is_token(parts.pop(0), self._token)
        if not known or len(parts) != 2 or parts[0] != "livestyle":
            raise InputError(f"{address}: nothing is at this address")
        return parts[1]

    def close(self) -> None:
        """Twice is fine."""
        self._closed.set()
        self._thread.join()
        self._socket.close()


def _truth(value: Any) -> bool:
    if not isinstance(value, int | float):
        raise InputError(f"{value!r} is neither on nor off")
    return bool(value)


def parts(packet: bytes) -> Iterator[bytes]:
    """Each message, unread; those of a bundle in their order. Raises InputError if a bundle is cut off."""
    waiting = [packet]
    while waiting:
        part = waiting.pop()
        if part.startswith(_BUNDLE):
            waiting += reversed(list(_elements(part)))
        else:
            yield part


def _elements(bundle: bytes) -> Iterator[bytes]:
    position = len(_BUNDLE) + 8  # behind the time
    while position < len(bundle):
        (length,) = _unpack(">i", bundle, position)
        if length <= 0 or position + 4 + length > len(bundle):
            raise InputError("OSC: a bundle is cut off")
        yield bundle[position + 4 : position + 4 + length]
        position += 4 + length


def message(part: bytes) -> tuple[str, list[Any]]:
    """A message's address and values. Raises InputError if it is not OSC, or holds what has no use here."""
    address, position = _text(part, 0)
    if not address.startswith("/"):
        raise InputError("OSC: an address begins with /")
    kinds, position = _text(part, position) if position < len(part) else (",", position)
    values: list[Any] = []
    value: Any
    for kind in kinds.removeprefix(","):
        if kind == "s":
            value, position = _text(part, position)
        elif kind in _NUMBERS:
            (value,) = _unpack(_NUMBERS[kind], part, position)
            position += struct.calcsize(_NUMBERS[kind])
        elif kind in _CONSTANTS:
            value = _CONSTANTS[kind]
        else:
            raise InputError(f"OSC: a value of type {kind!r} has no use here")
        values.append(value)
    return address, values


def _text(part: bytes, position: int) -> tuple[str, int]:
    """A text and where the next value begins."""
    end = part.find(b"\0", position)
    if end < 0:
        raise InputError("OSC: a text does not end")
    return part[position:end].decode(errors="replace"), (end // 4 + 1) * 4


def _unpack(form: str, part: bytes, position: int) -> tuple[Any, ...]:
    try:
        return struct.unpack_from(form, part, position)
    except struct.error as error:
        raise InputError("OSC: a message is cut off") from error
