"""One opening of a live source, in a thread of its own that may block for ever."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from ..frame import Frame
from .source import LiveSource

_WAITING = 2  # frames that wait to be fetched; the oldest are forgotten


class Attempt:
    """Opens a source and collects its frames; the source is used, and closed, in that thread only.

    Args:
        open_source: called in the thread; it may block, as may every frame after it.
        news: called from the thread whenever there is something new to see.

    Attributes:
        source: once it is open, else None.
        error: why it failed; `ended` is the other end.
        dropped: frames forgotten because nobody fetched them.
    """

    def __init__(self, open_source: Callable[[], LiveSource], news: Callable[[], object]) -> None:
        self._open_source, self._news = open_source, news
        self._frames: deque[Frame] = deque()
        self._lock = threading.Lock()
        self._abandoned = False
        self.source: LiveSource | None = None
        self.error: BaseException | None = None
        self.ended = False
        self.dropped = 0
        # A daemon: a read blocked in a driver must not keep the program alive.
        self._thread = threading.Thread(target=self._work, name="livestyle-camera", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        try:
            with self._open_source() as source:
                self.source = source
                self._news()
                frames = iter(() if self._abandoned else source)
                while not self._abandoned and (frame := next(frames, None)) is not None:
                    self._put(frame)
            self.ended = True
        except BaseException as error:  # handed to the thread that watches
            self.error = error
        finally:
            self._news()

    def _put(self, frame: Frame) -> None:
        with self._lock:
            if len(self._frames) >= _WAITING:
                self._frames.popleft()
                self.dropped += 1
            self._frames.append(frame)
        self._news()

    def take(self) -> Frame | None:
        """The oldest waiting frame, or None."""
        with self._lock:
            return self._frames.popleft() if self._frames else None

    @property
    def alive(self) -> bool:
        """Whether its thread still runs, perhaps blocked."""
        return self._thread.is_alive()

    def abandon(self) -> None:
        """Lets the thread close the source and end as soon as its read returns. Does not wait."""
        self._abandoned = True

    def join(self, seconds: float) -> None:
        """Waits for the thread, but no longer than that."""
        if self._thread is not threading.current_thread():
            self._thread.join(seconds)
