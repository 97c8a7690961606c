"""Johnson: the image transformation network of Johnson, Alahi and Fei-Fei (2016), supplement, table 1."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .layers import InstanceNorm, UpsampleConv, conv3x3, pad_to_multiple

Norm = Literal["instance", "batch"]
Up = Literal["resize", "deconv"]
RANGE = 300 / 255  # of the scaled tanh, where 1 is black to white


def _norm(kind: Norm, channels: int) -> nn.Module:
    # The paper used batch norm; instance norm (Ulyanov 2017) gives better styles, so it is the default.
    if kind == "batch":
        return nn.BatchNorm2d(channels)
    return InstanceNorm(channels)


class _Residual(nn.Module):
    # The paper's blocks convolve without padding and crop the identity; here padding keeps the size.
    def __init__(self, channels: int, norm: Norm) -> None:
        super().__init__()
        self.conv1 = conv3x3(channels, channels)
        self.norm1 = _norm(norm, channels)
        self.conv2 = conv3x3(channels, channels)
        self.norm2 = _norm(norm, channels)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)))))
        return x + y


def _upsample(kind: Up, in_channels: int, out_channels: int) -> nn.Module:
    # The paper's strided transposed convolutions ("deconv") leave a checkerboard (Odena 2016).
    if kind == "deconv":
        return nn.ConvTranspose2d(in_channels, out_channels, 3, stride=2, padding=1, output_padding=1)
    return UpsampleConv(in_channels, out_channels)


class Johnson(nn.Module):
    """One style, five residual blocks, 9x9 at both ends, scaled tanh.

    Args:
        width: channels of the first layer (32 in the paper; 16 is four times cheaper).
        norm: `instance` (Ulyanov 2017) or the paper's `batch`.
        up: `resize` (nearest and 3x3, Odena 2016) or the paper's `deconv`.
    """

    # The paper reflects 40 pixels around the picture, which its unpadded blocks eat up; every layer here
    # repeats the edge instead, and only the first 9x9 kernel's share is padded in advance.
    MARGIN = 4
    MULTIPLE = 4

    def __init__(self, *, width: int = 32, norm: Norm = "instance", up: Up = "resize") -> None:
        super().__init__()
        self.config = {"width": width, "norm": norm, "up": up}
        self.layers = nn.Sequential(
            nn.Conv2d(3, width, 9), _norm(norm, width), nn.ReLU(),
            conv3x3(width, 2 * width, stride=2), _norm(norm, 2 * width), nn.ReLU(),
            conv3x3(2 * width, 4 * width, stride=2), _norm(norm, 4 * width), nn.ReLU(),
            *(_Residual(4 * width, norm) for _ in range(5)),
            _upsample(up, 4 * width, 2 * width), _norm(norm, 2 * width), nn.ReLU(),
            _upsample(up, 2 * width, width), _norm(norm, width), nn.ReLU(),
            nn.Conv2d(width, 3, 9, padding=4, padding_mode="replicate"),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """Styled pictures, (N, 3, H, W) in [0, 1], in training a little beyond, for x of that shape; any H, W >= 1."""
        height, width = x.shape[-2:]
        y = self.layers(pad_to_multiple(x, self.MULTIPLE, self.MARGIN))
        # The paper's tanh ends at black and white, where its gradient does too: dark areas turned black and stayed
        # so for good. A range a sixth wider (as in other implementations) leaves black a gradient of a quarter.
        y = (0.5 + RANGE / 2 * torch.tanh(y))[..., :height, :width]
        return y if self.training else y.clamp(0, 1)
