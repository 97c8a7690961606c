"""What a film holds, measured packet by packet and frame by frame; nothing of what its header promises is believed."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import AttachmentStream, Stream

from ..errors import InputError
from ..media.decoder import PictureCodec
from ..media.frame_times import FrameTimes, times_of
from ..media.orientation import Orientation, orientation_of
from ..media.packets import film_packets, packets_of
from ..media.reader import open_film
from ..media.sequence import Pictures, is_sequence, pictures_of
from ..media.size import Size
from ..media.streams_roles import codec_name, is_cover, main_video
from .tracks import Track, hear, title_of, track_of


@dataclass
class Facts:
    """A film's facts; the picture's are those of its first frame.

    Attributes:
        pts: every frame's timestamp in ticks, as shown; eight bytes a frame are all that grows with the film.
        untimed, damaged: frames without a timestamp, packets that did not decode.
        size, sample_aspect: of the picture as coded; `orientation` makes it upright.
        matrix, full_range, primaries, transfer: H.273 numbers; 2 is unspecified.
        covers: codecs and digests of the attached pictures; `attachments`: names and digests.
        sound, subtitles: the tracks with something in them.
    """

    path: Path
    tick: Fraction
    frame_times: FrameTimes
    disposition: int
    title: str
    sample_aspect: Fraction
    metadata: dict[str, str]
    chapters: list[tuple[Fraction, Fraction, str]]
    attachments: list[tuple[str, str]]
    pts: array[int] = field(default_factory=lambda: array("q"))
    last_length: Fraction = Fraction(0)
    untimed: int = 0
    damaged: int = 0
    size: Size = field(default_factory=lambda: Size(0, 0))
    orientation: Orientation = field(default_factory=Orientation)
    format: str = ""
    matrix: int = 2
    full_range: bool = False
    primaries: int = 2
    transfer: int = 2
    sound: list[Track] = field(default_factory=list)
    subtitles: list[Track] = field(default_factory=list)
    covers: list[tuple[str, str]] = field(default_factory=list)

    def add(self, frame: av.VideoFrame) -> None:
        """Counts a decoded frame in."""
        if not self.size.width:
            self._see(frame)
        if frame.pts is None and frame.dts is None:
            self.untimed += 1
            return
        self.pts.append(self.frame_times.of(frame))
        self.last_length = (frame.duration or 0) * self.tick

    def _see(self, frame: av.VideoFrame) -> None:
        self.size, self.orientation = Size(frame.width, frame.height), orientation_of(frame)
        self.format, self.matrix, self.full_range = frame.format.name, int(frame.colorspace), is_full(frame)
        self.primaries, self.transfer = int(frame.color_primaries), int(frame.color_trc)

    def count_damage(self) -> None:
        """Counts what cannot be read in."""
        self.damaged += 1

    @property
    def frames(self) -> int:
        """How many frames could be decoded."""
        return len(self.pts) + self.untimed

    @property
    def only_pictures(self) -> bool:
        """Whether its kind of file has no room for anything else, nor for colour tags."""
        return is_sequence(self.path) or self.path.suffix.lower() == ".gif"

    @property
    def upright(self) -> Size:
        """Its size on the screen."""
        return self.orientation.shown(self.size)

    @property
    def before_zero(self) -> Fraction:
        """How long before zero picture or sound start, in seconds; no container shows that, so a render is moved."""
        starts = [*self.times[:1], *(track.start for track in self.sound if track.start is not None)]
        return max(Fraction(0), -min(starts, default=Fraction(0)))

    @property
    def times(self) -> list[Fraction]:
        """The first and the last frame's time in seconds; empty if none has one."""
        return [self.pts[at] * self.tick for at in (0, -1)] if self.pts else []


def read_facts(path: Path) -> Facts:
    """A film's facts, from one pass over it. Raises InputError if no frame of it can be read."""
    facts = _of_pictures(path) if is_sequence(path) else _of_film(path)
    if not facts.frames:
        raise InputError(f"{path}: no frame of it can be decoded")
    return facts


