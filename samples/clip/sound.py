"""What the film sounds like: a plucked tune over slow breakers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .canvas import FPS, FRAMES, fractal_noise

AUDIO_HZ = 48_000


def pluck(rng: np.random.Generator, hertz: float, seconds: float) -> NDArray[np.float64]:
    """A plucked string (Karplus-Strong): a burst of noise that a short loop mellows."""
    period = round(AUDIO_HZ / hertz)
    burst = np.convolve(rng.uniform(-1, 1, period), np.hanning(25) / 12, mode="same")
    burst *= 0.25 / burst.std()
    turns = []
    for _ in range(int(seconds * hertz) + 1):
        turns.append(burst)
        burst = 0.996 * (0.5 * burst + 0.5 * np.roll(burst, 1))
    string = np.concatenate(turns)
    return string * np.minimum(1, np.arange(len(string)) / (0.004 * AUDIO_HZ))


def soundtrack(rng: np.random.Generator) -> NDArray[np.float32]:
    """Five seconds in stereo: a plucked pentatonic tune over slow breakers."""
    length = AUDIO_HZ * FRAMES // FPS
    seconds = np.arange(length) / AUDIO_HZ
    swell = 0.55 + 0.45 * np.sin(2 * np.pi * (seconds / 2.5 - 0.3))
    surf = [fractal_noise(rng, 1, length, 0.75)[0] * swell * 0.030 for _ in range(2)]
    sound = np.stack(surf).astype(np.float64)
    tune = (57, 64, 69, 71, 73, 76, 73, 69, 50, 66, 69, 74, 76, 78, 76, 69)  # MIDI notes, one every 0.28 s
    for place, note in enumerate(tune):
        start = int((0.05 + 0.28 * place) * AUDIO_HZ)
        string = pluck(rng, 440 * 2 ** ((note - 69) / 12), 2.2)[: length - start]
        for echo, gain in ((0, 0.30), (int(0.19 * AUDIO_HZ), 0.09), (int(0.37 * AUDIO_HZ), 0.04)):
            tail = string[: max(length - start - echo, 0)]
            right = 0.5 + 0.3 * np.sin(place + echo)
            sound[:, start + echo : start + echo + len(tail)] += gain * np.outer([1 - right, right], tail)
    sound *= np.minimum(1, seconds / 0.05) * np.clip((5 - seconds) / 0.6, 0, 1)
    return np.asarray(0.7 * sound / np.abs(sound).max(), np.float32)
