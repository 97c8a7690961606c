"""What decides the result of a training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..losses import LossWeights, Perceptual

_RATE, _RATE_FROM_THERE, _CODES_RATE = 2e-3, 1e-3, 8e-2


@dataclass(frozen=True)
class Painting:
    """One style to learn: its name, picture, stroke size and weight against the content.

    With `content`, a content loss to reach, the weight is only where it begins. `dots` is a weight against spots.
    """

    name: str
    path: Path
    stroke: float = 1.0
    style_weight: float = 5.0
    content: float | None = None
    dots: float = 0.0


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides the result. Equal configurations on one machine give equal weights.

    Attributes:
        photos: a folder or a film; None for the pictures livestyle brings along.
        loss_networks: each layer comes from the first that has it.
        iterations: the length of the training, unless `minutes` says it.
        keep_color: learn the painting's light and dark alone; colours stay the photo's (Gatys 2016, "Preserving
            color in neural artistic style transfer", section 4).
        codes_only: learn the codes alone; the network stays as it was (Dumoulin 2017, section 3.2).
        learning_rate: of all there is to learn; None for `rates`.
        judge_every: steps between two looks at the photos kept aside.
        patience: looks without progress after which the learning rate begins to fall, and again after which all
            ends; 0 never ends early.
    """

    paintings: tuple[Painting, ...]
    photos: Path | None
    loss_networks: tuple[str, ...] = ("vgg19",)
    net: str = "lite"
    net_options: dict[str, Any] = field(default_factory=dict)
    iterations: int = 2000
    minutes: float | None = None
    batch: int = 2  # of each process
    crop: int = 128  # pixels
    learning_rate: float | None = None
    seed: int = 0
    keep_color: bool = False
    codes_only: bool = False
    judge_every: int = 100
    patience: int = 10
    losses: LossWeights = field(default_factory=LossWeights)

    def rates(self, started: bool) -> tuple[float, float]:
        """The learning rates of the network and of the codes, before they fall.

        A network that has learnt before (`started`) goes on in smaller steps; a new painting's code, far from where
        it belongs, in large ones.
        """
        if self.learning_rate:
            return self.learning_rate, self.learning_rate
        return (_RATE_FROM_THERE, _CODES_RATE) if started else (_RATE, _RATE)


@dataclass(frozen=True)
class Progress:
    """One step of training as it is reported: losses are means over the batch.

    `iterations` is how many there will be, for a training of so many minutes as it looks now.
    """

    step: int
    iterations: int
    losses: dict[str, float]
    seconds_left: float


@dataclass(frozen=True)
class Judged:
    """A look at the photos kept aside: mean losses, and whether it was the best so far."""

    step: int
    losses: dict[str, float]
    best: bool


@dataclass(frozen=True)
class Facts:
    """What a training that begins has found.

    Attributes:
        weights: numbers in the network.
        photos, kept: how many it learns on, and how many it is judged by.
        step: 0, or where an earlier run ended.
        history: a row for each look of that run at the photos kept aside.
    """

    weights: int
    photos: int
    kept: int
    step: int
    device: torch.device
    history: Sequence[dict[str, float]] = ()


class Watcher:
    """Hears how a training goes; does nothing by itself. It may look at the networks but not change them."""

    def begun(self, facts: Facts, examples: torch.Tensor) -> None:
        """`examples` are some of the photos kept aside, (N, 3, H, W) in [0, 1]."""

    def stepped(self, progress: Progress, net: nn.Module) -> None:
        """After every step."""

    def judged(self, judged: Judged, history: Sequence[dict[str, float]]) -> None:
        """After every look at the photos kept aside; `history` has a row for each."""

    def ended(self, perceptual: Perceptual) -> None:
        """At the end of training, with the losses as they are by then."""

    def note(self, line: str) -> None:
        """Something the user should know."""
