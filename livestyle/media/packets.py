"""A film's packets, as far as they can be read."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream

from .clock import continued, may_jump

log = logging.getLogger(__name__)

_FAILURES = 16  # reads in a row that fail before nothing readable is taken to be left


def packets_of(
    container: InputContainer, streams: Sequence[Stream], on_damage: Callable[[], object]
) -> Iterator[Packet[Any]]:
    """The packets of some streams, then an empty one of each that flushes its decoder.

    What cannot be read is passed over and told to `on_damage`. Packets with nothing in them are left out: to a
    decoder they are the end.
    """
    failures = 0
    packets = container.demux(streams) if streams else iter(())
    while failures < _FAILURES:
        try:
            packet = next(packets, None)
        except av.FFmpegError as error:
            failures += 1
            on_damage()
            log.debug("%s: cannot be read on: %s", container.name, error)
            packets = container.demux(streams)
            continue
        except IndexError:  # at the end, when streams have begun midway: PyAV looks for them among those it knows
            break
        if packet is None:
            break
        if packet.size:
            failures = 0
            yield packet
    yield from map(_empty, streams)


def film_packets(
    container: InputContainer, streams: Sequence[Stream], main: Stream | None, on_damage: Callable[[], object]
) -> Iterator[Packet[Any]]:
    """The same with times that go on where the clock jumps, as the clock of the main video does."""
    if main is None or not streams or not may_jump(container):
        return packets_of(container, streams, on_damage)
    chosen = {stream.index for stream in streams}
    everything = packets_of(container, [main, *(it for it in streams if it.index != main.index)], on_damage)
    return (packet for packet in continued(everything, main) if packet.stream.index in chosen)


def _empty(stream: Stream) -> Packet[Any]:
    packet: Packet[Any] = Packet()
    packet.stream = stream
    if stream.time_base is not None:
        packet.time_base = stream.time_base
    return packet
