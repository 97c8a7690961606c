"""Words on a picture, and the names of keys."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livestyle.controls import help_lines
from livestyle.media.overlay import draw_lines, legible
from livestyle.media.window import key_name

BRIGHT = np.full((180, 320, 3), 200, np.uint8)


def changed(corner: str) -> tuple[slice, slice]:
    """Rows and columns that the words cover."""
    rows, columns = np.nonzero((draw_lines(BRIGHT, ["camera lost"], corner) != BRIGHT).any(axis=2))  # type: ignore[arg-type]
    return slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1)


def test_words_are_white_on_dark_and_the_rest_is_untouched() -> None:
    drawn = draw_lines(BRIGHT, ["camera lost"])
    rows, columns = changed("top")
    assert drawn[rows, columns].max() > 240
    assert np.median(drawn[rows, columns]) < 80
    assert (drawn[90:] == BRIGHT[90:]).all()


def test_words_go_where_they_are_asked_to() -> None:
    assert changed("top")[0].start == 0
    assert changed("bottom")[0].stop == 180
    rows, columns = changed("middle")
    assert abs(rows.start + rows.stop - 180) <= 1
    assert abs(columns.start + columns.stop - 320) <= 1


def test_the_image_given_is_not_written_to() -> None:
    before = BRIGHT.copy()
    draw_lines(BRIGHT, ["words"])
    assert (before == BRIGHT).all()


def test_no_words_cost_nothing() -> None:
    assert draw_lines(BRIGHT, []) is BRIGHT


@given(st.integers(1, 60), st.integers(1, 60), st.sampled_from(["top", "bottom", "middle"]))
def test_words_larger_than_the_picture_are_cut(height: int, width: int, corner: str) -> None:
    image = np.full((height, width, 3), 9, np.uint8)
    assert draw_lines(image, ["a long line of words", "and another"], corner).shape == image.shape  # type: ignore[arg-type]


def test_a_line_that_is_too_long_goes_on_in_the_next() -> None:
    first = "a name of some length: the recording ended early, no space"
    whole, broken = draw_lines(BRIGHT, [first + " is left on the device"]), draw_lines(BRIGHT, [first])
    assert (whole[:30] != BRIGHT[:30]).any()
    rows = [np.nonzero((drawn != BRIGHT).any(axis=(1, 2)))[0].max() for drawn in (whole, broken)]
    assert rows[0] > rows[1]


@pytest.mark.parametrize(("width", "height"), [(16, 16), (176, 144), (90, 160), (1, 1), (320, 180)])
def test_all_keys_find_room_on_a_picture_made_legible(width: int, height: int) -> None:
    drawn = draw_lines(legible(np.full((height, width, 3), 200, np.uint8)), help_lines(), "middle")
    for edge in (drawn[0], drawn[-1], drawn[:, 0], drawn[:, -1]):  # the box ends inside
        assert (edge == 200).all()


def test_a_picture_large_enough_is_left_as_it_is() -> None:
    image = np.zeros((240, 320, 3), np.uint8)
    assert legible(image) is image


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (ord("q"), "q"),
        (ord("X"), "x"),
        (ord("?"), "?"),
        (32, "space"),
        (27, "escape"),
        (65361, "left"),
        (65361 | 0x100000, "left"),
        (ord("n") | 0x100000, "n"),
        (2490368, "up"),
        (63233, "down"),
        (-1, None),
        (65505, None),
    ],
)
def test_key_codes_of_every_toolkit_get_their_names(code: int, name: str | None) -> None:
    assert key_name(code) == name
