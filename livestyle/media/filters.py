"""Frames through FFmpeg's filters: deinterlacing, and colour by a look-up table."""

from __future__ import annotations

import os
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.filter import Graph
from numpy.typing import NDArray

# A picture's work is a few ms of one core at 640x360: threads would only get in the engine's way. Large frames gain.
_THREADS_FROM_PIXELS = 1920 * 1080


def threads_for(pixels: int) -> int:
    """How many threads a conversion of that many pixels is worth."""
    return min(4, os.cpu_count() or 1) if pixels >= _THREADS_FROM_PIXELS else 1


class Filter:
    """One of FFmpeg's filters for frames of one size and format: as many come out as go in, each with its own time.

    Raises ValueError or av.FFmpegError if FFmpeg cannot do it for such frames.
    """

    def __init__(self, template: av.VideoFrame, name: str, **options: str) -> None:
        self._kind = _kind(template)
        self._moments: deque[tuple[int | None, Fraction | None]] = deque()
        self._count = 0
        self._graph = Graph()
        self._graph.threads = threads_for(template.width * template.height)
        source = self._graph.add(
            "buffer",
            video_size=f"{template.width}x{template.height}",
            pix_fmt=template.format.name,
            time_base="1/1000",
            pixel_aspect="1/1",
            colorspace=str(int(template.colorspace)),
            range=str(int(template.color_range)),
        )
        self._graph.link_nodes(source, self._graph.add(name, **options), self._graph.add("buffersink"))
        self._graph.configure()

    def fits(self, frame: av.VideoFrame) -> bool:
        """Whether it was made for such frames."""
        return _kind(frame) == self._kind

    def feed(self, frame: av.VideoFrame) -> Iterator[av.VideoFrame]:
        """What comes out when `frame` goes in."""
        self._moments.append((frame.pts, frame.time_base))
        # Numbered: a frame without a timestamp, or with one that goes back, would confuse the filter.
        frame.pts, frame.time_base = self._count, Fraction(1, 1000)
        self._count += 1
        self._graph.push(frame)
        return self._waiting()

    def drain(self) -> Iterator[av.VideoFrame]:
        """What is left after the last frame."""
        self._graph.push(None)
        return self._waiting()

    def _waiting(self) -> Iterator[av.VideoFrame]:
        while self._moments:
            try:
                frame = self._graph.vpull()
            except (av.BlockingIOError, av.EOFError):
                return
            frame.pts, time_base = self._moments.popleft()
            if time_base is not None:
                frame.time_base = time_base
            yield frame


def _kind(frame: av.VideoFrame) -> tuple[object, ...]:
    return frame.width, frame.height, frame.format.name, int(frame.colorspace), int(frame.color_range)


def deinterlaced(frames: Iterable[av.VideoFrame], say: Callable[[str], object]) -> Iterator[av.VideoFrame]:
    """The frames, each at its own time; those flagged as interlaced as whole pictures.

    Nothing is done before the first of them. `say` is told once that there is one, or why it stays as it is.
    """
    working: Filter | None = None
    told = False
    for frame in frames:
        if working is not None and not working.fits(frame):
            yield from working.drain()
            working = None
        if working is None and frame.interlaced_frame:
            working = _deinterlacer(frame)
            if not told:
                able = f"{frame.width}x{frame.height} {frame.format.name} cannot be deinterlaced"
                say("interlaced; deinterlaced" if working else f"interlaced; {able}")
                told = True
        if working is None:
            yield frame
        else:
            yield from working.feed(frame)
    if working is not None:
        yield from working.drain()


def _deinterlacer(frame: av.VideoFrame) -> Filter | None:
    try:
        return Filter(frame, "bwdif", mode="send_frame", deint="interlaced")
    except (ValueError, av.FFmpegError):  # fewer than 4 rows, or no planar format near it
        return None


class LookUp:
    """Colours by a table: `table[b, g, r]` is the RGB in [0,1] that an RGB signal on its n x n x n grid becomes."""

    def __init__(self, table: NDArray[np.float64]) -> None:
        self._table = table
        self._filter: Filter | None = None

    def __call__(self, frame: av.VideoFrame) -> av.VideoFrame:
        """The frame's colours looked up; a planar RGB format of 16 bits is the fast one."""
        if self._filter is None or not self._filter.fits(frame):
            self._filter = self._made_for(frame)
        (found,) = self._filter.feed(frame)
        return found

    def _made_for(self, frame: av.VideoFrame) -> Filter:
        points = self._table.shape[0]
        with tempfile.TemporaryDirectory(prefix="livestyle-") as folder:  # FFmpeg reads tables from files only
            path = Path(folder) / "table.cube"
            np.savetxt(path, self._table.reshape(-1, 3), "%.6f", header=f"LUT_3D_SIZE {points}", comments="")
            return Filter(frame, "lut3d", file=str(path), interp="tetrahedral")
