"""Who is in the film: the person on the cliff, the boat with its crew, and the gulls."""

from __future__ import annotations

import numpy as np

from .canvas import Array, Brush, Colour, Points, box, limb, oval, smooth

SKIN: Colour = (0.88, 0.65, 0.52)
COAT: Colour = (0.58, 0.15, 0.12)

# Outlines, as x, y from the middle of the boat's waterline or from the person's collar, y downwards.
# fmt: off
MAST: Points = [(0, -10), (4, -10), (2, -172), (0, -172)]
MAINSAIL: Points = [(-4, -28), (-2, -166), (-22, -110), (-50, -64), (-74, -34), (-40, -27)]
FORESAIL: Points = [(8, -30), (4, -160), (34, -100), (64, -42), (82, -22), (40, -26)]
HULL: Points = [(-72, -22), (-30, -16), (30, -16), (88, -26), (64, 4), (-58, 4)]
GUNWALE: Points = [(-73, -23), (-30, -17), (30, -17), (89, -27), (86, -22), (30, -12), (-30, -12), (-71, -18)]

FACE: Points = [
    (-28, -88), (6, -108), (36, -92), (42, -64), (39, -40),
    (24, -16), (10, -9), (-6, -16), (-26, -40), (-32, -62),
]
NOSE: Points = [(14, -58), (19, -57), (25, -42), (21, -37), (12, -38), (14, -46)]
NOSTRILS: Points = [(11, -37), (17, -35), (23, -37), (17, -39)]
LIPS: Points = [(3, -29), (15, -27), (27, -30), (22, -21), (14, -19), (8, -22)]
TEETH: Points = [(7, -27.5), (15, -26), (24, -28), (15, -23)]
HAIR: Points = [
    (44, -70), (38, -88), (20, -94), (2, -84), (-18, -74), (-22, -44), (-30, -22),
    (-44, -30), (-46, -70), (-34, -104), (2, -122), (34, -112), (46, -90),
]
COLLAR: Points = [(-30, -6), (0, 2), (30, -8), (36, 8), (24, 22), (0, 28), (-26, 22), (-36, 8)]
COAT_RIGHT: Points = [(-26, -4), (26, -4), (56, 14), (64, 60), (54, 130), (52, 190), (64, 270)]
COAT_LEFT: Points = [(-78, 260), (-54, 190), (-54, 130), (-64, 60), (-56, 14)]
FOLDS = ((-30, 205, -72, 384), (-12, 215, -26, 388), (18, 212, 36, 390), (38, 205, 62, 386), (-4, 30, -3, 180))
# fmt: on


def boat(t: float, weave: Array) -> Array:
    """A two-sailed boat heeling in the swell, as RGBA rows that end at its waterline."""
    rgba = np.zeros((190, 210, 4), np.float32)
    brush, tilt = Brush(rgba, (92, 186), weave), 0.05 + 0.05 * np.sin(t * 2.1)

    def heel(points: Points) -> Points:
        return [(x - y * tilt, y + x * (tilt - 0.05) * 0.8) for x, y in points]

    brush.body(heel(MAST), (0.36, 0.24, 0.16), 2)
    brush.body(heel(MAINSAIL), (0.86, 0.42, 0.20), 14, 1.3)
    for seam in (-60, -95, -130):
        reach = 70 * (1 + seam / 175) + 2
        brush.body(heel(limb((-3.0, seam), (-reach, seam + 14), 1.2, 0.8)), (0.66, 0.30, 0.15), 1.5)
    brush.body(heel(FORESAIL), (0.98, 0.92, 0.80), 14, 1.3)
    brush.body(heel(HULL), (0.22, 0.25, 0.36), 9, 1.2)
    brush.body(heel(GUNWALE), (0.93, 0.86, 0.70), 2)
    for x in (-44.0, -20.0):
        brush.body(heel(oval(x, -26, 8, 11)), (0.20, 0.34, 0.40) if x < -30 else (0.62, 0.24, 0.20), 4)
        brush.body(heel(oval(x + 1, -41, 5, 6)), (0.86, 0.64, 0.50), 3)
    return rgba


