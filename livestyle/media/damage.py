"""How much of a damaged film is left: what its container promises against what was decoded."""

from __future__ import annotations

import re
from fractions import Fraction

import av
from av.container import InputContainer

_CLOSE = Fraction(1, 4)  # seconds, and three frames, that a film may end before the end it promises


class Promise:
    """What a film's container says of its video before any of it is read.

    Attributes:
        frames: how many it counts, hidden ones too; None where it does not count them one by one.
        end: when the last frame ends, in seconds; None where it does not say, or only knows from looking.
        seconds: how long the film is, as far as anyone can tell.
    """

    def __init__(self, container: InputContainer, stream: av.VideoStream, rate: Fraction) -> None:
        kind = container.format.name
        slots = kind == "avi"  # it counts those left empty, too
        self.frames = int(stream.frames or _tag(stream, "NUMBER_OF_FRAMES") or 0) if not slots else 0
        self.rate = rate
        self.seconds = stream.frames / rate if slots and stream.frames else _seconds(container, stream)
        told = kind == "flv" or (slots and stream.frames)
        self.end = self.seconds if told else _as_seconds(_tag(stream, "DURATION"))

    def ends_early(self, last_end: Fraction) -> bool:
        """Whether a film whose last frame ends then has lost some."""
        return self.end is not None and self.end - last_end > max(_CLOSE, 3 / self.rate)

    def expected(self, hidden: int) -> int:
        """How many frames there should be, the best guess where they are not counted; 0 if nobody knows."""
        return self.frames - hidden if self.frames else round((self.seconds or 0) * self.rate)


def _seconds(container: InputContainer, stream: av.VideoStream) -> Fraction | None:
    if stream.duration and stream.time_base:
        return stream.duration * stream.time_base
    tagged = _as_seconds(_tag(stream, "DURATION"))
    return tagged or (Fraction(container.duration, av.time_base) if container.duration else None)


def _tag(stream: av.VideoStream, name: str) -> str:
    """Matroska's statistics of a track, whatever language their names end with."""
    found = (text for key, text in stream.metadata.items() if key.upper().split("-")[0] == name)
    return next(found, "")


def _as_seconds(clock: str) -> Fraction | None:
    """`00:00:02.021000000` in seconds."""
    match = re.fullmatch(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", clock)
    return int(match[1]) * 3600 + int(match[2]) * 60 + Fraction(match[3]) if match else None
