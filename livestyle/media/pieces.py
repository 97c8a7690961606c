"""A piece of a film on the disk, coded but in no container yet: packets, exact, and a sum that tells damage.

Containers round times and move them for the sake of B-frames; this keeps what the encoder gave.
"""

from __future__ import annotations

import contextlib
import os
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from av.packet import Packet

from .pictures import DecodingTimes
from .temporary import AllOrNothing

_HEAD = struct.Struct("<8sqq")  # magic, time base
_RECORD = struct.Struct("<qqI?")  # pts, duration, bytes, key frame
_END = struct.Struct("<8sII")  # magic, packets, CRC-32 of all before; shorter than a record, and so told from one
_MAGIC, _LAST = b"lspack1\n", b"lsend 1\n"
_BLOCK = 1 << 20


class Kept(NamedTuple):
    """A packet as it is kept."""

    pts: int
    duration: int
    key: bool
    content: bytes


class PacketFile(AllOrNothing):
    """Writes one: it has its name once it is complete and on the disk. A context manager; an error removes it.

    Raises OSError if the disk does not take it.
    """

    def __init__(self, path: Path, time_base: Fraction) -> None:
        self._path, self._part = path, path.with_suffix(".part")
        self._packets = self._sum = 0
        self._file: BinaryIO | None = open(self._part, "wb")  # noqa: SIM115 (closed by close or abort)
        try:
            self._write(_HEAD.pack(_MAGIC, time_base.numerator, time_base.denominator))
        except OSError:
            self.abort()
            raise

    def add(self, packets: Iterable[Packet[Any]]) -> None:
        for packet in packets:
            content = bytes(packet)
            duration, key = packet.duration or 0, packet.is_keyframe
            self._write(_RECORD.pack(packet.pts or 0, duration, len(content), key))
            self._write(content)
            self._packets += 1

    def _write(self, content: bytes) -> None:
        assert self._file is not None
        self._file.write(content)
        self._sum = zlib.crc32(content, self._sum)

    def close(self) -> None:
        """Finishes the file. Twice is fine."""
        if self._file is None:
            return
        self._file.write(_END.pack(_LAST, self._packets, self._sum))
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        os.replace(self._part, self._path)
        self._file = None

    def abort(self) -> None:
        """Leaves nothing behind; does nothing to a finished file."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()
            self._part.unlink(missing_ok=True)
            self._file = None


def packets_in(path: Path) -> int | None:
    """How many packets are in it; None if it is not whole. Raises OSError if it cannot be read."""
    with open(path, "rb") as file:
        left, total = os.fstat(file.fileno()).st_size - _END.size, 0
        while left > 0 and (block := file.read(min(_BLOCK, left))):
            total, left = zlib.crc32(block, total), left - len(block)
        end = file.read()
    if len(end) != _END.size:
        return None
    magic, packets, expected = _END.unpack(end)
    return int(packets) if (magic, expected) == (_LAST, total) else None


def read_packets(path: Path) -> Iterator[Kept]:
    """The packets of a whole file, in the order of coding."""
    with open(path, "rb") as file:
        file.seek(_HEAD.size)
        while len(head := file.read(_RECORD.size)) == _RECORD.size:
            pts, duration, size, key = _RECORD.unpack(head)
            yield Kept(pts, duration, key, file.read(size))


def read_times(path: Path) -> tuple[Fraction, list[int]]:
    """The time base, and every packet's pts in the order of coding."""
    with open(path, "rb") as file:
        _, *time_base = _HEAD.unpack(file.read(_HEAD.size))
        times = []
        while len(head := file.read(_RECORD.size)) == _RECORD.size:
            pts, _, size, _ = _RECORD.unpack(head)
            times.append(pts)
            file.seek(size, os.SEEK_CUR)
    return Fraction(*time_base), times


def joined(paths: Sequence[Path], reorder: int | None = None) -> Iterator[Packet[Any]]:
    """The packets of all the files as those of one film.

    Each file was coded by itself, so its decoding times begin before its first picture. One film has room for that
    only once, at its start: they are given anew, with the delay of `reorder` pictures, or else the smallest that lets
    every packet be decoded in time.
    """
    times = [read_times(path) for path in paths]
    coded = [pts for _, part in times for pts in part]
    shown = sorted(coded)
    place = {pts: number for number, pts in enumerate(shown)}
    smallest = max((number - place[pts] for number, pts in enumerate(coded)), default=0)
    moments = DecodingTimes(smallest if reorder is None else reorder)
    for pts in shown:
        moments.show(pts)
    for path, (time_base, _) in zip(paths, times, strict=True):
        for pts, duration, key, content in read_packets(path):
            packet = Packet(content)
            packet.time_base, packet.pts, packet.duration, packet.is_keyframe = time_base, pts, duration, key
            yield moments.stamped(packet)
