"""A style file's network back in PyTorch, to train on from what ships."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from livestyle.artifact import inspect
from livestyle.errors import InputError, StyleError
from livestyle.nets import build
from livestyle.nets.layers import NEAREST_TAPS, SubpixelConv, UpsampleConv
from livestyle.nets.lite import Lite

_Fold = tuple[tuple[int, ...], Callable[[Tensor], Tensor]]  # the shape a tensor has in the file, and the way back


def load_lite(path: Path) -> Lite:
    """The Lite network in a style file, its codes in the file's order. Raises StyleError or InputError."""
    net = load_network(path)
    if not isinstance(net, Lite):
        raise InputError(f"{path}: not a lite network; it holds no codes")
    return net


def load_network(path: Path) -> nn.Module:
    """The network in a style file. Raises StyleError if its weights are not those of the network it names.

    Weights come back as they are in the file; what the export folded (`SubpixelConv`, `UpsampleConv`) is unfolded.
    """
    artifact = inspect(path)
    model = onnx.load(path, load_external_data=False)
    stored = {tensor.name.removesuffix(".half"): numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    try:
        options = json.loads(artifact.about["config"])["net_options"]
        net = build(artifact.kind, options | ({"styles": len(artifact.codes)} if artifact.codes else {}))
        folds = _folds(net)
        tensors = {name: _find(name, stored, folds) for name in net.state_dict() if name != "codes"}
        if artifact.codes:
            tensors["codes"] = torch.from_numpy(np.concatenate(list(artifact.codes.values())))
        net.load_state_dict(tensors)
    except (KeyError, ValueError, RuntimeError, TypeError, InputError) as error:
        raise StyleError(f"{path}: its weights are not those of a network of ours ({_first_line(error)})") from error
    return net


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]


def _find(name: str, stored: dict[str, np.ndarray], folds: dict[str, _Fold]) -> Tensor:
    """One weight by its name in PyTorch, which the file has too unless the export folded it."""
    if f"net.{name}" in stored:
        return torch.from_numpy(stored[f"net.{name}"].astype(np.float32))
    shape, unfold = folds[name]
    same = [value for key, value in stored.items() if value.shape == shape and not key.startswith("net.")]
    if len(same) != 1:
        raise KeyError(f"{name}: {len(same)} tensors of shape {shape}")
    return unfold(torch.from_numpy(same[0].astype(np.float32)))


def _folds(net: nn.Module) -> dict[str, _Fold]:
    """What the export may have folded, by name."""
    folds: dict[str, _Fold] = {}
    for name, module in net.named_modules():
        if isinstance(module, SubpixelConv):
            folds[f"{name}.weight"] = (tuple(module.weight.shape), lambda kernel: kernel)
            folds[f"{name}.bias"] = ((len(module.weight),), partial(_each, step=module.scale**2))
        elif isinstance(module, UpsampleConv):
            out, inputs = module.conv.weight.shape[:2]
            folds[f"{name}.conv.weight"] = ((4 * out, inputs, 2, 2), _unfold_rows)
            folds[f"{name}.conv.bias"] = ((4 * out,), partial(_each, step=4))
    return folds


def _each(bias: Tensor, step: int) -> Tensor:
    """(C_out,) for one that says the same for each of `step` sub-pixels."""
    return bias[::step]


def _unfold_rows(kernel: Tensor) -> Tensor:
    """(C_out, C_in, 3, 3) for the one 2x2 kernel (4 C_out, C_in, 2, 2) that `UpsampleConv` runs as."""
    back = torch.linalg.pinv(NEAREST_TAPS.flatten(0, 1)).view(3, 2, 2)  # [kernel row, phase, low row]
    return torch.einsum("kpr,lqs,opqirs->oikl", back, back, kernel.view(-1, 2, 2, *kernel.shape[1:]))
