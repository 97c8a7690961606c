"""Lite: our slim conditional network, made to run live on two CPU cores."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .layers import ConditionalInstanceNorm, SubpixelConv, conv3x3, conv5x5, pad_to_multiple


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with conditional norms (He 2016; no ReLU after the sum, Gross 2016)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = conv3x3(channels, channels)
        self.conv2 = conv3x3(channels, channels)
        self.norm1 = ConditionalInstanceNorm(channels)
        self.norm2 = ConditionalInstanceNorm(channels)

    def forward(self, x: Tensor, code1: Tensor, code2: Tensor) -> Tensor:
        y: Tensor = F.relu(self.norm1(self.conv1(x), code1))
        y = self.norm2(self.conv2(y), code2)
        return x + y


class Lite(nn.Module):
    """Many styles in one network: a style is a code, the scales and shifts of every norm.

    Most work happens at an eighth of the resolution, where a 3x3 kernel spans 24 pixels: that makes
    strokes large and arithmetic small. A skip and one block at a quarter keep contours and faces.
    Channels in multiples of 16 fill the vector registers of AVX-512 (24 channels run slower than 32).

    Args:
        styles: how many rows `codes` has.
        width: channels at a quarter of the resolution.
        depth: channels at an eighth.
        blocks: residual blocks at an eighth.
    """

    MARGIN = 2  # what the stem's 8x8 kernel overlaps
    MULTIPLE = 8

    def __init__(self, styles: int = 1, *, width: int = 32, depth: int = 48, blocks: int = 3) -> None:
        super().__init__()
        self.config = {"styles": styles, "width": width, "depth": depth, "blocks": blocks}
        self.stem = nn.Conv2d(3, width, 8, stride=4)
        self.stem_norm = ConditionalInstanceNorm(width)
        self.down = conv5x5(width, depth, stride=2)
        self.down_norm = ConditionalInstanceNorm(depth)
        self.blocks = nn.ModuleList(ResidualBlock(depth) for _ in range(blocks))
        self.up = SubpixelConv(depth, width, 2)
        self.up_norm = ConditionalInstanceNorm(width)
        self.fine = ResidualBlock(width)
        self.head = SubpixelConv(width, 3, 4)
        self.code_sizes = [norm.code_size for norm in self._norms()]
        self.codes = nn.Parameter(self._neutral_code().repeat(styles, 1))

    def _norms(self) -> list[ConditionalInstanceNorm]:
        coarse = [norm for block in self.blocks for norm in (block.norm1, block.norm2)]
        return [self.stem_norm, self.down_norm, *coarse, self.up_norm, self.fine.norm1, self.fine.norm2]  # type: ignore[list-item]

    def _neutral_code(self) -> Tensor:
        return torch.cat([torch.tensor([1.0, 0.0]).repeat_interleave(size // 2) for size in self.code_sizes])

    def code_of(self, painting: Tensor) -> Tensor:
        """(N, K) for the numbers (N,) of paintings."""
        return self.codes[painting]

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        """Styled pictures, (N, 3, H, W) in [0, 1], for x of the same shape and code (N or 1, K); any H, W >= 1."""
        height, width = x.shape[-2:]
        codes = iter(torch.split(code, self.code_sizes, dim=1))
        x = pad_to_multiple(x, self.MULTIPLE, self.MARGIN)
        quarter = F.relu(self.stem_norm(self.stem(x), next(codes)))
        y = F.relu(self.down_norm(self.down(quarter), next(codes)))
        for block in self.blocks:
            y = block(y, next(codes), next(codes))
        y = F.relu(self.up_norm(self.up(y) + quarter, next(codes)))
        y = F.relu(self.fine(y, next(codes), next(codes)))
        return torch.sigmoid(self.head(y))[..., :height, :width]
