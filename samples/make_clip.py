"""Renders the project's sample film: from a windy cliff someone waves to a boat sailing across a bay at dusk.

Everything is computed from one seed with NumPy and Pillow (there is no source picture), then encoded by PyAV.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

Array = NDArray[np.floating[Any]]
Points = list[tuple[float, float]]
Colour = tuple[float, float, float]

WIDTH_PX, HEIGHT_PX, FPS, FRAMES, SUPERSAMPLE = 640, 360, 30, 150, 2
AUDIO_HZ, SEED = 48_000, 1889
W, H = WIDTH_PX * SUPERSAMPLE, HEIGHT_PX * SUPERSAMPLE  # lengths below are in these supersampled pixels, times in s
HORIZON, SUN_X, SUN_Y, NEAR_SPEED = 344, 800, 226, 1.0  # NEAR_SPEED: how far the foreground pans each frame
WIDE = W + int(FRAMES * NEAR_SPEED) + 2


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


@dataclass(frozen=True)
class Strokes:
    """Blades of grass, leaves or flower stems: one row per stroke, drawn in the order given."""

    base: Array  # x, y
    reach: Array  # tip minus base at rest
    width: Array
    flex: Array  # how far the wind bends the tip
    phase: Array
    colour: Array
    flower: Array  # radius of a blossom at the tip, 0 for none


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


def sky_layer(rng: np.random.Generator) -> Layer:
    """The evening sky: blue above, gold at the horizon, the sun and its glow."""
    y, _ = np.mgrid[0:HORIZON, 0:WIDE].astype(np.float32)
    height = 1 - y / HORIZON + 0.015 * fractal_noise(rng, HORIZON, WIDE, 1.6, 0.3)
    rgb = mix(
        mix((0.99, 0.78, 0.52), (0.62, 0.73, 0.82), smoothstep(0.0, 0.45, height)),
        (0.13, 0.30, 0.58),
        smoothstep(0.25, 1.05, height),
    )
    return Layer(with_alpha(rgb, np.ones_like(y)), 0, 0.05)


def sunshine() -> Array:
    """The light that the sun and its glow add to the sky."""
    y, x = np.mgrid[0:HORIZON, 0:W].astype(np.float32)
    distance = np.hypot(x - SUN_X, y - SUN_Y)
    disc = smoothstep(33, 29, distance)[..., None] * np.array([0.6, 0.55, 0.40], np.float32)
    return np.asarray(disc + np.exp(-distance / 120)[..., None] * (0.50, 0.30, 0.08), np.float32)


def cloud_layer(rng: np.random.Generator) -> Layer:
    """Clouds in perspective, bright on the side of the sun and mauve beneath."""
    y, x = np.mgrid[0:HORIZON, 0:WIDE].astype(np.float32)
    noise = fractal_noise(rng, 1024, 2048, 1.55)
    far = 120 / (HORIZON + 70 - y)
    u, v = (x - 640) * (0.35 + far) * 0.8, 1150 * far

    def density(du: float, dv: float) -> Array:
        return np.asarray(noise[(v + dv).astype(int) % 1024, (u + du).astype(int) % 2048])

    here = density(0, 0)
    lit = np.clip(0.45 + 0.55 * (here - 0.5 * density(14, 8) - 0.5 * density(30, 18)), 0, 1)
    lit = np.clip(lit + 0.35 * np.exp(-np.hypot(x - SUN_X, y - SUN_Y) / 200) - 0.2 * smoothstep(0.6, 2.2, here), 0, 1)
    rgb = mix((0.47, 0.46, 0.60), (1.0, 0.93, 0.80), lit)
    alpha = smoothstep(0.05, 1.1, here) * 0.94 * smoothstep(HORIZON, HORIZON - 90, y)
    return Layer(with_alpha(rgb, alpha), 0, 0.55)


def terrain(height: Array, tilt: float, palette: tuple[Colour, Colour, Colour], rough: Array, snow: float) -> Array:
    """A height field (depth, width) seen at a slant, lit from the right, as RGBA rows ending at the waterline."""
    depth, width = height.shape
    slope_z, slope_x = np.gradient(height)
    light = np.clip(0.42 - 0.30 * slope_x - 0.10 * slope_z + 0.07 * rough, 0.0, 1.0)
    steep = smoothstep(0.5, 2.0, np.hypot(slope_x, slope_z) + 0.25 * rough)
    ground = mix(mix(palette[0], palette[1], smoothstep(-1.0, 1.0, rough)), palette[2], steep)
    ground = mix(ground, (0.97, 0.95, 0.95), smoothstep(snow, snow + 22, height + 9 * rough) * (1 - 0.6 * steep))
    shaded = ground * mix((0.42, 0.46, 0.66), (1.30, 1.12, 0.88), light)
    seen = np.maximum.accumulate(height + tilt * np.arange(depth, dtype=np.float32)[:, None], axis=0)
    tall = int(seen.max()) + 2
    level = np.arange(tall, 0, -1)
    hit = np.stack([np.searchsorted(seen[:, x], level) for x in range(width)], axis=1)
    rgb = shaded[np.minimum(hit, depth - 1), np.arange(width)]
    return with_alpha(rgb, (hit < depth).astype(np.float32))


def ridged(rng: np.random.Generator, depth: int, width: int) -> Array:
    """Mountain relief from 0 to about 1, with sharp crests and eroded flanks."""
    big, mid, small = (fractal_noise(rng, depth, width, p, 0.8) for p in (2.6, 2.2, 1.8))
    return np.asarray(0.55 * np.exp(-np.abs(big) * 1.3) + 0.3 * np.exp(-np.abs(mid) * 1.6) + 0.06 * small, np.float32)


def mountain_layers(rng: np.random.Generator) -> list[Layer]:
    """A snowy range far off and wooded hills before it, each paler the farther it is."""
    x = np.arange(WIDE, dtype=np.float32)
    z = np.linspace(0, 1, 260, dtype=np.float32)[:, None]
    peaks = 70 + 130 * np.exp(-(((x - 430) / 190) ** 2)) + 75 * np.exp(-(((x - 1130) / 200) ** 2))
    range_ = ridged(rng, 260, WIDE) * peaks * smoothstep(0, 0.7, z) * 1.2
    hills = ridged(rng, 260, WIDE) * (64 + 26 * np.sin(x / 170 + 1)) * smoothstep(0, 0.5, z)
    layers = []
    for height, palette, snow, haze, speed in (
        (range_, ((0.36, 0.42, 0.42), (0.46, 0.46, 0.44), (0.50, 0.44, 0.44)), 88.0, 0.28, 0.12),
        (hills, ((0.22, 0.36, 0.22), (0.42, 0.45, 0.22), (0.45, 0.38, 0.30)), 400.0, 0.14, 0.22),
    ):
        rgba = terrain(height, 0.06, palette, fractal_noise(rng, 260, WIDE, 0.9), snow)
        fade = haze + (0.8 - haze) * smoothstep(60, 0, np.arange(len(rgba), 0, -1, dtype=np.float32))[:, None]
        hazy = mix(rgba[..., :3], (0.80, 0.74, 0.74), np.broadcast_to(fade, rgba.shape[:2]))
        layers.append(Layer(with_alpha(hazy, rgba[..., 3]), HORIZON + 1 - len(rgba), speed))
    return layers


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


class Brush:
    """Paints outlines as rounded, textured, sunlit bodies onto an RGB or RGBA canvas."""

    def __init__(self, canvas: Array, origin: tuple[float, float], weave: Array) -> None:
        self.canvas, self.origin, self.weave = canvas, origin, weave

    def body(self, outline: Points, colour: Colour, puff: float, relief: float = 1.0, grain: float = 0.05) -> None:
        """Fills an outline; puff is the radius of its rounding, relief the strength of light and shade."""
        points = [(x + self.origin[0], y + self.origin[1]) for x, y in outline]
        xs, ys = [p[0] for p in points], [p[1] for p in points]
        pad = int(puff) + 3
        x0, y0 = max(int(min(xs)) - pad, 0), max(int(min(ys)) - pad, 0)
        x1, y1 = min(int(max(xs)) + pad, self.canvas.shape[1]), min(int(max(ys)) + pad, self.canvas.shape[0])
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


def headland_layer(rng: np.random.Generator, weave: Array) -> Layer:
    """A rocky cape with a village on its slope and a lighthouse at its tip."""
    x = np.arange(WIDE, dtype=np.float32)
    z = np.linspace(0, 1, 200, dtype=np.float32)[:, None]
    shape = smoothstep(880, 930, x) * (26 + 120 * smoothstep(930, 1330, x)) * (0.35 + 0.65 * smoothstep(0, 0.9, z))
    height = shape * (0.8 + 0.35 * ridged(rng, 200, WIDE)) * smoothstep(0, 0.12, z) - 4 * (1 - smoothstep(870, 900, x))
    palette = ((0.27, 0.42, 0.20), (0.55, 0.52, 0.26), (0.58, 0.46, 0.36))
    land = terrain(height, 0.0, palette, fractal_noise(rng, 200, WIDE, 0.8), 400.0)
    rgba = np.concatenate([np.zeros((90, WIDE, 4), np.float32), land])
    ground = len(rgba) - land[..., 3].sum(axis=0)
    brush = Brush(rgba, (0, 0), weave)
    spots = sorted((float(rng.random()), float(rng.uniform(1000, 1428))) for _ in range(64))
    for number, (down, x_spot) in enumerate(spots):
        foot = float(ground[int(x_spot)]) + 3 + down * 0.62 * float(len(rgba) - 24 - ground[int(x_spot)])
        if number % 2:
            paint_house(brush, rng, x_spot, foot)
        else:
            paint_bush(brush, rng, x_spot, foot)
    foot = float(ground[935]) + 5
    for step in range(5):
        wide = 13 - step * 1.1
        shade: Colour = (0.93, 0.90, 0.86) if step % 2 == 0 else (0.72, 0.20, 0.16)
        brush.body(
            [
                (935 - wide, foot - 19 * step),
                (935 + wide, foot - 19 * step),
                (936 + wide - 1.1, foot - 19 * step - 20),
                (934 - wide + 1.1, foot - 19 * step - 20),
            ],
            shade,
            6,
        )
    brush.body([(923, foot - 94), (947, foot - 94), (947, foot - 98), (923, foot - 98)], (0.25, 0.22, 0.24), 2)
    brush.body([(928, foot - 98), (942, foot - 98), (942, foot - 112), (928, foot - 112)], (1.0, 0.88, 0.50), 3)
    brush.body([(924, foot - 111), (946, foot - 111), (935, foot - 124)], (0.60, 0.17, 0.14), 4)
    return Layer(rgba, HORIZON + 20 - len(rgba), 0.42)


def paint_bush(brush: Brush, rng: np.random.Generator, x: float, foot: float) -> None:
    """A dark cypress or a round olive tree."""
    slim = bool(rng.random() < 0.4)
    rx, ry = (5.0, 17.0) if slim else (12.0, 10.0)
    for _ in range(6):
        shade = float(rng.uniform(0.7, 1.3))
        dx, dy = rng.normal(0, rx / 3), rng.normal(0, ry / 3)
        leaf: Colour = (0.17 * shade, 0.29 * shade, 0.15 * shade)
        brush.body(oval(x + dx, foot - ry + dy, rx * 0.7, ry * 0.6), leaf, 4, 1.3, 0.15)


def paint_house(brush: Brush, rng: np.random.Generator, x: float, foot: float) -> None:
    """A small house: sunlit gable wall, shaded front, tiled roof, two windows."""
    wide, tall = rng.uniform(13, 21), rng.uniform(13, 18)
    wall = float(rng.uniform(0.8, 1.0))
    roof = (float(rng.uniform(0.52, 0.72)), float(rng.uniform(0.24, 0.36)), 0.20)
    brush.body(
        [(x, foot), (x + wide, foot), (x + wide, foot - tall), (x, foot - tall)],
        (0.74 * wall, 0.68 * wall, 0.70 * wall),
        2,
    )
    brush.body(
        [
            (x + wide, foot),
            (x + wide + 8, foot - 2),
            (x + wide + 8, foot - tall),
            (x + wide + 4, foot - tall - 9),
            (x + wide, foot - tall),
        ],
        (1.0 * wall, 0.92 * wall, 0.74 * wall),
        2,
    )
    brush.body(
        [(x - 2, foot - tall), (x + wide, foot - tall), (x + wide + 4, foot - tall - 10), (x + 3, foot - tall - 10)],
        roof,
        2,
    )
    for window in (0.25, 0.65):
        left = x + wide * window
        brush.body(
            [(left, foot - 4), (left + 3, foot - 4), (left + 3, foot - 10), (left, foot - 10)],
            (0.98, 0.78, 0.36) if rng.random() < 0.4 else (0.25, 0.24, 0.32),
            1,
        )


def mirrored(rgba: Array, second: float) -> Array:
    """The wobbling, fading reflection of a picture in the water under it."""
    rows = np.arange(len(rgba), dtype=np.float32)
    shift = (2.2 * np.sin(rows * 0.55 + second * 5) + 2.6 * np.sin(rows * 0.21 - second * 3.4)) * (0.4 + rows / 90)
    cols = np.clip(np.arange(rgba.shape[1]) + shift[:, None].astype(int), 0, rgba.shape[1] - 1)
    fade = np.clip(0.62 - 0.6 * rows / len(rgba), 0, 1)[:, None, None]
    return np.take_along_axis(rgba[::-1], cols[..., None], axis=1) * fade.astype(np.float32)


class Sea:
    """Waves in perspective that mirror what stands above the horizon and glitter under the sun."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.noise = fractal_noise(rng, 1024, 1024, 1.7, 1.5, 36)
        self.y, self.x = np.mgrid[0 : H - HORIZON, 0:W].astype(np.float32)
        self.depth = 1 / (self.y + 50)
        self.near = np.sqrt(np.clip(self.y / 300, 0, 1))

    def waves(self, second: float, pan: float) -> Array:
        """The slope of the water at every pixel, small far off."""
        u, v = (self.x - 640 + pan) * self.depth * 90, self.depth * 45000
        total: Array = np.zeros_like(self.x)
        fine = smoothstep(0, 90, self.y)
        trains = ((1.0, 22, 34, 0.35 + 0.3 * fine), (2.3, -34, 50, 0.5 * fine), (0.37, 10, 22, 0.5 + 0 * fine))
        for scale, du, dv, strength in trains:
            rows = (v * scale + dv * second + 300 * scale).astype(np.int32) & 1023
            cols = (u * scale + du * second).astype(np.int32) & 1023
            total += strength * self.noise[rows, cols]
        return total

    def paint(self, frame: Array, second: float, pan: float) -> Array:
        """Paints the water below the horizon and hands back its slopes."""
        slope = self.waves(second, pan)
        rows = np.clip(HORIZON - 2 - self.y * 0.92 + slope * (3 + 26 * self.near), 0, HORIZON - 1).astype(np.int32)
        cols = np.clip(self.x + slope * (1 + 9 * self.near), 0, W - 1).astype(np.int32)
        mirror = frame[rows, cols]
        deep = mix((0.10, 0.33, 0.42), (0.20, 0.50, 0.54), smoothstep(-1.2, 1.4, slope))
        frame[HORIZON:] = mirror + (deep - mirror) * np.clip(0.22 + 0.38 * self.near - 0.12 * slope, 0, 1)[..., None]
        return slope

    def glitter(self, frame: Array, slope: Array) -> None:
        """Adds the path of sparks under the sun and the foam of a few crests."""
        path = np.exp(-(((self.x - SUN_X + 8 * slope) / (46 + 0.62 * self.y)) ** 2))
        spark = smoothstep(0.9, 1.9, slope + 0.8 * path) * path
        foam = smoothstep(1.75, 2.3, slope) * self.near * 0.55
        frame[HORIZON:] += spark[..., None] * np.array([0.95, 0.72, 0.40], np.float32)
        frame[HORIZON:] += foam[..., None] * (0.95 - frame[HORIZON:])


