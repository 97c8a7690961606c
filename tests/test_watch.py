"""A watched source: faults noticed, told, held over and retried, by a scripted camera and a scripted clock."""

from __future__ import annotations

import http.server
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
from conftest import MakeFilm
from hypothesis import given, settings
from hypothesis import strategies as st

from livestyle.errors import DeviceError
from livestyle.frame import Frame, Image
from livestyle.media.attempt import Attempt
from livestyle.media.playback import NetworkStream, Playback
from livestyle.media.size import Size
from livestyle.media.watch import BACK_OFF, Watched

END = object()
UNPLUGGED = DeviceError("camera 0: gives no more frames")
FPS = 30
SMALL = Size(8, 6)


def picture(number: int, size: Size = SMALL) -> Image:
    return np.full((size.height, size.width, 3), number % 251, np.uint8)


def playing(seconds: float, *, start: float = 0.0, first: int = 0) -> list[tuple[float, object]]:
    """A picture every thirtieth of a second, all different."""
    return [(start + i / FPS, picture(first + i)) for i in range(round(seconds * FPS))]


@dataclass
class Opening:
    """What happens at an opening: pictures, errors or END, at seconds after it. `opens` None: it blocks."""

    events: list[tuple[float, object]] = field(default_factory=list)
    opens: float | None = 0.0
    fails: Exception | None = None
    patience: float | None = 0.8
    stillness: float | None = 1.0
    starts_over: bool = False
    stuck: bool = False  # its thread stays blocked once it is abandoned


class World:
    """A clock that only waiting moves, and the openings a source will have; the last one repeats."""

    def __init__(self, *openings: Opening) -> None:
        self.now, self.opened, self.said, self.waits = 1000.0, [], [], 0
        self._openings, self._current = list(openings), None

    def attempt(self, *_: object) -> ScriptedAttempt:
        opening = self._openings.pop(0) if len(self._openings) > 1 else self._openings[0]
        self.opened.append(self.now - 1000)
        self._current = ScriptedAttempt(self, opening)
        return self._current

    def wait(self, seconds: float) -> None:
        assert seconds > 0
        self.waits += 1
        coming = self._current.next_event() if self._current and not self._current.abandoned else None
        self.now = max(self.now, min(self.now + seconds, coming or self.now + seconds))

    def watched(self, **options: object) -> Watched:
        return Watched(
            lambda: pytest.fail("the script opens"),
            say=self.said.append,
            clock=lambda: self.now,
            wait=self.wait,
            attempt=self.attempt,
            **options,
        )

    def watch(self, until: float, **options: object) -> list[tuple[float, Frame, str | None]]:
        """Every frame up to a time, with when it came and the status it came with."""
        seen = []
        with self.watched(**options) as source:
            for frame in source:
                if self.now - 1000 >= until:
                    break
                seen.append((self.now - 1000, frame, source.status))
        return seen


class ScriptedAttempt:
    """Stands for an Attempt: what the script has by now has happened."""

    def __init__(self, world: World, opening: Opening) -> None:
        self._world, self._opening, self._began = world, opening, world.now
        self._events = iter(sorted(opening.events, key=lambda event: event[0]))
        self._next = next(self._events, None)
        self._count = 0
        self.dropped, self.abandoned, self.ended = 0, False, False
        self._error: Exception | None = opening.fails
        self._source = SimpleNamespace(
            frame_size=Size(8, 6), rate=Fraction(FPS), patience=opening.patience, stillness=opening.stillness,
            starts_over=opening.starts_over,
        )  # fmt: skip

    @property
    def source(self) -> object:
        opens = self._opening.opens
        is_open = self._opening.fails is None and opens is not None and self._world.now - self._began >= opens
        return self._source if is_open else None

    def next_event(self) -> float | None:
        if self.source is None and self._opening.opens is not None:
            return self._began + self._opening.opens
        return self._began + self._next[0] if self._next else None

    def _due(self) -> object:
        if self.source is None or self._next is None or self._world.now < self._began + self._next[0] - 1e-9:
            return None
        return self._next[1]

    @property
    def error(self) -> Exception | None:
        due = self._due()
        if due is END:
            self.ended = True
        if isinstance(due, Exception):
            self._error = due
        return self._error

    def take(self) -> Frame | None:
        image = self._due()
        if not isinstance(image, np.ndarray):
            return None
        at, self._next = self._next[0], next(self._events, None)
        self._count += 1
        return Frame(image, Fraction(round(at * 1e6), 1_000_000), self._count - 1, captured=self._world.now)

    @property
    def alive(self) -> bool:
        return not self.abandoned or self._opening.stuck

    def abandon(self) -> None:
        self.abandoned = True

    def join(self, seconds: float) -> None:
        pass


