"""Source, engine and sink at work at once: two threads, two bounded mailboxes."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Generic, TypeAlias, TypeVar

from .errors import Stalled
from .frame import Frame, Image
from .signals import held

T = TypeVar("T")
Styled: TypeAlias = tuple[Frame, Image]  # what came, and what became of it
Finish: TypeAlias = Callable[[Frame, Image], Image]


class Closed(Exception):
    """The mailbox was closed: nothing more will come, or nobody reads any more."""


class Quiet(Exception):
    """Nothing came in time."""


class Handoff(Generic[T]):
    """A mailbox of bounded size between two threads.

    When it is full, `put` waits for room, or with `drop_oldest` forgets the oldest item and counts it.
    """

    def __init__(self, size: int, *, drop_oldest: bool = False) -> None:
        self._items: deque[T] = deque()
        self._size, self._drop_oldest = size, drop_oldest
        self._changed = threading.Condition()
        self._closed = False
        self._error: BaseException | None = None
        self.dropped = 0

    def put(self, item: T) -> None:
        """Raises Closed once the mailbox is closed."""
        with self._changed:
            if self._drop_oldest and not self._closed and len(self._items) >= self._size:
                self._items.popleft()
                self.dropped += 1
            self._changed.wait_for(lambda: self._closed or len(self._items) < self._size)
            if self._closed:
                raise Closed
            self._items.append(item)
            self._changed.notify_all()

    def get(self, seconds: float | None = None) -> T:
        """The oldest item; raises Quiet if none comes within that time.

        Once closed and empty, raises the error it was closed with, else Closed.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._closed or bool(self._items), seconds):
                raise Quiet
            if not self._items:
                raise self._error or Closed
            item = self._items.popleft()
            self._changed.notify_all()
            return item

    def close(self, error: BaseException | None = None, *, discard: bool = False) -> None:
        """Lets waiting threads go on; what is inside can still be read unless `discard`. Twice is fine."""
        with self._changed:
            if not self._closed:
                self._closed, self._error = True, error
            if discard:
                self._items.clear()
            self._changed.notify_all()

    def __iter__(self) -> Iterator[T]:
        while True:
            try:
                yield self.get()
            except Closed:
                return


STAGES = ("source", "engine", "sink")
LOOK_S = 0.01  # seconds without a frame until a run looks for signals and keys: of two within, Qt keeps the last
MEASURED_FRAMES = 10_000  # the newest that a run keeps figures of: a camera may run for weeks


@dataclass
class Stats:
    """What a run did: frames written, frames forgotten, and the newest frames' milliseconds in each stage.

    Attributes:
        earlier: how many of the frames were written by a run before, which was interrupted.
    """

    frames: int = 0
    earlier: int = 0
    dropped: int = 0
    seconds: float = 0.0
    stage_ms: dict[str, deque[float]] = field(
        default_factory=lambda: {stage: deque(maxlen=MEASURED_FRAMES) for stage in STAGES}
    )
    _started: float = field(default_factory=time.perf_counter)
    _waits_since: float | None = None

    @property
    def fps(self) -> float:
        """Frames written per second of the whole run."""
        return (self.frames - self.earlier) / self.seconds if self.seconds else 0.0

    @contextlib.contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        """Adds the time spent inside to a stage, unless it fails."""
        began = time.perf_counter()
        yield
        self.stage_ms[stage].append((time.perf_counter() - began) * 1000)

    def waited(self) -> float:
        """Seconds the source has been asked for its next frame; 0 if it is not being asked."""
        since = self._waits_since
        return 0.0 if since is None else time.perf_counter() - since

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """The source is being asked for a frame inside."""
        self._waits_since = time.perf_counter()
        try:
            yield
        finally:
            self._waits_since = None

    def count(self) -> None:
        """One more frame is out."""
        self.frames += 1
        self.seconds = time.perf_counter() - self._started


