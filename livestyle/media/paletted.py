"""Gif: pictures of 256 colours, no closer to each other than players show them."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.container import OutputContainer
from av.packet import Packet
from numpy.typing import NDArray
from PIL import Image as Pillow

from ..frame import Frame, Image
from .encoding import Encoder
from .picture import resize
from .pictures import Pictures
from .reader import FilmReader
from .size import Size

TICK = Fraction(1, 100)  # seconds: all the time a gif can tell
_SHORTEST = 2  # ticks: players show pictures with less for a tenth of a second
_LATEST = Fraction(3, 2)  # ticks; of 60 pictures a second, 50 are left
COLOURS = 256
_AT_THE_EDGES = 160  # of those colours
_SEVERAL = 8  # pixels; what fewer have is no edge
_CLOSE = 3.0  # levels that a cell may be off before more is tried; 4 are allowed
_MENDED = 6  # times
_BEYOND = 8  # times as far as a cell is off, on the other side of it: the colour that it lacks

Palette = NDArray[np.uint8]  # (colours, 3) RGB
Means = NDArray[np.float32]  # (rows, columns, 3) RGB


class GifPictures(Pictures):
    """A gif's pictures: of those that come too soon after each other, the newest is shown at the moment of the first.

    Attributes:
        left_out: how many pictures had to give way.
    """

    def __init__(self, container: OutputContainer, encoder: Encoder, source: FilmReader, size: Size) -> None:
        super().__init__(container, encoder, source, size, tick=TICK)
        self.left_out = 0
        self._newest: av.VideoFrame | None = None
        self._length = 0  # of the newest, in ticks

    def encode(self, frame: Frame) -> Iterable[Packet[Any]]:
        """The packets that are ready: those before the newest picture, which may still have to give way."""
        before, length = self._newest, self._length
        self._newest = paletted(frame.image, self._size)
        time = (frame.time + self._before_zero) / TICK
        earliest = self.last_pts + _SHORTEST if self.last_pts is not None else 0
        if before is not None and earliest - time > _LATEST:
            self.left_out += 1
            before, pts = None, earliest - _SHORTEST
        else:
            pts = max(round(time), earliest)
        self._newest.pts, self._newest.time_base, self.last_pts = pts, TICK, pts
        self._length = max(round(time + frame.length / TICK) - pts, _SHORTEST) if frame.length else 0
        return self._coded(before, length) if before is not None else ()

    def flush(self) -> Iterable[Packet[Any]]:
        """The packets that are left; none if nothing was encoded."""
        newest, self._newest = self._newest, None
        return [*self._coded(newest, self._length), *super().flush()] if newest is not None else ()


def paletted(image: Image, size: Size) -> av.VideoFrame:
    """The image at that size in 256 colours chosen for it, dithered: the mean of an area stays.

    What is left of the difference is spread until colours on both sides of it make up for it, so there must be some:
    an octree's are means, and none lies at the edges of what the picture holds. Where that shows, a second palette is
    tried, then colours are added that lie on the lacking side. On paintings and photographs the worst cell of a 16x9
    grid is up to 3.5 levels off, 9 to 12 with FFmpeg's palettegen.
    """
    resized = resize(image, size)
    best, off = _dithered(resized, palette := _usual(resized, COLOURS))
    if _worst(off) > _CLOSE:
        edges = _edges(resized)
        other, its_off = _dithered(resized, both := np.concatenate([_usual(resized, COLOURS - len(edges)), edges]))
        if _worst(its_off) < _worst(off):
            best, off, palette = other, its_off, both
    for _ in range(_MENDED):
        if _worst(off) <= _CLOSE:
            break
        other, its_off = _dithered(resized, mended := _with_what_lacks(best, palette, resized, off))
        if _worst(its_off) < _worst(off):
            best, off = other, its_off
        palette = mended
    table = np.zeros((COLOURS, 4), np.uint8)  # alpha, red, green, blue
    colours = np.array(best.getpalette(), np.uint8).reshape(-1, 3)
    table[:, 0], table[: len(colours), 1:] = 255, colours
    indices_and_table: Any = (np.asarray(best), table)
    return av.VideoFrame.from_ndarray(indices_and_table, format="pal8")


def _dithered(image: Image, palette: Palette) -> tuple[Pillow.Image, Means]:
    """The image in these colours, and how far each cell's mean is off."""
    chosen = Pillow.new("P", (1, 1))
    chosen.putpalette(palette.ravel().tolist())
    shown = Pillow.fromarray(image).quantize(palette=chosen, dither=Pillow.Dither.FLOYDSTEINBERG)
    return shown, _off(np.asarray(shown.convert("RGB")), image)


def _usual(image: Image, count: int) -> Palette:
    """The colours of which the image has most."""
    octree = Pillow.fromarray(image).quantize(count, method=Pillow.Quantize.FASTOCTREE)
    return np.array(octree.getpalette(), np.uint8).reshape(-1, 3)


def _edges(image: Image) -> Palette:
    """Of the colours in an image, in steps of 17 levels, those that lie farthest apart."""
    steps = (image.astype(np.uint16) + 8) // 17
    counts = np.bincount((steps[..., 0] << 8 | steps[..., 1] << 4 | steps[..., 2]).ravel(), minlength=1 << 12)
    found = np.flatnonzero(counts >= min(_SEVERAL, counts.max()))
    colours = np.stack([found >> 8, found >> 4 & 15, found & 15], axis=1) * 17
    at = int(((colours - colours.mean(axis=0)) ** 2).sum(axis=1).argmax())
    chosen, distance = [at], ((colours - colours[at]) ** 2).sum(axis=1)
    while len(chosen) < min(_AT_THE_EDGES, len(colours)):
        at = int(distance.argmax())
        chosen.append(at)
        distance = np.minimum(distance, ((colours - colours[at]) ** 2).sum(axis=1))
    return colours[chosen].astype(np.uint8)


def _with_what_lacks(shown: Pillow.Image, palette: Palette, image: Image, off: Means) -> Palette:
    """The palette with colours that the worst cells lack in the place of those that are used least."""
    bad = off[np.abs(off).max(axis=2) > _CLOSE / 2]
    means = -_off(np.zeros_like(image), image)[np.abs(off).max(axis=2) > _CLOSE / 2]
    lacking = (means - _BEYOND * bad).clip(0, 255).round().astype(np.uint8)[: len(palette) // 4]
    used = np.bincount(np.asarray(shown).ravel(), minlength=len(palette))
    mended = palette.copy()
    mended[np.argsort(used)[: len(lacking)]] = lacking
    return mended


def _off(shown: Image, wanted: Image) -> Means:
    """How far the mean colour of each cell of a 16x9 grid is off, in levels."""
    off = shown.astype(np.int16) - wanted
    rows, columns = (_cuts(side, cells) for side, cells in zip(off.shape, (9, 16), strict=False))
    sums = np.add.reduceat(np.add.reduceat(off, rows[:-1], axis=0, dtype=np.int32), columns[:-1], axis=1)
    pixels = np.diff(rows)[:, None] * np.diff(columns)
    off_means: Means = (sums / pixels[..., None]).astype(np.float32)
    return off_means


def _worst(off: Means) -> float:
    return float(np.abs(off).max())


def _cuts(side: int, cells: int) -> NDArray[np.int64]:
    cells = min(side, cells)
    return np.arange(cells + 1) * side // cells
