"""Whether a gif, a DV or an MXF film is complete: their pieces lie one behind the other, with nothing between."""

from __future__ import annotations

from io import BufferedReader, FileIO
from typing import IO

_PICTURE, _EXTENSION, _END = 0x2C, 0x21, 0x3B  # what a gif's blocks begin with


def gif_is_whole(file: FileIO, _: int) -> bool:
    """Whether block follows on block up to the end (GIF89a, appendix B); some lack the mark of it."""
    reader: IO[bytes] = BufferedReader(file)
    _skip_colours(reader, reader.read(13)[10:11])
    while kind := reader.read(1):
        if kind[0] == _END:
            return True
        if kind[0] == _PICTURE:
            _skip_colours(reader, reader.read(9)[8:])
        elif kind[0] != _EXTENSION:
            return False
        reader.read(1)  # how its codes begin, or what it extends
        while size := reader.read(1):
            if size[0] == 0:
                break
            if len(reader.read(size[0])) < size[0]:
                return False
        if not size:
            return False
    return True


def _skip_colours(reader: IO[bytes], flags: bytes) -> None:
    if flags and flags[0] & 0x80:
        reader.read(3 << (flags[0] & 7) + 1)


_BLOCK, _SEQUENCE = 80, 12_000  # bytes; ten or twelve sequences, which are numbered, make a DV picture
# Of each sequence's blocks, the kind: head, two of time codes, three of notes, then one of sound to 15 of picture.
_KINDS = bytes([0, 1, 1, 2, 2, 2] + ([3] + [4] * 15) * 9)
_KIND_OF = bytes(byte >> 5 for byte in range(256))


def dv_is_whole(file: FileIO, length: int) -> bool:
    """Whether sequence follows on sequence up to the end of a picture (IEC 61834-2, 11.4)."""
    last = most = 0
    for at in range(0, length, _SEQUENCE):
        sequence = file.read(_SEQUENCE)
        number = sequence[1] >> 4 if len(sequence) == _SEQUENCE else -1
        if sequence[::_BLOCK].translate(_KIND_OF) != _KINDS or number not in (0, last + 1):
            return not at  # it begins as no DV that is known here
        if at and number == 0 and last < most:
            return False
        last, most = number, max(most, number)
    return last == most


_KEY = b"\x06\x0e\x2b\x34"  # what every key of MXF begins with
_RUN_IN = 1 << 16  # bytes that may come before the first


def mxf_is_whole(file: FileIO, length: int) -> bool:
    """Whether key, length and value follow on each other up to the end (SMPTE ST 377-1, 6.3)."""
    at = file.read(_RUN_IN).find(_KEY)
    while 0 <= at < length:
        file.seek(at)
        head = file.read(25)
        if not head.startswith(_KEY) or len(head) < 17:
            return False
        more = head[16] & 0x7F if head[16] & 0x80 else 0  # bytes of a length that one has no room for
        at += 17 + more + (int.from_bytes(head[17 : 17 + more]) if more else head[16])
    return at in (-1, length)