def _of_pictures(path: Path) -> Facts:
    """An image sequence's: it has no times and nothing else in it."""
    pictures = Pictures(pictures_of(path))
    facts = Facts(path, Fraction(1, 90000), FrameTimes("image2", 1), 0, "", Fraction(1), {}, [], [])
    for frame in pictures:
        frame.pts = frame.dts = None  # a picture has no time of its own
        facts.add(frame)
    facts.damaged = pictures.damaged
    return facts


def _of_film(path: Path) -> Facts:
    with open_film(path) as container:
        video = the_video(container, path)
        facts = _promised(path, container, video)
        tracks = {
            stream.index: track_of(stream) for stream in container.streams if stream.type in ("audio", "subtitle")
        }
        covers = {stream.index: codec_name(stream) for stream in container.streams.video if is_cover(stream)}
        codec = PictureCodec(video)
        chosen = [container.streams[index] for index in (video.index, *tracks, *covers)]
        for packet in film_packets(container, chosen, video, facts.count_damage):
            if packet.stream_index == video.index:
                for frame in frames_of(packet, codec, facts.count_damage):
                    facts.add(frame)
            elif packet.size and packet.stream_index in covers:
                facts.covers.append((covers[packet.stream_index], hashlib.sha256(bytes(packet)).hexdigest()))
            elif packet.size:
                hear(packet, tracks[packet.stream_index])
        facts.sound = _filled(tracks, container.streams.audio)
        facts.subtitles = _filled(tracks, container.streams.subtitles)
    return facts


def _filled(tracks: dict[int, Track], streams: Sequence[Stream]) -> list[Track]:
    return [tracks[stream.index] for stream in streams if tracks[stream.index].packets]


def the_video(container: InputContainer, path: Path) -> av.VideoStream:
    """The video that is the film."""
    video = main_video(container)
    if video is None or video.codec_context is None:
        raise InputError(f"{path}: no video stream in it that can be decoded")
    return video


def all_frames(path: Path) -> Iterator[av.VideoFrame]:
    """The frames of a film or an image sequence; what is damaged is passed over."""
    if is_sequence(path):
        yield from Pictures(pictures_of(path))
        return
    with open_film(path) as container:
        video = the_video(container, path)
        codec = PictureCodec(video)
        for packet in packets_of(container, [video], _ignore):
            yield from frames_of(packet, codec, _ignore)


def _ignore() -> None:
    pass


def frames_of(packet: Packet[Any], codec: PictureCodec, on_damage: Callable[[], object]) -> Iterator[av.VideoFrame]:
    """The frames a packet gives; none if it does not decode."""
    try:
        yield from codec.decode(packet)
    except av.FFmpegError:
        on_damage()


def is_full(frame: av.VideoFrame) -> bool:
    """Whether black is 0 and white the highest code."""
    return int(frame.color_range) == 2 or frame.format.name.startswith("yuvj")


def _promised(path: Path, container: InputContainer, video: av.VideoStream) -> Facts:
    """What only the header can tell."""
    attached = [stream for stream in container.streams if isinstance(stream, AttachmentStream)]
    return Facts(
        path,
        tick=video.time_base or Fraction(1, 90000),
        frame_times=times_of(video),
        disposition=int(video.disposition),
        title=title_of(video),
        sample_aspect=video.sample_aspect_ratio or Fraction(1),
        metadata={key.lower(): value for key, value in container.metadata.items()},
        chapters=[_chapter(chapter) for chapter in container.chapters()],
        attachments=[(stream.name or "", hashlib.sha256(stream.data or b"").hexdigest()) for stream in attached],
    )


def _chapter(chapter: Any) -> tuple[Fraction, Fraction, str]:
    start, end = (chapter[key] * chapter["time_base"] for key in ("start", "end"))
    return start, end, chapter["metadata"].get("title", "")
