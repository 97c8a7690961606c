"""HDR on an SDR screen: the light that PQ (HDR10) and HLG stand for, tone-mapped to BT.709.

Light is in cd/m2 ("nits"); a signal is what is coded, in [0,1].
"""

from __future__ import annotations

import struct
from typing import TypeAlias

import av
import numpy as np
from av.sidedata.sidedata import Type
from numpy.typing import NDArray

from .filters import LookUp
from .side_data import side_data

Array: TypeAlias = NDArray[np.float64]

PQ, HLG = 16, 18  # AVCOL_TRC_SMPTE2084, AVCOL_TRC_ARIB_STD_B67
_WHITE = 203.0  # nits of a white sheet of paper in HDR (ITU-R BT.2408), so of an SDR screen's white here
_USUAL_PEAK = 1000.0  # nits; what HDR10 is graded for where nothing is said, and HLG's nominal screen (BT.2100)
_PQ_PEAK = 10000.0
_SCREEN_GAMMA = 2.4  # of an SDR screen (BT.1886)
_POINTS = 49  # of the table along each axis: grays within half a level of the formula, colours so on average

_D65 = (0.3127, 0.3290)
_PRIMARIES = {  # AVCOL_PRI_*: xy of red, green, blue
    1: ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06)),
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
}


def is_hdr(frame: av.VideoFrame) -> bool:
    """Whether the frame is tagged as PQ or HLG."""
    return int(frame.color_trc) in (PQ, HLG)


def tone_map_for(frame: av.VideoFrame) -> LookUp:
    """What turns an HDR film's RGB signals into SDR ones; `frame` is the film's first of that kind."""
    primaries = int(frame.color_primaries)
    axis = np.linspace(0, 1, _POINTS)
    blue, green, red = np.meshgrid(axis, axis, axis, indexing="ij")
    signal = np.stack([red, green, blue], axis=-1)
    return LookUp(to_sdr(signal, int(frame.color_trc), primaries if primaries in _PRIMARIES else 9, peak_of(frame)))


def peak_of(frame: av.VideoFrame) -> float:
    """The brightest light a PQ film was made with, in nits: its brightest pixel, or its mastering screen's white."""
    light = side_data(frame, Type.CONTENT_LIGHT_LEVEL)
    brightest = float(struct.unpack_from("I", light)[0]) if light else 0.0
    screen = side_data(frame, Type.MASTERING_DISPLAY_METADATA)
    if not brightest and screen:  # 6 primaries, 2 of white, least and most luminance, each a fraction
        above, below = struct.unpack_from("2i", screen, 72)
        brightest = above / below if below else 0.0
    return float(np.clip(brightest, _WHITE, _PQ_PEAK)) if brightest else _USUAL_PEAK


def to_sdr(signal: Array, transfer: int, primaries: int, peak: float) -> Array:
    """HDR signals (..., 3) as BT.709 signals for an SDR screen.

    Up to about 90 nits light stays as it is relative to white; above, the curve of BT.2390 bends it to white.
    The brightest of R, G, B is bent and the others go with it, so no hue moves. Colours outside BT.709 lose saturation
    until they fit.
    """
    own = _to_xyz(primaries)
    light = hlg_light(signal, own[1]) if transfer == HLG else pq_light(signal)
    light = light @ (np.linalg.inv(_to_xyz(1)) @ own).T
    luminance = light @ _to_xyz(1)[1]
    lowest = np.minimum(light.min(axis=-1), 0)
    keep = luminance / np.maximum(luminance - lowest, 1e-9)  # of the saturation
    light = np.maximum(luminance[..., None] + (light - luminance[..., None]) * keep[..., None], 0)
    most = np.maximum(light.max(axis=-1, keepdims=True), 1e-9)
    bent = bend(most, _USUAL_PEAK if transfer == HLG else peak)
    return np.asarray(np.clip(light * (bent / most) / _WHITE, 0, 1) ** (1 / _SCREEN_GAMMA))


def bend(light: Array, peak: float) -> Array:
    """Light up to `peak` as light up to white (ITU-R BT.2390, the Hermite spline on PQ signals, black at 0)."""
    if peak <= _WHITE:
        return np.minimum(light, _WHITE)
    white, top = pq_signal(np.array([_WHITE, peak]))
    x, most = np.minimum(pq_signal(light) / top, 1), white / top
    knee = 1.5 * most - 0.5
    t = np.clip((x - knee) / max(1 - knee, 1e-9), 0, 1)  # the knee is at 1 for a peak that is white
    spline = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (3 * t**2 - 2 * t**3) * most
    return pq_light(np.where(x < knee, x, spline) * top)


_M1, _M2 = 2610 / 16384, 2523 / 4096 * 128  # SMPTE ST 2084
_C1, _C2, _C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32


def pq_light(signal: Array) -> Array:
    """The light of PQ signals, in nits (SMPTE ST 2084)."""
    root = signal ** (1 / _M2)
    return np.asarray(_PQ_PEAK * (np.maximum(root - _C1, 0) / (_C2 - _C3 * root)) ** (1 / _M1))


def pq_signal(light: Array) -> Array:
    """The inverse of `pq_light`."""
    root = (np.maximum(light, 0) / _PQ_PEAK) ** _M1
    return np.asarray(((_C1 + _C2 * root) / (1 + _C3 * root)) ** _M2)


def hlg_light(signal: Array, luminance: Array) -> Array:
    """The light of HLG signals (..., 3) on its nominal screen, in nits (BT.2100); `luminance` weighs R, G and B."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
    return np.asarray(_USUAL_PEAK * scene * np.maximum(scene @ luminance, 1e-9)[..., None] ** 0.2)


def _to_xyz(primaries: int) -> Array:
    """The matrix from linear RGB to XYZ with white at Y = 1 (SMPTE RP 177)."""
    columns = np.array([(x / y, 1, (1 - x - y) / y) for x, y in _PRIMARIES[primaries]]).T
    x, y = _D65
    return np.asarray(columns * np.linalg.solve(columns, np.array([x / y, 1, (1 - x - y) / y])))