# Lost and found


def test_an_unplugged_camera_is_held_over_and_found_again() -> None:
    gone = Opening(fails=DeviceError("camera 0: there is none"))
    world = World(Opening([*playing(2), (2.0, UNPLUGGED)]), gone, Opening(playing(10, first=100)))
    seen = world.watch(until=6)
    held = [(at, frame) for at, frame, status in seen if status]
    assert 2.0 <= held[0][0] <= 2.3
    assert all((frame.image == picture(59)).all() for _, frame in held)
    assert np.diff([at for at, _ in held]) == pytest.approx(0.2, abs=0.02)
    assert [frame.captured - 1000 for _, frame in held] == pytest.approx([at for at, _ in held])
    back = next(at for at, frame, status in seen if at > 2.1 and not status)
    assert back == pytest.approx(2 + 0.5 + 1, abs=0.01)
    assert seen[-1][2] is None
    assert world.said == [f"{UNPLUGGED}; trying again", "camera: back after 1.5 s"]


def test_the_word_counts_the_tries() -> None:
    world = World(Opening([(0.0, picture(1)), (0.1, UNPLUGGED)]), Opening(fails=UNPLUGGED))
    statuses = [status for _, _, status in world.watch(until=5)]
    assert list(dict.fromkeys(statuses)) == [
        None,
        "camera lost, trying again (1)",
        "camera lost, trying again (2)",
        "camera lost, trying again (3)",
        "camera lost, trying again (4)",
    ]


def test_tries_back_off_up_to_five_seconds() -> None:
    world = World(Opening([(0.0, picture(1)), (10.0, UNPLUGGED)], patience=None), Opening(fails=UNPLUGGED))
    world.watch(until=60)
    waits = np.diff([10.0, *world.opened[1:]])
    assert waits[:7] == pytest.approx([*BACK_OFF, 5.0, 5.0], abs=0.01)
    assert BACK_OFF == (0.5, 1.0, 2.0, 4.0, 5.0)


def test_a_camera_that_keeps_failing_soon_backs_off_too() -> None:
    flapping = Opening([(0.0, picture(1)), (0.1, picture(2)), (0.2, UNPLUGGED)])
    world = World(flapping)
    world.watch(until=30)
    assert len(world.opened) < 12


def test_a_long_healthy_camera_is_tried_again_soon() -> None:
    world = World(Opening([*playing(6), (6.0, UNPLUGGED)]))
    world.watch(until=30)
    gaps = np.diff(world.opened)
    assert gaps == pytest.approx(6.5, abs=0.01)


def test_the_times_and_numbers_go_on_across_openings() -> None:
    world = World(Opening([*playing(1), (1.0, UNPLUGGED)]), Opening(playing(3)))
    frames = [frame for _, frame, _ in world.watch(until=4)]
    assert [frame.index for frame in frames] == list(range(len(frames)))
    assert all(a.time < b.time for a, b in itertools.pairwise(frames))
    assert float(frames[-1].time) == pytest.approx(4, abs=0.1)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 2), st.sampled_from(["unplug", "block", "freeze"]), st.booleans()), max_size=3))
def test_whatever_happens_time_runs_on_and_the_reader_never_waits_long(faults: list[tuple[float, str, bool]]) -> None:
    openings = []
    for seconds, fault, fails_first in faults:
        if fails_first:
            openings.append(Opening(fails=UNPLUGGED))
        last = [(seconds, UNPLUGGED)] if fault == "unplug" else []
        still = [(seconds + i / FPS, picture(250)) for i in range(90)] if fault == "freeze" else []
        openings.append(Opening([*playing(seconds), *still, *last]))
    world = World(Opening(playing(0.5)), *openings, Opening(playing(20)))
    seen = world.watch(until=20)
    frames = [frame for _, frame, _ in seen]
    assert all(a.time < b.time and b.index == a.index + 1 for a, b in itertools.pairwise(frames))
    assert max(np.diff([at for at, _, _ in seen])) < 1


# Each fault


def test_a_blocked_read_is_noticed_within_a_second() -> None:
    world = World(Opening(playing(2)), Opening(playing(5, first=100)))
    seen = world.watch(until=5)
    first = next(at for at, _, status in seen if status)
    assert 2 < first < 3
    assert world.said[0] == "camera: gives no picture; trying again"
    assert seen[-1][2] is None


