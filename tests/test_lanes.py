"""Several frames in the engine at once: as fast as the cores allow, in order all the same."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest

import livestyle
from livestyle.frame import Frame, Image
from livestyle.pipeline import run


def frames(count: int) -> Iterator[Frame]:
    """Frames whose picture is their number."""
    for index in range(count):
        yield Frame(np.full((1, 1, 3), index, np.uint8), Fraction(index), index)


def test_frames_come_out_in_order_though_the_first_takes_longest():
    others_done = threading.Event()

    def slow_first(image: Image) -> Image:
        if image[0, 0, 0] == 0:
            assert others_done.wait(10)
        elif image[0, 0, 0] == 1:
            others_done.set()
        return image

    written: list[Frame] = []
    run(frames(9), slow_first, written.append, lanes=2)
    assert [(frame.index, int(frame.image[0, 0, 0])) for frame in written] == [(i, i) for i in range(9)]


def test_two_lanes_work_at_once():
    both = threading.Barrier(2, timeout=10)

    def meet(image: Image) -> Image:
        both.wait()
        return image

    assert run(frames(6), meet, lambda frame: True, lanes=2).frames == 6


@pytest.mark.parametrize("at", [0, 1, 5])
def test_a_failure_in_a_lane_reaches_the_caller_and_leaves_no_thread(at: int):
    def fail(image: Image) -> Image:
        if image[0, 0, 0] == at:
            raise ValueError("lane")
        return image

    before = threading.active_count()
    with pytest.raises(ValueError, match="lane"):
        run(frames(6), fail, lambda frame: True, lanes=3)
    assert threading.active_count() == before


def test_stopping_early_leaves_no_thread():
    before = threading.active_count()
    assert run(frames(50), lambda image: image, lambda frame: False, lanes=3).frames == 1
    assert threading.active_count() == before


def test_a_film_stylizer_paints_what_the_others_paint():
    image = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    with livestyle.load("starry", threads=2) as single, livestyle.load("starry", threads=2, film=True) as film:
        assert (single.lanes, film.lanes) == (1, 2)
        assert np.abs(single(image).astype(int) - film(image)).max() <= 1