def boat(second: float, weave: Array) -> Array:
    """A two-sailed boat heeling in the swell, as RGBA rows that end at its waterline."""
    rgba = np.zeros((190, 210, 4), np.float32)
    tilt = 0.05 + 0.05 * np.sin(second * 2.1)
    brush = Brush(rgba, (92, 186), weave)

    def heel(points: Points) -> Points:
        return [(x - y * tilt, y + x * (tilt - 0.05) * 0.8) for x, y in points]

    brush.body(heel([(0, -10), (4, -10), (2, -172), (0, -172)]), (0.36, 0.24, 0.16), 2)
    brush.body(
        heel([(-4, -28), (-2, -166), (-22, -110), (-50, -64), (-74, -34), (-40, -27)]), (0.86, 0.42, 0.20), 14, 1.3
    )
    for seam in (-60, -95, -130):
        reach = 70 * (1 + seam / 175) + 2
        brush.body(heel(limb((-3.0, seam), (-reach, seam + 14), 1.2, 0.8)), (0.66, 0.30, 0.15), 1.5)
    brush.body(heel([(8, -30), (4, -160), (34, -100), (64, -42), (82, -22), (40, -26)]), (0.98, 0.92, 0.80), 14, 1.3)
    brush.body(heel([(-72, -22), (-30, -16), (30, -16), (88, -26), (64, 4), (-58, 4)]), (0.22, 0.25, 0.36), 9, 1.2)
    brush.body(
        heel([(-73, -23), (-30, -17), (30, -17), (89, -27), (86, -22), (30, -12), (-30, -12), (-71, -18)]),
        (0.93, 0.86, 0.70),
        2,
    )
    for x in (-44.0, -20.0):
        brush.body(heel(oval(x, -26, 8, 11)), (0.20, 0.34, 0.40) if x < -30 else (0.62, 0.24, 0.20), 4)
        brush.body(heel(oval(x + 1, -41, 5, 6)), (0.86, 0.64, 0.50), 3)
    return rgba


