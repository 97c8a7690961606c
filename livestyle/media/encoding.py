"""How pictures are coded: which encoder, with which options, and the video stream that it fills."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

import av
from av.container import OutputContainer
from av.video.reformatter import Colorspace

from .color import UNSPECIFIED, tag
from .size import Size, even

CRF, PRESET = 20, "veryfast"  # x264: visually close to transparent on painted texture, at a small share of the time
# Chroma finer than luma: an error of one step in it is two in blue. Cells of a flat gradient stay half a level nearer.
CHROMA = "chroma-qp-offset=-3"


@dataclass(frozen=True)
class Encoding:
    """What is asked for: a codec, a quality, an encoder. None leaves the choice to the container or the codec."""

    codec: str | None = None
    crf: float | None = None
    encoder: str = "software"


USUAL = Encoding()


@dataclass(frozen=True)
class Encoder:
    """What is used: FFmpeg's name for it, the format its pictures have, its options."""

    name: str
    pixels: str
    options: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Coded:
    """What an encoder must know of a film; `size` is the picture's, which is coded with even sides."""

    size: Size
    rate: Fraction
    time_base: Fraction
    matrix: Colorspace
    primaries: int = UNSPECIFIED
    transfer: int = UNSPECIFIED
    sample_aspect: Fraction = Fraction(1)


def encoder_for(encoding: Encoding) -> Encoder:
    """The encoder that fits what is asked for."""
    crf = CRF if encoding.crf is None else encoding.crf
    return Encoder("libx264", "yuv420p", {"crf": f"{crf:g}", "preset": PRESET, "x264-params": CHROMA})


def add_video(container: OutputContainer, encoder: Encoder, coded: Coded, **options: str) -> av.VideoStream:
    """A video stream in the container, with the encoder set up; `options` are the encoder's, beside its own."""
    stream = container.add_stream(encoder.name, rate=coded.rate, options=encoder.options | options)
    assert isinstance(stream, av.VideoStream)
    codec = stream.codec_context
    codec.width, codec.height = even(coded.size)
    codec.pix_fmt = encoder.pixels
    codec.time_base = stream.time_base = coded.time_base
    codec.sample_aspect_ratio = coded.sample_aspect
    tag(codec, coded.matrix, primaries=coded.primaries, transfer=coded.transfer)
    return stream
