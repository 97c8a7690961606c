"""Whether a film that is written as pages or packets has all of them: Ogg, ASF and MPEG-TS."""

from __future__ import annotations

import zlib
from io import FileIO
from struct import Struct

_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))  # each with its bits the other way round
_PAGE = Struct("<4sxBqIIIB")  # name, flags, time, stream, number, checksum, count of pieces; their sizes follow
_FIRST, _LAST = 2, 4  # flags of a stream's pages


def ogg_is_whole(file: FileIO, length: int) -> bool:
    """Whether page follows on page, with what was written on it, and no stream lacks one (RFC 3533, section 6)."""
    at = _tag_length(file)
    awaited: dict[int, int | None] = {}  # of each stream, the number of its next page; None if any may come
    while at < length:
        page = _page(file, at)
        if not page.startswith(b"OggS"):
            return not awaited  # every stream has ended, and something else follows
        if not _is_as_written(page):
            return False
        _, flags, time, stream, number, _, _ = _PAGE.unpack_from(page)
        expected = None if flags & _FIRST else awaited.get(stream)
        if expected not in (None, number):
            return False
        # Who tunes in to a broadcast gets a stream's first pages, which have no time, and then those of the moment.
        awaited[stream] = (number + 1) % 2**32 if time > 0 or expected is not None else None
        if flags & _LAST:
            del awaited[stream]
        at += len(page)
    return True


def _tag_length(file: FileIO) -> int:
    """In bytes, of a tag (ID3v2) before the film."""
    head = file.read(10)
    return 10 + sum(byte << 7 * place for place, byte in enumerate(head[:5:-1])) if head[:3] == b"ID3" else 0


def _page(file: FileIO, at: int) -> bytes:
    """The page that begins there, or what there is of it."""
    file.seek(at)
    head = file.read(_PAGE.size + 255)
    pieces = head[_PAGE.size : _PAGE.size + sum(head[_PAGE.size - 1 : _PAGE.size])]
    size = _PAGE.size + len(pieces) + sum(pieces)
    return head[:size] + file.read(max(size - len(head), 0))


def _is_as_written(page: bytes) -> bool:
    """Whether the checksum is right: zlib's, with the bits of every byte and of the sum the other way round."""
    blank = page[:22] + bytes(4) + page[26:]
    found = zlib.crc32(blank.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return len(page) >= _PAGE.size and found == int.from_bytes(page[22:26].translate(_REVERSED))


_SYNC, _PACKET = b"G", 188  # what each begins with, and its bytes
_SPACINGS = (_PACKET, 192, 204)  # bare, with the time it came (Blu-ray, cameras), with error correction (broadcast)
_IN_STEP = 5  # packets in a row are no chance
_SOUGHT = 1 << 16  # bytes in which a packet is looked for
_AT_ONCE = 1 << 14  # packets


def transport_is_whole(file: FileIO, length: int) -> bool:
    """Whether packet follows on packet up to the last, and that is complete (ISO/IEC 13818-1, 2.4.3.2).

    Before and after them there may be anything; counters of packets begin anew where films were put together.
    """
    at, spacing = _first_packet(file.read(_SOUGHT))
    if not spacing:
        return True
    for begin in range(at, length, spacing * _AT_ONCE):
        file.seek(begin)
        packets = file.read(spacing * _AT_ONCE)
        if packets[::spacing].strip(_SYNC):
            past = begin + spacing * next(n for n, byte in enumerate(packets[::spacing]) if byte != _SYNC[0])
            file.seek(max(past, length - _SOUGHT))
            return not _first_packet(file.read())[1]  # else packets follow
        rest = len(packets) % spacing
    return not 0 < rest < _PACKET


def _first_packet(content: bytes) -> tuple[int, int]:
    """Where it begins, and how far from it the next does; 0 if there is none."""
    for at in range(len(content) - (_IN_STEP - 1) * _PACKET):
        for spacing in _SPACINGS if content[at] == _SYNC[0] else ():
            if content[at : at + _IN_STEP * spacing : spacing] == _SYNC * _IN_STEP:
                return at, spacing
    return 0, 0


# ASF's objects, each a name, a size and content (Advanced Systems Format 1.20, sections 3 and 5).
_FILE_FACTS = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_FACTS = Struct("<16s72xIII")  # name; size, times and more; flags, least and most bytes of a packet
_DATA = bytes.fromhex("3626b2758e66cf11a6d900aa0062ce6c")
_DATA_HEAD = 50  # bytes
_BROADCAST = 1  # a flag: sizes are unknown
_CORRECTION = b"\x82\0\0"  # how packets begin, but for some writers'; FFmpeg leaves out any other
_INDEX = bytes.fromhex("90080033b1e5cf1189f400a0c90349cb")
_LARGEST_HEADER, _READ = 1 << 24, 1 << 20  # bytes


def asf_is_whole(file: FileIO, length: int) -> bool:
    """Whether packet follows on packet, up to the last that the film says it has."""
    head = file.read(24)
    begin = int.from_bytes(head[16:], "little")
    header = head + file.read(min(begin, _LARGEST_HEADER) - 24 if begin > 24 else 0)
    facts = header.find(_FILE_FACTS)
    file.seek(begin)
    data = file.read(_DATA_HEAD)
    if facts < 0 or len(header) < facts + _FACTS.size or data[:16] != _DATA:
        return True
    _, flags, size, most = _FACTS.unpack_from(header, facts)
    told = int.from_bytes(data[16:24], "little")
    end = begin + told if told > _DATA_HEAD and not flags & _BROADCAST else length
    if size != most or size < len(_CORRECTION):
        return True
    return end <= length and _are_packets(file, begin + _DATA_HEAD, end, size)


def _are_packets(file: FileIO, at: int, end: int, size: int) -> bool:
    """Whether there are packets up to the end or an index; where the first begins otherwise, all may."""
    file.seek(at)
    if file.read(len(_CORRECTION)) != _CORRECTION:
        return True
    many = max(1, _READ // size) * size
    for begin in range(at, end, many):
        file.seek(begin)
        packets = file.read(min(many, end - begin))
        if any(packets[place::size].strip(_CORRECTION[place : place + 1]) for place in range(len(_CORRECTION))):
            each = (packets[place:] for place in range(0, len(packets), size))
            return next(one for one in each if not one.startswith(_CORRECTION)).startswith(_INDEX)
        if len(packets) % size:
            return False
    return True
