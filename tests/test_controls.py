"""What keys and actions do to the state every way of steering shares."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livestyle.controls import ACTIONS, Controls, Look, help_lines
from livestyle.errors import InputError

STYLES = ("starry", "wave", "scream")


@pytest.fixture
def controls() -> Controls:
    return Controls(STYLES)


def test_every_action_has_a_key_of_its_own_and_a_line_of_help() -> None:
    keys = [key for action in ACTIONS for key in action.keys]
    assert len(keys) == len(set(keys)) >= len(ACTIONS)
    assert len(help_lines()) == len(ACTIONS)
    assert {"1-9: a style by its number", "+, =, up: more style"} <= set(help_lines())


@pytest.mark.parametrize("key", [key for action in ACTIONS for key in action.keys if key not in "456789"])
def test_every_key_does_something_and_says_so(controls: Controls, key: str) -> None:
    before = (controls.state(), controls.screenshots, controls.quitting)
    if key in ("1", "+", "=", "up", "right", "n"):
        controls.do("style", 2)
        controls.do("strength", 0.5)
        before = (controls.state(), controls.screenshots, controls.quitting)
    assert controls.press(key)
    assert (controls.state(), controls.screenshots, controls.quitting) != before


def test_next_and_previous_go_round(controls: Controls) -> None:
    assert [controls.press("n") for _ in range(3)] == ["style wave", "style scream", "style starry"]
    assert controls.press("p") == "style scream"


def test_a_digit_beyond_the_styles_does_nothing(controls: Controls) -> None:
    assert controls.press("4") is None
    assert controls.look.style == 0


def test_an_unknown_key_does_nothing(controls: Controls) -> None:
    assert controls.press("ü") is None


def test_a_crossfade_remembers_where_it_came_from_until_it_is_done(controls: Controls) -> None:
    controls.do("crossfade", "scream")
    assert (controls.look.style, controls.look.fade_from) == (2, 0)
    controls.fade_done(controls.look)
    assert (controls.look.style, controls.look.fade_from) == (2, None)


def test_the_end_of_an_old_crossfade_does_not_end_a_new_one(controls: Controls) -> None:
    controls.do("crossfade", "scream")
    old = controls.look
    controls.do("crossfade", "wave")
    controls.fade_done(old)
    assert (controls.look.style, controls.look.fade_from) == (1, 2)


def test_another_change_leaves_a_crossfade_running(controls: Controls) -> None:
    controls.do("crossfade", "scream")
    controls.do("strength", 0.4)
    assert controls.look.fade_from == 0


def test_levels_stop_at_their_ends(controls: Controls) -> None:
    for _ in range(15):
        controls.press("-")
    assert controls.look.strength == 0
    for _ in range(15):
        controls.press("]")
    assert controls.look.steady == 1


def test_keep_color_is_a_switch_on_the_keyboard_and_a_level_elsewhere(controls: Controls) -> None:
    assert controls.press("k") == "keep color 100%"
    assert controls.press("k") == "keep color 0%"
    controls.do("keep_color", 0.3)
    assert controls.look.keep_color == 0.3


def test_switches_take_a_value_or_change_over(controls: Controls) -> None:
    assert controls.do("mirror", True) == controls.do("mirror", True) == "mirror on"
    assert controls.do("record") == "record on"
    assert controls.do("record") == "record off"


@pytest.mark.parametrize(
    ("action", "value", "told"),
    [
        ("jump", None, "there are next, previous"),
        ("jump", None, ", strength, steady"),
        ("style", 0, "from 1 to 3"),
        ("style", 4, "from 1 to 3"),
        ("style", True, "from 1 to 3"),
        ("style", "stary", "one of starry, wave, scream"),
        ("style", None, "from 1 to 3"),
        ("strength", 1.1, "from 0 to 1"),
        ("strength", float("nan"), "from 0 to 1"),
        ("strength", 10**400, "from 0 to 1"),
        ("strength", "0.5", "from 0 to 1"),
        ("strength", None, "from 0 to 1"),
        ("mirror", 1, "true or false"),
        ("jump_up", None, "there is none"),
    ],
)
def test_what_does_not_fit_is_refused_and_changes_nothing(
    controls: Controls, action: str, value: object, told: str
) -> None:
    before = controls.state()
    with pytest.raises(InputError, match=told):
        controls.do(action, value)
    assert controls.state() == before


def test_no_styles_is_an_error() -> None:
    with pytest.raises(InputError):
        Controls([])


@given(
    st.lists(
        st.tuples(st.sampled_from([a.name for a in ACTIONS]), st.none() | st.booleans() | st.floats() | st.integers())
    )
)
def test_no_sequence_of_actions_leaves_the_ranges(actions: list[tuple[str, object]]) -> None:
    controls = Controls(STYLES)
    for action, value in actions:
        try:
            controls.do(action, value)
        except InputError:
            continue
    look = controls.look
    assert 0 <= look.style < len(STYLES)
    assert all(0 <= level <= 1 for level in (look.strength, look.steady, look.keep_color))


def test_many_threads_lose_no_press() -> None:
    controls = Controls(STYLES, Look(style=0))
    threads = [threading.Thread(target=lambda: [controls.press("s") for _ in range(500)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert controls.screenshots == 2000
