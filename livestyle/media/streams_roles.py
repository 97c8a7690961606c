"""What each track of a film is for."""

from __future__ import annotations

from av.container import InputContainer
from av.stream import Discard, Disposition, Stream
from av.video.stream import VideoStream


def main_video(container: InputContainer) -> VideoStream | None:
    """The video that is the film: the one marked as default, else the first; never a cover."""
    videos = [stream for stream in container.streams.video if not is_cover(stream)]
    return next((video for video in videos if video.disposition & Disposition.default), next(iter(videos), None))


def is_cover(stream: Stream) -> bool:
    """True for a single picture that belongs to the film, such as its poster."""
    return bool(stream.disposition & Disposition.attached_pic)


def is_chapter_track(stream: Stream) -> bool:
    """True for the track that QuickTime keeps chapter titles in: FFmpeg has read it into the chapters already."""
    return stream.type == "data" and stream.name == "bin_data" and stream.discard == Discard.all


def codec_name(stream: Stream) -> str:
    """The codec's own name: mp3 and not mp3float, which is a decoder's."""
    if stream.codec_context is not None:
        return str(stream.codec_context.codec.canonical_name)
    return str(stream.name or "unknown") if stream.type == "data" else "unknown"


def title_of(stream: Stream) -> str:
    """A track in words for a warning, as `sound track 2 (aac, fra)`."""
    nouns = {"audio": "sound", "data": "data", "attachment": "attachment", "video": "video", "subtitle": "subtitle"}
    language = stream.language if stream.language not in (None, "und") else None
    facts = ", ".join(filter(None, (codec_name(stream), language)))
    return f"{nouns.get(stream.type, 'unknown')} track {stream.index} ({facts})"
