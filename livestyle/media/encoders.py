"""Which encoder fits what is asked for: a codec's own in software, or hardware that has proved itself in a trial."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import Colorspace

from ..errors import DeviceError, InputError, OutputError
from .color import to_yuv
from .encoding import CONTAINERS, CRF, H264, PALETTE, Coded, Encoder, Encoding, add_video, crf_for
from .size import Size

CODECS = ("h264", "hevc", "av1", "vp9", "prores")
_NO_LOG = "log-level=none"


@dataclass(frozen=True)
class _Software:
    """An encoder for the CPU; `crf` is its usual one, in a range, None where there is no such scale."""

    encoder: Encoder
    crf: float | None = None
    most: float | None = None
    least: float = 0


# The presets are speeds at which the encoder costs about what a slim network does.
_SOFTWARE = {
    "h264": _Software(H264, CRF, 51),
    "hevc": _Software(
        Encoder("libx265", "hevc", options={"preset": "veryfast", "x265-params": f"{_NO_LOG}:cbqpoffs=-3:crqpoffs=-3"}),
        *(22, 51),
    ),
    # FFmpeg takes whole numbers for it, and its 0 for none at all.
    "av1": _Software(Encoder("libsvtav1", "av1", options={"preset": "8"}, most_fps=240), 18, 63, least=1),
    "vp9": _Software(
        # Without `b` the quality would be bounded by a bit rate.
        Encoder("libvpx-vp9", "vp9", options={"b": "0", "deadline": "realtime", "cpu-used": "6", "row-mt": "1"}),
        *(20, 63),
    ),
    "prores": _Software(Encoder("prores_ks", "prores", "yuv422p10le", {"profile": "hq", "vendor": "apl0"})),
    "gif": _Software(Encoder("gif", "gif", PALETTE)),
}


def _nvenc(crf: float) -> dict[str, str]:
    return {"rc": "vbr", "cq": f"{crf:g}", "b": "0", "preset": "p4"}


def _videotoolbox(crf: float) -> dict[str, str]:
    quality = max(1, round(100 - crf * 1.7))  # its scale is 1 to 100, best last; FF_QP2LAMBDA is 118
    return {"flags": "+qscale", "global_quality": str(118 * quality), "allow_sw": "0"}


def _qsv(crf: float) -> dict[str, str]:
    return {"global_quality": str(max(1, round(crf))), "preset": "faster"}


def _amf(crf: float) -> dict[str, str]:
    return {"rc": "cqp"} | dict.fromkeys(("qp_i", "qp_p"), str(round(crf)))


@dataclass(frozen=True)
class _Hardware:
    """A kind of hardware: the format it takes pictures in, its options for a quality."""

    pixels: str
    options: Callable[[float], dict[str, str]]


_HARDWARE = {
    "nvenc": _Hardware("yuv420p", _nvenc),
    "videotoolbox": _Hardware("nv12", _videotoolbox),
    "qsv": _Hardware("nv12", _qsv),
    "amf": _Hardware("nv12", _amf),
}
HARDWARE = tuple(_HARDWARE)
_IN_HARDWARE = ("h264", "hevc", "av1", "vp9")
_TRIAL_FRAMES, _TRIAL_LEVELS = 5, 16  # of 255: how far a trial's mean brightness may be off

_tried: dict[tuple[str, Size], str] = {}  # why not, or nothing


def choose_encoder(encoding: Encoding, target: Path, size: Size) -> Encoder:
    """The encoder for a film of that size; hardware has coded and decoded a few pictures before it is chosen.

    Raises OutputError if the target's container does not take the codec, InputError for a quality or an encoder that
    does not exist, DeviceError for one that does not work here.
    """
    codec = _codec(encoding, target)
    crf = _quality(encoding, codec, target, size)
    if encoding.encoder == "auto":
        found = (it for it in _in_hardware(codec, crf) if not why_not(it, size))
        return next(found, _in_software(codec, crf))
    encoder = _named(encoding.encoder, codec, crf, target)
    if encoder.hardware and (reason := why_not(encoder, size)):
        raise DeviceError(f"{target}: the encoder {encoder.name} does not work here ({reason}); use --encoder auto")
    return encoder


def _codec(encoding: Encoding, target: Path) -> str:
    taken = CONTAINERS[target.suffix.lower()].codecs
    codec = encoding.codec or _codec_of(encoding.encoder) or taken[0]
    if codec not in taken:
        raise OutputError(f"{target}: {target.suffix.lower()} does not take {codec}; it takes {', '.join(taken)}")
    return codec


def _codec_of(name: str) -> str | None:
    """The codec of an encoder that has FFmpeg's own name."""
    for codec in CODECS:
        if name == _SOFTWARE[codec].encoder.name or name in (f"{codec}_{kind}" for kind in HARDWARE):
            return codec
    return None


