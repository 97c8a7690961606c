"""The colours of two films, for renders with the style `none`: mean RGB over a grid of cells."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice, pairwise
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from ..media.filters import deinterlaced
from ..media.orientation import orientation_of
from ..media.sequence import is_sequence
from ..media.size import Size
from .check import Check, check, skipped
from .facts import Facts, all_frames, is_full
from .picture import HDR, is_padded

Means = NDArray[np.float64]
Pixels = NDArray[np.int64]  # numbers of rows or columns

GRID = Size(16, 9)  # cells
_SMALLEST = 8  # pixels: in smaller cells, what neighbours share of their colour would count
LEVELS = 4.0  # of 255: what lossy coding may change of a cell's mean
_PLANAR = {"nv12": "yuv420p", "p010le": "yuv420p10le", "yuyv422": "yuv422p", "uyvy422": "yuv422p"}
_HD_HEIGHT = 720  # untagged films are taken for bt709 from here on, as players do
_KR_KB = {1: (0.2126, 0.0722), 4: (0.3, 0.11), 7: (0.212, 0.087), 9: (0.2627, 0.0593), 10: (0.2627, 0.0593)}  # H.273
_KR_KB_601 = (0.299, 0.114)


def colour_check(a: Facts, b: Facts, samples: int) -> Check:
    """Whether the films show the same colours in some frames, spread evenly."""
    if a.transfer in HDR and b.transfer not in HDR:
        return skipped("picture", "tone-mapped")
    last = min(a.frames, b.frames) - 1
    samples = min(samples, last + 1)
    chosen = sorted({round(i * last / max(samples - 1, 1)) for i in range(samples)})
    smaller = (min(sides) for sides in zip(a.upright, b.upright, strict=True))
    grid = Size(*(min(most, max(1, side // _SMALLEST)) for most, side in zip(GRID, smaller, strict=True)))
    # What was added to make a side even is not compared.
    shown = (a.size, b.orientation.shown(a.upright) if is_padded(a.upright, b.upright) else b.size)
    worst, at, compared = 0.0, 0, 0
    share = _shared_by(b) == 2 and _shared_by(a) == 1
    pairs = zip(grids(a, chosen, shown[0], grid, share=share), grids(b, chosen, shown[1], grid), strict=False)
    for index, (before, after) in zip(chosen, pairs, strict=False):
        if before is not None and after is not None:
            off, compared = float(np.abs(before - after).max()), compared + 1
            worst, at = (off, index) if off > worst else (worst, at)
    detail = f"worst cell {worst:.1f} levels off in frame {at}, of {compared} frames; allowed {LEVELS:g}"
    of_256_colours = b.path.suffix.lower() == ".gif"
    return check("picture", worst <= LEVELS, detail, must=not of_256_colours)


def _shared_by(film: Facts) -> int:
    """How many pixels, one beside the other, have one colour."""
    return 2 // av.VideoFormat(film.format).chroma_width(2)


def grids(film: Facts, chosen: list[int], crop: Size, grid: Size, *, share: bool = False) -> Iterator[Means | None]:
    """The chosen frames' mean colours, upright and deinterlaced; `crop` is what counts of the picture as coded.

    None for a frame of another size than the first: what is in a cell of it depends on how it is scaled.
    """
    wanted = set(chosen)
    for index, frame in enumerate(islice(deinterlaced(all_frames(film.path), _ignore), max(chosen) + 1)):
        if index in wanted:
            orientation = orientation_of(frame) if is_sequence(film.path) else film.orientation
            if orientation.shown(Size(frame.width, frame.height)) == film.upright:
                counts = orientation.shown(film.orientation.shown(crop))
                means: Any = mean_colours(frame, counts, orientation.shown(grid), share=share)
                yield np.asarray(orientation.apply(means), np.float64)
            else:
                yield None


def _ignore(what: str) -> None:
    pass


def mean_colours(frame: av.VideoFrame, crop: Size, grid: Size, *, share: bool = False) -> Means:
    """Mean RGB in each cell, over black where it is transparent; with `share` as if four pixels had one colour.

    By H.273's formulas and not by the scaler that livestyle uses, whose mistakes both films would share.
    """
    frame = _readable(frame)
    width, height = min(crop.width, frame.width), min(crop.height, frame.height)
    down, across = _cuts(height, grid.height), _cuts(width, grid.width)
    means = []
    for top, bottom in pairwise(down):  # a row of cells at a time: large frames would fill the memory
        first, last = (top - top % 2, min(bottom + bottom % 2, height)) if share else (top, bottom)
        rgb = _rgb(frame, np.arange(first, last), np.arange(width))
        rgb = _shared(rgb)[top - first : bottom - first] if share else rgb
        means.append(
            np.add.reduceat(rgb.sum(axis=0), across[:-1], axis=0) / ((bottom - top) * np.diff(across)[:, None])
        )
    return np.stack(means) * 255


def _cuts(side: int, cells: int) -> Pixels:
    """Where a side is cut; the same from both ends, so that a picture may be turned."""
    first = np.arange(cells + 1) * side // cells
    return np.asarray(np.where(np.arange(cells + 1) * 2 <= cells, first, side - first[::-1]))


def _readable(frame: av.VideoFrame) -> av.VideoFrame:
    """The frame as planes of YUV or as RGBA; no code is changed on the way."""
    name = frame.format.name
    if name.startswith(("yuv", "gray")) and name.endswith(("p", "le", "gray")):
        return frame
    other = frame.reformat(format=_PLANAR.get(name, "rgba"))
    other.colorspace, other.color_range = frame.colorspace, frame.color_range
    return other


def _rgb(frame: av.VideoFrame, rows: Pixels, columns: Pixels) -> Means:
    """Some of the frame as RGB from 0 to 1; colour that pixels share is repeated for each of them."""
    if frame.format.name == "rgba":
        rgba = frame.to_ndarray()[rows[0] : rows[-1] + 1, : len(columns)] / 255.0
        return np.asarray(rgba[..., :3] * rgba[..., 3:])
    planes = [_plane(frame, index, rows, columns) for index in range(len(frame.format.components))]
    step, full = 2.0 ** (max(component.bits for component in frame.format.components) - 8), is_full(frame)
    top = 256 * step - 1
    y = planes[0] / top if full else (planes[0] - 16 * step) / (219 * step)
    colour = planes[1:3] if len(planes) >= 3 else [np.full_like(y, 128 * step)] * 2
    u, v = ((plane - 128 * step) / (top if full else 224 * step) for plane in colour)
    kr, kb = _weights(frame)
    red, blue = y + 2 * (1 - kr) * v, y + 2 * (1 - kb) * u
    green = (y - kr * red - kb * blue) / (1 - kr - kb)
    rgb = np.clip(np.stack([red, green, blue], axis=2), 0, 1)
    return rgb * (planes[3] / top)[..., None] if len(planes) == 4 else rgb


def _shared(rgb: Means) -> Means:
    """The picture as 4:2:0 holds it: of the means of four, what is too bright or too dark for RGB is lost."""
    kr, kb = _KR_KB_601
    y = rgb @ np.array([kr, 1 - kr - kb, kb])
    red, blue = (_halved(rgb[..., at] - y) for at in (0, 2))
    green = y - (kr * red + kb * blue) / (1 - kr - kb)
    return np.asarray(np.clip(np.stack([y + red, green, y + blue], axis=2), 0, 1))


def _halved(colour: Means) -> Means:
    """The mean of each four, in the place of each of them."""
    height, width = colour.shape
    even = np.pad(colour, ((0, height % 2), (0, width % 2)), mode="edge")
    means = even.reshape(even.shape[0] // 2, 2, even.shape[1] // 2, 2).mean(axis=(1, 3))
    return np.asarray(means.repeat(2, axis=0).repeat(2, axis=1)[:height, :width])


def _weights(frame: av.VideoFrame) -> tuple[float, float]:
    matrix = int(frame.colorspace)
    if matrix == 2 and frame.height >= _HD_HEIGHT:
        matrix = 1
    return _KR_KB.get(matrix, _KR_KB_601)


def _plane(frame: av.VideoFrame, index: int, rows: Pixels, columns: Pixels) -> Means:
    """A plane's codes at the picture's own pixels."""
    plane, deep = frame.planes[index], frame.format.components[index].bits > 8
    codes = np.frombuffer(memoryview(plane), np.uint16 if deep else np.uint8).reshape(plane.height, -1)
    # A plane's side is the picture's, or a half or a quarter of it, rounded up.
    down, across = -(-frame.height // plane.height), -(-frame.width // plane.width)
    return codes[np.ix_(rows // down, columns // across)].astype(np.float64)
