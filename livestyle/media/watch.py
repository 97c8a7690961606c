"""A live source that never leaves its readers waiting: it notices a fault, holds the last frame and tries again."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from types import TracebackType
from typing import Self

import numpy as np

from ..errors import DeviceError, LivestyleError
from ..frame import Frame, Image
from .attempt import Attempt
from .size import Size
from .source import MICROSECOND, LiveSource, Say, say_nothing

NOTICE = 0.8  # seconds without a frame after which the reader gets the last one again
HOLD = 0.2  # seconds between two of those
BACK_OFF = (0.5, 1.0, 2.0, 4.0, 5.0)  # seconds before each next try; the last one for ever
OPENING = 20.0  # seconds an opening may take
_SETTLED = 5.0  # seconds of health after which the back-off starts anew
_STUCK = 3  # attempts blocked in a driver at once; no new one until one of them returns
_CLOSING = 0.5  # seconds to wait for the source's thread
_SHORTEST_WAIT = 0.001  # seconds; never spin
_ROWS = 45  # every so many rows are compared first: a sensor's noise shows in them


class Watched:
    """Frames of a source that is opened again when it is lost. A LiveSource itself; a context manager.

    While there is nothing, it yields the last frame again, about five times a second, with `captured` fresh.
    Times and indices go on across openings. The source's own end, without an error, is the end.

    Args:
        open_source: gives the source; the first opening happens at once, and what it raises is raised here.
        give_up: seconds without a new picture after which DeviceError is raised; None: never. A film that begins
            anew and stops where it did before shows nothing new.
        say: hears what happens, a line each.
        clock, wait, attempt: time, waiting and threads, to be replaced in tests; `wait` returns early on news.

    Attributes:
        status: the word to draw while there is nothing new, else None.
        dropped: frames forgotten because nobody fetched them in time.
    """

    patience: float | None = None
    stillness: float | None = None
    starts_over: bool = False

    def __init__(
        self,
        open_source: Callable[[], LiveSource],
        *,
        give_up: float | None = None,
        say: Say = say_nothing,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], object] | None = None,
        attempt: Callable[[Callable[[], LiveSource], Callable[[], object]], Attempt] = Attempt,
    ) -> None:
        self._open_source, self._start = open_source, attempt
        self._give_up, self._say, self._clock = give_up, say, clock
        self._news = threading.Event()
        self._wait = wait or self._news.wait
        self.status: str | None = None
        self._closed = self._lost = False
        self._reason, self._tries, self._retry_at = "", 0, 0.0
        self._stuck: list[Attempt] = []
        self._forgotten = 0  # by attempts that are over
        self._last: Frame | None = None
        self._offset: Fraction | None = Fraction(0)  # from the source's time to ours; None: to be found
        self._attempt: Attempt | None = self._begin()
        self._source = self._first_opening(self._attempt)
        now = clock()
        # The moments of: any frame, a new picture, the end of the last fault, the last frame given to the reader.
        self._heard = self._fresh = self._well_since = self._given = now
        self._shown = 0  # the number of the source's newest picture, since it was opened
        self._stopped_at, self._stopped_since = -math.inf, now  # where a film stopped, and since when it does

    def _begin(self) -> Attempt:
        self._began = self._clock()
        return self._start(self._open_source, self._news.set)

    def _first_opening(self, attempt: Attempt) -> LiveSource:
        try:
            while attempt.source is None:
                if attempt.error:
                    raise attempt.error
                if self._clock() - self._began > OPENING:
                    raise DeviceError(f"camera: does not open within {OPENING:g} s; unplug it and plug it in again")
                self._wait(HOLD)
                self._news.clear()
        except BaseException:
            attempt.abandon()
            raise
        return attempt.source

    @property
    def frame_size(self) -> Size:
        """Of the newest frame."""
        return _size(self._last.image) if self._last else self._source.frame_size

    @property
    def rate(self) -> Fraction:
        """The newest source's."""
        return self._source.rate

    @property
    def dropped(self) -> int:
        """Frames forgotten so far because nobody fetched them."""
        return self._forgotten + (self._attempt.dropped if self._attempt else 0)

    def describe(self) -> str:
        """The source's own line."""
        return self._source.describe()

    def __iter__(self) -> Iterator[Frame]:
        try:
            while True:
                self._news.clear()
                if self._closed:  # looked at after the news are taken, or close() could go unheard for a second
                    return
                now, ended = self._clock(), self._attempt is not None and self._attempt.ended
                frame = self._look(now) or self._last_again(now)
                if frame is not None:
                    self._given = now
                    yield frame
                elif ended:
                    return
                else:
                    self._wait(self._next_event() - now)
        finally:
            if self._attempt is not None:
                self._attempt.abandon()

    def _look(self, now: float) -> Frame | None:
        """The source's next frame; without one, what is wrong is found out and dealt with."""
        if self._lost and self._give_up is not None and now - self._fresh >= self._give_up:
            raise DeviceError(f"{self._reason}; gone for {now - self._fresh:.0f} s, given up")
        attempt = self._attempt
        if attempt is None:
            self._retry(now)
            return None
        error = attempt.error  # before the frames: what came before it is not lost
        if attempt.source is not None and attempt.source is not self._source:
            self._source, self._heard = attempt.source, now
        patience = self._patience()  # before the frame: a film's, once it reads again, is that after the frame
        frame = attempt.take()
        if frame is not None:
            return self._received(frame, now)
        if error is not None and not isinstance(error, LivestyleError | OSError):
            raise error
        fault = str(error) if error is not None else self._fault(attempt, now, patience)
        if fault:
            self._lose(fault, now)
        return None

    def _fault(self, attempt: Attempt, now: float, patience: tuple[float, float]) -> str | None:
        """What is wrong with an attempt that gives no frame now; None if it may still come."""
        if attempt.source is None:
            return "camera: does not open" if now - self._began >= OPENING else None
        notice, lost = patience
        if attempt.ended or now - self._heard < notice:
            return None
        self.status = self.status or "no picture"
        return "camera: gives no picture" if now - self._heard >= lost else None

    def _patience(self) -> tuple[float, float]:
        """Seconds without a frame until it is told and until it is lost; more than between a slow source's frames."""
        if self._source.patience is None:
            return math.inf, math.inf
        lost = max(self._source.patience, float(3 / self._source.rate))
        return min(lost, max(NOTICE, float(2 / self._source.rate))), lost

    def _received(self, frame: Frame, now: float) -> Frame:
        last, self._heard, self._shown = self._last, now, frame.index
        if self._offset is None:
            self._offset = self._time_at(now) - frame.time
        stillness = self._source.stillness
        if last is None or stillness is None or not _same(frame.image, last.image):
            self._is_well(now)
        elif now - max(self._fresh, self._began) >= stillness:
            self._lose("camera: gives the same picture again and again", now)
        if last is not None and _size(frame.image) != _size(last.image):
            self._say(f"camera: the picture is now {_size(frame.image)}, it was {_size(last.image)}")
        time, index = frame.time + (self._offset or 0), last.index + 1 if last else frame.index
        self._last, self._last_at = replace(frame, time=time, index=index), now
        return self._last

    def _is_well(self, now: float) -> None:
        if self._lost:
            self._say(f"camera: back after {now - self._fresh:.1f} s")
            self._lost, self._well_since = False, now
        self._fresh, self.status = now, None

    def _lose(self, reason: str, now: float) -> None:
        """Lets the source go and plans the next try."""
        assert self._attempt is not None
        if self._source.starts_over:
            self._give_up_where_it_stops(reason, now)
        self._attempt.abandon()
        self._forgotten += self._attempt.dropped
        self._stuck.append(self._attempt)
        self._attempt = None
        if not self._lost:
            self._say(f"{reason}; trying again")
            self._lost, self._tries = True, 0 if now - self._well_since >= _SETTLED else self._tries
        self._retry_at = now + BACK_OFF[min(self._tries, len(BACK_OFF) - 1)]
        self._tries, self._reason = self._tries + 1, reason
        self.status = f"camera lost, trying again ({self._tries})"

    def _give_up_where_it_stops(self, reason: str, now: float) -> None:
        if self._shown > self._stopped_at + self._source.rate:
            self._stopped_at, self._stopped_since = self._shown, self._fresh
        elif self._give_up is not None and now - self._stopped_since >= self._give_up:
            raise DeviceError(f"{reason}; it stops at the same place each time, given up")

    def _retry(self, now: float) -> None:
        self._stuck = [attempt for attempt in self._stuck if attempt.alive]
        if now >= self._retry_at and len(self._stuck) < _STUCK:
            self._offset = None
            self._attempt = self._begin()

    def _last_again(self, now: float) -> Frame | None:
        """The last frame once more, if there is nothing new and it is time for it."""
        if self.status is None or now - self._given < HOLD:
            return None
        if self._last is None:  # it opened, but no frame ever came
            width, height = self._source.frame_size
            self._last, self._offset = Frame(np.zeros((height, width, 3), np.uint8), Fraction(0), 0, now), None
        else:
            self._last = replace(self._last, time=self._time_at(now), index=self._last.index + 1, captured=now)
        self._last_at = now
        return self._last

    def _time_at(self, now: float) -> Fraction:
        """The time, on our scale, of a frame that comes now."""
        if self._last is None:
            return Fraction(0)
        return self._last.time + max(1, int((now - self._last_at) * 1e6)) * MICROSECOND

    def _next_event(self) -> float:
        """When something is due even if no frame comes; at most a second ahead."""
        now = self._clock()
        due = [now + 1.0, self._retry_at if self._attempt is None else self._began + OPENING]
        if self._attempt is not None:
            due += [self._heard + seconds for seconds in self._patience()]
        if self.status is not None:
            due.append(self._given + HOLD)
        if self._lost and self._give_up is not None:
            due.append(self._fresh + self._give_up)
        # What is just due may have been missed by rounding.
        ahead = min(moment for moment in due if moment > now - _SHORTEST_WAIT)
        return max(now + _SHORTEST_WAIT, ahead)

    def close(self) -> None:
        """Ends the iteration, in any thread, even while a read is blocked. Twice is fine.

        A thread blocked in a driver is left alone; it releases the device when its read returns.
        """
        if self._closed:  # nor is the thread waited for twice
            return
        self._closed = True
        self._news.set()
        if (attempt := self._attempt) is not None:
            attempt.abandon()
            attempt.join(_CLOSING)
            if attempt.alive and attempt.source is not None:
                attempt.source.close()  # ends the wait between a film's frames

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _size(image: Image) -> Size:
    return Size(image.shape[1], image.shape[0])


def _same(a: Image, b: Image) -> bool:
    """Whether they are equal bit for bit; two that differ are told apart by a few rows."""
    return a.shape == b.shape and np.array_equal(a[::_ROWS], b[::_ROWS]) and np.array_equal(a, b)
