"""The uint8 contract every artifact keeps, as a module around a network."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from livestyle.nets.layers import lit_as
from livestyle.nets.lite import Lite


class Contract(nn.Module):
    """uint8 RGB pictures in, uint8 RGB pictures of the same size out, for any H and W.

    With `keep_color`, pictures keep their own colours and take light and dark alone from the network's.
    Normalisation, layout, padding, cropping and rounding live in here, so the runtime has none to get wrong.
    """

    def __init__(self, net: nn.Module, *, keep_color: bool = False) -> None:
        super().__init__()
        self.net, self.keep_color = net, keep_color

    @property
    def code_size(self) -> int:
        """K: numbers in a code; 0 for a network of one style."""
        return self.net.codes.shape[1] if isinstance(self.net, Lite) else 0

    def code_rows(self) -> list[Tensor]:
        """A (1, K) code for every style; empty for a network of one style."""
        return list(torch.split(self.net.codes.detach(), 1)) if isinstance(self.net, Lite) else []

    def forward(self, frames: Tensor, strength: Tensor, code: Tensor | None = None) -> Tensor:
        """`styled` (N, H, W, 3) uint8 for `frames` of the same shape, `strength` () in 0..1 and `code` (1, K)."""
        x = frames.permute(0, 3, 1, 2).float() / 255
        y: Tensor = self.net(x) if code is None else self.net(x, code)
        if self.keep_color:
            y = lit_as(x, y)
        blended = x + strength * (y - x)
        return (blended * 255 + 0.5).to(torch.uint8).permute(0, 2, 3, 1)
