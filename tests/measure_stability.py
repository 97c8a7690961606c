"""Flicker and noise of our styles beside another project's, as a table.

    python tests/measure_stability.py --data FOLDER [--photos 12] [--network FILE.onnx] [--styles wave scream udnie]

FOLDER holds photos/, peers/ and videos/flow/. Photos that our training leaves out are seen by a camera that pans, turns
and zooms by a known homography, up to 4 pixels a frame, at 256x256 and at 640x360. All without `--steady`.

    e_k     flicker: sqrt(mean M·|O_t - warp(O_{t-k})|²), M what is inside both frames; 1 is the whole range
    noise   temporal standard deviation of the output over the input's, a still with sensor noise of 4 levels
    energy  gradient energy, levels
    Sintel  e_1 between two frames of each scene of that film with true flow, outside occlusions (Butler 2012)
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from measure_flicker import sintel
from measure_quality import gradient_energy, held_out_files, runner
from numpy.typing import NDArray

import livestyle
from livestyle.frame import Image
from livestyle.media.picture import open_rgb

SIZES = ((256, 256), (640, 360))
FRAMES, LAGS = 6, (1, 5)
MARGIN = 1.25  # how much larger than the frame a photo is, so that it can move
NOISE = 4.0  # levels
Matrix = NDArray[np.float64]
Flat = NDArray[Any]  # an image, rounded or not


def wide(path: Path, size: tuple[int, int]) -> Image:
    """A photo larger than the frame by MARGIN, its middle."""
    picture = open_rgb(path)
    scale = max(MARGIN * side / there for side, there in zip(size, picture.size, strict=True))
    picture = picture.resize((round(picture.width * scale), round(picture.height * scale)))
    left, top = (round((there - MARGIN * side) / 2) for side, there in zip(size, picture.size, strict=True))
    return np.asarray(picture)[top:, left:]


def path_at(t: int, size: tuple[int, int], seed: int) -> Matrix:
    """Frame pixels to photo pixels at frame t: a path of its own for every photo."""
    random = np.random.default_rng(seed)
    pan, speed = random.uniform(0, 2 * np.pi), random.uniform(1, 4)
    turn, zoom = t * random.uniform(-0.006, 0.006), 1 + t * random.uniform(-0.004, 0.004)
    centre = np.array(size) / 2
    shift = MARGIN * centre - centre + t * speed * np.array([np.cos(pan), np.sin(pan)])
    matrix = zoom * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return np.vstack([np.column_stack([matrix, centre - matrix @ centre + shift]), [0, 0, 1]])


def seen(image: Flat, matrix: Matrix, size: tuple[int, int], border: int = cv2.BORDER_REPLICATE) -> Flat:
    """The frame whose pixels lie at `matrix` times their place, unrounded."""
    how = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpPerspective(image.astype(np.float32), matrix, size, flags=how, borderMode=border))


def rounded(image: Flat) -> Image:
    """In whole levels."""
    whole: Image = np.clip(image + 0.5, 0, 255).astype(np.uint8)
    return whole


class Stability:
    """Sums over photos."""

    def __init__(self, size: tuple[int, int], stylize: Callable[[Image], Image]) -> None:
        self._size, self._stylize = size, stylize
        self._squares: dict[int, list[float]] = {lag: [] for lag in LAGS}
        self._noise: list[float] = []
        self._energy: list[float] = []

    def add(self, photo: Image, seed: int) -> None:
        """One photo, moved by a path of that seed, and with noise."""
        paths = [path_at(t, self._size, seed) for t in range(FRAMES)]
        images = [rounded(seen(photo, path, self._size)) for path in paths]
        frames = [self._stylize(image) for image in images]
        whole = np.ones(self._size[::-1], np.float32)
        for lag in LAGS:
            for t in range(lag, FRAMES):
                back = np.linalg.inv(paths[t - lag]) @ paths[t]
                inside = seen(whole, back, self._size, cv2.BORDER_CONSTANT) > 0.999
                change = frames[t] - seen(frames[t - lag], back, self._size)
                self._squares[lag].append(float((change[inside] ** 2).mean()))
        self._noise.append(self._amplified(images[0], seed))
        self._energy.append(gradient_energy(frames[0][None]))

    def _amplified(self, still: Image, seed: int) -> float:
        random = np.random.default_rng(seed)
        noisy = [rounded(still + random.normal(0, NOISE, still.shape)) for _ in range(FRAMES)]
        styled = [self._stylize(image) for image in noisy]
        after, before = (float(np.stack(x).astype(np.float32).std(axis=0).mean()) for x in (styled, noisy))
        return after / before

    def figures(self) -> list[float]:
        """e_k for each lag, noise, energy."""
        flicker = [float(np.sqrt(np.mean(self._squares[lag]))) / 255 for lag in LAGS]
        return [*flicker, float(np.mean(self._noise)), float(np.mean(self._energy))]


def measured(photos: Sequence[Path], size: tuple[int, int], stylize: Callable[[Image], Image]) -> list[float]:
    """The figures of one network."""
    stability = Stability(size, stylize)
    for seed, path in enumerate(photos):
        stability.add(wide(path, size), seed)
    return stability.figures()


def beside(mine: float, theirs: float) -> str:
    """Ours, the peer's, and their ratio."""
    return f"{mine:.3f} / {theirs:.3f} ({mine / theirs:.2f})"


def main() -> None:
    """Prints a Markdown table, a row a size and style."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--photos", type=int, default=12)
    parser.add_argument("--network", help="judge the styles of this file instead of the shipped ones")
    parser.add_argument("--styles", nargs="*", default=["wave", "scream", "udnie"])
    args = parser.parse_args()
    paths = held_out_files(args.data / "photos", args.photos)
    print(f"{len(paths)} photos; ours / peer's (ratio)\n")
    print("| style | size | e_1 | e_5 | noise | energy |\n|---|---|---|---|---|---|")
    scenes, on_sintel = sorted((args.data / "videos" / "flow").glob("sintel_*")), []
    for style in args.styles:
        ours = livestyle.load(f"{args.network}#{style}" if args.network else style)
        peer = runner(args.data / "peers" / f"fast_style_transfer_{style.split('-')[0]}.onnx", paths[0])
        for size in SIZES:
            rows = [measured(paths, size, network) for network in (ours, peer)]
            print(f"| {style} | {size[0]}x{size[1]} | {' | '.join(map(beside, *rows))} |", flush=True)
        true_flow = [float(np.mean([sintel(scene, network, 0) for scene in scenes])) / 255 for network in (ours, peer)]
        on_sintel.append(f"{style} {beside(*true_flow)}")
    print(f"\nSintel, e_1 ({len(scenes)} scenes): {', '.join(on_sintel)}")


if __name__ == "__main__":
    main()
