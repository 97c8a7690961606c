"""Several workers render one film: faster where the machine allows, and never another film."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from conftest import MakeFilm, RunCli
from hypothesis import given
from hypothesis import strategies as st

from livestyle import load, stylize_film
from livestyle.errors import StyleError
from livestyle.frame import Frame, Image
from livestyle.segments import FRAMES, WARM_UP, Finish, SegmentFinisher, Share, shares

LENGTH = 4 * FRAMES + 10


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def film(make_film: MakeFilm) -> Path:
    return make_film(pts=range(LENGTH), sound=True)


def test_any_number_of_workers_gives_the_same_bits(film: Path, tmp_path: Path, run_cli: RunCli) -> None:
    for name, options in {"resumed": ["--resume"], "1": ["--workers", "1"], "2": ["--workers", "2"]}.items():
        assert run_cli("video", film, tmp_path / f"{name}.mp4", "--style", "wave", "--steady", "1", *options).code == 0
    with load("wave", film=True) as stylizer:
        stylize_film(film, tmp_path / "3.mp4", stylizer, steady=1, workers=3)
        stylize_film(film, tmp_path / "9.mp4", stylizer, steady=1, workers=9, resume=True)
    assert len({digest(path) for path in tmp_path.glob("*.mp4") if path != film}) == 1
    assert len(list(tmp_path.iterdir())) == 6


def test_workers_go_on_where_others_were_interrupted(film: Path, tmp_path: Path) -> None:
    target, whole = tmp_path / "out.mp4", tmp_path / "whole.mp4"

    def stop(stats: object, expected: int | None) -> None:
        if stats.frames == 3 * FRAMES:  # type: ignore[attr-defined]
            raise KeyboardInterrupt

    with load("wave", film=True) as stylizer:
        stylize_film(film, whole, stylizer, steady=0.5, workers=1)
        with pytest.raises(KeyboardInterrupt):
            stylize_film(film, target, stylizer, steady=0.5, workers=2, resume=True, on_frame=stop)
        assert not target.exists()
        result = stylize_film(film, target, stylizer, steady=0.5, workers=3, resume=True)
    assert result.stats.frames == LENGTH
    assert digest(target) == digest(whole)


def test_a_failure_in_one_worker_ends_all_and_leaves_nothing(film: Path, tmp_path: Path) -> None:
    class Fails:
        lanes, neutral, files, recipe, device = 1, False, (), (), "test"
        calls = 0

        def __call__(self, image: Image) -> Image:
            self.calls += 1
            if self.calls == 150:
                raise StyleError("test: fails")
            return image

    threads = threading.active_count()
    with pytest.raises(StyleError, match="test: fails"):
        stylize_film(film, tmp_path / "out.mp4", Fails(), workers=3)  # type: ignore[arg-type]
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]
    assert threading.active_count() == threads


# Who does what


@given(
    done=st.sets(st.integers(0, 12)),
    frames=st.one_of(st.none(), st.integers(0, 15 * FRAMES)),
    workers=st.integers(1, 8),
    really=st.integers(1, 20 * FRAMES),
)
def test_every_segment_is_rendered_once_however_wrong_the_frame_count(
    done: set[int], frames: int | None, workers: int, really: int
) -> None:
    parts = shares(done, frames, workers, exact=False)
    assert 1 <= len(parts) <= workers
    for segment in range(-(-really // FRAMES)):
        assert sum(segment in part for part in parts) == (segment not in done), segment
    assert [part.onward is not None for part in parts] == [False] * (len(parts) - 1) + [True]


@given(done=st.sets(st.integers(0, 12)), frames=st.integers(0, 13 * FRAMES), workers=st.integers(1, 8))
def test_of_a_film_whose_end_is_known_only_what_is_missing_is_rendered(
    done: set[int], frames: int, workers: int
) -> None:
    parts = shares(done, frames, workers, exact=True)
    asked = sorted(segment for part in parts for segment in part.segments)
    assert asked == [segment for segment in range(-(-frames // FRAMES)) if segment not in done]
    assert all(part.onward is None for part in parts)


def test_a_worker_stops_after_its_last_segment_and_skips_what_nobody_needs() -> None:
    share = Share(frozenset({2}))
    needed = [index for index in range(5 * FRAMES) if share.needs(index, WARM_UP)]
    assert needed == list(range(2 * FRAMES - WARM_UP, 3 * FRAMES))
    assert not share.ends(3 * FRAMES - 1)
    assert share.ends(3 * FRAMES)
    assert not Share(frozenset(), 1).ends(10**9)


def pictures(count: int) -> list[Image]:
    random = np.random.default_rng(0)
    still = random.integers(60, 190, (6, 8, 3)).repeat(32, axis=0).repeat(32, axis=1)
    return [np.clip(still + random.normal(0, 2, still.shape), 0, 255).astype(np.uint8) for _ in range(count)]


def finished(finish: Callable[[Frame, Image], Image], images: list[Image], first: int = 0) -> dict[int, Image]:
    return {
        index: finish(Frame(image, Fraction(index), index), 255 - image).copy()
        for index, image in enumerate(images)
        if index >= first
    }


def test_a_segment_looks_the_same_wherever_the_worker_began() -> None:
    images = pictures(3 * FRAMES)
    finish = Finish(steady=1)
    through = finished(SegmentFinisher(finish, Share(frozenset({0, 1, 2}))), images)
    late = finished(SegmentFinisher(finish, Share(frozenset({2}))), images, first=2 * FRAMES - WARM_UP)
    for index in range(2 * FRAMES, 3 * FRAMES):
        assert np.array_equal(through[index], late[index]), index
    assert not np.array_equal(through[2 * FRAMES], 255 - images[2 * FRAMES])  # else nothing was steadied


@pytest.mark.parametrize("steady", [0.0, 1.0])
@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_a_plain_render_has_the_same_bits(steady: float, suffix: str, make_film: MakeFilm, tmp_path: Path) -> None:
    film = make_film(pts=[*range(0, 210, 2), *range(211, 320, 3)], time_base=Fraction(1, 50), sound=True)
    for name, workers in (("plain", None), ("cut", 2)):
        with load("starry", threads=2, film=True) as stylizer:
            stylize_film(film, tmp_path / f"{name}.{suffix}", stylizer, workers=workers, steady=steady)
    assert (tmp_path / f"plain.{suffix}").read_bytes() == (tmp_path / f"cut.{suffix}").read_bytes()
