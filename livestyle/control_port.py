"""The control port: what the keys do, as HTTP JSON on this machine, for stream decks and scripts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .controls import Controls
from .errors import InputError
from .ports import NOT_FOUND, LocalServer, Reply, Request, as_json


class ControlPort:
    """`GET state` tells everything, `POST do` with `{"action": "style", "value": "wave"}` does something.

    Args:
        port: 0 for any that is free.
        statistics: called for each `state`, told with it as `measured`.

    Attributes:
        url: the address, with its token; `state` and `do` come behind it.

    Raises OutputError if the port is taken.
    """

    def __init__(
        self, controls: Controls, port: int, *, statistics: Callable[[], dict[str, Any]] | None = None
    ) -> None:
        self._controls, self._statistics = controls, statistics
        self._server = LocalServer("control port", port, self._answer)
        self.url = self._server.url

    def _answer(self, request: Request) -> Reply:
        if (request.method, request.path) == ("GET", "state"):
            state = self._controls.state()
            return as_json(state | {"measured": self._statistics()} if self._statistics else state)
        if (request.method, request.path) == ("POST", "do"):
            return self._do(request.body)
        return NOT_FOUND

    def _do(self, order: Any) -> Reply:
        if not (isinstance(order, dict) and isinstance(order.get("action"), str) and set(order) <= {"action", "value"}):
            return as_json({"error": 'send {"action": NAME} or {"action": NAME, "value": VALUE}'}, 400)
        try:
            return as_json({"said": self._controls.do(order["action"], order.get("value"))})
        except InputError as error:
            return as_json({"error": str(error)}, 400)

    def close(self) -> None:
        """Twice is fine."""
        self._server.close()
