"""Style loss, content loss, colours and gradient energy of our styles beside another project's, as a table.

    python tests/measure_quality.py --data FOLDER [--photos 30] [--styles NAME...] [--network FILE.onnx]

FOLDER holds photos/, paintings/named/, loss_networks/ and peers/. Each network is judged against its own
painting, at the painting scale that suits the peer best, with the same photos (every 14th, which our training
leaves out), loss network and layers for both. Colours is how far those of patches of 8 pixels are from the painting's,
as a distribution (root of the mean sliced Wasserstein distance, levels). Gradient energy is the mean absolute
difference of neighbours.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import Tensor

import livestyle
from livestyle.data import load_painting
from livestyle.frame import Image
from livestyle.losses import color_loss, colors, content_loss, gram, style_loss
from livestyle.media.picture import open_rgb
from livestyle.nets.vgg import LossNetwork, load_loss_network

SIDE = 256  # pixels
ANY_STYLE = "microast_any_style.onnx"  # the peer where none has learnt the painting
ANY_STYLE_SIDE = 512  # pixels of the painting it is given
PAINTINGS = {
    "starry": "starry_night_vangogh_1889",
    "wave": "great_wave_hokusai_1831",
    "scream": "the_scream_munch_1893",
    "udnie": "udnie_picabia_1913",
    "irises": "irises_vangogh_1890",
}
JUDGES = {  # file: (style layers, content layers)
    "vgg19_distilled16x_relu5_1": (("relu1_1", "relu2_1", "relu3_1", "relu4_1"), {"relu4_1": 1.0, "relu3_1": 0.5}),
    "vgg19_normalised_relu3_1": (("relu1_1", "relu2_1", "relu3_1"), {"relu3_1": 1.0}),
}
STROKES = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0)


def held_out(folder: Path, count: int) -> np.ndarray:
    """(count, 256, 256, 3): the middle squares of photos that our training leaves out."""
    return np.stack([_square(path) for path in held_out_files(folder, count)])


def held_out_files(folder: Path, count: int) -> list[Path]:
    """Every 14th photo, thinned."""
    paths = sorted(folder.glob("*.jpg"))[13::14]
    return paths[:: max(1, len(paths) // count)][:count]


def _square(path: Path) -> Image:
    picture = open_rgb(path)
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    return np.array(picture.resize((SIDE, SIDE), box=(left, top, left + side, top + side)))


def tensor(images: np.ndarray) -> Tensor:
    """(N, 3, H, W) in [0, 1]."""
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255


def gradient_energy(images: np.ndarray) -> float:
    """Mean absolute difference of horizontal and vertical neighbours, levels."""
    x = images.astype(np.float32)
    return float(np.abs(np.diff(x, axis=1)).mean() + np.abs(np.diff(x, axis=2)).mean())


def color_distance(styled: np.ndarray, painting: Tensor) -> float:
    """Levels."""
    losses = color_loss(tensor(styled), colors(painting).expand(len(styled), -1, -1))
    return 255 * float(losses.mean().sqrt())


class Judge:
    """One loss network and its layers."""

    def __init__(self, path: Path) -> None:
        self.name = path.stem
        self.network: LossNetwork = load_loss_network(path)
        self.style_layers, self.content_layers = JUDGES[path.stem]

    @torch.inference_mode()
    def style(self, styled: np.ndarray, painting: Tensor) -> float:
        """Mean relative Gram distance."""
        targets = {k: gram(f) for k, f in self.network(painting, self.style_layers).items()}
        return float(
            np.mean([style_loss(self.network(tensor(s[None]), self.style_layers), targets).item() for s in styled])
        )

    @torch.inference_mode()
    def content(self, styled: np.ndarray, photos: np.ndarray) -> float:
        """Mean relative feature distance."""
        losses = []
        for one, photo in zip(styled, photos, strict=True):
            pair = (self.network(tensor(x[None]), self.content_layers) for x in (one, photo))
            losses.append(content_loss(*pair, self.content_layers).item())
        return float(np.mean(losses))


def runner(path: Path, painting: Path) -> Callable[[Image], Image]:
    """A peer's ONNX network as a function of one image; one for any style is given the painting too."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    name, *more = (one.name for one in session.get_inputs())
    given = {}
    if more:
        picture = open_rgb(painting)
        picture.thumbnail((ANY_STYLE_SIDE, ANY_STYLE_SIDE))
        given = {more[0]: np.array(picture)[None]}
    return lambda image: session.run(None, {name: image[None], **given})[0][0]


def main() -> None:
    """Prints a Markdown table, a row a style and judge."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--photos", type=int, default=30)
    parser.add_argument("--network", help="judge the styles of this file instead of the shipped ones")
    parser.add_argument("--styles", nargs="*", default=["wave", "udnie", "scream", "starry"])
    args = parser.parse_args()
    photos = held_out(args.data / "photos", args.photos)
    print(f"{len(photos)} photos at {SIDE} px; ours / peer's (ratio)\n")
    print("| style | judge | painting, px | style loss | content loss | colours | gradient energy |")
    print("|---|---|---|---|---|---|---|")
    for style in args.styles:
        ours = np.stack([livestyle.load(f"{args.network}#{style}" if args.network else style)(p) for p in photos])
        base = style.split("-")[0]
        painting_file = args.data / "paintings" / "named" / f"{PAINTINGS[base]}.jpg"
        peer_file = args.data / "peers" / f"fast_style_transfer_{base}.onnx"
        if not peer_file.exists():
            peer_file = args.data / "peers" / ANY_STYLE
        run_peer = runner(peer_file, painting_file)
        peer = np.stack([run_peer(p) for p in photos])
        for judge in (Judge(args.data / "loss_networks" / f"{name}.safetensors") for name in JUDGES):
            print_row(style, judge, painting_file, photos, ours, peer)


def print_row(style: str, judge: Judge, painting: Path, photos: np.ndarray, ours: np.ndarray, peer: np.ndarray) -> None:
    """One line of the table."""
    stroke = min(STROKES, key=lambda s: judge.style(peer[:8], load_painting(painting, stroke=s)))
    target = load_painting(painting, stroke=stroke)
    measures = [
        [judge.style(x, target), judge.content(x, photos), color_distance(x, target), gradient_energy(x)]
        for x in (ours, peer)
    ]
    cells = [f"{mine:.3f} / {theirs:.3f} ({mine / theirs:.2f})" for mine, theirs in zip(*measures, strict=True)]
    print(f"| {style} | {judge.name.split('_relu')[0]} | {round(512 * stroke)} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
