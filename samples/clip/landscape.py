"""What the film looks out on: sky, clouds, mountains, the cape with its village, and the sea."""

from __future__ import annotations

import numpy as np

from .canvas import (
    HORIZON,
    SUN_X,
    SUN_Y,
    WIDE,
    Array,
    Brush,
    Colour,
    H,
    Layer,
    W,
    box,
    fractal_noise,
    mix,
    oval,
    smoothstep,
    with_alpha,
)


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
    paint_village(brush, rng, ground)
    paint_lighthouse(brush, 935, float(ground[935]) + 5)
    return Layer(rgba, HORIZON + 20 - len(rgba), 0.42)


def paint_village(brush: Brush, rng: np.random.Generator, ground: Array) -> None:
    """Houses and trees in turn on a slope whose crest has these rows, the far ones first."""
    spots = sorted((float(rng.random()), float(rng.uniform(1000, 1428))) for _ in range(64))
    for number, (down, x) in enumerate(spots):
        foot = float(ground[int(x)]) + 3 + down * 0.62 * float(len(brush.canvas) - 24 - ground[int(x)])
        if number % 2:
            paint_house(brush, rng, x, foot)
        else:
            paint_tree(brush, rng, x, foot)


def paint_lighthouse(brush: Brush, x: float, foot: float) -> None:
    """A white and red tower with a gallery, its lamp lit under a pointed roof."""
    for step in range(5):
        wide, low = 13 - step * 1.1, foot - 19 * step
        tower = [(x - wide, low), (x + wide, low), (x + 1 + wide - 1.1, low - 20), (x - 1 - wide + 1.1, low - 20)]
        brush.body(tower, (0.93, 0.90, 0.86) if step % 2 == 0 else (0.72, 0.20, 0.16), 6)
    brush.body(box(x - 12, foot - 94, x + 12, foot - 98), (0.25, 0.22, 0.24), 2)
    brush.body(box(x - 7, foot - 98, x + 7, foot - 112), (1.0, 0.88, 0.50), 3)
    brush.body([(x - 11, foot - 111), (x + 11, foot - 111), (x, foot - 124)], (0.60, 0.17, 0.14), 4)


def paint_tree(brush: Brush, rng: np.random.Generator, x: float, foot: float) -> None:
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
    tiles = (float(rng.uniform(0.52, 0.72)), float(rng.uniform(0.24, 0.36)), 0.20)
    edge, eaves = x + wide, foot - tall
    gable = [(edge, foot), (edge + 8, foot - 2), (edge + 8, eaves), (edge + 4, eaves - 9), (edge, eaves)]
    brush.body(box(x, foot, edge, eaves), (0.74 * wall, 0.68 * wall, 0.70 * wall), 2)
    brush.body(gable, (1.0 * wall, 0.92 * wall, 0.74 * wall), 2)
    brush.body([(x - 2, eaves), (edge, eaves), (edge + 4, eaves - 10), (x + 3, eaves - 10)], tiles, 2)
    for window in (0.25, 0.65):
        left = x + wide * window
        pane = (0.98, 0.78, 0.36) if rng.random() < 0.4 else (0.25, 0.24, 0.32)
        brush.body(box(left, foot - 4, left + 3, foot - 10), pane, 1)


def mirrored(rgba: Array, t: float) -> Array:
    """The wobbling, fading reflection of a picture in the water under it."""
    rows = np.arange(len(rgba), dtype=np.float32)
    shift = (2.2 * np.sin(rows * 0.55 + t * 5) + 2.6 * np.sin(rows * 0.21 - t * 3.4)) * (0.4 + rows / 90)
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

    def waves(self, t: float, pan: float) -> Array:
        """The slope of the water at every pixel, small far off."""
        u, v = (self.x - 640 + pan) * self.depth * 90, self.depth * 45000
        total: Array = np.zeros_like(self.x)
        fine = smoothstep(0, 90, self.y)
        trains = ((1.0, 22, 34, 0.35 + 0.3 * fine), (2.3, -34, 50, 0.5 * fine), (0.37, 10, 22, 0.5 + 0 * fine))
        for scale, du, dv, strength in trains:
            rows = (v * scale + dv * t + 300 * scale).astype(np.int32) & 1023
            cols = (u * scale + du * t).astype(np.int32) & 1023
            total += strength * self.noise[rows, cols]
        return total

    def paint(self, frame: Array, t: float, pan: float) -> Array:
        """Paints the water below the horizon and hands back its slopes."""
        slope = self.waves(t, pan)
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
