"""How a long film is cut: which frames make a segment, who renders which, and what was seen before its first frame.

All of it follows from the frames' numbers alone, so a render that was interrupted, or shared by many, has the same
bits as one that went through.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from . import effects
from .frame import Frame, Image
from .media.pictures import FRAMES
from .steady import Steady

WARM_UP = 60  # frames that Steady sees before a border: at its steadiest 0.92^60 = 0.7 % of the past is left


@dataclass(frozen=True)
class Finish:
    """What is done to the styled pictures in their order: `steady` against flicker, `keep_color`, both 0..1."""

    steady: float = 0.0
    keep_color: float = 0.0

    @property
    def warm_up(self) -> int:
        """How many frames it must see before those that count."""
        return WARM_UP if self.steady else 0

    def __bool__(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.steady or self.keep_color)


class Finisher:
    """A frame and its styled image in, what is written out; remembers the frames before."""

    def __init__(self, finish: Finish) -> None:
        self._finish, self._steady = finish, Steady()

    def __call__(self, frame: Frame, styled: Image) -> Image:
        styled = self._steady(frame.image, styled, self._finish.steady)
        return effects.keep_color(frame.image, styled, self._finish.keep_color)


@dataclass(frozen=True)
class Share:
    """Segments for one worker.

    Attributes:
        segments: their numbers.
        onward: all from this number on too, to the film's end, wherever that is; None for none.
    """

    segments: frozenset[int]
    onward: int | None = None

    def __contains__(self, segment: int) -> bool:
        return segment in self.segments or (self.onward is not None and segment >= self.onward)

    def needs(self, index: int, warm_up: int) -> bool:
        """Whether the frame of that number is in one of them or warms one up."""
        return index // FRAMES in self or (index + warm_up) // FRAMES in self

    def ends(self, index: int) -> bool:
        """Whether nothing is to be done from the frame of that number on."""
        return self.onward is None and index // FRAMES > max(self.segments, default=-1)


WHOLE = Share(frozenset(), onward=0)


def shares(done: Collection[int], frames: int | None, workers: int, *, exact: bool) -> list[Share]:
    """What is left to do, shared out: neighbours together, so that few frames are styled twice for a warm-up.

    Args:
        done: segments that need nothing more.
        frames: of the film, as far as is known.
        exact: whether that is certain; otherwise the last share goes on to where the film really ends.
    """
    count = -(-(frames or 0) // FRAMES) if exact else max(-(-(frames or 0) // FRAMES), max(done, default=-1) + 1)
    left = [segment for segment in range(count) if segment not in done]
    if not exact:
        left.append(count)
    if not left:
        return []
    size = -(-len(left) // workers)
    parts = [left[at : at + size] for at in range(0, len(left), size)]
    onward = [None] * (len(parts) - 1) + [None if exact else count]
    return [Share(frozenset(part) - {last}, last) for part, last in zip(parts, onward, strict=True)]


class SegmentFinisher:
    """Finishes every segment of a share as if nothing else existed but the segment and its warm-up."""

    def __init__(self, finish: Finish, share: Share) -> None:
        self._finish, self._share = finish, share
        self._now: tuple[int, Finisher] | None = None
        self._next: tuple[int, Finisher] | None = None

    def __call__(self, frame: Frame, styled: Image) -> Image:
        segment, coming = frame.index // FRAMES, (frame.index + self._finish.warm_up) // FRAMES
        if coming > segment and coming in self._share:
            self._next = self._for(coming, self._next)
            self._next[1](frame, styled)
        if segment not in self._share:
            return styled
        if self._next is not None and self._next[0] == segment:
            self._now, self._next = self._next, None
        self._now = self._for(segment, self._now)
        return self._now[1](frame, styled)

    def _for(self, segment: int, known: tuple[int, Finisher] | None) -> tuple[int, Finisher]:
        return known if known is not None and known[0] == segment else (segment, Finisher(self._finish))