def ground_line(x: Array) -> Array:
    """The height on the film of the cliff's grassy edge."""
    return np.asarray(598 + 66 * smoothstep(250, 1150, x) + 7 * np.sin(x / 67) + 4 * np.sin(x / 23), np.float32)


def cliff_layer(rng: np.random.Generator) -> Layer:
    """The soil of the foreground, green and ochre, which the grass grows from."""
    y, x = np.mgrid[560:H, 0:WIDE].astype(np.float32)
    noise = fractal_noise(rng, H - 560, WIDE, 1.1)
    rgb = mix((0.16, 0.23, 0.09), (0.46, 0.44, 0.18), smoothstep(-1.5, 1.8, noise))
    return Layer(with_alpha(rgb, smoothstep(0, 5, y - ground_line(x) + 3 * noise)), 560, NEAR_SPEED)


def grass(rng: np.random.Generator, count: int, low: float, high: float, tall: float) -> Strokes:
    """Blades between two distances below the cliff's edge, the far ones first, some of them poppies and daisies."""
    x = rng.uniform(-20, WIDE + 20, count)
    below = np.sort(rng.uniform(low, high, count))
    length = tall * rng.uniform(0.5, 1.25, count) * (0.7 + below / 110)
    lean = rng.normal(0.22, 0.22, count)
    tuft = np.clip(0.5 + 0.3 * np.sin(x / 41 + below / 9) + rng.normal(0, 0.22, count), 0, 1)
    colour = mix((0.14, 0.27, 0.08), (0.74, 0.68, 0.28), tuft.astype(np.float32))
    flower = np.where(rng.random(count) < 0.045, rng.uniform(3.5, 6.5, count), 0) * (0.7 + below / 110)
    reach = np.stack([length * np.sin(lean), -length * np.cos(lean)], axis=1)
    base = np.stack([x, ground_line(x.astype(np.float32)) + below], axis=1)
    phase = base[:, 0] / 90 + rng.normal(0, 0.5, count)
    return Strokes(base, reach, rng.uniform(1.5, 3.2, count), length * 0.20, phase, colour, flower)


