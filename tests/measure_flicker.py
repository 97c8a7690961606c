"""Flicker with and without Steady, as a table: exact motion, sensor noise, exposure ramps, cuts, ghosts, sharpness.

    python tests/measure_flicker.py --data FOLDER [--styles starry wave udnie] [--amounts 0 .25 .5 .75 1] [--speed]

FOLDER holds videos/ (with flow/). Stills are the first frames of four clips at 640x360; all figures but `energy`
are levels.

    e_k     a still moved by a known homography: sqrt(mean M·|O_t - warp(O_{t-k})|²), M what is inside both frames
    still   e_1 of a still with sensor noise of 4 levels
    noise   temporal standard deviation of the same
    ramp    the largest distance of the mean level from the styled frame's, while the exposure falls to 60 % in a second
    ghost   rms distance from the styled frame where a moving ellipse has just uncovered the background
    cut     the largest difference from the styled frame right after a cut
    energy  gradient energy against the styled frames', in the film of e_k
    sintel  e_1 with true flow
"""

from __future__ import annotations

import argparse
import lzma
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

import livestyle
from livestyle.frame import Image
from livestyle.media.picture import open_rgb
from livestyle.media.reader import FilmReader
from livestyle.steady import Steady

SIZE = (640, 360)
STILLS = ("vlogger_1080p30_aac.mp4", "static_coffee_720p_aac.mp4", "dashcam_540p_aac.mp4", "bunny_720p_aac.mp4")
FRAMES, WARM_UP = 32, 8
LAGS = (1, 5, 20)
MARGIN = 1.2  # how much larger than the frame a still is, so that it can move
Stylize = Callable[[Image], Image]
Flat = NDArray[np.float32]


class Film(NamedTuple):
    """Frames, what a style makes of each, and where each lies on the still (the identity where nothing moves)."""

    images: list[Image]
    styled: list[Image]
    paths: list[NDArray[np.float64]]


def first_frame(path: Path) -> Image:
    """A clip's first frame, larger than SIZE by MARGIN."""
    width, height = (round(side * MARGIN) for side in SIZE)
    with FilmReader(path) as reader:
        image = next(iter(reader)).image
    scale = max(width / image.shape[1], height / image.shape[0])
    image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    return np.ascontiguousarray(image[:height, :width])


def path_at(t: float) -> NDArray[np.float64]:
    """Frame pixels to still pixels at frame t: a hand-held pan, turn and zoom of up to 3 pixels a frame."""
    angle, zoom = 0.03 * np.sin(t / 9), 1 + 0.02 * np.sin(t / 13)
    shift = np.array([64 + 30 * np.sin(t / 14), 36 + 12 * np.sin(t / 5 + 1)])
    turn = zoom * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    centre = np.array(SIZE) / 2
    return np.vstack([np.column_stack([turn, centre - turn @ centre + shift]), [0, 0, 1]])


def warped(image: Image, matrix: NDArray[np.float64], border: int = cv2.BORDER_REPLICATE) -> Image:
    """The frame whose pixels lie at `matrix` times their place."""
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpPerspective(image, matrix, SIZE, flags=flags, borderMode=border))


def moving(still: Image, stylize: Stylize) -> Film:
    """A still seen by a hand-held camera."""
    paths = [path_at(t) for t in range(FRAMES)]
    images = [warped(still, path) for path in paths]
    return Film(images, [stylize(image) for image in images], paths)


def noisy(still: Image, stylize: Stylize, levels: float = 4) -> Film:
    """A still with sensor noise."""
    random = np.random.default_rng(0)
    image = np.ascontiguousarray(still[: SIZE[1], : SIZE[0]]).astype(np.float32)
    images = [
        np.clip(image + random.normal(0, levels, image.shape) + 0.5, 0, 255).astype(np.uint8) for _ in range(FRAMES)
    ]
    return Film(images, [stylize(image) for image in images], [np.eye(3)] * FRAMES)


def fading(still: Image, stylize: Stylize) -> Film:
    """A still whose exposure falls to 60 % in 24 frames, then stays."""
    image = np.ascontiguousarray(still[: SIZE[1], : SIZE[0]])
    gains = [1 - 0.4 * min(max(t - 4, 0) / 24, 1) for t in range(FRAMES)]
    images = [cv2.convertScaleAbs(image, alpha=gain) for gain in gains]
    return Film(images, [stylize(image) for image in images], [np.eye(3)] * FRAMES)


