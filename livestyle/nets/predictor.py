"""Style prediction: a small network looks at any picture and gives its code (Ghiasi 2017)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .lite import Lite
from .vgg import LossNetwork

_EMBEDDING = 64  # Ghiasi 2017, section 3, has 100; our codes have a third of the numbers of theirs
_LEAST_SPREAD = 1e-4  # of a channel: a flat picture has no slope otherwise
_HIDDEN = 0.2  # share of the statistics that is hidden while it learns: there are more of them than paintings


class Predictor(nn.Module):
    """A picture's code, from the mean and spread of every channel of a loss network.

    Those are what the style loss knows too: the picture's colours and strokes, wherever they are. (Ghiasi 2017 uses
    the means at two depths of an Inception network, which has 40 times as many weights.) The code is a mix of known
    ones and an offset, so that a picture like none of them still gets a style that has proved itself.

    Args:
        eye: the loss network; it learns no more.
        known: (S, K), the codes that are mixed.
    """

    known: Tensor
    centre: Tensor
    spread: Tensor

    def __init__(self, eye: LossNetwork, known: Tensor) -> None:
        super().__init__()
        self.eye = eye.requires_grad_(False)
        count = 2 * sum(eye.widths)
        self.register_buffer("known", known)
        self.register_buffer("centre", torch.zeros(count))
        self.register_buffer("spread", torch.ones(count))
        self.embed = nn.Linear(count, _EMBEDDING)
        self.mix = nn.Linear(_EMBEDDING, len(known))
        self.offset = nn.Linear(_EMBEDDING, known.shape[1])
        nn.init.zeros_(self.offset.weight)
        nn.init.zeros_(self.offset.bias)

    def forward(self, picture: Tensor) -> Tensor:
        """(N, K) for pictures (N, 3, H, W) in [0, 1]."""
        return self.code(self.statistics(picture))

    def statistics(self, picture: Tensor) -> Tensor:
        """(N, D): the mean and spread of every channel of the loss network."""
        rows = []
        for y in self.eye.activations(picture):
            mean = y.mean((2, 3), keepdim=True)
            spread = ((y - mean).square().mean((2, 3)) + _LEAST_SPREAD).sqrt()
            rows += [mean.flatten(1), spread]
        return torch.cat(rows, 1)

    def code(self, statistics: Tensor) -> Tensor:
        """(N, K) for what is known of the pictures."""
        usual = (statistics - self.centre) / self.spread
        seen = F.relu(self.embed(F.dropout(usual, _HIDDEN, self.training)))
        code: Tensor = self.mix(seen).softmax(1) @ self.known + self.offset(seen)
        return code


class Predicted(nn.Module):
    """A trained Lite and the predictor that learns to serve it; the Lite itself learns no more.

    Args:
        lite: the network of many styles, whose codes are the known ones.
        eye: the loss network that looks at the pictures.
        pictures: (1, 3, H, W) in [0, 1] each, of any sizes: the paintings, by their numbers.
    """

    statistics: Tensor

    def __init__(self, lite: Lite, eye: LossNetwork, pictures: Sequence[Tensor]) -> None:
        super().__init__()
        self.lite, self.config = lite.requires_grad_(False), {"styles": len(pictures)}
        self.predictor = Predictor(eye, lite.codes.detach().clone())
        with torch.no_grad():
            rows = torch.cat([self.predictor.statistics(picture) for picture in pictures])
            self.predictor.centre.copy_(rows.mean(0))
            self.predictor.spread.copy_(rows.std(0, correction=0).clamp_min(1e-3))
        self.register_buffer("statistics", rows)

    def code_of(self, painting: Tensor) -> Tensor:
        """(N, K) for the numbers (N,) of paintings."""
        with torch.autocast(self.statistics.device.type, enabled=False):
            return self.predictor.code(self.statistics[painting])

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        """As Lite."""
        styled: Tensor = self.lite(x, code)
        return styled