def paint_gulls(frame: Array, weave: Array, t: float) -> None:
    """Four gulls that glide and flap over the bay."""
    for k in range(4):
        x, y = 640 + 95 * k + (34 + 9 * k) * t, 120 + 38 * ((k * 3) % 4) + 7 * float(np.sin(1.3 * t + k))
        span, beat = 15 + 3 * k, 8 * float(np.sin(7 * t + 1.7 * k))
        brush = Brush(frame, (x, y), weave)
        for side in (-1, 1):
            half, tip = side * span * 0.5, (side * span, 2 - beat)
            wing = [(0, -2), (half, -5 - beat * 0.7), tip, (half, -1 - beat * 0.6), (0, 3)]
            brush.body(smooth(wing), (0.93, 0.92, 0.92), 3, 0.8)
        brush.body(oval(0, 0, 5, 2.6), (0.86, 0.86, 0.88), 2)


def paint_figure(frame: Array, weave: Array, t: float, x: float) -> None:
    """The person on the cliff, seen from the knees up, waving to the boat."""
    sway = 3 * float(np.sin(1.9 * t))
    paint_hair_behind(Brush(frame, (x + sway, 282), weave), t)
    paint_waving_arm(Brush(frame, (x, 282), weave), t)
    paint_coat(Brush(frame, (x, 282), weave), t)
    paint_head(Brush(frame, (x + sway, 282), weave), t)
    paint_scarf(Brush(frame, (x, 282), weave), t)


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


def paint_waving_arm(brush: Brush, t: float) -> None:
    """The raised arm, its hand waving to and fro."""
    swing = float(np.sin(2 * np.pi * 1.2 * t))
    elbow, wrist = (104.0, 20.0), (122 + 22 * swing, -88 + 3 * swing)
    cuff = [(wrist[0] - 15, wrist[1]), (wrist[0] + 15, wrist[1])]
    brush.body(limb((20, 42), elbow, 25, 20), (0.60, 0.16, 0.13), 12, 1.5, 0.1)
    brush.body(smooth([(84, 22), (82, 4), *cuff, (126, 10), (118, 36), (100, 42)]), COAT, 12, 1.5, 0.1)
    paint_hand(brush, wrist, swing)
    brush.body(limb((wrist[0] - 2, wrist[1] + 8), (wrist[0] + 2, wrist[1] - 4), 17, 17), (0.55, 0.13, 0.12), 5)


def paint_hand(brush: Brush, wrist: tuple[float, float], swing: float) -> None:
    """An open hand above the wrist, leaning with the swing of the arm."""
    dx, dy = 0.23 * (1 + 2 * swing), -1.0
    palm = (wrist[0] + 16 * dx, wrist[1] + 16 * dy)
    for spread in (-0.50, -0.18, 0.12, 0.42):
        tip = (palm[0] + 34 * (dx + spread), palm[1] + 34 * dy + 14 * abs(spread))
        brush.body(limb((palm[0] + 16 * spread, palm[1]), tip, 5, 3.6), (0.88, 0.64, 0.51), 4)
    thumb = (palm[0] - 25 + 6 * swing, palm[1] - 10)
    brush.body(limb((palm[0] - 6, palm[1] + 6), thumb, 5, 3.5), (0.88, 0.64, 0.51), 4)
    brush.body(smooth(oval(*palm, 14, 18)), (0.90, 0.66, 0.53), 8)


def paint_coat(brush: Brush, t: float) -> None:
    """A long red coat with folds, buttons and a belt, its hem moving in the wind."""
    flap = [9 * np.sin(3.1 * t + k * 1.3) for k in range(5)]
    hem = [(84 + flap[0], 390), (30 + flap[1], 398), (-30 + flap[2], 394), (-118 + flap[3], 384)]
    brush.body(smooth(limb((-44, 22), (-88, 136), 26, 19)), COAT, 12, 1.5, 0.1)
    brush.body(smooth([*COAT_RIGHT, *hem, *COAT_LEFT]), COAT, 30, 1.9, 0.12)
    for k, (x, y, end_x, end_y) in enumerate(FOLDS):
        brush.body(limb((x, y), (end_x + flap[k] * 0.8, end_y), 2, 7), (0.50, 0.11, 0.12), 6, 0.9, 0.07)
    brush.body([(-55, 184), (53, 184), (54, 202), (-56, 202)], (0.30, 0.16, 0.12), 5, 1.2)
    brush.body(box(0, 181, 20, 205), (0.86, 0.70, 0.34), 4, 1.2)
    for y in (70, 108, 146, 236, 280):
        brush.body(oval(9, y, 5, 5), (0.88, 0.72, 0.38), 3, 1.2)
    brush.body(smooth(limb((-92, 120), (-46, 200), 20, 15)), COAT, 10, 1.5, 0.1)
    brush.body(smooth(oval(-44, 204, 15, 12)), (0.84, 0.60, 0.48), 6)


