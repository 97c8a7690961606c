"""What is shown and promised while live: rates, the latency from capture to output, and the sound's delay."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

WINDOW_S = 5.0  # seconds: long enough for a p95, short enough to see a change
WINDOW_FRAMES = 300  # that many seconds at 60 fps
REFRESH_S = 0.5  # seconds: figures that change faster cannot be read
SILENCE = 2.0  # frame intervals without a frame: the rate is falling


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Of a sorted, non-empty sequence, between neighbours as numpy does it."""
    place = (len(ordered) - 1) * percent / 100
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


@dataclass(frozen=True)
class LiveStats:
    """The last seconds' figures.

    Attributes:
        p50_ms, p95_ms: latency from capture to output; None while nothing is measured.
        dropped: frames forgotten in the whole run.
        size: the processing size; empty if not known.
        device: what the network runs on.
        why: the governor's reason; empty without one.
    """

    camera_fps: float = 0.0
    output_fps: float = 0.0
    p50_ms: float | None = None
    p95_ms: float | None = None
    dropped: int = 0
    size: str = ""
    device: str = ""
    why: str = ""

    @property
    def audio_delay_ms(self) -> int | None:
        """What to delay the sound by so that it meets the lips."""
        return None if self.p50_ms is None else round(self.p50_ms)

    def lines(self) -> list[str]:
        """For the overlay."""
        latency = "-" if self.p50_ms is None or self.p95_ms is None else f"{self.p50_ms:.0f} / {self.p95_ms:.0f} ms"
        lines = [
            f"camera {self.camera_fps:.1f} fps, output {self.output_fps:.1f} fps",
            f"latency p50 / p95: {latency}, dropped {self.dropped}",
            self.why or self.size,
            self.device,
        ]
        if self.audio_delay_ms is not None:
            lines.append(f"audio delay to set for lip-sync: {self.audio_delay_ms} ms")
        return [line for line in lines if line]

    def row(self) -> dict[str, object]:
        """Plain values for the control port."""
        return {**asdict(self), "audio_delay_ms": self.audio_delay_ms}


class Meter:
    """Counts frames in the source's and the sink's thread, and gives figures to any.

    Args:
        clock: the one `Frame.captured` is on.
    """

    def __init__(self, *, device: str = "", clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._device = clock, device
        self._size = self._why = ""
        self._lock = threading.Lock()
        self._camera: deque[float] = deque(maxlen=WINDOW_FRAMES)
        self._output: deque[float] = deque(maxlen=WINDOW_FRAMES)
        self._latencies: deque[tuple[float, float]] = deque(maxlen=WINDOW_FRAMES)  # (when, seconds)
        self._dropped = 0
        self._stats, self._made = LiveStats(device=device), float("-inf")

    def came(self) -> None:
        """One more frame of the camera."""
        with self._lock:
            self._camera.append(self._clock())

    def went(self, captured: float | None) -> float | None:
        """One more frame is out; its latency in seconds, None where nobody knows when it was captured."""
        with self._lock:
            now = self._clock()
            self._output.append(now)
            if captured is None:
                return None
            self._latencies.append((now, now - captured))
            return now - captured

    def note(
        self,
        *,
        dropped: int | None = None,
        size: object = None,
        device: str | None = None,
        why: str | None = None,
    ) -> None:
        """What else the figures tell; None leaves it as it was. `dropped` is of the whole run."""
        with self._lock:
            self._dropped = self._dropped if dropped is None else dropped
            self._size = self._size if size is None else str(size)
            self._device = self._device if device is None else device
            self._why = self._why if why is None else why

    def stats(self) -> LiveStats:
        """The figures, made anew at most twice a second."""
        with self._lock:
            now = self._clock()
            if now - self._made >= REFRESH_S:
                self._stats, self._made = self._make(now), now
            return self._stats

    def lines(self) -> list[str]:
        """For the overlay."""
        return self.stats().lines()

    def row(self) -> dict[str, object]:
        """Plain values for the control port."""
        return self.stats().row()

    def _make(self, now: float) -> LiveStats:
        latencies = sorted(seconds * 1000 for when, seconds in self._latencies if when >= now - WINDOW_S)
        return LiveStats(
            camera_fps=_rate(self._camera, now),
            output_fps=_rate(self._output, now),
            p50_ms=percentile(latencies, 50) if latencies else None,
            p95_ms=percentile(latencies, 95) if latencies else None,
            dropped=self._dropped,
            size=self._size,
            device=self._device,
            why=self._why,
        )


def _rate(moments: Sequence[float], now: float) -> float:
    """Frames a second of the last WINDOW_S; it falls as soon as frames stay away."""
    recent = [moment for moment in moments if moment >= now - WINDOW_S]
    if len(recent) < 2 or recent[-1] <= recent[0]:
        return 0.0
    span = recent[-1] - recent[0]
    silence = now - recent[-1]
    if silence > SILENCE * span / (len(recent) - 1):
        span += silence
    return (len(recent) - 1) / span