def leaves(rng: np.random.Generator, branches: list[Points]) -> Strokes:
    """Pine needles in tufts along the branches, dark beneath and golden towards the sun."""
    nodes = np.concatenate([np.linspace(b[0], b[1], 12)[3:] for b in branches])
    tufts = nodes.repeat(3, axis=0) + rng.normal(0, 1, (len(nodes) * 3, 2)) * (22, 14)
    base = tufts.repeat(34, axis=0) + rng.normal(0, 1, (len(tufts) * 34, 2)) * (13, 7)
    offset = base - tufts.repeat(34, axis=0)
    order = np.argsort(-offset[:, 1] + rng.normal(0, 4, len(base)))
    base, offset = base[order], offset[order]
    light = np.clip(0.38 - 0.035 * offset[:, 1] + 0.014 * offset[:, 0] + rng.normal(0, 0.14, len(base)), 0, 1)
    angle = np.clip(rng.normal(0.3, 0.8, len(base)), -1.1, 1.25)
    reach = np.stack([np.sin(angle), -np.cos(angle)], axis=1) * rng.uniform(8, 19, len(base))[:, None]
    width, phase = rng.uniform(1.2, 2.4, len(base)), base[:, 0] / 60 + base[:, 1] / 90
    colour = mix((0.04, 0.10, 0.09), (0.58, 0.54, 0.20), light.astype(np.float32))
    return Strokes(base, reach, width, 3 + base[:, 0] / 60, phase, colour, np.zeros(len(base)))


