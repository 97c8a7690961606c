"""The proof that an exported file shows the same pictures as PyTorch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import torch

from livestyle.artifact import inspect
from livestyle.errors import LivestyleError

from .wrap import Contract

# (batch, height, width): odd, tiny, wide, a batch
SHAPES = ((1, 1, 1), (1, 2, 3), (1, 338, 531), (3, 33, 48), (1, 96, 64))
STRENGTHS = (1.0, 0.5, 0.0)
MAX_LEVELS = 1  # single precision: rounding either way of a half
MAX_LEVELS_HALF, MEAN_LEVELS_HALF = 4, 0.5
_FEW = 8  # pixels: of fewer a side, instance norm divides by next to nothing and blows rounding up


class ExportError(LivestyleError):
    """An exported file that does not do what the network does."""


def verify(contract: Contract, path: Path, *, half: bool) -> None:
    """Compares the file with the network on noise and on smooth pictures of awkward sizes, at three strengths,
    and every style's code.

    Raises ExportError where they differ by more than 1 level (half: 4 at most, 0.5 on average), or in size: of
    pictures of a few pixels that alone counts.
    """
    inspect(path)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # it warns of inputs with a default, which are meant
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    codes: list[torch.Tensor | None] = [*contract.code_rows()] or [None]
    cases = [*((shape, strength, codes[0]) for shape in SHAPES for strength in STRENGTHS)]
    cases += [(SHAPES[-1], 1.0, code) for code in codes[1:]]
    for index, (shape, strength, code) in enumerate(cases):
        frames = _picture(rng, shape, smooth=index % 2 == 1)
        expected, got = _both(contract, session, frames, strength, code)
        if got.shape != frames.shape:
            raise ExportError(f"export: onnxruntime makes {got.shape} of {frames.shape}. Nothing was written.")
        if min(shape[1:]) < _FEW:
            continue
        difference = np.abs(expected.astype(int) - got)
        limit, mean_limit = (MAX_LEVELS_HALF, MEAN_LEVELS_HALF) if half else (MAX_LEVELS, 1.0)
        if difference.max() > limit or difference.mean() > mean_limit:
            raise ExportError(
                f"export: at {shape}, strength {strength}, onnxruntime is {difference.max()} levels off PyTorch "
                f"(mean {difference.mean():.3f}); the limit is {limit}. Nothing was written."
            )


def _picture(rng: np.random.Generator, shape: tuple[int, int, int], *, smooth: bool) -> np.ndarray:
    noise = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
    if not smooth:
        return noise
    ramp = np.linspace(0, 255, shape[1] * shape[2]).reshape(1, shape[1], shape[2], 1)
    return np.broadcast_to(ramp, (*shape, 3)).astype(np.uint8)


def _both(
    contract: Contract,
    session: onnxruntime.InferenceSession,
    frames: np.ndarray,
    strength: float,
    code: torch.Tensor | None,
) -> tuple[np.ndarray, np.ndarray]:
    feed = {"frames": frames, "strength": np.array(strength, np.float32)}
    if code is not None:
        feed["code"] = code.numpy()
    with torch.inference_mode():
        expected = contract(torch.from_numpy(frames), torch.tensor(strength), code)
    return expected.numpy(), session.run(None, feed)[0]
