"""Words on a picture, and the names of keys."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from livestyle.media.overlay import draw_lines
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
