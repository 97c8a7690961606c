"""How pictures are coded: what is asked for, what each container takes, and the video stream that is filled."""

from __future__ import annotations

import importlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache

import av
from av.container import OutputContainer
from av.video.reformatter import Colorspace

from .color import UNSPECIFIED, tag
from .scheduling import scheduling_kept
from .size import Size, even

CRF, PRESET = 20, "veryfast"  # x264: visually close to transparent on painted texture, at a small share of the time
# Chroma finer than luma: an error of one step in it is two in blue. Cells of a flat gradient stay half a level nearer.
CHROMA = "chroma-qp-offset=-3"
_FULL_CRF_FROM = 640 * 360  # pixels: in smaller pictures an error of the same size is a larger share of the picture
_LOWEST_CRF = 8
# x264's routines for AVX-512 read memory that nobody has written: of 30 codings of one film 4 had other bits, with
# those for AVX2 none.
SAME_BITS = "asm=avx2"
PALETTE = "pal8"  # 256 colours, chosen anew for each picture
_TAGS = {("hevc", "mp4"): "hvc1", ("hevc", "mov"): "hvc1"}  # QuickTime plays no other


def crf_for(size: Size, usual: float = CRF) -> int:
    """A picture's constant rate factor: finer than usual for small ones, whose bits are few anyway."""
    halvings = math.log2(_FULL_CRF_FROM / (size.width * size.height))
    return max(_LOWEST_CRF, round(usual - 3 * max(0.0, halvings)))


@dataclass(frozen=True)
class Container:
    """FFmpeg's name for a kind of file, and the codecs it takes: the first if none is asked for."""

    format: str
    codecs: tuple[str, ...]


# FFmpeg's own format for .m4v has no room for most codecs and titles; it is MPEG-4 by another name.
CONTAINERS = {
    ".mp4": Container("mp4", ("h264", "hevc", "av1", "vp9")),
    ".mov": Container("mov", ("h264", "hevc", "prores")),
    ".m4v": Container("mp4", ("h264", "hevc", "av1", "vp9")),
    ".mkv": Container("matroska", ("h264", "hevc", "av1", "vp9", "prores")),
    ".webm": Container("webm", ("vp9", "av1")),
    ".gif": Container("gif", ("gif",)),
}


@dataclass(frozen=True)
class Encoding:
    """What is asked for.

    Attributes:
        codec: None for the container's first.
        crf: lower is better and larger; None for the codec's usual one.
        encoder: `software`; `auto` for hardware that works, else software; a kind of hardware such as `nvenc`; or
            FFmpeg's name of an encoder.
    """

    codec: str | None = None
    crf: float | None = None
    encoder: str = "software"


USUAL = Encoding()


@dataclass(frozen=True)
class Encoder:
    """What is used: FFmpeg's name for it, its codec, the format its pictures have, its options.

    Attributes:
        hardware: whether the coding is done outside the CPU.
        most_fps: the highest rate it may be told; frames keep their times all the same.
        reorder: by how many pictures the order of coding may differ from the one shown; None if that is not known.
    """

    name: str
    codec: str
    pixels: str = "yuv420p"
    options: Mapping[str, str] = field(default_factory=dict)
    hardware: bool = False
    most_fps: int | None = None
    reorder: int | None = None

    def coded_size(self, size: Size) -> Size:
        """The size its pictures have: even, but where each pixel has its own colour."""
        return size if self.pixels == PALETTE else even(size)

    def describe(self) -> str:
        """What it is, in words."""
        return f"{self.codec} by {self.name} ({'hardware' if self.hardware else 'software'})"


H264 = Encoder("libx264", "h264", options={"crf": str(CRF), "preset": PRESET, "x264-params": CHROMA}, reorder=2)


@dataclass(frozen=True)
class Coded:
    """What an encoder must know of a film; `size` is the picture's, without what is added to make it even."""

    size: Size
    rate: Fraction
    time_base: Fraction
    matrix: Colorspace
    primaries: int = UNSPECIFIED
    transfer: int = UNSPECIFIED
    sample_aspect: Fraction = Fraction(1)


def add_video(container: OutputContainer, encoder: Encoder, coded: Coded, **options: str) -> av.VideoStream:
    """A video stream in the container, its encoder open; `options` are the encoder's, beside its own.

    Raises ValueError or av.FFmpegError if the container or the encoder does not take it.
    """
    rate = coded.rate if encoder.most_fps is None else min(coded.rate, Fraction(encoder.most_fps))
    asked = {**encoder.options, **options}
    if encoder.name == "libx264" and _has_avx512():
        asked["x264-params"] = ":".join(filter(None, (asked.get("x264-params"), SAME_BITS)))
    stream = container.add_stream(encoder.name, rate=rate, options=asked)
    assert isinstance(stream, av.VideoStream)
    codec = stream.codec_context
    codec.width, codec.height = encoder.coded_size(coded.size)
    codec.pix_fmt = encoder.pixels
    codec.time_base = stream.time_base = coded.time_base
    codec.sample_aspect_ratio = coded.sample_aspect
    if (own := _TAGS.get((encoder.codec, container.format.name))) is not None:
        codec.codec_tag = own
    if encoder.pixels != PALETTE:
        tag(codec, coded.matrix, primaries=coded.primaries, transfer=coded.transfer)
    with scheduling_kept():
        codec.open()
    return stream


@lru_cache
def _has_avx512() -> bool:
    """Whether the processor has it, as numpy knows; without it, or on ARM, x264 is left to itself."""
    try:
        numpy = importlib.import_module("numpy._core._multiarray_umath")
    except ImportError:  # it is no part of numpy's promises
        return False
    return bool(getattr(numpy, "__cpu_features__", {}).get("AVX512F"))
