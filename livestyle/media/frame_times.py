"""When each frame is shown, also where the container does not say it."""

from __future__ import annotations

from fractions import Fraction

import av


class FrameTimes:
    """Times in ticks for a film's frames, which are asked about once each, in the order shown.

    Without presentation times, as in AVI, decoding times tell: frames come out of the decoder at a steady pace.
    Without any, as in a raw stream, frames are counted.

    Args:
        container: its format's name; AVI's presentation times are FFmpeg's guess.
        step: ticks between two frames at the film's usual rate.
    """

    def __init__(self, container: str, step: int) -> None:
        self._guessed = container == "avi"
        self._step = step
        self._last: int | None = None

    def of(self, frame: av.VideoFrame) -> int:
        """The frame's time; later than the last frame's, unless the container says otherwise and nothing better."""
        self._last = self._time(frame)
        return self._last

    def _time(self, frame: av.VideoFrame) -> int:
        last, shown, decoded = self._last, frame.pts, frame.dts
        goes_back = last is not None and shown is not None and shown < last
        if shown is not None and not self._guessed and not goes_back:
            return shown
        if decoded is not None and (last is None or decoded > last):
            return decoded
        if last is not None:
            return last + self._step
        return shown or 0


def times_of(stream: av.VideoStream) -> FrameTimes:
    """For the frames of a film's video, from its first one on."""
    rate = stream.guessed_rate or stream.average_rate or Fraction(25)
    tick = stream.time_base or Fraction(1, 90000)
    return FrameTimes(stream.container.format.name, max(1, round(1 / (rate * tick))))