def test_a_camera_that_opens_but_never_gives_a_frame_shows_black() -> None:
    world = World(Opening(), Opening(playing(5, first=100)))
    seen = world.watch(until=3)
    assert seen[0][0] < 1
    assert (seen[0][1].image == np.zeros((6, 8, 3))).all()
    assert seen[0][2]
    assert all(a.time < b.time for (_, a, _), (_, b, _) in itertools.pairwise(seen))
    assert seen[-1][2] is None


def test_one_picture_again_and_again_is_noticed_when_asked_for() -> None:
    still = [(2 + i / FPS, picture(7)) for i in range(300)]
    world = World(Opening([*playing(2), *still]), Opening(playing(5, first=100)))
    seen = world.watch(until=5)
    assert 3 <= next(at for at, _, status in seen if status) <= 3.2
    assert world.said[0] == "camera: gives the same picture again and again; trying again"
    assert seen[-1][2] is None


def test_a_still_picture_is_no_fault_of_a_screen() -> None:
    still = [(i / FPS, picture(7)) for i in range(300)]
    world = World(Opening(still, stillness=None))
    assert {status for _, _, status in world.watch(until=9)} == {None}
    assert world.said == []


def test_a_camera_that_still_stands_still_after_opening_is_not_found() -> None:
    still = [(i / FPS, picture(7)) for i in range(300)]
    world = World(Opening([*playing(2), *((2 + at, image) for at, image in still)]), Opening(still))
    seen = world.watch(until=20)
    assert all(status for at, _, status in seen if at > 3.2)
    assert len(world.said) == 1
    assert len(world.opened) < 8


def test_almost_the_same_picture_is_a_new_one() -> None:
    pictures = []
    for i in range(150):
        image = picture(7, Size(64, 48))
        image[30, 17, i % 3] = i // 3  # not in a row that is compared first
        pictures.append((i / FPS, image))
    world = World(Opening(pictures))
    assert {status for _, _, status in world.watch(until=4.8)} == {None}


def test_a_changed_size_is_told_and_goes_through() -> None:
    world = World(Opening([*playing(1), *((1 + i / FPS, picture(i, Size(16, 12))) for i in range(30))]))
    with world.watched() as source:
        frames = list(itertools.islice(source, 60))
        assert source.frame_size == Size(16, 12)
    assert {frame.image.shape for frame in frames} == {(6, 8, 3), (12, 16, 3)}
    assert world.said == ["camera: the picture is now 16x12, it was 8x6"]


def test_a_gap_in_a_network_stream_is_shown_but_not_reopened() -> None:
    world = World(Opening([*playing(1), *playing(3, start=3, first=50)], patience=5.0, stillness=None))
    seen = world.watch(until=5)
    assert {status for at, _, status in seen if 2 < at < 3} == {"no picture"}
    assert {status for at, _, status in seen if at > 3} == {None}
    assert len(world.opened) == 1


def test_an_opening_that_blocks_is_tried_again_but_never_more_than_three_hang() -> None:
    hangs = Opening(opens=None, stuck=True)
    world = World(Opening([*playing(1), (1.0, UNPLUGGED)]), hangs)
    seen = world.watch(until=600)
    assert len(world.opened) == 1 + 3
    assert seen[-1][2]


# The end


def test_gone_for_good_is_an_error() -> None:
    world = World(Opening([*playing(1), (1.0, UNPLUGGED)]), Opening(fails=UNPLUGGED))
    with pytest.raises(DeviceError, match=r"camera 0: gives no more frames; gone for 10 s, given up"):
        world.watch(until=100, give_up=10.0)
    assert world.now - 1000 == pytest.approx(11, abs=0.1)


@pytest.mark.parametrize("place", [4.0, 30.0])  # seconds into the film: less than it gives up after, and more
def test_a_film_that_stops_at_the_same_place_each_time_is_given_up(place: float) -> None:
    world = World(Opening([*playing(place), (place, UNPLUGGED)], starts_over=True))
    with pytest.raises(DeviceError, match="stops at the same place each time, given up"):
        world.watch(until=1000, give_up=10.0)
    assert world.now - 1000 <= place + 10 + place + BACK_OFF[-1]
    assert len(world.opened) >= 2


