"""Style transfer by optimisation (Gatys 2015): the pixels themselves are learnt."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

_HISTORY = 20  # of L-BFGS's steps, for its picture of the curvature


def descent(x: Tensor, loss: Callable[[Tensor], Tensor], *, seed: int = 0) -> Iterator[float]:
    """The loss of a picture of x's shape before each iteration of L-BFGS, without end; it begins as white noise.

    `loss` gives a scalar for a picture (N, 3, H, W) in [0, 1]. Nothing but the loss keeps the picture in that range.
    """
    noise = torch.rand(x.shape, generator=torch.Generator().manual_seed(seed))
    picture = noise.to(x.device).requires_grad_()
    optimizer = torch.optim.LBFGS(
        [picture], max_iter=1, history_size=_HISTORY, tolerance_grad=0.0, tolerance_change=0.0
    )

    def closure() -> Tensor:
        optimizer.zero_grad(set_to_none=True)
        value = loss(picture)
        value.backward()  # type: ignore[no-untyped-call]
        return value

    while True:
        yield optimizer.step(closure).item()  # type: ignore[no-untyped-call]
