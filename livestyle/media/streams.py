"""What is in a film besides the picture: sound, subtitles, covers, attachments, chapters and titles."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol, cast

import av
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import AttachmentStream, Discard, Disposition, Stream
from av.subtitles.stream import SubtitleStream
from av.video.stream import VideoStream

from .clock import may_jump, moved
from .packets import film_packets
from .reader import open_film
from .run_up import delayed, first_packets, run_up
from .streams_audio import EncodedSound, MeasuredSound, name_channels
from .streams_roles import codec_name, is_chapter_track, is_cover, main_video, title_of
from .streams_subtitles import ConvertedSubtitles
from .streams_tags import copy_tags, copy_track_tags

_MPEG4 = ("mp4", "mov")  # they write which channel is which, and how long each packet is
MP4_COVERS = ("mjpeg", "png", "bmp")
MATROSKA = ("matroska", "webm")
_PICTURES = {"mjpeg": "image/jpeg", "png": "image/png", "gif": "image/gif", "bmp": "image/bmp", "webp": "image/webp"}


class Track(Protocol):
    """A track of the output that is fed with one of the film."""

    @property
    def stream(self) -> Stream: ...

    def take(self, packet: Packet[Any] | None) -> Iterable[Packet[Any]]:
        """What there is to write once this packet is in; what is left for None."""


class CopiedTrack:
    """A track that goes over packet for packet.

    Args:
        first: its first packet, if the container has to be told how much of it is not heard.
    """

    def __init__(self, source: Stream, output: OutputContainer, first: Packet[Any] | None = None) -> None:
        _try_alone(source, output)
        if first is not None and run_up(first) and isinstance(source, AudioStream):
            with delayed(source, first) as template:
                self.stream: Stream = output.add_stream_from_template(template, opaque=True)
        else:
            self.stream = output.add_stream_from_template(source, opaque=True)
        self._measured: MeasuredSound | None = None
        if output.format.name in _MPEG4 and isinstance(self.stream, AudioStream):
            name_channels(self.stream)
            self._measured = MeasuredSound(cast(AudioStream, source))

    def take(self, packet: Packet[Any] | None) -> Iterator[Packet[Any]]:
        for ready in self._measured.take(packet) if self._measured else (packet,):
            if ready is not None:
                ready.stream = self.stream
                yield ready


def _try_alone(source: Stream, output: OutputContainer) -> None:
    """Raises ValueError or av.FFmpegError if the container refuses it: its list of codecs promises too much."""
    trial = av.open(io.BytesIO(), "w", format=output.format.name)
    try:
        trial.add_stream_from_template(source, opaque=True)
        trial.start_encoding()
    finally:
        with contextlib.suppress(ValueError, av.FFmpegError, OSError):
            trial.close()  # some codecs cannot be finished without a packet


class NoStreams:
    """OtherStreams of a source that has only pictures."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.damaged = 0

    def until(self, time: Fraction | None) -> Iterator[Packet[Any]]:
        return iter(())

    def close(self) -> None:
        pass


