"""What training without downloads costs: the photos and the loss network that ship beside real ones, as a table.

    python tests/measure_training.py --data FOLDER [--iterations 400] [--judge-photos 200] [--minutes 1 2 15]

FOLDER holds photos/, paintings/ and loss_networks/. Three paintings, each with a seed of its own, are learnt three
times, as `livestyle train` does, from the network that ships: with the photos of FOLDER and VGG-19, with the photos
that come along, and with the loss network that ships. All are judged by VGG-19 on photos left out of all training
(every 14th). The style weight stays at 3, so that totals compare.

With --minutes: the first painting predicted, and learnt for so long each, as `livestyle train` does without options (up
to a minute: the code alone); x is of the last one's.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from measure_quality import held_out, tensor

from exporters.from_onnx import load_lite
from livestyle.cli_train import CONTENT_GOAL
from livestyle.data import load_painting
from livestyle.losses import LossWeights, Perceptual, style_loss
from livestyle.nets.lite import Lite
from livestyle.nets.vgg import load_loss_network, load_loss_networks
from livestyle.predict import NETWORK, predict
from livestyle.training.command import QUALITY
from livestyle.training.config import Painting, TrainConfig
from livestyle.training.loop import train

PAINTINGS = ("wheat_field_cypresses_vangogh_1889", "mada_primavesi_klimt_1912", "grand_canal_venice_turner_1835")
VGG = ("vgg19_normalised_relu3_1", "vgg19_distilled16x_relu5_1")  # genuine up to relu3_1; the only one with relu4_1
SHALLOW = ("relu1_1", "relu2_1", "relu3_1")
WEIGHT, CROP, BATCH = 3.0, 128, 4
AT_ONCE = 8  # photos


class Judge:
    """VGG-19's opinion of a network of one style."""

    def __init__(self, files: tuple[str, ...], painting: Path, photos: torch.Tensor) -> None:
        weights = LossWeights(temporal=0)
        self._all = Perceptual(load_loss_networks(files), [load_painting(painting)], [WEIGHT], weights)
        self._vgg, self._photos = load_loss_network(files[0]), photos

    @torch.inference_mode()
    def __call__(self, net: Lite) -> dict[str, float]:
        """Mean losses: total, style, content, and the style loss of the genuine layers."""
        rows = []
        for x in self._photos.split(AT_ONCE):
            styled = net(x, net.codes)
            one = torch.zeros(len(x), dtype=torch.long)
            parts = self._all.measure(styled, x, one)
            total = self._all.total(parts, one)
            shallow = style_loss(self._vgg(styled, SHALLOW), {k: self._all.targets[k] for k in SHALLOW})
            rows.append(torch.stack([total, parts["style"], parts["content"], shallow]))
        return dict(zip(("total", "style", "content", "relu1-3"), torch.cat(rows, 1).mean(1).tolist(), strict=True))


def start(painting: Path | None = None) -> Lite:
    """The network that ships, with the code predicted for a painting, or the mean of its own."""
    held = load_lite(NETWORK)
    code = torch.from_numpy(predict(painting)[1]) if painting else held.codes.detach().mean(0, keepdim=True)
    net = Lite(1)
    net.load_state_dict({**held.state_dict(), "codes": code})
    return net


def learn(painting: Path, minutes: float) -> Lite:
    """What a user gets after so many minutes; after none, what is predicted."""
    if not minutes:
        return start(painting).eval()
    config = TrainConfig(
        paintings=(Painting("mine", painting, 1.0, WEIGHT, CONTENT_GOAL),), photos=None, loss_networks=("small",),
        minutes=minutes, codes_only=minutes <= QUALITY["draft"],
    )  # fmt: skip
    net = train(config, start=start(painting))
    assert isinstance(net, Lite)
    return net


def tell_marks(judge: Judge, painting: Path, lengths: Sequence[float]) -> None:
    """A Markdown table, a row for each length."""
    rows = [(minutes, judge(learn(painting, minutes))) for minutes in (0.0, *lengths)]
    print("| minutes | total | style | content | style, relu1_1 to relu3_1 |\n|---|---|---|---|---|")
    for minutes, losses in rows:
        cells = " | ".join(f"{value:.3f} ({value / rows[-1][1][key]:.2f}x)" for key, value in losses.items())
        print(f"| {minutes:g} | {cells} |", flush=True)


def main() -> None:
    """Prints a Markdown table, three rows a painting."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--iterations", type=int, default=400)
    parser.add_argument("--judge-photos", type=int, default=200)
    parser.add_argument("--minutes", type=float, nargs="+")
    args = parser.parse_args()
    data = args.data.resolve()
    vgg = tuple(str(data / "loss_networks" / f"{name}.safetensors") for name in VGG)
    photos = tensor(held_out(data / "photos", args.judge_photos))
    if args.minutes:
        painting = data / "paintings" / "named" / f"{PAINTINGS[0]}.jpg"
        tell_marks(Judge(vgg, painting, photos), painting, args.minutes)
        return
    print(
        f"{len(photos)} photos to judge by; {args.iterations} iterations, crops of {CROP} px; x: of the first row's\n"
    )
    print("| painting, seed | photos, loss network | total | style | content | style, relu1_1 to relu3_1 | s |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for i, path in enumerate(sorted((data / "photos").glob("*.jpg"))):
            if i % 14 != 13:
                (Path(folder) / path.name).symlink_to(path)
        for seed, name in enumerate(PAINTINGS):
            painting = data / "paintings" / "named" / f"{name}.jpg"
            judge, first = Judge(vgg, painting, photos), dict[str, float]()
            for label, where, networks in (
                ("real, VGG-19", Path(folder), vgg),
                ("that come along, VGG-19", None, vgg),
                ("real, small", Path(folder), ("small",)),
            ):
                config = TrainConfig(
                    paintings=(Painting(name, painting, 1.0, WEIGHT),), photos=where, loss_networks=networks,
                    iterations=args.iterations, batch=BATCH, crop=CROP, seed=seed, patience=0,
                    losses=LossWeights(temporal=0),
                )  # fmt: skip
                began = time.monotonic()
                net = train(config, start=start())
                seconds = time.monotonic() - began
                assert isinstance(net, Lite)
                losses = judge(net)
                first = first or losses
                cells = " | ".join(f"{value:.3f} ({value / first[key]:.2f}x)" for key, value in losses.items())
                print(f"| {name.rsplit('_', 2)[0]}, {seed} | {label} | {cells} | {seconds:.0f} |", flush=True)


if __name__ == "__main__":
    main()