def _quality(encoding: Encoding, codec: str, target: Path, size: Size) -> float | None:
    software = _SOFTWARE[codec]
    if encoding.crf is None:
        return None if software.crf is None else crf_for(size, software.crf)
    if software.most is None:
        raise InputError(f"{target}: {codec} has no crf; leave --crf out")
    if not software.least <= encoding.crf <= software.most:
        raise InputError(f"{target}: crf {encoding.crf:g}: {codec} takes {software.least:g} to {software.most:g}")
    return encoding.crf


def _in_software(codec: str, crf: float | None) -> Encoder:
    encoder = _SOFTWARE[codec].encoder
    if codec == "av1":
        os.environ.setdefault("SVT_LOG", "0")  # its library writes to the terminal
    return encoder if crf is None else replace(encoder, options={**encoder.options, "crf": f"{crf:g}"})


def _in_hardware(codec: str, crf: float | None) -> Iterator[Encoder]:
    """The encoders for it that this FFmpeg knows, whether or not they work."""
    for kind, hardware in _HARDWARE.items():
        name = f"{codec}_{kind}"
        if codec in _IN_HARDWARE and crf is not None and name in av.codecs_available:
            yield Encoder(name, codec, hardware.pixels, hardware.options(crf), hardware=True)


def _named(name: str, codec: str, crf: float | None, target: Path) -> Encoder:
    software, hardware = _in_software(codec, crf), list(_in_hardware(codec, crf))
    if name in ("software", software.name):
        return software
    for encoder in hardware:
        if name in (encoder.name, encoder.name.removeprefix(f"{codec}_")):
            return encoder
    known = ["auto", "software", *(encoder.name.removeprefix(f"{codec}_") for encoder in hardware)]
    raise InputError(f"{target}: no encoder '{name}' for {codec} here; there are {', '.join(known)}")


def why_not(encoder: Encoder, size: Size) -> str:
    """Why it cannot code pictures of that size, found by doing it; empty if it can."""
    key = (encoder.name, size)
    if key not in _tried:
        try:
            _tried[key] = _trial(encoder, size)
        except (av.FFmpegError, OSError, ValueError) as error:
            _tried[key] = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return _tried[key]


def _trial(encoder: Encoder, size: Size) -> str:
    """Codes a few gray pictures, decodes them and looks whether they are the same."""
    levels = [40 + 30 * index for index in range(_TRIAL_FRAMES)]
    file, coded = io.BytesIO(), Coded(size, Fraction(25), Fraction(1, 25), Colorspace.ITU709)
    with av.open(file, "w", format="matroska") as container:
        stream = add_video(container, encoder, coded)
        for index, level in enumerate(levels):
            image = np.full((size.height, size.width, 3), level, np.uint8)
            picture = to_yuv(image, encoder.coded_size(size), coded.matrix, encoder.pixels)
            picture.pts, picture.time_base = index, coded.time_base
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    file.seek(0)
    with av.open(file, "r") as film:
        means = [frame.to_ndarray(format="rgb24").mean() for frame in film.decode(video=0)]
    if len(means) != len(levels):
        return f"{len(means)} of {len(levels)} pictures came out of a trial"
    off = max(abs(mean - level) for mean, level in zip(means, levels, strict=True))
    return f"the pictures of a trial came out {off:.0f} levels wrong" if off > _TRIAL_LEVELS else ""
