"""Subtitles in another codec, for containers that do not take the film's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, NamedTuple

from av.container import OutputContainer
from av.packet import Packet
from av.subtitles.stream import SubtitleStream
from av.subtitles.subtitle import AssSubtitle, SubtitleSet

_ENCODERS = {"matroska": "subrip", "webm": "webvtt"}  # else MPEG-4's
_TAGS = re.compile(rb"\{[^}]*\}")  # of ASS
_DRAWING = re.compile(rb"\{[^}]*\\p[1-9][^}]*\}.*?(?=\{[^}]*\\p0|$)")  # its commands would be shown as text


class Cue(NamedTuple):
    """A text with its span, in units of the track; `line` is how ASS writes it: eight fields, then the text."""

    start: int
    end: int
    line: bytes


class ConvertedSubtitles:
    """A track of text subtitles in the container's own codec; texts and times stay.

    Raises ValueError or av.FFmpegError if they are not text.
    """

    def __init__(self, source: SubtitleStream, output: OutputContainer) -> None:
        if not source.codec_context.codec.text_sub:
            raise ValueError("pictures, not text")
        self._source = source.codec_context
        self._source.open(strict=False)
        name = _ENCODERS.get(output.format.name, "mov_text")
        stream = output.add_stream(name)
        assert isinstance(stream, SubtitleStream)
        self.stream, self._codec = stream, stream.codec_context
        self._codec.subtitle_header = self._source.subtitle_header
        self._time_base = source.time_base or Fraction(1, 1000)
        self._codec.time_base = stream.time_base = self._time_base
        self._queue = OneAtATime() if name == "mov_text" else None

    def take(self, packet: Packet[Any] | None) -> Iterator[Packet[Any]]:
        """The subtitles that are ready once this packet is in; all that are left for None."""
        cue = self._decode(packet) if packet is not None else None
        if self._queue is None:
            cues = [cue] if cue else []
        elif packet is None:
            cues = self._queue.end()
        else:
            cues = self._queue.add(cue) if cue else []
        for ready in cues:
            yield self._encode(ready)

    def _decode(self, packet: Packet[Any]) -> Cue | None:
        subtitle = self._source.decode2(packet)  # None for the empty ones that MPEG-4 has for silence
        lines = [_DRAWING.sub(b"", it.ass) for it in subtitle or () if isinstance(it, AssSubtitle) and it.ass]
        lines = [line for line in lines if _TAGS.sub(b"", line.split(b",", 8)[-1]).strip()]
        if not lines or packet.pts is None:
            return None
        return Cue(packet.pts, packet.pts + max(packet.duration or 0, 1), _together(lines))

    def _encode(self, cue: Cue) -> Packet[Any]:
        milliseconds = round((cue.end - cue.start) * self._time_base * 1000)
        packet = self._codec.encode_subtitle(SubtitleSet.create(self._spelt(cue.line), 0, milliseconds))
        packet.pts = packet.dts = cue.start
        packet.duration, packet.time_base = cue.end - cue.start, self._time_base
        packet.stream, packet.is_keyframe = self.stream, True
        return packet

    def _spelt(self, line: bytes) -> bytes:
        """The line with its text as the codec writes it, which FFmpeg leaves to others: no `\\h` for a fixed space."""
        *fields, text = line.split(b",", 8)
        text = text.replace(b"\\h", "\N{NO-BREAK SPACE}".encode())
        if self._codec.name == "webvtt":  # there `<` begins a tag, which is not shown
            text = text.replace(b"&", b"&amp;").replace(b"<", b"&lt;").replace(b">", b"&gt;")
        return b",".join([*fields, text])


class OneAtATime:
    """Cuts subtitles that overlap into pieces that do not, each with all texts of its span: MPEG-4 shows one."""

    def __init__(self) -> None:
        self._shown: list[Cue] = []
        self._now = 0

    def add(self, cue: Cue) -> list[Cue]:
        """The pieces that lie before this subtitle, which is kept."""
        pieces = list(self._before(cue.start))
        self._now = max(self._now, cue.start)
        self._shown.append(cue)
        return pieces

    def end(self) -> list[Cue]:
        """All that is left."""
        return list(self._before(None))

    def _before(self, time: int | None) -> Iterator[Cue]:
        while self._shown and (time is None or self._now < time):
            end = min(cue.end for cue in self._shown)
            end = end if time is None else min(end, time)
            if end > self._now:
                yield Cue(self._now, end, _together([cue.line for cue in self._shown]))
                self._now = end
            self._shown = [cue for cue in self._shown if cue.end > end]


def _together(lines: list[bytes]) -> bytes:
    """One line of ASS with the texts one below the other."""
    first, *others = (line.split(b",", 8) for line in lines)
    texts = [first[-1], *(fields[-1] for fields in others)]
    return b",".join([*first[:-1], b"{\\r}\\N".join(texts)])  # \r ends the styles of the one before
