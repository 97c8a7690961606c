"""What a user may change while the picture runs: `Controls`, one for the window, the terminal and the control port."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from .errors import InputError

STEP = 0.1  # one press of an up or down key


@dataclass(frozen=True)
class Look:
    """How the picture looks; a new one for every change, so a frame never sees half of one.

    Attributes:
        style: the style's place in the list.
        fade_from: the style being cross-faded from, or None.
        strength, steady, keep_color: 0..1.
        compare: the left half stays as it was.
        freeze: the picture stands still.
        mirror: left and right exchanged.
    """

    style: int = 0
    fade_from: int | None = None
    strength: float = 1.0
    steady: float = 0.5
    keep_color: float = 0.0
    compare: bool = False
    freeze: bool = False
    mirror: bool = False


@dataclass(frozen=True)
class Action:
    """One thing that can be done: its name (on the control port), its keys, and what it does."""

    name: str
    keys: tuple[str, ...]
    help: str


ACTIONS = (
    Action("next", ("n", "right"), "next style"),
    Action("previous", ("p", "left"), "previous style"),
    Action("style", tuple("123456789"), "a style by its number"),
    Action("crossfade", ("x",), "cross-fade to the next style"),
    Action("strength_up", ("+", "=", "up"), "more style"),
    Action("strength_down", ("-", "down"), "less style"),
    Action("steady_up", ("]",), "less flicker"),
    Action("steady_down", ("[",), "more movement"),
    Action("keep_color", ("k",), "keep the colours, or not"),
    Action("compare", ("c",), "the original on the left half"),
    Action("freeze", ("space",), "stand still"),
    Action("mirror", ("m",), "mirror"),
    Action("fullscreen", ("f",), "full screen"),
    Action("screenshot", ("s",), "save a picture"),
    Action("record", ("r",), "start and stop recording"),
    Action("statistics", ("i",), "figures on the picture"),
    Action("help", ("?", "h"), "these keys"),
    Action("quit", ("q", "escape"), "quit"),
)
_BY_NAME = {action.name: action for action in ACTIONS}
_BY_KEY = {key: action for action in ACTIONS for key in action.keys}
_SWITCHES = ("fullscreen", "record", "statistics", "help")  # on or off, beside the look
_LEVELS = ("strength", "steady")
_TOGGLES = ("compare", "freeze", "mirror")


class Controls:
    """The state every way of steering shares. Any thread may act; readers see whole states.

    Args:
        styles: the names to choose from, in the order of the keys 1-9.
        look: how to begin.

    Attributes:
        look: the present look.
        on: which of `fullscreen`, `record`, `statistics` and `help` are on.
        screenshots: how many were asked for so far.
        quitting: whether to stop.
    """

    def __init__(self, styles: Sequence[str], look: Look | None = None) -> None:
        if not styles:
            raise InputError("controls: name at least one style")
        self.styles = tuple(styles)
        self.look = look or Look()
        self.on: frozenset[str] = frozenset()
        self.screenshots = 0
        self.quitting = False
        self._lock = threading.Lock()

    def press(self, key: str) -> str | None:
        """What a key does, a line to show; None if it does nothing. Keys are characters or names such as `space`."""
        action = _BY_KEY.get(key)
        if action is None or (action.name == "style" and int(key) > len(self.styles)):
            return None
        return self.do(action.name, int(key) if action.name == "style" else None)

    def do(self, action: str, value: object = None) -> str:
        """Does it and gives a line to show. Raises InputError for an unknown action or a value that does not fit.

        `style` and `crossfade` take a number from 1 or a name (crossfade alone: the next); `strength`, `steady`
        and `keep_color` a number from 0 to 1; switches take True or False, or nothing to change over.
        """
        with self._lock:
            for kind in (self._do_style, self._do_level, self._do_switch, self._do_once):
                said = kind(action, value)
                if said is not None:
                    return said
        raise InputError(f"action '{action}': there is none of that name; there are {', '.join((*_BY_NAME, *_LEVELS))}")

    def _do_style(self, action: str, value: object) -> str | None:
        following = (self.look.style + (-1 if action == "previous" else 1)) % len(self.styles)
        if action in ("next", "previous"):
            return self._choose(following)
        if action == "style":
            return self._choose(self._index(value))
        if action == "crossfade":
            return self._choose(following if value is None else self._index(value), fade=True)
        return None

    def _do_level(self, action: str, value: object) -> str | None:
        name, _, direction = action.rpartition("_")
        if name in _LEVELS and direction in ("up", "down"):
            step = STEP if direction == "up" else -STEP
            return self._set_level(name, round(min(1.0, max(0.0, getattr(self.look, name) + step)), 3))
        if action == "keep_color" and value is None:
            return self._set_level(action, 0.0 if self.look.keep_color else 1.0)
        return self._set_level(action, _fraction(action, value)) if action in (*_LEVELS, "keep_color") else None

    def _do_switch(self, action: str, value: object) -> str | None:
        if action not in _TOGGLES + _SWITCHES:
            return None
        was = getattr(self.look, action) if action in _TOGGLES else action in self.on
        on = not was if value is None else _truth(action, value)
        if action in _TOGGLES:
            toggled: dict[str, Any] = {action: on}
            self.look = replace(self.look, **toggled)
        else:
            self.on = self.on | {action} if on else self.on - {action}
        return f"{action} {'on' if on else 'off'}"

    def _do_once(self, action: str, value: object) -> str | None:
        if action == "screenshot":
            self.screenshots += 1
        elif action == "quit":
            self.quitting = True
        else:
            return None
        return action

    def _choose(self, index: int, *, fade: bool = False) -> str:
        self.look = replace(self.look, style=index, fade_from=self.look.style if fade else None)
        return f"style {self.styles[index]}"

    def _set_level(self, name: str, value: float) -> str:
        levels: dict[str, Any] = {name: value}
        self.look = replace(self.look, **levels)
        return f"{name.replace('_', ' ')} {value:.0%}"

    def _index(self, value: object) -> int:
        if isinstance(value, str) and value in self.styles:
            return self.styles.index(value)
        if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= len(self.styles):
            return value - 1
        raise InputError(
            f"style {value!r}: give a number from 1 to {len(self.styles)} or one of {', '.join(self.styles)}"
        )

    def fade_done(self, faded: Look) -> None:
        """Ends the cross-fade of that look, unless another change came since."""
        with self._lock:
            if (self.look.style, self.look.fade_from) == (faded.style, faded.fade_from):
                self.look = replace(self.look, fade_from=None)

    def state(self) -> dict[str, object]:
        """Everything, as plain values for a control port."""
        look = self.look
        return {
            "style": self.styles[look.style],
            "styles": list(self.styles),
            "strength": look.strength,
            "steady": look.steady,
            "keep_color": look.keep_color,
            **{name: getattr(look, name) for name in _TOGGLES},
            **{name: name in self.on for name in _SWITCHES},
        }


def help_lines() -> list[str]:
    """The keys and what they do, a line each."""
    return [f"{', '.join(_key_label(action))}: {action.help}" for action in ACTIONS]


def _key_label(action: Action) -> tuple[str, ...]:
    return ("1-9",) if action.name == "style" else action.keys


def _fraction(action: str, value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1:
        return float(value)
    raise InputError(f"{action} {value!r}: give a number from 0 to 1")


def _truth(action: str, value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise InputError(f"{action} {value!r}: give true or false")