class OtherStreams:
    """All of a film but its main video, in step with the pictures: the film is opened a second time for it.

    Args:
        output: has its video stream already; tags, chapters and the other streams are added here.
        video: that stream; it gets the title, language and marks of the film's main video.
        later: seconds by which everything is moved, as the picture is.

    Attributes:
        warnings: what could not be carried over as it is, a line each.
        damaged: packets that did not decode, so far.
    """

    def __init__(
        self, path: Path | str, output: OutputContainer, video: Stream, *, later: Fraction = Fraction(0)
    ) -> None:
        self.warnings: list[str] = []
        self.damaged = 0
        self._path, self._output, self._later = path, output, later
        self._input: InputContainer = open_film(path)
        self._tracks: dict[int, Track] = {}
        self._covers: list[Packet[Any]] = []
        self._waiting: Packet[Any] | None = None
        try:
            self._add_all(video)
        except BaseException:
            self.close()
            raise

    def _add_all(self, video: Stream) -> None:
        main = main_video(self._input)
        self._firsts = first_packets(self._path) if self._kind in MATROSKA and self._input.streams.audio else {}
        lost = copy_tags(self._input, self._output, later=self._later)
        if main is not None:
            lost += copy_track_tags(main, video)
        for stream in self._input.streams:
            if not (main is not None and stream.index == main.index) and not is_cover(stream):
                lost += self._add(stream)
        self._say_left_out_data()
        covers = {stream.index: stream for stream in self._input.streams.video if is_cover(stream)}
        for stream in self._input.streams:
            tells_time = stream is main and may_jump(self._input)
            if stream.index not in self._tracks and stream.index not in covers and not tells_time:
                stream.discard = Discard.all  # never read: that would take as long as the pictures' own reading
        chosen = [self._input.streams[index] for index in (*self._tracks, *covers)]
        self._packets = film_packets(self._input, chosen, main, self._count_damage)
        self._add_covers(covers)
        if lost:
            self._say(f"{self._kind} has no room for {', '.join(dict.fromkeys(lost))}; write an .mkv to keep that")

    @property
    def _kind(self) -> str:
        return self._output.format.name

    def _say(self, words: str) -> None:
        self.warnings.append(f"{self._path}: {words}")

    def _add(self, stream: Stream) -> list[str]:
        """Makes the stream of the output for one of the film; returns the tags it has no room for."""
        track: Track | None = None
        if isinstance(stream, AudioStream | SubtitleStream) and stream.codec_context is None:
            self._say(f"{title_of(stream)} is of a codec that is not known here and is left out")
        elif isinstance(stream, AudioStream):
            track = self._add_sound(stream)
        elif isinstance(stream, SubtitleStream):
            track = self._add_subtitles(stream)
        elif isinstance(stream, AttachmentStream):
            self._attach(str(stream.name or "attachment"), stream.mimetype or "application/octet-stream", stream.data)
        elif isinstance(stream, VideoStream):
            self._say(f"{title_of(stream)} is left out: only one video is written")
        if track is None:
            return []
        self._tracks[stream.index] = track
        return copy_track_tags(stream, track.stream)

    def _add_sound(self, stream: AudioStream) -> Track | None:
        with contextlib.suppress(ValueError, av.FFmpegError):
            return CopiedTrack(stream, self._output, self._firsts.get(stream.index))
        try:
            track = EncodedSound(stream, self._output)
        except (ValueError, av.FFmpegError):
            self._say(f"{title_of(stream)} does not fit into {self._kind} and is left out")
            return None
        mixed = f", mixed down to {track.mixed_to}" if track.mixed_to else ""
        self._say(f"{title_of(stream)} does not fit into {self._kind} and becomes {codec_name(track.stream)}{mixed}")
        return track

    def _add_subtitles(self, stream: SubtitleStream) -> Track | None:
        with contextlib.suppress(ValueError, av.FFmpegError):
            return CopiedTrack(stream, self._output)
        try:
            track = ConvertedSubtitles(stream, self._output)
        except (ValueError, av.FFmpegError):
            self._say(f"{title_of(stream)} does not fit into {self._kind} and is left out; write an .mkv to keep it")
            return None
        if codec_name(stream) in ("ass", "ssa"):
            self._say(f"{title_of(stream)} becomes {codec_name(track.stream)} and loses its styles and places")
        return track

    def _attach(self, name: str, mimetype: str, content: bytes) -> None:
        if self._kind == "matroska":
            self._output.add_attachment(name, mimetype, content)
        else:
            self._say(f"the attachment {name} ({mimetype}) does not fit into {self._kind} and is left out")

    def _say_left_out_data(self) -> None:
        known = (AudioStream, SubtitleStream, AttachmentStream, VideoStream)
        data = [it for it in self._input.streams if not isinstance(it, known) and not is_chapter_track(it)]
        if data:
            names = dict.fromkeys("timecode" if "timecode" in it.metadata else codec_name(it) for it in data)
            self._say(f"{len(data)} data track{'s' * (len(data) > 1)} ({', '.join(names)}) left out")

    def _add_covers(self, covers: dict[int, VideoStream]) -> None:
        """FFmpeg hands out all covers before the first other packet."""
        while covers and (packet := self._next()) is not None:
            cover = covers.pop(packet.stream.index, None)
            if cover is None:
                self._waiting = packet
                break
            self._add_cover(cover, packet)
        for cover in covers.values():
            self._say(f"cover {cover.index} cannot be read and is left out")

    def _add_cover(self, cover: VideoStream, packet: Packet[Any]) -> None:
        codec = codec_name(cover)
        if self._kind == "matroska":
            mimetype = _PICTURES.get(codec, "application/octet-stream")
            name = cover.metadata.get("filename", f"cover.{mimetype.partition('/')[2].replace('jpeg', 'jpg')}")
            self._attach(name, cover.metadata.get("mimetype", mimetype), bytes(packet))
        elif self._kind == "mp4" and codec in MP4_COVERS:
            track = CopiedTrack(cover, self._output)
            track.stream.disposition = Disposition.attached_pic
            packet.pts = packet.dts = 0
            self._covers.extend(track.take(packet))
        else:
            self._say(f"cover {cover.index} ({codec}) does not fit into {self._kind} and is left out")

    def until(self, time: Fraction | None) -> Iterator[Packet[Any]]:
        """The packets up to a time; all that are left for None."""
        yield from self._covers
        self._covers.clear()
        while (packet := self._waiting or self._next()) is not None:
            self._waiting = packet
            if time is not None and _start(packet) > time:
                return
            self._waiting = None
            yield from self._carry(packet.stream.index, packet)
        while self._tracks:
            index = next(iter(self._tracks))
            yield from self._carry(index, None)
            del self._tracks[index]

    def _carry(self, index: int, packet: Packet[Any] | None) -> Iterator[Packet[Any]]:
        try:
            if index in self._tracks:
                yield from (moved(ready, self._later) for ready in self._tracks[index].take(packet))
        except av.FFmpegError:
            self.damaged += 1

    def _next(self) -> Packet[Any] | None:
        """The next packet with something in it and a time; covers have none."""
        for packet in self._packets:
            if not packet.size:  # its track's end
                continue
            packet.dts = packet.pts if packet.dts is None else packet.dts
            if packet.dts is not None or is_cover(packet.stream):
                return packet
            self._count_damage()
        return None

    def _count_damage(self) -> None:
        self.damaged += 1

    def close(self) -> None:
        """Twice is fine."""
        self._input.close()


def _start(packet: Packet[Any]) -> Fraction:
    return (packet.dts or 0) * (packet.time_base or Fraction(0))
