"""The microphone: sound stamped on the pictures' clock, and the track it becomes in a recording."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Self, TypeVar

import av
from av.audio.frame import AudioFrame
from av.container import OutputContainer
from av.filter import Graph
from av.packet import Packet

from ..errors import DeviceError

T = TypeVar("T")

RATE = 48_000  # Hz, of recordings
KEPT_SECONDS = 10.0  # of sound nobody has taken
_MEASURED_SECONDS = 5.0  # long enough to hold a chunk without delay, short enough to follow a card that runs fast
# Stamps wander, and sound cards run up to some hundred millionths fast or slow: stretch by at most 1000 samples a
# second what is off by 10 ms; fill or cut what is off by 100 ms; begin exactly at 0.
_FOLLOW_STAMPS = f"{RATE}:async=1000:min_comp=0.01:min_hard_comp=0.1:first_pts=0"
_SYSTEM = {  # FFmpeg's input, its name for the usual microphone, how names are written, how to list them
    "linux": ("alsa", "default", "{}", "arecord -L"),
    "darwin": ("avfoundation", "default", ":{}", "ffmpeg -f avfoundation -list_devices true -i ''"),
    "win32": ("dshow", None, "audio={}", "ffmpeg -f dshow -list_devices true -i dummy"),
}


@dataclass(frozen=True)
class Sound:
    """Some samples, and when the first was heard on `time.monotonic()`'s clock."""

    samples: AudioFrame
    start: float


class Microphone:
    """Sound as it comes, from a thread of its own; what nobody takes is forgotten after 10 seconds. A context manager.

    A chunk can arrive late, never early: the least delay of the last chunks tells the sound card's clock.

    Args:
        chunks: blocks until the next one is there.
        close: releases the device.

    Attributes:
        failed: why there is no more sound, or None.
    """

    def __init__(
        self,
        chunks: Iterable[AudioFrame],
        close: Callable[[], object] = lambda: None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.failed: str | None = None
        self._close, self._clock = close, clock
        self._lock = threading.Lock()
        self._waiting: deque[tuple[float, AudioFrame]] = deque()  # with seconds of sound before it
        self._starts: deque[tuple[float, float]] = deque()  # and when sound began, by that chunk's arrival
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._listen, args=(chunks,), name="livestyle-microphone", daemon=True)
        self._thread.start()

    def _listen(self, chunks: Iterable[AudioFrame]) -> None:
        heard = 0.0
        try:
            for chunk in _gathered(chunks):
                if self._closed.is_set():
                    return
                length = chunk.samples / chunk.sample_rate
                with self._lock:
                    self._starts.append((heard, self._clock() - heard - length))
                    self._waiting.append((heard, chunk))
                    _forget(self._starts, heard - _MEASURED_SECONDS)
                    _forget(self._waiting, heard - KEPT_SECONDS)
                heard += length
            self.failed = "microphone: it gives no more sound; is it still plugged in?"
        except (av.FFmpegError, OSError) as error:
            self.failed = f"microphone: it gives no more sound ({error.strerror}); is it still plugged in?"

    def take(self) -> list[Sound]:
        """What came since the last time."""
        with self._lock:
            began = min((start for _, start in self._starts), default=0.0)
            taken = [Sound(chunk, began + heard) for heard, chunk in self._waiting]
            self._waiting.clear()
        return taken

    def close(self) -> None:
        """Twice is fine."""
        if not self._closed.is_set():
            self._closed.set()
            self._thread.join(timeout=0.5)
            if not self._thread.is_alive():  # a device that hangs cannot be closed while it is read
                self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _gathered(chunks: Iterable[AudioFrame]) -> Iterator[AudioFrame]:
    """Chunks of 10 ms or more: ALSA's `null` gives a sample at a time, 48,000 chunks a second."""
    small = av.AudioFifo()
    for chunk in chunks:
        least = chunk.sample_rate // 100
        if chunk.samples >= least and not small.samples:
            yield chunk
            continue
        chunk.pts = None  # else a gap would be an error; ours are measured
        small.write(chunk)
        if small.samples >= least and (joined := small.read()) is not None:
            yield joined


