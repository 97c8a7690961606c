"""Run-ups: sound before zero that is coded but not heard, and how Matroska is told of it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import av
from av.audio.stream import AudioStream
from av.packet import Packet

from .matroska_shape import InMemory
from .packets import packets_of
from .reader import open_film

_RUN_UP_PACKETS = 1000  # of all tracks, among which each track's first one is looked for
_TRACK_UID, _CODEC_DELAY, _SEEK_PRE_ROLL = b"\x73\xc5", b"\x56\xaa", b"\x56\xbb"  # Matroska's elements


def first_packets(path: Path | str) -> dict[int, Packet[Any]]:
    """The first packet of each sound track of an MPEG-4 film, by track."""
    firsts: dict[int, Packet[Any]] = {}
    with open_film(path) as container:
        sound = container.streams.audio
        if "mp4" not in container.format.name.split(","):
            return {}
        for packet in islice(packets_of(container, sound, lambda: None), _RUN_UP_PACKETS):
            firsts.setdefault(packet.stream_index, packet)
            if len(firsts) == len(sound):
                break
    return firsts


def run_up(first: Packet[Any]) -> int:
    """How many samples from a track's first packet on are not heard: an encoder's run-up, or what was cut away."""
    if not first.has_sidedata("skip_samples"):
        return 0
    return int.from_bytes(bytes(first.get_sidedata("skip_samples"))[:4], "little")


@contextmanager
def delayed(track: AudioStream, first: Packet[Any]) -> Iterator[AudioStream]:
    """The track as a template whose codec is known to start with `first`'s run-up, which Matroska then keeps.

    Without that its packets before zero would move the whole film. PyAV cannot say it, but FFmpeg learns it from
    Matroska's own header: one is written and read again, with a CodecDelay in the place of a TrackUID.
    """
    held = InMemory()
    with av.open(held, "w", format="matroska", options={"fflags": "+bitexact"}) as trial:
        first.stream = trial.add_stream_from_template(track, opaque=True)
        first.pts = first.dts = 0
        trial.mux(first)
    header = held.getvalue()
    if track.codec_context.delay:  # Opus has one already, which would win; what follows it overwrites its new name
        known = _element(_nanoseconds(track.codec_context.delay, track))
        header = header.replace(_CODEC_DELAY + known, _SEEK_PRE_ROLL + known, 1)
    at = header.index(_TRACK_UID + b"\x88")
    delay = _element(_nanoseconds(run_up(first), track), size=8)
    with av.open(io.BytesIO(header[:at] + _CODEC_DELAY + delay + header[at + 11 :])) as container:
        yield container.streams.audio[0]


def _nanoseconds(samples: int, track: AudioStream) -> int:
    return round(Fraction(samples, track.sample_rate) * 10**9)


def _element(number: int, *, size: int | None = None) -> bytes:
    """A number as Matroska writes it: its length, then its bytes."""
    size = size or (number.bit_length() + 7) // 8
    return bytes([0x80 | size]) + number.to_bytes(size, "big")
