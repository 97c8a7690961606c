"""The shape of pixels in Matroska and WebM: FFmpeg writes it from a field that PyAV has no word for."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av

from .size import Size, enlarged
from .structure import number, number_length

# RFC 9559, section 5.1
_SEGMENT, _SEEK_HEAD, _SEEK_POSITION = 0x18538067, 0x114D9B74, 0x53AC
_VOID, _CLUSTER, _TRACKS, _TRACK, _VIDEO = 0xEC, 0x1F43B675, 0x1654AE6B, 0xAE, 0xE0
_WIDTH, _HEIGHT = 0xB0, 0xBA
_SHOWN_WIDTH, _SHOWN_HEIGHT, _SHOWN_UNIT = 0x54B0, 0x54BA, 0x54B2  # FFmpeg says of the last that it is unknown
_STEREO_MODE = 0x53B8
_BESIDE, _BELOW = {1, 8, 9, 11}, {2, 3, 6, 7}  # where the two views of a picture lie; it is shown as large as one
_HEAD = 1 << 24  # bytes, more than stand before a film's first pictures


class _Element(NamedTuple):
    """Where one is: its name begins at `at`, what is in it at `begin`."""

    name: int
    at: int
    begin: int
    end: int


def write_pixel_shape(film: Path, aspect: Fraction) -> bool:
    """Says in a film that FFmpeg has written how its first video is to be shown: enlarged to square pixels.

    What is added moves what stands before it into the room that FFmpeg leaves behind its index, so nothing else moves.

    Args:
        aspect: width over height of a pixel.

    Returns whether there was room. Raises OSError.
    """
    with open(film, "rb+") as file:
        data = file.read(_HEAD)
        segment = next(one for one in _inside(data, 0, len(data)) if one.name == _SEGMENT)
        parts = {one.name: one for one in reversed(list(_inside(data, segment.begin, len(data))))}
        if not {_SEEK_HEAD, _VOID, _TRACKS} <= parts.keys():
            return False
        index, void, tracks = (parts[name] for name in (_SEEK_HEAD, _VOID, _TRACKS))
        changed = _with_shape(data, tracks, aspect)
        more = len(changed) - (tracks.end - tracks.at)
        if void.end - void.begin < more or not index.at < void.at < tracks.at:
            return False
        moved = range(void.end - segment.begin, tracks.end - segment.begin)
        head = _with_positions(data, index, moved, more)
        room = _coded(_VOID, bytes(void.end - void.begin - more), void.begin - void.at - 1)
        file.seek(index.at)
        file.write(head + data[index.end : void.at] + room + data[void.end : tracks.at] + changed)
    return True


class InMemory(io.BytesIO):
    """A file in memory that can still be read when FFmpeg has closed it."""

    def close(self) -> None:
        """Leaves it open."""


def video_facts(stream: av.VideoStream) -> dict[int, int]:
    """What Matroska would say of a film's video, by the names of its elements; empty if it does not take the codec.

    PyAV has no word for most of it, but FFmpeg writes it into the header of a copy.
    """
    held = InMemory()
    try:
        with av.open(held, "w", format="matroska", options={"fflags": "+bitexact"}) as trial:
            trial.add_stream_from_template(stream, opaque=True)
            trial.start_encoding()
    except (ValueError, av.FFmpegError):
        return {}
    data = held.getvalue()
    segment = next(one for one in _inside(data, 0, len(data)) if one.name == _SEGMENT)
    tracks = next(one for one in _inside(data, segment.begin, len(data)) if one.name == _TRACKS)
    _, video = _first_video(data, tracks)
    return {one.name: int.from_bytes(data[one.begin : one.end]) for one in _inside(data, video.begin, video.end)}


def _first_video(data: bytes, tracks: _Element) -> tuple[_Element, _Element]:
    """The track, and what in it is about video."""
    found = (
        (track, part)
        for track in _inside(data, tracks.begin, tracks.end)
        if track.name == _TRACK
        for part in _inside(data, track.begin, track.end)
        if part.name == _VIDEO
    )
    return next(found)


def _inside(data: bytes, at: int, end: int) -> list[_Element]:
    """The elements from there on, up to the first pictures or what is not in the data."""
    found: list[_Element] = []
    while at < end:
        name_length = number_length(data, at)
        begin = at + name_length + number_length(data, at + name_length)
        size = number(data[at + name_length : begin])
        stop = end if size is None else min(begin + size, end)
        found.append(_Element(int.from_bytes(data[at : at + name_length]), at, begin, stop))
        at = end if found[-1].name == _CLUSTER else stop
    return found


def _with_shape(data: bytes, tracks: _Element, aspect: Fraction) -> bytes:
    """The tracks, the first video's with the size it is to be shown at."""
    track, video = _first_video(data, tracks)
    changed = _replaced(data, video, _video_with_shape(data, video, aspect))
    return _with_part(data, tracks, track, _with_part(data, track, video, changed))


def _video_with_shape(data: bytes, video: _Element, aspect: Fraction) -> bytes:
    """What is in a video's element then."""
    parts = {one.name: one for one in _inside(data, video.begin, video.end)}
    told = {name: int.from_bytes(data[one.begin : one.end]) for name, one in parts.items()}
    width, height = enlarged(Size(told[_WIDTH], told[_HEIGHT]), aspect)
    views = told.get(_STEREO_MODE)
    shown = {
        _SHOWN_WIDTH: round(width / (1 + (views in _BESIDE))),
        _SHOWN_HEIGHT: round(height / (1 + (views in _BELOW))),
    }
    kept = [data[one.at : one.end] for name, one in parts.items() if name not in {*shown, _SHOWN_UNIT}]
    return b"".join([*kept, *(_coded(name, _bytes(side)) for name, side in shown.items())])


def _with_positions(data: bytes, index: _Element, moved: range, by: int) -> bytes:
    """The index, with what lies there found earlier by so many bytes."""
    head = bytearray(data[index.at : index.end])
    for seek in _inside(data, index.begin, index.end):
        for one in _inside(data, seek.begin, seek.end):
            position = int.from_bytes(data[one.begin : one.end])
            if one.name == _SEEK_POSITION and position in moved:
                head[one.begin - index.at : one.end - index.at] = (position - by).to_bytes(one.end - one.begin)
    return bytes(head)


def _bytes(value: int) -> bytes:
    return value.to_bytes(max(1, (value.bit_length() + 7) // 8))


def _with_part(data: bytes, around: _Element, part: _Element, changed: bytes) -> bytes:
    """The element around a part that is changed."""
    return _replaced(data, around, data[around.begin : part.at] + changed + data[part.end : around.end])


def _replaced(data: bytes, element: _Element, body: bytes) -> bytes:
    """The same element with another body, its size in no fewer bytes than before."""
    name_length = number_length(data, element.at)
    return _coded(element.name, body, element.begin - element.at - name_length)


def _coded(name: int, body: bytes, length: int = 1) -> bytes:
    """An element (RFC 8794, section 6); its size takes so many bytes, or as many as it needs."""
    while len(body) >= (1 << 7 * length) - 1:  # all ones would say that nobody knows
        length += 1
    return _bytes(name) + (len(body) | 1 << 7 * length).to_bytes(length) + body
