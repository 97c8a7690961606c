"""From a film's packets to its pictures: what does not decode is counted, never a reason to stop."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator
from typing import Any, cast

import av
from av.codec.context import Flags, ThreadType
from av.container import InputContainer
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext

from .clock import AT_A_JOINT
from .cropping import Cropper, margins_of
from .packets import film_packets

log = logging.getLogger(__name__)

# FFmpeg's own VP8 and VP9 decoders, the ones taken by default, leave the alpha layer out.
_WITH_ALPHA = {"vp8": "libvpx", "vp9": "libvpx-vp9"}


class Decoder:
    """The pictures of one stream, in the order shown. Iterate it once.

    Args:
        max_pixels: larger ones are not decoded.
        keyframes_only: leave out all others, which is many times as fast.

    Attributes:
        damaged: packets that did not decode or were incomplete, so far.
        flawed: pictures with errors in them, so far.
        hidden: packets an edit list hides, so far; they give no picture.
    """

    def __init__(
        self, container: InputContainer, stream: av.VideoStream, *, max_pixels: int, keyframes_only: bool = False
    ) -> None:
        self.damaged = self.flawed = self.hidden = 0
        self._packets = film_packets(container, [stream], stream, self._count_damage)
        self._codec = PictureCodec(stream)
        codec = self._codec.context
        if keyframes_only:
            codec.skip_frame = "NONKEY"
        set_limit(codec, max_pixels)

    def __iter__(self) -> Iterator[av.VideoFrame]:
        recent: deque[Packet[av.VideoStream]] = deque()
        for packet in self._packets:
            # Some packets late: only those that follow tell whether a film was put together here, which is no damage.
            recent.append(packet)
            if len(recent) > AT_A_JOINT:
                self.damaged += recent.popleft().is_corrupt
            self.hidden += bool(packet.is_discard)
            try:
                for frame in self._codec.decode(packet):
                    self.flawed += bool(frame.is_corrupt)
                    yield frame
            except av.FFmpegError as error:
                self._count_damage()
                log.debug("a packet does not decode: %s", error)

        self.damaged += sum(packet.is_corrupt for packet in recent)

    def _count_damage(self) -> None:
        self.damaged += 1


def set_limit(codec: VideoCodecContext, max_pixels: int) -> None:
    """Lets a codec that is not open yet decode no pictures of more pixels."""
    if codec.width * codec.height <= max_pixels:  # FFmpeg counts what is cut off too, and rows filled up to 64
        width, height = max(codec.width, codec.coded_width), max(codec.height, codec.coded_height)
        max_pixels = max(max_pixels, -(-width // 64) * 64 * height)
    codec.options = {**codec.options, "max_pixels": str(max_pixels)}


class PictureCodec:
    """What makes pictures of a stream's packets, their alpha too, without what is not shown, as fast as it can.

    FFmpeg's HEVC decoder leaves out pictures that were made from others that are lost, unless it is asked for them:
    most of such a one is there. Those before the first that is whole stay out, as they do of H.264: they were made from
    what a recording does not have.
    """

    def __init__(self, stream: av.VideoStream) -> None:
        self.context = _context_for(stream)
        self.context.thread_type = ThreadType.AUTO
        margins = margins_of(stream)
        self._crop = Cropper(margins) if margins else None
        self._begun = self.context.codec.canonical_name != "hevc"
        if not self._begun:
            self.context.flags |= Flags.output_corrupt

    def decode(self, packet: Packet[Any]) -> Iterator[av.VideoFrame]:
        """The pictures that are ready. Raises av.FFmpegError if the packet does not decode."""
        for frame in self.context.decode(packet):
            self._begun = self._begun or not frame.is_corrupt
            if self._begun:
                yield self._crop(frame) if self._crop else frame


def _context_for(stream: av.VideoStream) -> VideoCodecContext:
    own = stream.codec_context
    name = _WITH_ALPHA.get(own.codec.canonical_name)
    alpha = next((value for key, value in stream.metadata.items() if key.lower() == "alpha_mode"), "0")
    if name is None or alpha != "1":
        return own
    codec = cast(VideoCodecContext, VideoCodecContext.create(name, "r"))
    for fact in ("color_range", "colorspace", "color_primaries", "color_trc"):
        setattr(codec, fact, getattr(own, fact))
    return codec