def test_a_film_that_gets_further_each_time_or_a_camera_is_not_given_up() -> None:
    further = [Opening([*playing(s), (s, UNPLUGGED)], starts_over=True) for s in (20.0, 25.0, 30.0)]
    film = World(*further, Opening([*playing(60), (60.0, END)], starts_over=True))
    film.watch(until=1000, give_up=10.0)
    assert len(film.opened) == 4
    camera = World(Opening([*playing(4), (4.0, UNPLUGGED)]))
    camera.watch(until=100, give_up=10.0)
    assert len(camera.opened) > 10
    film = World(Opening([*playing(4), (4.0, UNPLUGGED)], starts_over=True))
    film.watch(until=100)  # for ever, unless told otherwise
    assert len(film.opened) > 10


def test_a_first_opening_that_fails_is_raised_at_once() -> None:
    world = World(Opening(fails=DeviceError("camera 5: there is none")))
    with pytest.raises(DeviceError, match="camera 5: there is none"):
        world.watched(give_up=60.0)
    assert world.now == 1000.0


def test_a_first_opening_that_blocks_is_an_error() -> None:
    with pytest.raises(DeviceError, match="does not open within 20 s"):
        World(Opening(opens=None)).watched()


def test_a_film_ends_and_may_pause() -> None:
    world = World(Opening([*playing(1), (30.0, picture(99)), (30.1, END)], patience=None, stillness=None))
    seen = world.watch(until=100)
    assert {status for _, _, status in seen} == {None}
    assert len(seen) == FPS + 1
    assert world.now - 1000 == pytest.approx(30.1, abs=0.1)