def draw_strokes(frame: Array, strokes: Strokes, second: float, shift: float, top: int = 0) -> None:
    """Draws every stroke as the wind bends it at a moment."""
    gust = np.sin(second * 2.9 - strokes.phase) + 0.45 * np.sin(second * 5.7 - 2.1 * strokes.phase)
    base = strokes.base - (shift, top)
    tip = base + strokes.reach + np.stack([strokes.flex * gust, 0 * gust], axis=1)
    middle = base + 0.55 * strokes.reach + np.stack([0.25 * strokes.flex * gust, 0 * gust], axis=1)
    across = strokes.reach[:, ::-1] * (-1, 1) * (strokes.width / np.hypot(*strokes.reach.T))[:, None]
    image = Image.fromarray((np.clip(frame[top:], 0, 1) * 255 + 0.5).astype(np.uint8))
    pen = ImageDraw.Draw(image)
    tints = (np.clip(strokes.colour * (1 + 0.10 * gust[:, None]), 0, 1) * 255).astype(int).tolist()
    corners = [base - across, middle - 0.7 * across, tip, middle + 0.7 * across, base + across]
    outlines = np.concatenate(corners, axis=1).tolist()
    for outline, flower, tint in zip(outlines, strokes.flower.tolist(), tints, strict=True):
        if -40 < outline[0] < W + 40:
            x, y = outline[4:6]
            pen.polygon(outline, tuple(tint))
            if flower:
                poppy = int(flower * 1000) % 3 > 0
                petal, eye = ((208, 54, 36), (70, 30, 24)) if poppy else ((246, 238, 220), (222, 160, 40))
                pen.ellipse((x - flower, y - flower * 0.8, x + flower, y + flower * 0.8), petal)
                pen.ellipse((x - flower * 0.35, y - flower * 0.3, x + flower * 0.35, y + flower * 0.3), eye)
    frame[top:] = np.asarray(image, np.float32) / 255


def paint_hair_behind(brush: Brush, t: float) -> None:
    """Long auburn hair streaming to the left in the wind."""
    for lock in range(26):
        depth, y = lock % 2, -92 + 3.4 * lock
        sway = [(3 + 5 * k) * float(np.sin(3.6 * t - k * 0.9 + lock * 0.23)) for k in range(4)]
        length = 20 + 8 * ((lock * 7) % 5) + 0.5 * lock
        spine = [(-8 - length * k * (0.72 + 0.09 * k), y + (4 + 0.35 * lock) * k + 0.6 * sway[k]) for k in range(4)]
        thick = (13, 11, 6, 1)
        outline = [(x, yy - w) for (x, yy), w in zip(spine, thick, strict=True)]
        outline += [(x, yy + w) for (x, yy), w in zip(spine[::-1], thick[::-1], strict=True)]
        shade = 0.72 + 0.3 * depth + 0.2 * ((lock * 5) % 7) / 7
        brush.body(smooth(outline), (0.42 * shade, 0.21 * shade, 0.10 * shade), 5, 1.0, 0.12)


