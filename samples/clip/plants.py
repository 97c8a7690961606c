"""What grows in the foreground and bends in the wind: the grassy cliff with its flowers, and a pine."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from .canvas import (
    NEAR_SPEED,
    WIDE,
    Array,
    Brush,
    H,
    Layer,
    Points,
    W,
    fractal_noise,
    limb,
    mix,
    smooth,
    smoothstep,
    with_alpha,
)

# fmt: off
TRUNK: Points = [
    (0, 700), (34, 560), (24, 420), (50, 250), (66, 120), (50, -30),
    (84, -30), (96, 120), (84, 250), (66, 420), (84, 560), (132, 700),
]
BRANCHES: list[Points] = [  # each from the trunk to its tip
    [(60, 250), (270, 150)], [(64, 190), (330, 60)], [(70, 120), (250, 0)],
    [(64, 330), (210, 262)], [(60, 200), (-60, 110)], [(60, 90), (0, -20)],
]
# fmt: on


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


def needles(rng: np.random.Generator) -> Strokes:
    """Pine needles in tufts along the branches, dark beneath and golden towards the sun."""
    nodes = np.concatenate([np.linspace(*b, 12)[3:] for b in BRANCHES])
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


def bent(strokes: Strokes, gust: Array, base: Array) -> Array:
    """The five corners of each stroke under its gust, as rows of x, y, x, y...; the third corner is the tip."""
    tip = base + strokes.reach + np.stack([strokes.flex * gust, 0 * gust], axis=1)
    middle = base + 0.55 * strokes.reach + np.stack([0.25 * strokes.flex * gust, 0 * gust], axis=1)
    across = strokes.reach[:, ::-1] * (-1, 1) * (strokes.width / np.hypot(*strokes.reach.T))[:, None]
    return np.concatenate([base - across, middle - 0.7 * across, tip, middle + 0.7 * across, base + across], axis=1)


def draw_flower(pen: ImageDraw.ImageDraw, x: float, y: float, radius: float) -> None:
    """A poppy or, one time in three, a daisy."""
    poppy = int(radius * 1000) % 3 > 0
    petal, eye = ((208, 54, 36), (70, 30, 24)) if poppy else ((246, 238, 220), (222, 160, 40))
    pen.ellipse((x - radius, y - radius * 0.8, x + radius, y + radius * 0.8), petal)
    pen.ellipse((x - radius * 0.35, y - radius * 0.3, x + radius * 0.35, y + radius * 0.3), eye)


def draw_strokes(frame: Array, strokes: Strokes, t: float, pan: float, top: int = 0) -> None:
    """Draws every stroke as the wind bends it at a moment."""
    gust = np.sin(t * 2.9 - strokes.phase) + 0.45 * np.sin(t * 5.7 - 2.1 * strokes.phase)
    image = Image.fromarray((np.clip(frame[top:], 0, 1) * 255 + 0.5).astype(np.uint8))
    pen = ImageDraw.Draw(image)
    tints = (np.clip(strokes.colour * (1 + 0.10 * gust[:, None]), 0, 1) * 255).astype(int).tolist()
    outlines = bent(strokes, gust, strokes.base - (pan, top)).tolist()
    for outline, flower, tint in zip(outlines, strokes.flower.tolist(), tints, strict=True):
        if -40 < outline[0] < W + 40:
            pen.polygon(outline, tuple(tint))
            if flower:
                draw_flower(pen, *outline[4:6], flower)
    frame[top:] = np.asarray(image, np.float32) / 255


def paint_pine(brush: Brush, needles: Strokes, t: float) -> None:
    """The wind-bent pine at the left edge; the brush's origin says how far it is panned."""
    brush.body(smooth(TRUNK), (0.33, 0.22, 0.17), 16, 1.3, 0.22)
    for start, end in BRANCHES:
        brush.body(limb(start, end, 9, 3), (0.31, 0.20, 0.15), 5, 1.2, 0.2)
    draw_strokes(brush.canvas, needles, t, -brush.origin[0])
