"""The film's measures and the tools to paint with: noise, colour, layers, outlines and a brush."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

Array = NDArray[np.floating[Any]]
Points = list[tuple[float, float]]
Colour = tuple[float, float, float]

WIDTH_PX, HEIGHT_PX, FPS, FRAMES, SUPERSAMPLE = 640, 360, 30, 150, 2
W, H = WIDTH_PX * SUPERSAMPLE, HEIGHT_PX * SUPERSAMPLE  # lengths are in these supersampled pixels, times in s
HORIZON, SUN_X, SUN_Y, NEAR_SPEED = 344, 800, 226, 1.0  # NEAR_SPEED: how far the foreground pans each frame
WIDE = W + int(FRAMES * NEAR_SPEED) + 2


def fractal_noise(
    rng: np.random.Generator, rows: int, cols: int, power: float, stretch: float = 1.0, longest_px: float = 1e9
) -> Array:
    """Tileable noise of mean 0 and deviation 1 whose amplitude falls as 1/frequency**power, but not below longest."""
    fy, fx = np.fft.fftfreq(rows)[:, None], np.fft.rfftfreq(cols)[None, :] * stretch
    frequency = np.maximum(np.hypot(fy, fx), 1.0 / min(max(rows, cols), longest_px))
    noise = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((rows, cols))) / frequency**power, s=(rows, cols))
    return np.asarray((noise - noise.mean()) / noise.std(), np.float32)


def smoothstep(low: float, high: float, value: Array) -> Array:
    """0 below low, 1 above high, and a smooth ramp between."""
    ramp = np.clip((value - low) / (high - low), 0, 1)
    return np.asarray(ramp * ramp * (3 - 2 * ramp), np.float32)


def mix(first: Array | Colour, second: Array | Colour, share: Array) -> Array:
    """Colours between the first (share 0) and the second (share 1), one for each pixel of share."""
    a, b = np.asarray(first, np.float32), np.asarray(second, np.float32)
    return np.asarray(a + (b - a) * share[..., None], np.float32)


def with_alpha(rgb: Array, alpha: Array) -> Array:
    """Premultiplied RGBA of a picture and its cover."""
    return np.asarray(np.concatenate([rgb * alpha[..., None], alpha[..., None]], axis=2), np.float32)


def over(frame: Array, rgba: Array, top: int, left: int = 0) -> None:
    """Lays a premultiplied picture over the frame at a place, cutting what falls outside."""
    y0, x0 = max(top, 0), max(left, 0)
    rgba = rgba[y0 - top : frame.shape[0] - top, x0 - left : frame.shape[1] - left]
    part = frame[y0 : y0 + rgba.shape[0], x0 : x0 + rgba.shape[1]]
    part *= 1 - rgba[..., 3:]
    part += rgba[..., :3]


@dataclass(frozen=True)
class Layer:
    """A premultiplied RGBA picture wider than the frame, its top row, and how far it pans each frame."""

    rgba: Array
    top: int
    speed: float

    def view(self, index: int) -> Array:
        """The part the camera sees at a frame, shifted by a fraction of a pixel where needed."""
        whole, part = divmod(self.speed * index, 1.0)
        left = int(whole)
        view: Array = self.rgba[:, left : left + W] * (1 - part) + self.rgba[:, left + 1 : left + 1 + W] * part
        return np.asarray(view, np.float32)

    def paint(self, frame: Array, index: int) -> None:
        """Lays what the camera sees over the frame of that index."""
        over(frame, self.view(index), self.top)


def smooth(points: Points) -> Points:
    """The closed outline with its corners rounded (Chaikin's cutting, three times)."""
    ring = np.asarray(points, np.float32)
    for _ in range(3):
        following = np.roll(ring, -1, axis=0)
        ring = np.stack([0.75 * ring + 0.25 * following, 0.25 * ring + 0.75 * following], axis=1).reshape(-1, 2)
    return [(float(x), float(y)) for x, y in ring]


def limb(start: tuple[float, float], end: tuple[float, float], thick: float, thin: float) -> Points:
    """The outline of an arm, a neck, a lock of hair: a tapered stick from start to end."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    nx, ny = -dy / (np.hypot(dx, dy) + 1e-6), dx / (np.hypot(dx, dy) + 1e-6)
    return [
        (start[0] + nx * thick, start[1] + ny * thick),
        (end[0] + nx * thin, end[1] + ny * thin),
        (end[0] + dx * 0.06, end[1] + dy * 0.06),
        (end[0] - nx * thin, end[1] - ny * thin),
        (start[0] - nx * thick, start[1] - ny * thick),
    ]


def oval(x: float, y: float, rx: float, ry: float) -> Points:
    """The outline of an ellipse."""
    return [(x + rx * float(np.cos(a)), y + ry * float(np.sin(a))) for a in np.linspace(0, 2 * np.pi, 24, False)]


def box(left: float, low: float, right: float, high: float) -> Points:
    """The outline of an upright rectangle."""
    return [(left, low), (right, low), (right, high), (left, high)]


class Brush:
    """Paints outlines as rounded, textured, sunlit bodies onto an RGB or RGBA canvas."""

    def __init__(self, canvas: Array, origin: tuple[float, float], weave: Array) -> None:
        self.canvas, self.origin, self.weave = canvas, origin, weave

    def body(self, outline: Points, colour: Colour, puff: float, relief: float = 1.0, grain: float = 0.05) -> None:
        """Fills an outline; puff is the radius of its rounding, relief the strength of light and shade."""
        points = [(x + self.origin[0], y + self.origin[1]) for x, y in outline]
        x0, y0, x1, y1 = self._bounds(points, int(puff) + 3)
        if x1 - x0 < 3 or y1 - y0 < 3:
            return
        flat = Image.new("L", (x1 - x0, y1 - y0))
        ImageDraw.Draw(flat).polygon([(x - x0, y - y0) for x, y in points], fill=255)
        mask = np.asarray(flat.filter(ImageFilter.GaussianBlur(0.7)), np.float32)[..., None] / 255
        rise_y, rise_x = np.gradient(np.asarray(flat.filter(ImageFilter.GaussianBlur(puff)), np.float32) / 255 * puff)
        sun = relief * (0.9 * rise_y - 1.3 * rise_x) + grain * self.weave[: y1 - y0, : x1 - x0]
        paint = np.ones((y1 - y0, x1 - x0, self.canvas.shape[2]), np.float32)
        paint[..., :3] = np.asarray(colour, np.float32) * np.clip(1 + sun[..., None] * (1.15, 1.0, 0.8), 0.25, 2.0)
        part = self.canvas[y0:y1, x0:x1]
        part += mask * (paint - part)

    def _bounds(self, points: Points, pad: int) -> tuple[int, int, int, int]:
        """Left, top, right and bottom of the padded outline, cut to the canvas."""
        xs, ys = [x for x, _ in points], [y for _, y in points]
        right, bottom = min(int(max(xs)) + pad, self.canvas.shape[1]), min(int(max(ys)) + pad, self.canvas.shape[0])
        return max(int(min(xs)) - pad, 0), max(int(min(ys)) - pad, 0), right, bottom