def paint_head(brush: Brush, t: float) -> None:
    """The head, turned a little towards the sea: neck, face, eyes, smile and fringe."""
    skin: Colour = (0.88, 0.65, 0.52)
    brush.body(limb((4, -24), (2, 6), 14, 17), (0.70, 0.47, 0.37), 9)
    brush.body(
        smooth(
            [
                (-28, -88),
                (6, -108),
                (36, -92),
                (42, -64),
                (39, -40),
                (24, -16),
                (10, -9),
                (-6, -16),
                (-26, -40),
                (-32, -62),
            ]
        ),
        skin,
        16,
        0.9,
        0.02,
    )
    brush.body(oval(-24, -50, 6, 10), (0.80, 0.54, 0.43), 5)
    for x, wide in ((1.0, 7.2), (27.0, 6.0)):
        brush.body(oval(x, -57, wide + 2.5, 6.5), (0.74, 0.50, 0.42), 4, 0.3, 0)
        blink = 0.18 if 1.9 < t < 2.05 or 4.1 < t < 4.22 else 1.0
        brush.body(oval(x, -56, wide, 4.4 * blink), (0.96, 0.94, 0.90), 3, 0.2, 0)
        brush.body(oval(x + 1.5, -56, 3.5, 4.0 * blink), (0.15, 0.20, 0.20), 2, 0.2, 0)
        brush.body(limb((x - wide, -57), (x + wide + 1, -59), 1.4, 1.0), (0.22, 0.12, 0.09), 1)
        brush.body(smooth([(x - wide - 2, -67), (x, -72), (x + wide + 2, -68), (x, -69)]), (0.28, 0.14, 0.08), 1)
    brush.body(smooth([(14, -58), (19, -57), (25, -42), (21, -37), (12, -38), (14, -46)]), (0.9, 0.64, 0.5), 5, 1.0, 0)
    brush.body(smooth([(11, -37), (17, -35), (23, -37), (17, -39)]), (0.62, 0.36, 0.30), 1.5, 0.2, 0)
    brush.body(smooth([(3, -29), (15, -27), (27, -30), (22, -21), (14, -19), (8, -22)]), (0.66, 0.22, 0.20), 3, 0.5, 0)
    brush.body(smooth([(7, -27.5), (15, -26), (24, -28), (15, -23)]), (0.97, 0.94, 0.90), 2, 0.1, 0)
    lift = 2 * np.sin(4.2 * t)
    hair: Colour = (0.46, 0.24, 0.12)
    brush.body(
        smooth(
            [
                (44, -70),
                (38, -88),
                (20, -94),
                (2, -84),
                (-18, -74),
                (-22, -44),
                (-30, -22),
                (-44, -30),
                (-46, -70),
                (-34, -104),
                (2, -122),
                (34, -112),
                (46, -90),
            ]
        ),
        hair,
        14,
        1.2,
        0.1,
    )
    for k in range(9):
        y = -118 + 4.5 * k + 0.24 * (k - 4) ** 2
        brush.body(
            smooth(limb((34 - 5 * k, y + 6), (-36 - k, -82 + 7 * k + lift), 1.8, 0.9)),
            (0.62, 0.36, 0.17) if k % 2 else (0.28, 0.13, 0.07),
            1.5,
            0.4,
            0,
        )


def paint_coat(brush: Brush, t: float) -> None:
    """A long red coat with folds, buttons and a belt, its hem moving in the wind."""
    flap = [9 * np.sin(3.1 * t + k * 1.3) for k in range(5)]
    coat: Colour = (0.58, 0.15, 0.12)
    brush.body(smooth(limb((-44, 22), (-88, 136), 26, 19)), coat, 12, 1.5, 0.1)
    brush.body(
        smooth(
            [
                (-26, -4),
                (26, -4),
                (56, 14),
                (64, 60),
                (54, 130),
                (52, 190),
                (64, 270),
                (84 + flap[0], 390),
                (30 + flap[1], 398),
                (-30 + flap[2], 394),
                (-118 + flap[3], 384),
                (-78, 260),
                (-54, 190),
                (-54, 130),
                (-64, 60),
                (-56, 14),
            ]
        ),
        coat,
        30,
        1.9,
        0.12,
    )
    for k, (x, y, end_x, end_y) in enumerate(
        ((-30, 205, -72, 384), (-12, 215, -26, 388), (18, 212, 36, 390), (38, 205, 62, 386), (-4, 30, -3, 180))
    ):
        brush.body(limb((x, y), (end_x + flap[k % 5] * 0.8, end_y), 2, 7), (0.50, 0.11, 0.12), 6, 0.9, 0.07)
    brush.body([(-55, 184), (53, 184), (54, 202), (-56, 202)], (0.30, 0.16, 0.12), 5, 1.2)
    brush.body([(0, 181), (20, 181), (20, 205), (0, 205)], (0.86, 0.70, 0.34), 4, 1.2)
    for y in (70, 108, 146, 236, 280):
        brush.body(oval(9, y, 5, 5), (0.88, 0.72, 0.38), 3, 1.2)
    brush.body(smooth(limb((-92, 120), (-46, 200), 20, 15)), coat, 10, 1.5, 0.1)
    brush.body(smooth(oval(-44, 204, 15, 12)), (0.84, 0.60, 0.48), 6)


def paint_scarf(brush: Brush, t: float) -> None:
    """A mustard scarf round the neck, its end flying to the left."""
    upper = [(-18 - 22 * k, 4 + 5 * k + (2 + 3.2 * k) * float(np.sin(4.6 * t - 0.9 * k))) for k in range(7)]
    lower = [(x + 3, y + 26 - k) for k, (x, y) in enumerate(upper)]
    brush.body(smooth([*upper, *lower[::-1]]), (0.88, 0.66, 0.20), 9, 1.3, 0.10)
    for k in (2, 4, 6):
        (x, y), (x1, y1) = upper[k], lower[k]
        brush.body(limb((x, y + 2), (x1, y1 - 2), 3, 3), (0.20, 0.36, 0.44), 3, 0.8, 0.1)
    brush.body(
        smooth([(-30, -6), (0, 2), (30, -8), (36, 8), (24, 22), (0, 28), (-26, 22), (-36, 8)]),
        (0.92, 0.70, 0.23),
        10,
        1.3,
        0.10,
    )
    brush.body(smooth(limb((-24, 4), (20, 18), 2, 3)), (0.70, 0.48, 0.12), 3, 0.8)


