"""Whether a film's file is put together as its kind is: damage that FFmpeg steps over without a word breaks that.

Only the heads of elements are read, not what is in them, unless they carry a checksum.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from io import FileIO
from pathlib import Path
from typing import NamedTuple

from .structure_packets import asf_is_whole, ogg_is_whole, transport_is_whole
from .structure_raw import ivf_is_whole, jpegs_are_whole, program_is_whole, y4m_is_whole
from .structure_simple import dv_is_whole, gif_is_whole, mxf_is_whole

_MOST = 4_000_000  # elements, some ten hours of film; a file made of nothing else must not keep anyone waiting
_HEAD = 16  # bytes, no less than the name and size of an element take


def is_whole(file: Path, kind: str) -> bool:
    """False if bytes of the film are missing, or others lie over the heads of its elements.

    Args:
        kind: FFmpeg's name of the container; those of which nothing is known here are whole.
    """
    walk = next((walk for name, walk in _WALKS.items() if name in kind.split(",")), None)
    try:
        with open(file, "rb", buffering=0) as opened:
            return walk is None or walk(opened, file.stat().st_size)
    except OSError:  # it is gone by now, and was read to its end before
        return True


def _head(file: FileIO, at: int) -> bytes:
    file.seek(at)
    return file.read(_HEAD).ljust(_HEAD, b"\0")


# Matroska (RFC 8794, section 4, and RFC 9559, section 5): what may be in the elements that are looked into.
_FILE, _EBML, _SEGMENT, _CLUSTER, _GROUP = 0, 0x1A45DFA3, 0x18538067, 0x1F43B675, 0xA0
_CHECKSUM, _SUM, _AT_ONCE = 0xBF, 4, 1 << 20  # CRC-32 of the rest of an element; bytes of it, and read at once
_ANYWHERE = {0xEC, _CHECKSUM}  # Void
_PARTS = {
    _FILE: {_EBML, _SEGMENT} | _ANYWHERE,
    _SEGMENT: {0x114D9B74, 0x1549A966, 0x1654AE6B, 0x1043A770, _CLUSTER, 0x1C53BB6B, 0x1941A469, 0x1254C367}
    | _ANYWHERE,
    _CLUSTER: {0xE7, 0x5854, 0xA7, 0xAB, 0xA3, _GROUP, 0xAF} | _ANYWHERE,
    _GROUP: {0xA1, 0xA2, 0x75A1, 0x9B, 0xFA, 0xFB, 0xFD, 0xA4, 0x75A2, 0x8E, 0xC8, 0xAF} | _ANYWHERE,
}


class _Around(NamedTuple):
    """An element that is looked into; one that is open ends where something begins that is no part of it."""

    name: int
    end: int
    open: bool


def _matroska_is_whole(file: FileIO, length: int) -> bool:
    """Whether everything in the first segment is in its place and no longer than what it is in."""
    at, inside = 0, [_Around(_FILE, length, open=False)]
    for _ in range(_MOST):
        while at == inside[-1].end:
            if inside.pop().name in (_SEGMENT, _FILE):
                return True
        head = _head(file, at)
        name_length = number_length(head, 0)
        begin = at + name_length + number_length(head, name_length)
        name = int.from_bytes(head[:name_length])
        while name not in _PARTS[inside[-1].name] and inside[-1].open:
            inside.pop()
        around = inside[-1]
        if name not in _PARTS[around.name]:
            return False
        size = number(head[name_length : begin - at])
        end = around.end if size is None else begin + size
        if end > around.end:
            return False
        if (around.name, name) == (_CLUSTER, _CHECKSUM) and not (around.open or _sum_is_right(file, end, around.end)):
            return False
        at = begin if name in _PARTS else end
        if name in _PARTS:
            inside.append(_Around(name, end, size is None))
    return True


def _sum_is_right(file: FileIO, begin: int, end: int) -> bool:
    """Whether the bytes up to the end have the sum that is written before them."""
    file.seek(begin - _SUM)
    expected, found = int.from_bytes(file.read(_SUM), "little"), 0
    for at in range(begin, end, _AT_ONCE):
        found = zlib.crc32(file.read(min(_AT_ONCE, end - at)), found)
    return found == expected


def number_length(head: bytes, at: int) -> int:
    """In bytes, of a number: its first bit that is set tells."""
    return 9 - head[at].bit_length()


def number(coded: bytes) -> int | None:
    """A size; None for one that was not known when it was written."""
    bits = 7 * len(coded)
    size = int.from_bytes(coded) & (1 << bits) - 1
    return size if size != (1 << bits) - 1 else None


_TAGS = (8, 9, 15, 18)  # sound, picture, two kinds of words


def _flv_is_whole(file: FileIO, length: int) -> bool:
    """Whether tag follows on tag (Adobe's Flash video file format 10.1, annex E)."""
    at = int.from_bytes(_head(file, 0)[5:9]) + 4
    for _ in range(_MOST):
        if at >= length:
            break
        head = _head(file, at)
        if head[0] & 0x1F not in _TAGS:
            return False
        at += 11 + int.from_bytes(head[1:4]) + 4
    return at <= length + 4  # some leave out the last tag's size


_LARGEST_INDEX = 64 << 20  # bytes


def _fragments_are_whole(file: FileIO, length: int) -> bool:
    """Whether box follows on box in an mp4 of fragments; the index of another says all (ISO/IEC 14496-12, 4.2)."""
    at, fragmented = 0, False
    for _ in range(_MOST):
        if at >= length:
            break
        head = _head(file, at)
        size, name = int.from_bytes(head[:4]), head[4:8]
        if size == 1:
            size = int.from_bytes(head[8:])
        if size == 0:  # up to the end
            return True
        if size < 8 or not (name.isascii() and name.decode().isprintable()):
            return not fragmented
        if name == b"moov":
            file.seek(at)
            fragmented = b"mvex" in file.read(min(size, _LARGEST_INDEX))
            if not fragmented:
                return True
        at += size
    return at <= length or not fragmented


_OF_A_FILM = re.compile(rb"\d\d[a-z]{2}|ix\d\d|JUNK", re.IGNORECASE)  # what lies between pictures and sound


def _avi_is_whole(file: FileIO, length: int) -> bool:
    """Whether chunk follows on chunk in every list of pictures and sound (Microsoft's AVI RIFF file reference)."""
    at, end = 0, length  # of the list of pictures that `at` is in; of the file outside
    for _ in range(_MOST):
        if at >= end:
            if end == length:
                break
            end = length
        head = _head(file, at)
        name, size, kind = head[:4], int.from_bytes(head[4:8], "little"), head[8:12]
        if (name, kind) == (b"LIST", b"movi") and 0 < size <= length - at - 8:  # else it was never finished
            end = at + 8 + size
        elif end < length and not (_OF_A_FILM.fullmatch(name) or (name, kind) == (b"LIST", b"rec ")):
            return False
        looked_into = name == b"RIFF" or (name == b"LIST" and kind in (b"movi", b"rec "))
        at += 12 if looked_into else 8 + size + size % 2
    return at <= end + 1  # some leave out the last padding


_WALKS: dict[str, Callable[[FileIO, int], bool]] = {
    "matroska": _matroska_is_whole,
    "avi": _avi_is_whole,
    "flv": _flv_is_whole,
    "mov": _fragments_are_whole,
    "asf": asf_is_whole,
    "ogg": ogg_is_whole,
    "mpegts": transport_is_whole,
    "gif": gif_is_whole,
    "dv": dv_is_whole,
    "mxf": mxf_is_whole,
    "mpeg": program_is_whole,
    "ivf": ivf_is_whole,
    "yuv4mpegpipe": y4m_is_whole,
    "mjpeg": jpegs_are_whole,
    "jpeg_pipe": jpegs_are_whole,
}