def ellipse(t: int) -> NDArray[np.bool_]:
    """Where the moving ellipse is at frame t: 9 pixels a frame."""
    mask = np.zeros(SIZE[::-1], np.uint8)
    cv2.ellipse(mask, (80 + 9 * t, 190), (60, 110), 0, 0, 360, 1, -1)
    return mask.astype(bool)


def passing(still: Image, other: Image, stylize: Stylize) -> Film:
    """An ellipse cut from another still passes before a still."""
    random = np.random.default_rng(0)
    images = []
    for t in range(FRAMES):
        image = still[: SIZE[1], : SIZE[0]].copy()
        front = np.roll(other[: SIZE[1], : SIZE[0]], 9 * t, axis=1)
        image[ellipse(t)] = front[ellipse(t)]
        images.append(np.clip(image + random.normal(0, 2, image.shape) + 0.5, 0, 255).astype(np.uint8))
    return Film(images, [stylize(image) for image in images], [np.eye(3)] * FRAMES)


def filtered(film: Film, amount: float) -> list[Image]:
    """The film's styled frames through Steady."""
    steady = Steady()
    return [steady(image, styled, amount).copy() for image, styled in zip(film.images, film.styled, strict=True)]


def flicker(film: Film, frames: Sequence[Image], lag: int) -> float:
    """e_k in levels, over the frames after the warm-up."""
    total, count = 0.0, 0
    whole = np.full((*SIZE[::-1], 3), 255, np.uint8)
    for t in range(max(WARM_UP, lag), len(frames)):
        back = np.linalg.inv(film.paths[t - lag]) @ film.paths[t]
        inside = warped(whole, back, cv2.BORDER_CONSTANT)[..., 0] == 255
        change = frames[t].astype(np.float32) - warped(frames[t - lag], back)
        total += float((change[inside] ** 2).sum())
        count += 3 * int(inside.sum())
    return float(np.sqrt(total / count))


def energy(frames: Sequence[Image]) -> float:
    """Mean absolute difference of neighbours after the warm-up, levels."""
    return float(
        np.mean([np.abs(np.diff(f.astype(np.float32), axis=a)).mean() for f in frames[WARM_UP:] for a in (0, 1)])
    )


def temporal_rms(frames: Sequence[Image]) -> float:
    """rms difference of frames that follow each other, levels: e_1 where nothing moves."""
    return float(np.sqrt(np.mean(np.diff(np.stack(frames[WARM_UP:]).astype(np.float32), axis=0) ** 2)))


def temporal_std(frames: Sequence[Image]) -> float:
    """Mean over pixels of the standard deviation in time, levels."""
    return float(np.stack(frames[WARM_UP:]).astype(np.float32).std(axis=0).mean())


def ramp_error(film: Film, frames: Sequence[Image]) -> float:
    """The largest distance of a frame's mean level (per channel) from the styled frame's."""
    return max(
        float(np.abs((f.astype(np.float32) - s).mean(axis=(0, 1))).max())
        for f, s in zip(frames, film.styled, strict=True)
    )


def ghost(film: Film, frames: Sequence[Image]) -> float:
    """rms distance from the styled frame where the ellipse was one frame before and is no more."""
    trails = [
        (frames[t].astype(np.float32) - film.styled[t])[ellipse(t - 1) & ~ellipse(t)] for t in range(WARM_UP, FRAMES)
    ]
    return float(np.sqrt(np.mean(np.concatenate(trails) ** 2)))


def cut_error(before: Film, after: Film, amount: float) -> float:
    """The largest difference from the styled frame right after a cut, levels."""
    steady = Steady()
    for film, count in ((before, 6), (after, 1)):
        for image, styled in list(zip(film.images, film.styled, strict=True))[:count]:
            output = steady(image, styled, amount)
    return float(np.abs(output.astype(int) - after.styled[0]).max())


def sintel(folder: Path, stylize: Stylize, amount: float) -> float:
    """e_1 between frames 2 and 3 with true flow, outside occlusions, levels."""
    images = [np.array(open_rgb(folder / f"final_{number:04d}.png")) for number in (1, 2, 3)]
    raw = np.frombuffer(lzma.decompress(next(folder.glob("*.flo.xz")).read_bytes()), np.float32)[3:]
    height, width = images[0].shape[:2]
    place = raw.reshape(height, width, 2) + np.dstack(np.meshgrid(np.arange(width), np.arange(height)))
    hidden = np.array(open_rgb(folder / "occlusion_0002.png")) | np.array(open_rgb(folder / "invalid_0002.png"))
    steady = Steady()
    outputs = [steady(image, stylize(image), amount).copy() for image in images]
    seen = cv2.remap(outputs[2], place.astype(np.float32), None, cv2.INTER_CUBIC)  # type: ignore[call-overload]
    return float(np.sqrt(np.mean((outputs[1].astype(np.float32) - seen)[hidden[..., 0] == 0] ** 2)))


