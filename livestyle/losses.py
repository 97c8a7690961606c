"""Perceptual losses as pure functions of features, and `Perceptual`, which remembers its targets.

All are relative, so that one weight means the same for any painting, layer and loss network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from .nets.layers import luma
from .nets.vgg import LossNetwork, LossNetworks, require

Features = Mapping[str, Tensor]

# One weight for all paintings.
_REST = ("content", "tv", "beyond", "blur", "clouds", "tones", "colors", "lattice", "weave")
_SHARP = 0.9  # of the photo's gradient energy: less is blur
_CLOUD = 16  # pixels: what is smaller is a stroke
_CELLS, _AMONG = (4, 8), 64  # pixels: what may repeat, the strides of our networks, and how near to each other
_SPOTS, _NEAR = (1.5, 3.0), 8  # pixels
_VIVID, _OWN = 3.0, 0.8  # times the photo's change there, and the painting's anywhere, that colours may change
_QUANTILES, _PATCH = 32, 8  # of a painting's tones and colours; pixels: what is smaller is a stroke's own
_FLAT = 0.1  # standard deviation of a photo's light and dark; what has less is not stretched
_MEMORY = 0.02  # share of a new picture in the running means
_BALANCE = 0.02  # how far a style weight moves for each picture and unit of content loss
_STYLE_WEIGHTS = (0.1, 20.0)  # where they may move


def gram(features: Tensor) -> Tensor:
    """(N, C, C) Gram matrices of (N, C, H, W), over the number of positions (Johnson 2016, eq. 3); in float32."""
    # Over H*W only, not C*H*W: the losses below are relative, so a constant factor falls out.
    flat = features.movedim(1, -1).flatten(1, 2)  # (N, H*W, C): as channels-last features lie
    product: Tensor = _WithItself.apply(flat)  # type: ignore[no-untyped-call]
    return product.float() / flat.shape[1]


class _WithItself(torch.autograd.Function):
    """X^T X of (N, P, C). Autograd alone would go back through each factor: a second large product, and a sum."""

    @staticmethod
    def forward(ctx: Any, flat: Tensor) -> Tensor:
        ctx.save_for_backward(flat)
        return flat.transpose(1, 2) @ flat

    @staticmethod
    def backward(ctx: Any, wanted: Tensor) -> Tensor:
        flat: Tensor = ctx.saved_tensors[0]
        return flat @ (wanted + wanted.transpose(1, 2)).to(flat.dtype)


def style_loss(features: Features, targets: Features) -> Tensor:
    """(N,): sum over layers of |G - T|^2 / |T|^2 for target Gram matrices T (N or 1, C, C) (Gatys 2015, eq. 5)."""
    losses = []
    for layer, target in targets.items():
        error = (gram(features[layer]) - target).square().sum((1, 2))
        losses.append(error / target.square().sum((1, 2)))
    return torch.stack(losses).sum(0)


def content_loss(features: Features, targets: Features, weights: Mapping[str, float]) -> Tensor:
    """(N,): weighted sum over layers of |F - T|^2 / |T|^2 (Johnson 2016, eq. 2, made relative)."""
    losses = []
    for layer, weight in weights.items():
        error = (features[layer] - targets[layer]).square().sum((1, 2, 3))
        losses.append(weight * error / targets[layer].square().sum((1, 2, 3)).clamp_min(1e-6))
    return torch.stack(losses).sum(0)


def total_variation(x: Tensor) -> Tensor:
    """(N,): mean squared difference of neighbours (Johnson 2016, section 3.2), independent of size."""
    rows = (x[..., 1:, :] - x[..., :-1, :]).square().mean((1, 2, 3))
    columns = (x[..., :, 1:] - x[..., :, :-1]).square().mean((1, 2, 3))
    return rows + columns


def beyond_range(x: Tensor) -> Tensor:
    """(N,): mean squared distance from [0, 1].

    A network whose last tanh reaches further would go there in dark areas, where no gradient brings it back.
    """
    return (x - x.clamp(0, 1)).square().mean((1, 2, 3))


def gradient_energy(x: Tensor) -> Tensor:
    """(N,): mean absolute slope over two pixels, down and across. What alternates from pixel to pixel has none."""
    return torch.stack([_slope(x, dim).abs().mean((1, 2, 3)) for dim in (2, 3)]).sum(0)


def blur_loss(styled: Tensor, x: Tensor) -> Tensor:
    """(N,): squared gradient energy that a styled picture lacks of nine tenths of its photo's.

    Blurring lowers the temporal loss and total variation; this takes the gain away.
    """
    return (_SHARP * gradient_energy(x) - gradient_energy(styled)).clamp_min(0).square()


def weave_loss(styled: Tensor, x: Tensor) -> Tensor:
    """(N,): what alternates from pixel to pixel, down or across, beyond the photo's most within 2 pixels, squared.

    The fourth difference over 16: 1 for pixels that are 1 and -1 by turns, and little for a stroke's edge. A network
    that paints several pixels at once (Shi 2016) learns it as texture; it stays on the grid when the picture moves.
    """
    losses = []
    for dim in (2, 3):
        own = _highest(_alternation(x, dim).abs())
        losses.append((_alternation(styled, dim).abs() - own).clamp_min(0).square().mean((1, 2, 3)))
    return torch.stack(losses).sum(0)


def _highest(y: Tensor) -> Tensor:
    """The highest within 2 pixels, down and across. Pooling takes several times as long."""
    for dim in (2, 3, 2, 3):
        before, after = _neighbours(y, dim)
        y = torch.maximum(torch.maximum(before, after), y)
    return y


def _alternation(x: Tensor, dim: int) -> Tensor:
    """As large as x; the edges are repeated."""
    for _ in range(2):
        before, after = _neighbours(x, dim)
        x = x / 2 - (before + after) / 4
    return x


def lattice_loss(x: Tensor) -> Tensor:
    """(N,): how much fine light and dark repeats from cell to cell of a network's own grid, or from every other one.

    For cells of 4 and of 8 pixels, the mean product of one place in two different cells less than 64 pixels away; once
    as they are, and with every other row, column, or both, turned to its negative.
    Strokes lie anywhere and add up to nothing; checkerboards, and dots that a network sets in rows where
    a photo is dark and flat and nothing else says where a painting's dots should be, lie at the same place of each.
    """
    y = luma(x)
    return torch.stack([_repeated(y - _smooth(y, cell / 2), cell) for cell in _CELLS]).sum(0)


def _repeated(fine: Tensor, cell: int) -> Tensor:
    """(N,): mean over windows and places of the product of two cells of (N, 1, H, W), where it is positive."""
    height, width = (side // cell for side in fine.shape[2:])
    down, across = (min(_AMONG // cell, cells) for cells in (height, width))
    count = down * across
    if count < 2:
        return fine.new_zeros(len(fine))
    rows, columns = height // down, width // across
    whole = fine[:, 0, : rows * down * cell, : columns * across * cell]
    cells = whole.reshape(-1, rows, down, cell, columns, across, cell).movedim((2, 5), (-2, -1)).flatten(-2)
    pairs = (cells @ _alternating(down, across).to(cells)).square() - cells.square().sum(-1, keepdim=True)
    # Less than nothing is no merit: a network that gained by it would set every other cell against the rest.
    found = pairs.mean((2, 4)).clamp_min(0).sum(-1)
    return found.flatten(1).mean(1) / (count * (count - 1))


def _alternating(down: int, across: int) -> Tensor:
    """(down * across, 4): 1, and 1 and -1 by turns from row to row, from column to column, and both."""
    row, column = (1 - 2 * (torch.arange(cells) % 2) for cells in (down, across))
    turns = [(a[:, None] * b).flatten() for a in (row**0, row) for b in (column**0, column)]
    return torch.stack(turns, 1)


def _smooth(y: Tensor, sigma: float) -> Tensor:
    """(N, 1, H, W) under a Gaussian; beyond the edge it is mirrored."""
    down, across = (_gaussian(side, sigma).to(y) for side in y.shape[2:])
    return down @ y @ across.T


@lru_cache
@torch.inference_mode(False)  # whoever asks first, training can go back through it
def _gaussian(side: int, sigma: float) -> Tensor:
    """(side, side): what each pixel of a row takes of each. A product of matrices is quicker than long kernels."""
    reach = min(round(3 * sigma), side - 1)
    kernel = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / sigma).square())
    rows = functional.pad(torch.eye(side)[None], (reach, reach), mode="reflect")[0].unfold(1, 2 * reach + 1, 1)
    return (rows @ (kernel / kernel.sum())).T


def dot_loss(styled: Tensor, x: Tensor) -> Tensor:
    """(N,): spots, lighter or darker than all around them, beyond the photo's strongest within 8 pixels.

    Where the determinant of the second derivatives is positive, times the scale squared, at 1.5 and 3 pixels
    (Lindeberg 1998, Feature detection with automatic scale selection, section 4). A stroke's is next to nothing.
    """
    losses = []
    for scale in _SPOTS:
        own = functional.max_pool2d(_spots(x, scale), 2 * _NEAR + 1, 1, _NEAR)
        losses.append(_inner(_spots(styled, scale) - own).clamp_min(0).mean((1, 2, 3)))
    return torch.stack(losses).sum(0)


def _spots(x: Tensor, scale: float) -> Tensor:
    """(N, 1, H, W)"""
    down, across = (_slope(_smooth(luma(x), scale), dim) for dim in (2, 3))
    # All from the same first differences, or slanting strokes, whose determinant is 0, would have one.
    positive = (_slope(down, 2) * _slope(across, 3) - _slope(down, 3).square()).clamp_min(0)
    return scale**2 * ((positive + 1e-10).sqrt() - 1e-5)  # the root has no slope at 0


def _inner(y: Tensor) -> Tensor:
    """Without the margin where what is smoothed is mirrored, which makes corners of strokes."""
    rows, columns = (min(_NEAR, (side - 1) // 2) for side in y.shape[2:])
    return y[..., rows : y.shape[2] - rows, columns : y.shape[3] - columns]


def _slope(y: Tensor, dim: int) -> Tensor:
    """Half the difference of the neighbours down (dim 2) or across (3); the edges are repeated."""
    before, after = _neighbours(y, dim)
    return (after - before) / 2


def _neighbours(y: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """What lies one pixel before and after each, down (dim 2) or across (3); the edges are repeated."""
    padded = functional.pad(y, (0, 0, 1, 1) if dim == 2 else (1, 1, 0, 0), mode="replicate")
    length = y.shape[dim]
    return padded.narrow(dim, 0, length), padded.narrow(dim, 2, length)


def color_changes(x: Tensor) -> list[Tensor]:
    """How much colour alone, without light and dark, changes over 16 pixels down and across: (N, h, w) each."""
    return _changes(x - luma(x))


def cloud_loss(styled: Tensor, x: Tensor, usual: Tensor) -> Tensor:
    """(N,): changes of colour over 16 pixels beyond the photo's there and the painting's `usual` ones (N,).

    A painting's Gram matrices ask for all of its colours, and a photo's flat areas, a face or a wall, are where one
    of them costs the least content loss: without this, clouds of green drift over them.
    """
    losses = []
    for new, old in zip(color_changes(styled), _changes(x), strict=True):
        beyond = new - _VIVID * old - _OWN * usual.view(-1, 1, 1)
        losses.append(beyond.clamp_min(0).mean((1, 2)))
    return torch.stack(losses).sum(0)


def _changes(x: Tensor) -> list[Tensor]:
    coarse = functional.avg_pool2d(x, min(_CLOUD, min(x.shape[2:]) // 2))
    return [coarse.diff(dim=dim).square().sum(1).add(1e-8).sqrt() for dim in (2, 3)]


def tones(painting: Tensor) -> Tensor:
    """(K,): quantiles of the light and dark of (1, 3, H, W) in patches of 8 pixels, ascending."""
    return _patches(luma(painting)).flatten().quantile(_places(_QUANTILES, painting))


def tone_loss(styled: Tensor, x: Tensor, usual: Tensor) -> Tensor:
    """(N,): mean squared distance of light and dark, in patches of 8 pixels, from the photo's in the painting's range.

    A patch as much lighter than its photo's mean as a share u of a normal distribution is to be as light as a share u
    of the painting, `usual` (N, K) being its `tones` (histogram matching, Gonzalez and Woods 2008, section 3.3.2).
    Gram matrices ask for a range too, but are as content with one of fine hatching over a picture all of one tone.
    """
    light = _patches(luma(x))[:, 0]
    spread = light.std(1, correction=0, keepdim=True).clamp_min(_FLAT)
    share = torch.special.ndtr((light - light.mean(1, keepdim=True)) / spread)
    return (_patches(luma(styled))[:, 0] - _quantiles_at(share, usual)).square().mean(1)


def colors(painting: Tensor) -> Tensor:
    """(13, K): quantiles of the colours of (1, 3, H, W) in patches of 8 pixels, along each direction, ascending."""
    return _along_directions(painting)[0].quantile(_places(_QUANTILES, painting), dim=1).T


def color_loss(styled: Tensor, usual: Tensor) -> Tensor:
    """(N,): sliced Wasserstein distance, squared, of the colours of patches of 8 pixels from the painting's.

    Mean over 13 directions of the mean squared distance of what is sorted along them (Rabin 2011, Wasserstein
    barycenter and its application to texture mixing), `usual` (N, 13, K) being the paintings' `colors`. Gram matrices
    are content with fine grains of each colour over a picture all of one.
    """
    found = _along_directions(styled).sort(-1).values
    share = _places(found.shape[-1], found).expand_as(found)
    return (found - _quantiles_at(share, usual)).square().mean((1, 2))


def _along_directions(x: Tensor) -> Tensor:
    """(N, 13, P)"""
    patches = _patches(x)
    return _directions().to(patches) @ patches


@lru_cache
@torch.inference_mode(False)
def _directions() -> Tensor:
    """(13, 3): from the middle of a cube to its corners, edges and faces; of opposite ones, one."""
    steps = torch.tensor([-1.0, 0.0, 1.0])
    half: Tensor = torch.cartesian_prod(steps, steps, steps)[14:]
    return functional.normalize(half)


def _patches(x: Tensor) -> Tensor:
    """(N, C, P): means."""
    return functional.avg_pool2d(x, min(_PATCH, *x.shape[2:])).flatten(2)


def _places(count: int, like: Tensor) -> Tensor:
    """(count,): the middles of as many equal parts of 0 to 1."""
    return (torch.arange(count, device=like.device) + 0.5) / count


def _quantiles_at(share: Tensor, quantiles: Tensor) -> Tensor:
    """(..., P): where shares (..., P) of a distribution end that (..., K) quantiles of it tell."""
    count = quantiles.shape[-1]
    place = (share * count - 0.5).clamp(0, count - 1)
    below = place.floor().clamp_max(count - 2).long()
    return torch.lerp(quantiles.gather(-1, below), quantiles.gather(-1, below + 1), place - below)


def temporal_loss(later: Tensor, moved: Tensor, inside: Tensor) -> Tensor:
    """(N,): mean squared difference of a styled picture and the styled one before it, moved (Ruder 2016, eq. 4).

    Only where `inside` (N, 1, H, W) is 1.
    """
    error = (later - moved).square().mean(1, keepdim=True) * inside
    return error.sum((1, 2, 3)) / inside.sum((1, 2, 3)).clamp_min(1)


@dataclass(frozen=True)
class LossWeights:
    """Layers and weights. The defaults suit the relative losses above."""

    style_layers: tuple[str, ...] = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")
    content_layers: tuple[tuple[str, float], ...] = (("relu4_1", 1.0), ("relu3_1", 0.5))
    content: float = 1.0
    tv: float = 4.0
    beyond: float = 100.0
    blur: float = 800.0
    clouds: float = 200.0
    tones: float = 40.0
    colors: float = 400.0
    lattice: float = 4000.0
    weave: float = 5000.0
    temporal: float = 100.0  # 0 does without the second picture it needs


class Perceptual(nn.Module):
    """Losses of styled pictures against their photos and a set of paintings.

    The paintings' Gram matrices are computed once, here.

    Args:
        network: the loss network.
        paintings: each (1, 3, H, W) in [0, 1], already at its stroke size, on the network's device.
        style_weights: one weight a painting.
        weights: layers and the other weights.
        goals: the content loss each painting is to reach: its style weight then moves until it does, so that none
            comes out too weak or too strong. None leaves a weight as it is.
        dots: a weight against spots for each painting; none asks for none.
        gather: makes rows of all processes out of this one's, so that all have the same style weights.

    Attributes:
        style_weights: (S,), as they are by now.
        running: (S, 2), mean style and content loss of each painting over its last pictures or so.
    """

    running: Tensor
    style_weights: Tensor

    def __init__(
        self,
        network: LossNetwork | LossNetworks,
        paintings: Iterable[Tensor],
        style_weights: Sequence[float],
        weights: LossWeights | None = None,
        goals: Sequence[float | None] = (),
        dots: Sequence[float] = (),
        gather: Callable[[Tensor], Tensor] = lambda rows: rows,
    ) -> None:
        super().__init__()
        self.network, self.weights, self._gather = network, weights or LossWeights(), gather
        self.content_weights = dict(self.weights.content_layers)
        self.all_layers = {*self.weights.style_layers, *self.content_weights}
        require(self.all_layers, network.layers)
        grams, usual, lights, hues = [], [], [], []
        for painting in paintings:
            with torch.no_grad():
                grams.append({k: gram(f) for k, f in network(painting, self.weights.style_layers).items()})
            usual.append(torch.stack([c.mean() for c in color_changes(painting)]).mean())
            lights.append(tones(painting))
            hues.append(colors(painting))
        self.targets = {layer: torch.cat([g[layer] for g in grams]) for layer in self.weights.style_layers}
        self._usual, self._tones, self._colors = torch.stack(usual), torch.stack(lights), torch.stack(hues)
        device = self._usual.device
        self.register_buffer("style_weights", torch.tensor(list(style_weights), device=device))
        self.register_buffer("running", torch.full((len(usual), 2), torch.nan, device=device))
        self._dots = torch.tensor(list(dots) or [0.0] * len(usual), device=device)
        free = [torch.nan if goal is None else goal for goal in goals or [None] * len(usual)]
        self._goals = torch.tensor(free, device=device)

    def forward(self, styled: Tensor, x: Tensor, painting: Tensor) -> dict[str, Tensor]:
        """Means over the batch: `total`, and unweighted `style`, `content`, `tv`.

        `styled` and x are (N, 3, H, W) in [0, 1]; `painting` (N,) says which painting each is after.
        """
        parts = self.measure(styled, x, painting)
        self._watch(painting, parts["style"].detach(), parts["content"].detach())
        total = self.total(parts, painting)
        told = {name: parts[name].detach().mean() for name in ("style", "content", "tv")}
        return {"total": total.mean(), **told}

    def measure(self, styled: Tensor, x: Tensor, painting: Tensor) -> dict[str, Tensor]:
        """Unweighted (N,) `style`, `dots` and all of `_REST`; keeps nothing."""
        features = self.network(styled, self.all_layers)
        with torch.no_grad():
            photo = self.network(x, self.content_weights)
        shown = {layer: features[layer].float() for layer in self.content_weights}
        there = {layer: photo[layer].float() for layer in self.content_weights}
        targets = {layer: grams[painting] for layer, grams in self.targets.items()}
        with torch.autocast(styled.device.type, enabled=False):  # nothing more is rounded to bfloat16
            styled, x = styled.float(), x.detach().float()
            return {
                "style": style_loss(features, targets),
                "content": content_loss(shown, there, self.content_weights),
                "tv": total_variation(styled),
                "beyond": beyond_range(styled),
                "blur": blur_loss(styled, x),
                "clouds": cloud_loss(styled, x, self._usual[painting]),
                "tones": tone_loss(styled, x, self._tones[painting]),
                "colors": color_loss(styled, self._colors[painting]),
                "lattice": lattice_loss(styled),
                "weave": weave_loss(styled, x),
                "dots": dot_loss(styled, x) if self._dots.any() else styled.new_zeros(len(x)),
            }

    def total(self, parts: Mapping[str, Tensor], painting: Tensor) -> Tensor:
        """(N,): the weighted sum, by the style weights as they are now."""
        same = torch.stack([getattr(self.weights, name) * parts[name] for name in _REST]).sum(0)
        return same + self.style_weights[painting] * parts["style"] + self._dots[painting] * parts["dots"]

    def objective(self, parts: Mapping[str, Tensor], painting: Tensor) -> Tensor:
        """(N,): style, content and total variation (Johnson 2016, section 3.2), and the range: what has a least value.

        The other parts mend what networks do wrong; a picture optimised for `total` would win by them alone.
        """
        same = self.weights.content * parts["content"] + self.weights.tv * parts["tv"]
        return same + self.weights.beyond * parts["beyond"] + self.style_weights[painting] * parts["style"]

    @torch.no_grad()
    def _watch(self, painting: Tensor, style: Tensor, content: Tensor) -> None:
        """Brings `running` up to date and moves the style weights towards their goals."""
        for row in self._gather(torch.stack([painting.float(), style, content], 1)):
            one, now = int(row[0]), row[1:]
            before = self.running[one]
            self.running[one] = torch.where(before.isnan(), now, before + _MEMORY * (now - before))
            off = self._goals[one] - self.running[one, 1]
            if not off.isnan():
                self.style_weights[one] *= torch.exp(_BALANCE * off.clamp(-0.5, 0.5))
        self.style_weights.clamp_(*_STYLE_WEIGHTS)