def paint_head(brush: Brush, t: float) -> None:
    """The head, turned a little towards the sea."""
    brush.body(limb((4, -24), (2, 6), 14, 17), (0.70, 0.47, 0.37), 9)
    brush.body(smooth(FACE), SKIN, 16, 0.9, 0.02)
    brush.body(oval(-24, -50, 6, 10), (0.80, 0.54, 0.43), 5)
    openness = 0.18 if 1.9 < t < 2.05 or 4.1 < t < 4.22 else 1.0
    paint_eye(brush, 1.0, 7.2, openness)
    paint_eye(brush, 27.0, 6.0, openness)
    brush.body(smooth(NOSE), (0.9, 0.64, 0.5), 5, 1.0, 0)
    brush.body(smooth(NOSTRILS), (0.62, 0.36, 0.30), 1.5, 0.2, 0)
    brush.body(smooth(LIPS), (0.66, 0.22, 0.20), 3, 0.5, 0)
    brush.body(smooth(TEETH), (0.97, 0.94, 0.90), 2, 0.1, 0)
    paint_hair_on_top(brush, t)


def paint_eye(brush: Brush, x: float, wide: float, openness: float) -> None:
    """An eye with its lashes and brow; openness is 1 when wide open."""
    brush.body(oval(x, -57, wide + 2.5, 6.5), (0.74, 0.50, 0.42), 4, 0.3, 0)
    brush.body(oval(x, -56, wide, 4.4 * openness), (0.96, 0.94, 0.90), 3, 0.2, 0)
    brush.body(oval(x + 1.5, -56, 3.5, 4.0 * openness), (0.15, 0.20, 0.20), 2, 0.2, 0)
    brush.body(limb((x - wide, -57), (x + wide + 1, -59), 1.4, 1.0), (0.22, 0.12, 0.09), 1)
    brush.body(smooth([(x - wide - 2, -67), (x, -72), (x + wide + 2, -68), (x, -69)]), (0.28, 0.14, 0.08), 1)


def paint_hair_on_top(brush: Brush, t: float) -> None:
    """The hair that frames the face, with nine lighter and darker strands."""
    brush.body(smooth(HAIR), (0.46, 0.24, 0.12), 14, 1.2, 0.1)
    lift = 2 * np.sin(4.2 * t)
    for k in range(9):
        y = -118 + 4.5 * k + 0.24 * (k - 4) ** 2
        strand = limb((34 - 5 * k, y + 6), (-36 - k, -82 + 7 * k + lift), 1.8, 0.9)
        brush.body(smooth(strand), (0.62, 0.36, 0.17) if k % 2 else (0.28, 0.13, 0.07), 1.5, 0.4, 0)


def paint_scarf(brush: Brush, t: float) -> None:
    """A mustard scarf round the neck, its end flying to the left."""
    upper = [(-18 - 22 * k, 4 + 5 * k + (2 + 3.2 * k) * float(np.sin(4.6 * t - 0.9 * k))) for k in range(7)]
    lower = [(x + 3, y + 26 - k) for k, (x, y) in enumerate(upper)]
    brush.body(smooth([*upper, *lower[::-1]]), (0.88, 0.66, 0.20), 9, 1.3, 0.10)
    for k in (2, 4, 6):
        (x, y), (x1, y1) = upper[k], lower[k]
        brush.body(limb((x, y + 2), (x1, y1 - 2), 3, 3), (0.20, 0.36, 0.44), 3, 0.8, 0.1)
    brush.body(smooth(COLLAR), (0.92, 0.70, 0.23), 10, 1.3, 0.10)
    brush.body(smooth(limb((-24, 4), (20, 18), 2, 3)), (0.70, 0.48, 0.12), 3, 0.8)
