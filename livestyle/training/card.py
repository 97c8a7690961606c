"""The style card: a page beside the style with all that is known of it."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..backend import cores
from ..frame import Image
from ..gallery import page, picture, write_page
from ..losses import Perceptual
from ..stylizer import load
from .judge import gray
from .measures import flicker, fps, gatys_iterations, noise_amplification
from .preview import sheet

_PHOTOS = 6  # on the strip, at most
_SIDE = 128  # pixels, for the comparison with Gatys: a quarter of the time of 256


def write_card(
    target: Path,
    artifact: Path,
    names: Sequence[str],
    *,
    stills: Sequence[Image],
    losses: Perceptual,
    keep_color: bool,
    seconds: float,
    facts: Mapping[str, str],
) -> None:
    """Measures every style of a style file and writes the page. Raises OutputError.

    Args:
        names: of the styles in the file.
        stills: square photos kept out of training.
        losses: what it was trained by; its paintings are those of the names.
        keep_color: whether only light and dark were.
        seconds: for the comparison with Gatys's descent, at most.
        facts: what else the page is to tell, by its heading.
    """
    body = []
    for number, name in enumerate(names):
        with load(f"{artifact}#{name}" if len(names) > 1 else str(artifact)) as stylizer:
            strip = sheet([list(stills[:_PHOTOS]), [stylizer(still) for still in stills[:_PHOTOS]]])
            rows = {
                "flicker": f"{flicker(stylizer, stills):.1f} levels (exact motion, from one frame to the next)",
                "noise amplification": f"{noise_amplification(stylizer, stills):.2f} (sensor noise of 4 levels)",
                "speed": f"{fps(stylizer):.1f} frames of 640x360 a second on {stylizer.device}, {cores()} cores",
            }
            objective = _objective(losses, number, keep_color)
            small = [_middle(still) for still in stills[:_PHOTOS]]
            equals = gatys_iterations(stylizer, small, objective, seconds=seconds / len(names))
        if equals:
            rows["equals"] = (
                f"{np.median(equals):.0f} iterations of Gatys 2015 (L-BFGS on the pixels from white noise, "
                f"same losses, {_SIDE} px; {len(equals)} photos' median)"
            )
        heading = [] if [artifact.stem] == list(names) else [f"<h2>{html.escape(name)}</h2>"]  # the page has that one
        body += [*heading, picture(strip, name), _table(rows)]
    size = f"{artifact.stat().st_size / 1e6:.2f} MB"
    body += ["<h2>how it was made</h2>", _table({**facts, "size": size})]
    write_page(page(artifact.stem, body), target)


def _middle(still: Image) -> Image:
    top, left = ((side - _SIDE) // 2 for side in still.shape[:2])
    return np.ascontiguousarray(still[top : top + _SIDE, left : left + _SIDE])


def _objective(losses: Perceptual, number: int, keep_color: bool) -> Callable[[Tensor, Tensor], Tensor]:
    """What was made small for the painting of that number, for one photo and its styled picture."""
    device = losses.style_weights.device
    painting = torch.tensor([number], device=device)

    def objective(x: Tensor, styled: Tensor) -> Tensor:
        x, styled = ((gray(picture) if keep_color else picture).to(device) for picture in (x, styled))
        return losses.objective(losses.measure(styled, x, painting), painting).sum()

    return objective


def _table(rows: Mapping[str, str]) -> str:
    cells = (f"<tr><th>{html.escape(key)}</th><td>{html.escape(value)}</td></tr>" for key, value in rows.items())
    return f"<table>{''.join(cells)}</table>"
