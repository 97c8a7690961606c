"""Clocks that jump: transport and program streams put together from pieces go on where the last piece ended."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any

from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream

_JUMPY = ("mpegts", "mpeg")  # the formats whose clock may start anew at any moment, FFmpeg's AVFMT_TS_DISCONT
_BACK = Fraction(1, 10)  # seconds; no further than this do decoding times ever go back
_AHEAD = 10  # seconds; a longer step must be confirmed by the next packet
_GAP = 3600  # seconds; a longer step that is confirmed is a new clock, and no gap
AT_A_JOINT = 4  # packets before a jump that FFmpeg may take for corrupt
_HELD = 500  # packets of sound that wait for the picture's clock to jump as theirs did


def may_jump(container: InputContainer) -> bool:
    """Whether the film is of a kind whose clock can jump."""
    return container.format.name in _JUMPY


def continued(packets: Iterable[Packet[Any]], main: Stream) -> Iterator[Packet[Any]]:
    """The packets with times that go on: where the clock of `main` jumps, all streams are moved alike.

    Every reader of the same `main` comes to the same times, whatever else it reads. A single packet of `main` with a
    time far off is damaged and gets the time that was its turn.
    """
    clock = _Clock(main.index)
    for packet in packets:
        if packet.size:
            yield from clock.feed(packet)
        else:
            yield from clock.rest()
            yield packet


class _Clock:
    """What has to be added to the times of a film, in seconds, as far as it is known."""

    def __init__(self, main: int) -> None:
        self._main = main
        self._offsets = [Fraction(0), Fraction(0)]  # the one before, and the one now
        self._last: dict[int, Fraction] = {}  # each stream's last time, as given out
        self._step = Fraction(1, 25)  # between the last two packets of `main`
        self._newest: deque[Packet[Any]] = deque(maxlen=AT_A_JOINT)  # of `main` that were given out
        self._doubtful: Packet[Any] | None = None
        self._held: dict[int, list[Packet[Any]]] = defaultdict(list)

    def feed(self, packet: Packet[Any]) -> Iterator[Packet[Any]]:
        """The packets whose times are certain now."""
        if _time(packet) is None:
            yield packet
        elif packet.stream_index == self._main:
            yield from self._feed_main(packet)
        else:
            yield from self._feed_other(packet)

    def rest(self) -> Iterator[Packet[Any]]:
        """What was held back, at the end."""
        if self._doubtful is not None:
            yield self._at_its_turn(self._doubtful)
            self._doubtful = None
        yield from self._release()

    def _feed_main(self, packet: Packet[Any]) -> Iterator[Packet[Any]]:
        doubtful, self._doubtful = self._doubtful, None
        if doubtful is None and not self._goes_on(_sure(packet)):
            self._doubtful = packet
            return
        if doubtful is not None:
            if self._goes_on(_sure(packet), back=Fraction(0)):  # it was alone
                yield self._at_its_turn(doubtful)
            else:
                self._jump(_sure(doubtful), _sure(packet))
                self._forgive(doubtful)
                yield self._given(doubtful, self._offsets[-1])
                yield from self._release()
        yield self._given(packet, self._offsets[-1])

    def _forgive(self, doubtful: Packet[Any]) -> None:
        """Takes back that the packets at a joint are corrupt: their numbers do not follow on each other, no more."""
        for packet in (*self._newest, doubtful):
            packet.is_corrupt = False

    def _goes_on(self, time: Fraction, *, back: Fraction = _BACK) -> bool:
        last = self._last.get(self._main)
        return last is None or -back <= time + self._offsets[-1] - last <= _AHEAD

    def _jump(self, first: Fraction, second: Fraction) -> None:
        """Takes two packets' times for the new clock, unless they are of the old one after a gap."""
        last = self._last[self._main]
        if 0 < first + self._offsets[-1] - last <= _GAP and -_BACK <= second - first <= _AHEAD:
            return
        self._offsets = [self._offsets[-1], last + self._step - first]

    def _at_its_turn(self, packet: Packet[Any]) -> Packet[Any]:
        return self._given(packet, self._last[self._main] + self._step - _sure(packet))

    def _feed_other(self, packet: Packet[Any]) -> Iterator[Packet[Any]]:
        held = self._held[packet.stream_index]
        if held or not self._fits(packet):
            held.append(packet)
            if len(held) > _HELD:
                yield from self._release()
        else:
            yield self._given(packet, self._nearest(packet))

    def _fits(self, packet: Packet[Any]) -> bool:
        """False for one whose clock has jumped while the picture's has not."""
        reference = self._reference(packet)
        return reference is None or _sure(packet) + self._nearest(packet) >= reference - _BACK

    def _nearest(self, packet: Packet[Any]) -> Fraction:
        """Of the offset now and the one before, the one that brings a packet nearest to its place."""
        reference, time = self._reference(packet), _sure(packet)
        if reference is None:
            return self._offsets[-1]
        return min(reversed(self._offsets), key=lambda offset: abs(time + offset - reference))

    def _reference(self, packet: Packet[Any]) -> Fraction | None:
        sparse = packet.stream.type != "audio"
        return self._last.get(self._main) if sparse else self._last.get(packet.stream_index)

    def _release(self) -> Iterator[Packet[Any]]:
        for held in self._held.values():
            for packet in held:
                yield self._given(packet, self._nearest(packet))
            held.clear()

    def _given(self, packet: Packet[Any], offset: Fraction) -> Packet[Any]:
        time = _sure(packet) + offset
        last = self._last.get(packet.stream_index)
        if packet.stream_index == self._main and last is not None and 0 < time - last < 1:
            self._step = time - last
        if packet.stream.type == "audio" and last is not None and time <= last:  # two pieces' sound overlaps a little
            later = last - time + (packet.time_base or 0)
            time, offset = time + later, offset + later
        if packet.stream_index == self._main:
            self._newest.append(packet)
        self._last[packet.stream_index] = time
        return moved(packet, offset)


def moved(packet: Packet[Any], seconds: Fraction) -> Packet[Any]:
    """The packet itself, later by so much."""
    if seconds and packet.time_base:
        ticks = round(seconds / packet.time_base)
        packet.pts, packet.dts = (time if time is None else time + ticks for time in (packet.pts, packet.dts))
    return packet


def _time(packet: Packet[Any]) -> Fraction | None:
    ticks = packet.dts if packet.dts is not None else packet.pts
    return None if ticks is None or not packet.time_base else ticks * packet.time_base


def _sure(packet: Packet[Any]) -> Fraction:
    return _time(packet) or Fraction(0)