def paint_waving_arm(brush: Brush, t: float) -> None:
    """The raised arm, its hand waving to and fro."""
    swing = float(np.sin(2 * np.pi * 1.2 * t))
    elbow, wrist = (104.0, 20.0), (122 + 22 * swing, -88 + 3 * swing)
    brush.body(limb((20, 42), elbow, 25, 20), (0.60, 0.16, 0.13), 12, 1.5, 0.1)
    brush.body(
        smooth(
            [(84, 22), (82, 4), (wrist[0] - 15, wrist[1]), (wrist[0] + 15, wrist[1]), (126, 10), (118, 36), (100, 42)]
        ),
        (0.58, 0.15, 0.12),
        12,
        1.5,
        0.1,
    )
    dx, dy = 0.23 * (1 + 2 * swing), -1.0
    palm = (wrist[0] + 16 * dx, wrist[1] + 16 * dy)
    for spread in (-0.50, -0.18, 0.12, 0.42):
        tip = (palm[0] + 34 * (dx + spread), palm[1] + 34 * dy + 14 * abs(spread))
        brush.body(limb((palm[0] + 16 * spread, palm[1]), tip, 5, 3.6), (0.88, 0.64, 0.51), 4)
    thumb = (palm[0] - 25 + 6 * swing, palm[1] - 10)
    brush.body(limb((palm[0] - 6, palm[1] + 6), thumb, 5, 3.5), (0.88, 0.64, 0.51), 4)
    brush.body(smooth(oval(*palm, 14, 18)), (0.90, 0.66, 0.53), 8)
    brush.body(limb((wrist[0] - 2, wrist[1] + 8), (wrist[0] + 2, wrist[1] - 4), 17, 17), (0.55, 0.13, 0.12), 5)


def paint_figure(frame: Array, weave: Array, t: float, x: float) -> None:
    """The person on the cliff, knees up, waving to the boat."""
    sway = 3 * float(np.sin(1.9 * t))
    paint_hair_behind(Brush(frame, (x + sway, 282), weave), t)
    paint_waving_arm(Brush(frame, (x, 282), weave), t)
    paint_coat(Brush(frame, (x, 282), weave), t)
    paint_head(Brush(frame, (x + sway, 282), weave), t)
    paint_scarf(Brush(frame, (x, 282), weave), t)


def paint_gulls(frame: Array, weave: Array, t: float) -> None:
    """Four gulls that glide and flap over the bay."""
    for k in range(4):
        x, y = 640 + 95 * k + (34 + 9 * k) * t, 120 + 38 * ((k * 3) % 4) + 7 * float(np.sin(1.3 * t + k))
        span, beat = 15 + 3 * k, 8 * float(np.sin(7 * t + 1.7 * k))
        brush = Brush(frame, (x, y), weave)
        for side in (-1, 1):
            brush.body(
                smooth(
                    [
                        (0, -2),
                        (side * span * 0.5, -5 - beat * 0.7),
                        (side * span, 2 - beat),
                        (side * span * 0.5, -1 - beat * 0.6),
                        (0, 3),
                    ]
                ),
                (0.93, 0.92, 0.92),
                3,
                0.8,
            )
        brush.body(oval(0, 0, 5, 2.6), (0.86, 0.86, 0.88), 2)


class Scene:
    """The whole landscape, ready to be painted at any frame."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.weave = fractal_noise(rng, 768, 768, 1.0)
        self.backdrop = [sky_layer(rng), cloud_layer(rng), *mountain_layers(rng)]
        self.headland = headland_layer(rng, self.weave)
        self.sunshine, self.sea, self.cliff = sunshine(), Sea(rng), cliff_layer(rng)
        self.behind, self.front = grass(rng, 2600, -3, 50, 34), grass(rng, 1500, 40, 125, 48)
        self.branches: list[Points] = [
            [(60.0, 250.0), (270.0, 150.0)],
            [(64.0, 190.0), (330.0, 60.0)],
            [(70.0, 120.0), (250.0, 0.0)],
            [(64.0, 330.0), (210.0, 262.0)],
            [(60.0, 200.0), (-60.0, 110.0)],
            [(60.0, 90.0), (0.0, -20.0)],
        ]
        self.leaves = leaves(rng, self.branches)

    def tree(self, frame: Array, t: float, pan: float) -> None:
        """The wind-bent pine at the left edge."""
        brush = Brush(frame, (-pan, 0), self.weave)
        trunk: Points = [
            (0, 700),
            (34, 560),
            (24, 420),
            (50, 250),
            (66, 120),
            (50, -30),
            (84, -30),
            (96, 120),
            (84, 250),
            (66, 420),
            (84, 560),
            (132, 700),
        ]
        brush.body(smooth(trunk), (0.33, 0.22, 0.17), 16, 1.3, 0.22)
        for start, end in self.branches:
            brush.body(limb(start, end, 9, 3), (0.31, 0.20, 0.15), 5, 1.2, 0.2)
        draw_strokes(frame, self.leaves, t, pan)

    def frame(self, index: int) -> NDArray[np.uint8]:
        """One finished frame, RGB, at the film's size."""
        t, pan = index / FPS, index * NEAR_SPEED
        frame = np.zeros((H, W, 3), np.float32)
        for layer in self.backdrop:
            over(frame, layer.view(index), layer.top)
            if layer is self.backdrop[1]:
                frame[:HORIZON] += self.sunshine
        slope = self.sea.paint(frame, t, pan)
        cape = self.headland.view(index)
        over(frame, mirrored(cape, t), HORIZON + 18)
        over(frame, cape, self.headland.top)
        paint_gulls(frame, self.weave, t)
        hull, left, water = boat(t, self.weave), int(610 + 50 * t), int(452 + 3 * np.sin(2.1 * t))
        over(frame, mirrored(hull, t), water - 6, left)
        self.sea.glitter(frame, slope)
        over(frame, hull, water - len(hull), left)
        over(frame, self.cliff.view(index), self.cliff.top)
        self.tree(frame, t, pan - 30)
        draw_strokes(frame, self.behind, t, pan, 480)
        paint_figure(frame, self.weave, t, 462 - pan)
        draw_strokes(frame, self.front, t, pan, 480)
        small = np.clip(frame, 0, 1).reshape(HEIGHT_PX, SUPERSAMPLE, WIDTH_PX, SUPERSAMPLE, 3).mean(axis=(1, 3))
        return np.asarray(small * 255 + 0.5, np.uint8)