class Films(NamedTuple):
    """All films of one style."""

    moving: list[Film]
    noisy: list[Film]
    fading: list[Film]
    passing: list[Film]


def make_films(stills: Sequence[Image], stylize: Stylize) -> Films:
    """Every test film in one style."""
    return Films(
        [moving(still, stylize) for still in stills],
        [noisy(still, stylize) for still in stills[:2]],
        [fading(still, stylize) for still in stills[:2]],
        [passing(stills[0], stills[2], stylize), passing(stills[1], stills[3], stylize)],
    )


def row(films: Films, amount: float) -> list[str]:
    """The cells of one amount."""
    out = [filtered(film, amount) for film in films.moving]
    pairs = list(zip(films.moving, out, strict=True))
    sharp = np.mean([energy(frames) / energy(film.styled) for film, frames in pairs])
    return [
        *(f"{np.mean([flicker(film, frames, lag) for film, frames in pairs]):.2f}" for lag in LAGS),
        *(
            f"{np.mean([measure(filtered(f, amount)) for f in films.noisy]):.2f}"
            for measure in (temporal_rms, temporal_std)
        ),
        f"{max(ramp_error(film, filtered(film, amount)) for film in films.fading):.2f}",
        f"{np.mean([ghost(film, filtered(film, amount)) for film in films.passing]):.2f}",
        f"{cut_error(films.moving[0], films.moving[1], amount):.0f}",
        f"{sharp:.3f}",
    ]


def print_speed(still: Image) -> None:
    """CPU milliseconds of one thread a frame, medians of 100, for a still camera, a passing ellipse and a pan."""
    cv2.setNumThreads(1)
    print("\n| size | still, ms | something moves, ms | all moves, ms |\n|---|---|---|---|")
    for width, height in ((640, 360), (1280, 720)):
        cells = [f"{speed(still, (width, height), kind):.2f}" for kind in ("still", "part", "all")]
        print(f"| {width}x{height} | {' | '.join(cells)} |", flush=True)


def speed(still: Image, size: tuple[int, int], kind: str) -> float:
    """The median of 100 frames with sensor noise, milliseconds."""
    random = np.random.default_rng(0)
    noise = [random.normal(0, 2, (*size[::-1], 3)).astype(np.float32) for _ in range(5)]
    picture = cv2.resize(still, size).astype(np.float32)
    steady, spent = Steady(), []
    for t in range(120):
        shift = size[0] / 64 * np.sin(t / 8)
        matrix = np.array([[1, 0, shift], [0, 1, shift / 2]])
        moved = cv2.warpAffine(picture, matrix, size, borderMode=cv2.BORDER_REFLECT) if kind != "still" else picture
        if kind == "part":
            body = cv2.resize(ellipse(12).astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
            moved = np.where(body[..., None] > 0, moved, picture)
        image = np.clip(moved + noise[t % 5], 0, 255).astype(np.uint8)
        styled = 255 - image
        began = time.thread_time()
        steady(image, styled, 0.5)
        spent.append(time.thread_time() - began)
    return float(np.median(spent[20:]) * 1e3)


def main() -> None:
    """Prints a Markdown table, a row a style and amount."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--styles", nargs="*", default=["starry", "wave", "udnie"])
    parser.add_argument("--amounts", nargs="*", type=float, default=[0, 0.25, 0.5, 0.75, 1])
    parser.add_argument("--speed", action="store_true")
    args = parser.parse_args()
    stills = [first_frame(args.data / "videos" / name) for name in STILLS]
    print(
        "| style | amount | e_1 | e_5 | e_20 | still e_1 | noise | ramp | ghost | cut | energy | sintel |\n"
        + "|---" * 12
        + "|"
    )
    for style in args.styles:
        stylize = livestyle.load(style, threads=1)
        films = make_films(stills, stylize)
        for amount in args.amounts:
            scenes = sorted((args.data / "videos" / "flow").glob("sintel_*"))
            true_flow = np.mean([sintel(folder, stylize, amount) for folder in scenes])
            print(f"| {style} | {amount:g} | {' | '.join(row(films, amount))} | {true_flow:.2f} |", flush=True)
    if args.speed:
        print_speed(stills[0])


if __name__ == "__main__":
    main()
