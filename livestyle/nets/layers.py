"""Building blocks the networks share. Tensors are x: (N, C, H, W)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Far above the usual 1e-5: with that, a fade to black is all rounding errors, blown up 300 times in every
# norm until they are a picture.
NORM_EPSILON = 1e-2


def conv3x3(in_channels: int, out_channels: int, *, stride: int = 1) -> nn.Conv2d:
    """A 3x3 convolution over a repeated edge.

    Zero padding tells a network where the border is, and style networks learn to paint there what the
    Gram matrix still lacks. Reflection is not defined for a single row.
    """
    return nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, padding_mode="replicate")


def conv5x5(in_channels: int, out_channels: int, *, stride: int = 1) -> nn.Conv2d:
    """A 5x5 convolution over a repeated edge; one of stride 2 has room to blur what it samples (Zhang 2019)."""
    return nn.Conv2d(in_channels, out_channels, 5, stride, padding=2, padding_mode="replicate")


def pad_to_multiple(x: Tensor, multiple: int, margin: int) -> Tensor:
    """x with its edge repeated: `margin` pixels on every side, more right and below to a multiple without them."""
    height, width = x.shape[-2:]
    right, below = -width % multiple, -height % multiple
    return F.pad(x, (margin, margin + right, margin, margin + below), mode="replicate")


def instance_norm(x: Tensor, scale: Tensor | None = None, shift: Tensor | None = None) -> Tensor:
    """x with mean 0 and variance 1 in every channel; a single pixel becomes 0, where torch's own raises."""
    return torch.instance_norm(x, scale, shift, None, None, True, 0.0, NORM_EPSILON, False)


class InstanceNorm(nn.InstanceNorm2d):
    """Instance norm with learnt scale and shift (Ulyanov 2017), also of a single pixel."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, affine=True)

    def forward(self, x: Tensor) -> Tensor:
        return instance_norm(x, self.weight, self.bias)


class ConditionalInstanceNorm(nn.Module):
    """Instance norm whose scale and shift come with the call (Dumoulin 2017, eq. 5)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.code_size = 2 * channels

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        """`code` is (N or 1, 2C): C scales, then C shifts."""
        if code.shape[0] == 1:
            return instance_norm(x, *code[0].chunk(2))  # one operator, where an engine has it
        scale, shift = code[:, :, None, None].chunk(2, dim=1)
        return instance_norm(x) * scale + shift


_LUMA = (0.299, 0.587, 0.114)  # BT.601


def luma(x: Tensor) -> Tensor:
    """(N, 1, H, W): the light and dark of RGB pictures x (N, 3, H, W)."""
    return F.conv2d(x, x.new_tensor(_LUMA).view(1, 3, 1, 1))


def lit_as(x: Tensor, y: Tensor) -> Tensor:
    """x with its own colours and the light and dark of y, in [0, 1] (Gatys 2016, "Preserving color", section 4)."""
    return (x + luma(y - x)).clamp(0, 1)


class SubpixelConv(nn.Module):
    """A 3x3 convolution to the scale x scale sub-pixels of every channel (Shi 2016).

    Every sub-pixel's taps have the same sum, so what is flat stays flat, without a grid; and to begin with they are the
    same altogether (ICNR, Aitken 2017).
    """

    def __init__(self, in_channels: int, out_channels: int, scale: int) -> None:
        super().__init__()
        self.scale = scale
        conv = nn.Conv2d(in_channels, out_channels, 3)
        self.weight = nn.Parameter(conv.weight.detach().repeat_interleave(scale**2, dim=0))
        self.bias = nn.Parameter(conv.bias.detach())  # type: ignore[union-attr]

    def kernel(self) -> Tensor:
        """(scale^2 C_out, C_in, 3, 3)."""
        weight = self.weight.view(-1, self.scale**2, *self.weight.shape[1:])
        mean = weight.mean((3, 4), keepdim=True)
        even = weight - mean + mean.mean(1, keepdim=True)
        return even.flatten(0, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C_in, H, W) to (N, C_out, scale H, scale W)."""
        bias = self.bias.repeat_interleave(self.scale**2)
        y = F.conv2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), self.kernel(), bias)
        return F.pixel_shuffle(y, self.scale)


# Which of the two low-resolution rows around a corner feed each of the three kernel rows
# of the two high-resolution rows beside it: [phase, low row, kernel row].
NEAREST_TAPS = torch.tensor([[[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]], [[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]]])


class UpsampleConv(nn.Module):
    """Nearest-neighbour upsampling by 2 and a 3x3 convolution, at 4/9 of the multiply-adds.

    The four fine pixels around a corner of the coarse grid see only the 2x2 coarse pixels that
    meet there, so the pair equals one 2x2 convolution with 4C outputs and a pixel shuffle
    (resize-convolution: Odena 2016; nothing overlaps, so no checkerboard).
    """

    taps: Tensor

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 3)
        self.register_buffer("taps", NEAREST_TAPS, persistent=False)

    def corner_kernel(self) -> Tensor:
        """(C_out, 2, 2, C_in, 2, 2): a 2x2 kernel for each output channel and phase (row, column)."""
        return torch.einsum("prk,qsl,oikl->opqirs", self.taps, self.taps, self.conv.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C_in, H, W) to (N, C_out, 2H, 2W)."""
        kernel = self.corner_kernel().flatten(0, 2)
        bias = self.conv.bias.repeat_interleave(4)  # type: ignore[union-attr]
        y = F.pixel_shuffle(F.conv2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), kernel, bias), 2)
        return y[..., 1:-1, 1:-1]