def run(
    source: Iterable[Frame],
    stylize: Callable[[Image], Image],
    write: Callable[[Frame], object],
    *,
    live: bool = False,
    lanes: int = 1,
    patience: float | None = None,
    finish: Finish | None = None,
    on_frame: Callable[[Stats], object] | None = None,
    between: Callable[[], object] | None = None,
    stop: Callable[[], object] = lambda: None,
) -> Stats:
    """Every frame of `source`, styled and written in order; the source and the engine run in threads of their own.

    A film waits (nothing is lost); `live` forgets the oldest waiting frame and counts it. `write` runs in the
    caller's thread; it ends the run by returning False. A failure in any stage is raised here, and no thread is left.
    `lanes` frames are in the engine at once: `stylize` is then called from as many threads. `finish` sees each frame
    and its styled image in order, and gives the image that is written. Raises Stalled if the source needs more than
    `patience` seconds for a frame; its thread, perhaps blocked for ever, is then not waited for. `between` is called in
    the caller's thread while no frame comes, and ends the run as `write` does. `stop`, called before the threads are
    waited for, makes a source end that may be long about its next frame. A signal is heard between two frames.
    """
    stats = Stats()
    decoded: Handoff[Frame] = Handoff(1 if live else 3, drop_oldest=live)
    styled: Handoff[Frame] = Handoff(1 if live else 3, drop_oldest=live)
    engine = _finished(_engine(decoded, stylize, stats, lanes), finish)
    threads = [
        # A daemon: a read that never returns must not keep the program alive.
        threading.Thread(target=_stage, args=(_timed(source, stats), decoded), name="livestyle-source", daemon=True),
        threading.Thread(target=_stage, args=(engine, styled), name="livestyle-engine"),
    ]
    watch = _Watch(stats, patience, decoded)
    with held() as look:
        try:
            for thread in threads:
                thread.start()
            watch.start()
            for frame in _arriving(styled, look, between):
                with stats.measure("sink"):
                    go_on = write(frame)
                stats.count()
                stats.dropped = decoded.dropped + styled.dropped
                if on_frame:
                    on_frame(stats)
                if go_on is False:
                    break
        finally:
            for handoff in (decoded, styled):
                handoff.close(discard=True)
            stop()
            for thread in threads[1:] if watch.fired else threads:
                if thread.is_alive():  # none may be to be had
                    thread.join()
            watch.stop()
            stats.dropped = decoded.dropped + styled.dropped
    return stats


def within(seconds: float, make: Callable[[], T]) -> T:
    """What `make` gives, or its error. Raises Stalled if it takes longer; its thread is then left behind."""
    made: Future[T] = Future()

    def work() -> None:
        try:
            made.set_result(make())
        except BaseException as error:  # handed to the caller
            made.set_exception(error)

    threading.Thread(target=work, name="livestyle-open", daemon=True).start()
    try:
        return made.result(seconds)
    except TimeoutError:
        if made.done():  # it is the error of `make` itself
            raise
        raise Stalled(_stall(seconds)) from None


def _arriving(
    styled: Handoff[Frame], look: Callable[[], None], between: Callable[[], object] | None
) -> Iterator[Frame]:
    """What comes out, until the end or until `between`, called while nothing comes, says False."""
    while True:
        look()
        try:
            yield styled.get(LOOK_S)
        except Quiet:
            if between and between() is False:
                return
        except Closed:
            return


def _stall(seconds: float) -> str:
    return f"gives no frame for {seconds:g} s; given up"


class _Watch:
    """Closes the source's mailbox with Stalled once the source has been waited for too long; looks now and then."""

    def __init__(self, stats: Stats, patience: float | None, decoded: Handoff[Frame]) -> None:
        self._stats, self._patience, self._decoded = stats, patience, decoded
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, name="livestyle-watch", daemon=True)
        self.fired = False

    def start(self) -> None:
        """Does nothing without patience to lose."""
        if self._patience is not None:
            self._thread.start()

    def _work(self) -> None:
        assert self._patience is not None
        while not self._over.wait(min(1.0, self._patience / 4)):
            if self._stats.waited() > self._patience:
                self.fired = True
                self._decoded.close(Stalled(_stall(self._patience)))
                return

    def stop(self) -> None:
        """Twice is fine."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()


def _stage(items: Iterable[Frame], out: Handoff[Frame]) -> None:
    """A thread's life: hand items on; the end or a failure closes the mailbox."""
    error: BaseException | None = None
    try:
        for item in items:
            out.put(item)
    except Closed:
        pass
    except BaseException as failure:  # handed to the caller's thread, which raises it
        error = failure
    finally:
        # Left to the garbage collector, the engine's pool would be shut down at any later moment, in any thread,
        # and can wait there for a lock of threading's own for ever.
        close = getattr(items, "close", None)
        if close is not None:
            close()
    out.close(error)


def _timed(source: Iterable[Frame], stats: Stats) -> Iterator[Frame]:
    iterator = iter(source)
    while True:
        try:
            with stats.waiting(), stats.measure("source"):
                frame = next(iterator)
        except StopIteration:
            return
        yield frame


def _engine(
    frames: Iterable[Frame], stylize: Callable[[Image], Image], stats: Stats, lanes: int
) -> Generator[Styled, None, None]:
    def styled(frame: Frame) -> Styled:
        with stats.measure("engine"):
            return frame, stylize(frame.image)

    if lanes == 1:
        yield from map(styled, frames)
        return
    with ThreadPoolExecutor(lanes, thread_name_prefix="livestyle-lane") as pool:
        working: deque[Future[Styled]] = deque()
        for frame in frames:
            working.append(pool.submit(styled, frame))
            if len(working) > lanes:
                yield working.popleft().result()
        for future in working:
            yield future.result()


def _finished(engine: Generator[Styled, None, None], finish: Finish | None) -> Iterator[Frame]:
    with contextlib.closing(engine):
        for frame, image in engine:
            yield frame.with_image(finish(frame, image) if finish else image)
