"""Sound in another codec, for containers that do not take the film's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet

_ENCODERS = {"matroska": "flac", "webm": "libopus"}  # else AAC; FLAC loses nothing
_LAYOUTS = ("mono", "stereo", "2.1", "4.0", "5.0", "5.1", "6.1", "7.1")  # what FFmpeg takes so many channels for
_UNNAMED = re.compile(r"\d+ channels")  # a layout that only counts
BITS_PER_CHANNEL = 96_000  # a second; at this rate AAC and Opus are hard to tell from the original


def name_channels(track: AudioStream) -> None:
    """Gives a track of the output that only counts its channels, as in AVI, the usual ones: mp4 wants to know.

    Raises ValueError where there are none for so many.
    """
    if _UNNAMED.fullmatch(track.layout.name):
        if track.channels > len(_LAYOUTS):
            raise ValueError(f"{track.layout.name}: which is not known")
        track.codec_context.layout = _LAYOUTS[track.channels - 1]


class MeasuredSound:
    """A track's packets, the last one with the time that it is heard: MPEG-4 has no other word for where sound ends.

    Matroska tells how much of it is not heard, and of some codecs neither that nor AVI tells how long it is.
    """

    def __init__(self, source: AudioStream) -> None:
        self._source = source
        self._held: Packet[Any] | None = None
        self._usual = 0  # ticks, of the packet before the one that is held

    def take(self, packet: Packet[Any] | None) -> Iterator[Packet[Any]]:
        """The packet before this one; what is left for None."""
        held, self._held = self._held, packet
        if held is not None:
            if packet is None:
                self._measure(held)
            self._usual = held.duration or 0
            yield held

    def _measure(self, last: Packet[Any]) -> None:
        tick = Fraction(1, self._source.sample_rate) / (last.time_base or 1)
        if last.duration:  # some muxers have taken off already what is not heard
            heard = max(last.duration, self._usual) - round(_unheard_at_its_end(last) * tick)
            last.duration = max(1, min(last.duration, heard))
        else:
            last.duration = max(1, round(self._samples_in(last) * tick))

    def _samples_in(self, packet: Packet[Any]) -> int:
        codec = self._source.codec_context
        try:
            return sum(frame.samples for ready in (packet, None) for frame in codec.decode(ready))
        except av.FFmpegError:  # it is damaged
            return 0


def _unheard_at_its_end(packet: Packet[Any]) -> int:
    """In samples."""
    if not packet.has_sidedata("skip_samples"):
        return 0
    return int.from_bytes(bytes(packet.get_sidedata("skip_samples"))[4:8], "little")


class EncodedSound:
    """A sound track decoded and encoded anew; times, gaps and channels stay.

    Attributes:
        mixed_to: mono or stereo, where there is no encoder for so many channels.

    Raises ValueError or av.FFmpegError if there is no encoder for it.
    """

    def __init__(self, source: AudioStream, output: OutputContainer) -> None:
        name = _ENCODERS.get(output.format.name, "aac")
        settings = _settings(source, name)
        self._source = source
        stream = output.add_stream(name, rate=settings.sample_rate)
        assert isinstance(stream, AudioStream)
        self.stream, codec = stream, stream.codec_context
        codec.layout, codec.format = settings.layout, settings.format
        if name != "flac":
            codec.bit_rate = BITS_PER_CHANNEL * settings.layout.nb_channels
        kept = settings.layout.nb_channels == source.channels
        self.mixed_to = "" if kept else settings.layout.name
        self._resampler = self._new_resampler()
        self._end = Fraction(0)  # of the sound so far, in seconds

    def take(self, packet: Packet[Any] | None) -> Iterator[Packet[Any]]:
        """The packets that are ready once this one is in; all that are left for None."""
        for frame in self._source.codec_context.decode(packet):
            self._time(frame)
            yield from self._encode(self._resample(frame))
        if packet is None:
            yield from self._encode(self._resampler.resample(None))
            yield from self.stream.encode(None)

    def _time(self, frame: AudioFrame) -> None:
        """Gives a frame without a time, such as a decoder's last, the one that follows on the frame before it."""
        frame.time_base = frame.time_base or self._source.time_base or Fraction(1, frame.sample_rate)
        if frame.pts is None:
            frame.pts = round(self._end / frame.time_base)
        self._end = frame.pts * frame.time_base + Fraction(frame.samples, frame.sample_rate)

    def _resample(self, frame: AudioFrame) -> list[AudioFrame]:
        try:
            return self._resampler.resample(frame)
        except ValueError:  # from here on the film's sound has another rate or other channels
            rest = self._resampler.resample(None)
            self._resampler = self._new_resampler()
            return rest + self._resampler.resample(frame)

    def _encode(self, frames: list[AudioFrame]) -> Iterator[Packet[Any]]:
        for frame in frames:
            yield from self.stream.encode(frame)

    def _new_resampler(self) -> AudioResampler:
        codec = self.stream.codec_context
        return AudioResampler(codec.format, codec.layout, codec.sample_rate)


def _settings(source: AudioStream, name: str) -> av.AudioCodecContext:
    """An encoder that has opened with the track's rate and channels, or the nearest that it takes."""
    rates = av.Codec(name, "w").audio_rates
    rate = source.sample_rate if not rates or source.sample_rate in rates else 48000
    usual = _LAYOUTS[source.channels - 1 : source.channels]  # for channels only counted, at the sides, or rare
    *others, last = dict.fromkeys([source.layout.name, *usual, "mono" if source.channels == 1 else "stereo"])
    for layout in (*others, last):
        codec = av.CodecContext.create(name, "w")
        assert isinstance(codec, av.AudioCodecContext)
        formats = codec.codec.audio_formats or [source.format]
        codec.sample_rate, codec.layout, codec.format = rate, layout, _nearest(source, formats)
        try:
            codec.open()
        except (ValueError, av.FFmpegError):
            if layout == last:
                raise
        else:
            return codec
    raise AssertionError


def _nearest(source: AudioStream, formats: list[av.AudioFormat]) -> av.AudioFormat:
    exact = [it for it in formats if it.name.removesuffix("p") == source.format.name.removesuffix("p")]
    return max(exact or formats, key=lambda it: it.bytes)
