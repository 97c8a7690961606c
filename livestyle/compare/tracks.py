"""Sound and subtitles of a film, counted packet by packet."""

from __future__ import annotations

import hashlib
import re
from array import array
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.audio.stream import AudioStream
from av.packet import Packet
from av.stream import Stream

from ..media.packets import film_packets
from ..media.reader import open_film
from ..media.run_up import run_up
from ..media.streams_roles import codec_name, main_video

Text = tuple[Fraction, Fraction, str]  # a subtitle: start, length, words
_TEXT = ("mov_text", "subrip", "webvtt", "ass", "ssa", "text")
_ASS_TAGS = re.compile(r"\{[^}]*\}")
_DRAWING = re.compile(r"\{[^}]*\\p[1-9][^}]*\}.*?(?=\{[^}]*\\p0|$)")
_ADTS_SYNC = 0xFFF  # the head AAC packets have in MPEG-TS and lose in mp4 and Matroska


@dataclass
class Track:
    """A sound or subtitle track: its codec, its packets in one digest, when it starts and ends in seconds.

    Attributes:
        index: among all tracks of the film.
        channels: of sound.
        pts: of each packet that has one, in ticks; eight bytes a packet are all that grows with the film.
    """

    index: int
    codec: str
    language: str
    title: str
    disposition: int
    tick: Fraction
    channels: int = 0
    packets: int = 0
    pts: array[int] = field(default_factory=lambda: array("q"))
    start: Fraction | None = None
    end: Fraction | None = None
    longest: Fraction = Fraction(0)  # of its packets
    texts: list[Text] = field(default_factory=list)
    _heard_from: Fraction = Fraction(-(10**9))
    _hash: Any = field(default_factory=hashlib.sha256)

    @property
    def digest(self) -> str:
        """Of all its packets' bytes, one after the other."""
        return str(self._hash.hexdigest())

    def add(self, packet: Packet[Any]) -> None:
        """Counts a packet in."""
        self.packets += 1
        self._hash.update(_payload(packet, self.codec))
        if packet.pts is None:
            return
        self.pts.append(packet.pts)
        moment, length = packet.pts * self.tick, (packet.duration or 0) * self.tick
        if silent := run_up(packet):
            self._heard_from = moment + Fraction(silent, packet.stream.sample_rate)
        if packet.is_discard or moment + length <= self._heard_from:
            return
        moment, length = max(moment, self._heard_from), min(length, moment + length - self._heard_from)
        self.start = moment if self.start is None else min(self.start, moment)
        self.end = moment + length if self.end is None else max(self.end, moment + length)
        self.longest = max(self.longest, length)


def same_packets(a: Track, b: Track) -> bool:
    """Whether each packet is the same, whenever it comes and whatever it is called: mp4 calls MP2 MP3."""
    return (a.packets, a.digest) == (b.packets, b.digest)


def furthest_off(a: Track, b: Track, moved: Fraction) -> tuple[Fraction, int]:
    """By how many seconds the packet that is furthest from its time is off it, and which that is, from 1 on."""
    offs = (after * b.tick - before * a.tick - moved for before, after in zip(a.pts, b.pts, strict=False))
    return max(
        ((off, number) for number, off in enumerate(offs, 1)), key=lambda it: abs(it[0]), default=(Fraction(), 0)
    )


def title_of(stream: Stream) -> str:
    """The name a track is given in players' menus; empty if it has none."""
    return str(stream.metadata.get("title") or stream.metadata.get("name") or "")


def track_of(stream: Stream) -> Track:
    """A track of which nothing is read yet."""
    tick = stream.time_base or Fraction(1, 90000)
    channels = stream.channels if isinstance(stream, AudioStream) and stream.codec_context else 0
    names = (codec_name(stream), stream.language or "und", title_of(stream))
    return Track(stream.index, *names, int(stream.disposition), tick, channels)


def hear(packet: Packet[Any], track: Track) -> None:
    """Counts a packet of sound or subtitles in; subtitles without a word are mp4's pauses."""
    if packet.stream.type != "subtitle":
        track.add(packet)
        return
    words = _words(packet)
    if words != "":
        track.add(packet)
    if words and packet.pts is not None:
        track.texts.append((packet.pts * track.tick, (packet.duration or 0) * track.tick, words))


def heard(path: Path, index: int) -> tuple[Fraction | None, Fraction | None]:
    """When what decodes of a film's sound track starts and ends, in seconds; None where nothing has a time.

    That is not always what its packets say: WMA's first ones decode to nothing, WavPack's last has no length.
    """
    start = end = None
    with open_film(path) as container:
        track = container.streams[index]
        for packet in film_packets(container, [track], main_video(container), lambda: None):
            try:
                frames = packet.decode()
            except av.FFmpegError:
                continue
            for frame in frames:
                assert isinstance(frame, av.AudioFrame)
                moment = end if frame.pts is None or frame.time_base is None else frame.pts * frame.time_base
                if moment is not None:
                    start = moment if start is None else start
                    end = moment + Fraction(frame.samples, frame.sample_rate)
    return start, end


def _words(packet: Packet[Any]) -> str | None:
    """A subtitle's bare text; None for one that is a picture."""
    try:
        lines = [event.ass.decode("utf-8", "replace") for event in packet.decode() if hasattr(event, "ass")]
    except av.FFmpegError:
        return None
    if not lines and codec_name(packet.stream) not in _TEXT:
        return None
    return "\n".join(_plain(line) for line in lines)


def _plain(line: str) -> str:
    """The words of a line as ASS writes it, none of a drawing; what is in braces is a tag, marked as text or not."""
    text = _DRAWING.sub("", line.split(",", 8)[-1].replace("\\{{}", "{"))
    return _ASS_TAGS.sub("", text).replace("\\N", "\n").replace("\\h", " ").strip()


def _payload(packet: Packet[Any], codec: str) -> bytes:
    content = bytes(packet)
    if codec == "aac" and len(content) > 9 and int.from_bytes(content[:2], "big") >> 4 == _ADTS_SYNC:
        return content[7 if content[1] & 1 else 9 :]  # with or without a checksum
    return content