def pluck(rng: np.random.Generator, hertz: float, seconds: float) -> NDArray[np.float64]:
    """A plucked string (Karplus-Strong): a burst of noise that a short loop mellows."""
    period = round(AUDIO_HZ / hertz)
    burst = np.convolve(rng.uniform(-1, 1, period), np.hanning(25) / 12, mode="same")
    burst *= 0.25 / burst.std()
    turns = []
    for _ in range(int(seconds * hertz) + 1):
        turns.append(burst)
        burst = 0.996 * (0.5 * burst + 0.5 * np.roll(burst, 1))
    string = np.concatenate(turns)
    return string * np.minimum(1, np.arange(len(string)) / (0.004 * AUDIO_HZ))


def soundtrack(rng: np.random.Generator) -> NDArray[np.float32]:
    """Five seconds in stereo: a plucked pentatonic tune over slow breakers."""
    length = AUDIO_HZ * FRAMES // FPS
    seconds = np.arange(length) / AUDIO_HZ
    swell = 0.55 + 0.45 * np.sin(2 * np.pi * (seconds / 2.5 - 0.3))
    surf = [fractal_noise(rng, 1, length, 0.75)[0] * swell * 0.030 for _ in range(2)]
    sound = np.stack(surf).astype(np.float64)
    tune = (57, 64, 69, 71, 73, 76, 73, 69, 50, 66, 69, 74, 76, 78, 76, 69)  # MIDI notes, one every 0.28 s
    for place, note in enumerate(tune):
        start = int((0.05 + 0.28 * place) * AUDIO_HZ)
        string = pluck(rng, 440 * 2 ** ((note - 69) / 12), 2.2)[: length - start]
        for echo, gain in ((0, 0.30), (int(0.19 * AUDIO_HZ), 0.09), (int(0.37 * AUDIO_HZ), 0.04)):
            tail = string[: max(length - start - echo, 0)]
            right = 0.5 + 0.3 * np.sin(place + echo)
            sound[:, start + echo : start + echo + len(tail)] += gain * np.outer([1 - right, right], tail)
    sound *= np.minimum(1, seconds / 0.05) * np.clip((5 - seconds) / 0.6, 0, 1)
    return np.asarray(0.7 * sound / np.abs(sound).max(), np.float32)


def write_film(path: Path, scene: Scene, sound: NDArray[np.float32]) -> None:
    """Encodes the scene as H.264 (bt709, limited range) with AAC sound, ready to stream."""
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as film:
        picture = film.add_stream("libx264", rate=FPS, options={"crf": "24", "preset": "slow"})
        audio = film.add_stream("aac", rate=AUDIO_HZ, layout="stereo")
        assert isinstance(picture, av.VideoStream) and isinstance(audio, av.AudioStream)
        picture.width, picture.height, picture.pix_fmt = WIDTH_PX, HEIGHT_PX, "yuv420p"
        codec = picture.codec_context
        codec.color_primaries = codec.color_trc = codec.colorspace = 1  # bt709
        codec.color_range, codec.thread_count = 1, 1  # limited range; one thread gives the same bytes anywhere
        audio.bit_rate = 160_000
        for index in range(FRAMES):
            rgb = av.VideoFrame.from_ndarray(scene.frame(index), format="rgb24")
            yuv = rgb.reformat(format="yuv420p", dst_colorspace=1, dst_color_range=1)
            yuv.pts, yuv.time_base = index, Fraction(1, FPS)
            film.mux(picture.encode(yuv))
        film.mux(picture.encode())
        for start in range(0, sound.shape[1], 1024):
            block = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound[:, start : start + 1024]), "fltp", "stereo")
            block.sample_rate, block.pts, block.time_base = AUDIO_HZ, start, Fraction(1, AUDIO_HZ)
            film.mux(audio.encode(block))
        film.mux(audio.encode())


def main() -> None:
    """Reads the command line and writes the film."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("film", type=Path, metavar="OUT.mp4", help="where the film goes")
    parser.add_argument("--seed", type=int, default=SEED, help="another seed gives other clouds, hills and flowers")
    options = parser.parse_args()
    write_film(options.film, Scene(options.seed), soundtrack(np.random.default_rng(options.seed)))


if __name__ == "__main__":
    main()
