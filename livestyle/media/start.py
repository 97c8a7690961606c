"""Films that start before zero, where no container shows anything: all of such a film is moved."""

from __future__ import annotations

import math
from fractions import Fraction

from av.container import InputContainer

_NEAR = 60  # seconds before the picture; sound that claims to start earlier is damaged


def before_zero(container: InputContainer, picture: Fraction, tick: Fraction) -> Fraction:
    """How long before zero a film's picture or sound starts, in seconds: by so much all of it has to be moved.

    Args:
        picture: the first picture's time.
        tick: the picture's time base; its times stay multiples of it.
    """
    sound = [it.start_time * it.time_base for it in container.streams.audio if it.start_time and it.time_base]
    start = min([picture, *(time for time in sound if picture - time <= _NEAR)])
    return max(0, math.ceil(-start / tick)) * tick