def _forget(items: deque[tuple[float, T]], before: float) -> None:
    while items[0][0] < before:
        items.popleft()


def open_microphone(name: str | None = None) -> Microphone:
    """A microphone by the system's name for it; the usual one for None. Raises DeviceError if there is none."""
    kind, usual, written, listing = _SYSTEM.get(sys.platform, _SYSTEM["linux"])
    chosen = name or usual
    if chosen is None:
        raise DeviceError(f"microphone: name one; list them: {listing}")
    if sys.platform == "linux":
        _find_alsa()
    try:
        device = av.open(written.format(chosen), format=kind)
    except (av.FFmpegError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DeviceError(
            f"microphone {chosen}: cannot be opened ({reason}); plug one in or name another, list them: {listing}"
        ) from error
    return Microphone(device.decode(audio=0), device.close)


def _find_alsa() -> None:
    # PyAV's wheels carry an ALSA that looks for its settings and plug-ins where they were built.
    settings = Path("/usr/share/alsa/alsa.conf")
    if settings.exists():
        os.environ.setdefault("ALSA_CONFIG_PATH", str(settings))
    for folder in [*Path("/usr").glob("lib/*/alsa-lib"), *Path("/usr").glob("lib*/alsa-lib")]:
        os.environ.setdefault("ALSA_PLUGIN_DIR", str(folder))


class SoundTrack:
    """A microphone's track in a recording: AAC, stereo, in step with the pictures."""

    def __init__(self, container: OutputContainer, microphone: Microphone) -> None:
        self._microphone = microphone
        self._stream = container.add_stream("aac", rate=RATE, layout="stereo")
        self._graph: Graph | None = None

    def packets(self, origin: float) -> Iterator[Packet[Any]]:
        """The sound that has come since the last time; `origin`: the first picture's time on the monotonic clock."""
        for sound in self._microphone.take():
            samples = sound.samples
            samples.time_base = Fraction(1, samples.sample_rate)
            samples.pts = round((sound.start - origin) * samples.sample_rate)
            if self._graph is None:
                self._graph = _follower(samples)
            self._graph.push(samples)
            yield from self._encoded(self._graph)

    def last_packets(self) -> Iterator[Packet[Any]]:
        """What the encoder still holds."""
        if self._graph is not None:
            self._graph.push(None)
            yield from self._encoded(self._graph)
            yield from self._stream.encode(None)

    def _encoded(self, graph: Graph) -> Iterator[Packet[Any]]:
        while True:
            try:
                samples = graph.pull()
            except (av.BlockingIOError, av.EOFError):
                return
            assert isinstance(samples, AudioFrame)
            # The encoder begins with 21 ms of run-up before 0, for which the muxer would move the pictures.
            yield from (packet for packet in self._stream.encode(samples) if packet.pts is None or packet.pts >= 0)


def _follower(samples: AudioFrame) -> Graph:
    """A filter that makes the sound follow its stamps."""
    graph = Graph()
    channels, layout = samples.layout.nb_channels, samples.layout.name
    if layout.endswith("channels"):  # a device that knows only their number
        layout = {1: "mono", 2: "stereo"}.get(channels, f"{channels}C")
    source = graph.add_abuffer(
        sample_rate=samples.sample_rate,
        format=samples.format.name,
        layout=layout,
        time_base=samples.time_base,
    )
    follow = graph.add("aresample", _FOLLOW_STAMPS)
    form = graph.add("aformat", f"sample_fmts=fltp:sample_rates={RATE}:channel_layouts=stereo")
    graph.link_nodes(source, follow, form, graph.add("abuffersink")).configure()
    return graph
