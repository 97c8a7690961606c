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