class StallingServer:
    """A web server whose film stops on the way, its connection open."""

    def __init__(self, film: bytes, given: int) -> None:
        self.over = over = threading.Event()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Length", str(len(film)))
                self.end_headers()
                self.wfile.write(film[:given])
                self.wfile.flush()
                over.wait(30)

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}/film.mp4"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def noise_film(tmp_path: Path) -> bytes:
    """Four seconds that cannot be made small, its index first."""
    path, random = tmp_path / "noise.mp4", np.random.default_rng(0)
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "1", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        for _ in range(100):
            image = random.integers(0, 256, (96, 160, 3), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    return path.read_bytes()


def test_a_film_of_the_network_that_stalls_is_held_with_a_word_within_a_second(noise_film: bytes) -> None:
    pictures = 0
    server = StallingServer(noise_film, len(noise_film) // 4)
    with closing(server), Watched(lambda: NetworkStream(server.address)) as source:
        for _ in source:
            if source.status:
                break
            pictures += 1
        silent = time.monotonic() - source._heard
        assert source.status == "no picture"
    assert pictures > 5
    assert 0.8 <= silent < 4  # FFmpeg itself would wait for 5


def test_a_slow_film_of_the_network_has_no_patience_to_lose_while_its_frame_waits(noise_film: bytes) -> None:
    with closing(StallingServer(noise_film, len(noise_film))) as server, NetworkStream(server.address) as stream:
        patience: list[float | None] = []
        stream._wait_until = lambda moment: patience.append(stream.patience)  # type: ignore[method-assign]
        for _ in itertools.islice(stream, 3):
            patience.append(stream.patience)  # still, for nobody has fetched the frame yet
        assert patience == [None] * 6


def test_a_film_of_the_network_begins_at_once_whatever_its_clock_shows(make_film: MakeFilm) -> None:
    film = make_film("late.mkv", pts=range(100_000, 100_012)).read_bytes()
    with closing(StallingServer(film, len(film))) as server, NetworkStream(server.address) as stream:
        due: list[float] = []
        stream._wait_until = lambda moment: due.append(moment - time.monotonic())  # type: ignore[method-assign]
        assert len(list(itertools.islice(stream, 12))) == 12
        assert due[0] <= 0 < due[-1] < 11 / 25


def test_a_file_given_as_an_address_keeps_its_pace_and_ends(make_film: MakeFilm) -> None:
    with NetworkStream(make_film().as_uri()) as stream:
        began = time.monotonic()
        assert len(list(stream)) == 12
        assert time.monotonic() - began > 11 / 25 - 0.1


def test_a_film_of_the_network_is_turned_as_a_file_is(make_film: MakeFilm) -> None:
    path = make_film(rotation=90)
    film = path.read_bytes()
    with closing(StallingServer(film, len(film))) as server, NetworkStream(server.address) as stream:
        assert stream.frame_size == Size(48, 64)
        streamed = next(iter(stream))
    with Playback(path) as played:
        assert np.array_equal(streamed.image, next(iter(played)).image)


def test_pixels_that_are_not_square_are_made_so(tmp_path: Path) -> None:
    path = tmp_path / "wide.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(3, 2)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(1, Size(64, 48)), format="rgb24")))
        container.mux(stream.encode(None))
    film = path.read_bytes()
    with closing(StallingServer(film, len(film))) as server, NetworkStream(server.address) as live:
        for source in (live, Playback(path)):
            assert source.frame_size == Size(96, 48)
            assert next(iter(source)).image.shape == (48, 96, 3)


def test_a_mistake_in_the_program_is_not_taken_for_a_lost_camera() -> None:
    world = World(Opening([*playing(1), (1.0, ZeroDivisionError())]))
    with pytest.raises(ZeroDivisionError):
        world.watch(until=5)


def test_a_lost_hour_takes_no_more_looks_than_frames() -> None:
    world = World(Opening([(0.0, picture(1)), (1.0, UNPLUGGED)]), Opening(fails=UNPLUGGED))
    seen = world.watch(until=3600)
    assert len(seen) == pytest.approx(3600 * 5, rel=0.05)
    assert world.waits < 2.2 * len(seen)


# With real threads


class Blocking:
    """A source with a few frames, then a read that blocks until `unblock` is set."""

    frame_size, rate, patience, stillness = Size(8, 6), Fraction(FPS), 0.8, 1.0
    starts_over = False

    def __init__(self, frames: int = 3) -> None:
        self.unblock, self.blocked, self.closed = threading.Event(), threading.Event(), threading.Event()
        self._frames = frames

    def __iter__(self) -> Iterator[Frame]:
        for i in range(self._frames):
            yield Frame(picture(i), Fraction(i, FPS), i, captured=time.monotonic())
        self.blocked.set()
        self.unblock.wait()
        yield Frame(picture(99), Fraction(99), 99)

    def close(self) -> None:
        """Must not be called while a read is blocked: would crash a real device."""
        if self.unblock.is_set() or not self.blocked.is_set():
            self.closed.set()

    def __enter__(self) -> Blocking:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def eventually(fact: Callable[[], bool]) -> None:
    """Fails if it does not come true in ten seconds."""
    deadline = time.monotonic() + 10
    while not fact():
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)


def test_closing_ends_the_iteration_though_a_read_is_blocked() -> None:
    camera = Blocking()
    source = Watched(lambda: camera)
    frames: list[Frame] = []
    reader = threading.Thread(target=lambda: frames.extend(source))
    reader.start()
    assert camera.blocked.wait(10)
    began = time.monotonic()
    source.close()
    reader.join(10)
    assert time.monotonic() - began < 1
    assert not reader.is_alive()
    assert not camera.closed.is_set()
    camera.unblock.set()
    assert camera.closed.wait(10)
    eventually(lambda: not any(thread.name == "livestyle-camera" for thread in threading.enumerate()))


def test_a_blocked_read_is_waited_for_once_however_often_it_is_closed() -> None:
    camera = Blocking()
    source = Watched(lambda: camera)
    assert camera.blocked.wait(10)
    source.close()
    began = time.monotonic()
    source.close()
    assert time.monotonic() - began < 0.3  # of 0.5
    camera.unblock.set()


def test_a_close_just_before_the_news_are_taken_is_heard() -> None:
    source = World(Opening(playing(1))).watched()
    clear = source._news.clear

    def close_and_clear() -> None:
        source.close()
        clear()

    source._news.clear = close_and_clear  # type: ignore[method-assign]
    assert list(source) == []


def test_no_thread_is_left_after_a_normal_end() -> None:
    camera = Blocking(frames=5)
    camera.unblock.set()
    with Watched(lambda: camera) as source:
        assert len(list(source)) >= 2
    assert camera.closed.is_set()
    assert not any(thread.name == "livestyle-camera" for thread in threading.enumerate())


def test_a_slow_reader_makes_no_heap_of_frames() -> None:
    camera = Blocking(frames=1000)
    attempt = Attempt(lambda: camera, lambda: None)
    assert camera.blocked.wait(10)
    waiting = [attempt.take(), attempt.take(), attempt.take()]
    assert [frame and frame.index for frame in waiting] == [998, 999, None]
    assert attempt.dropped == 998
    camera.unblock.set()


def test_the_first_openings_error_reaches_the_caller_from_its_thread() -> None:
    def fail() -> Blocking:
        raise DeviceError("camera 0: cannot be opened")

    with pytest.raises(DeviceError, match="cannot be opened"):
        Watched(fail)
