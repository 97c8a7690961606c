"""Whether a film without an index of any kind is complete: an MPEG program stream, IVF, YUV4MPEG2, JPEGs in a row."""

from __future__ import annotations

import math
import os
import re
from io import BufferedReader, FileIO

_MOST = 4_000_000  # packets or pictures, as in structure
_SECTOR = 2048  # bytes, of a disc
_PACK, _END, _FIRST_STREAM, _PICTURES = 0xBA, 0xB9, 0xBB, range(0xE0, 0xF0)  # start codes


def program_is_whole(file: FileIO, length: int) -> bool:
    """Whether packet follows on packet up to the end (ISO/IEC 13818-1, 2.5.3; MPEG-1's packs are shorter)."""
    reader, at = BufferedReader(file), 0
    for _ in range(_MOST):
        if at >= length:
            break
        reader.seek(at)
        head = reader.read(14).ljust(14, b"\0")
        code = head[3] if head.startswith(b"\0\0\1") else 0
        if at == 0 and code != _PACK:
            return True  # it begins as no program stream that is known here
        if code == _PACK:
            at += 14 + (head[13] & 7) if head[4] >> 6 == 1 else 12
        elif code in _PICTURES and head[4:6] == b"\0\0":
            return True  # some recorders leave the length out: nothing says where the next packet is
        elif code >= _FIRST_STREAM:
            at += 6 + int.from_bytes(head[4:6])
        elif code == _END:
            at += 4
        else:  # some end with zeros up to the end of a sector
            return length - at <= _SECTOR and not any(head + reader.read())
    return at <= length


def ivf_is_whole(file: FileIO, length: int) -> bool:
    """Whether each picture is as long as its head says."""
    reader = BufferedReader(file)
    at = int.from_bytes(reader.read(32)[6:8], "little")
    for _ in range(_MOST):
        if at >= length:
            break
        reader.seek(at)
        at += 12 + int.from_bytes(reader.read(12)[:4], "little")
    return at <= length


# YUV4MPEG2's kinds: planes of colour, and how many times narrower and lower they are.
_COLOUR = {
    "420": (2, 2, 2),
    "422": (2, 2, 1),
    "411": (2, 4, 1),
    "444": (2, 1, 1),
    "444alpha": (3, 1, 1),
    "mono": (0, 1, 1),
}


def y4m_is_whole(file: FileIO, length: int) -> bool:
    """Whether whole pictures follow on each other (yuv4mpeg(5) of mjpegtools)."""
    reader = BufferedReader(file)
    words = reader.readline(256).decode("ascii", "replace").split()
    fields = {word[0]: word[1:] for word in words[1:]}
    kind = re.fullmatch(r"(mono|444alpha|4\d\d)(?:jpeg|mpeg2|paldv)?p?(\d*)", fields.get("C", "420"))
    if not kind or kind[1] not in _COLOUR:
        return True
    planes, across, down = _COLOUR[kind[1]]
    width, height = int(fields["W"]), int(fields["H"])
    samples = width * height + planes * math.ceil(width / across) * math.ceil(height / down)
    size = samples * (2 if int(kind[2] or 8) > 8 else 1)
    at = reader.tell()
    while at < length:
        reader.seek(at)
        line = reader.readline(256)
        if not line.startswith(b"FRAME"):
            return False
        at += len(line) + size
    return at == length


def jpegs_are_whole(file: FileIO, length: int) -> bool:
    """Whether the last picture ends; zeros may follow it."""
    file.seek(-min(length, 4096), os.SEEK_END)
    return file.read().rstrip(b"\0").endswith(b"\xff\xd9")
