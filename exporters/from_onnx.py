"""A style file's network back in PyTorch, to train on from what ships."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor

from livestyle.artifact import inspect
from livestyle.errors import InputError, StyleError
from livestyle.nets.layers import NEAREST_TAPS
from livestyle.nets.lite import Lite


def load_lite(path: Path) -> Lite:
    """The Lite network in a style file, its codes in the file's order. Raises StyleError or InputError.

    Weights come back as they are in the file; what the export folded (`Head`, `UpsampleConv`) is unfolded.
    """
    artifact = inspect(path)
    if not artifact.codes:
        raise InputError(f"{path}: not a lite network; only those can be trained on")
    model = onnx.load(path, load_external_data=False)
    stored = {tensor.name.removesuffix(".half"): numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    try:
        options = json.loads({p.key: p.value for p in model.metadata_props}["config"])["net_options"]
        net = Lite(len(artifact.codes), **options)
        tensors = {name: _find(name, stored, net) for name in net.state_dict() if name != "codes"}
        tensors["codes"] = torch.from_numpy(np.concatenate(list(artifact.codes.values())))
        net.load_state_dict(tensors)
    except (KeyError, ValueError, RuntimeError, TypeError) as error:
        raise StyleError(f"{path}: its weights are not a lite's ({str(error).splitlines()[0]})") from error
    return net


def _find(name: str, stored: dict[str, np.ndarray], net: Lite) -> Tensor:
    """One weight by its name in PyTorch, which the file has too unless the export folded it."""
    if f"net.{name}" in stored:
        return torch.from_numpy(stored[f"net.{name}"].astype(np.float32))
    width, depth = net.config["width"], net.config["depth"]
    folded: dict[str, tuple[tuple[int, ...], Callable[[Tensor], Tensor]]] = {
        "up.conv.weight": ((4 * width, depth, 2, 2), lambda kernel: _unfold(kernel.view(width, 2, 2, depth, 2, 2))),
        "up.conv.bias": ((4 * width,), lambda bias: bias[::4]),
        "head.conv.weight": ((48, width, 2, 2), _unfold_head),
        "head.conv.bias": ((48,), lambda bias: bias.view(3, 2, 2, 2, 2)[:, 0, :, 0, :].flatten()),
    }
    shape, unfold = folded[name]
    same = [value for key, value in stored.items() if value.shape == shape and not key.startswith("net.")]
    if len(same) != 1:
        raise KeyError(f"{name}: {len(same)} tensors of shape {shape}")
    return unfold(torch.from_numpy(same[0].astype(np.float32)))


def _unfold_head(kernel: Tensor) -> Tensor:
    """(12, C, 3, 3) for the one 2x2 kernel (48, C, 2, 2) that `Head` runs as."""
    return _unfold(kernel.view(3, 2, 2, 2, 2, *kernel.shape[1:]).permute(0, 2, 4, 1, 3, 5, 6, 7).flatten(0, 2))


def _unfold(corners: Tensor) -> Tensor:
    """(C_out, C_in, 3, 3) for what `UpsampleConv.corner_kernel` makes of it."""
    back = torch.linalg.pinv(NEAREST_TAPS.flatten(0, 1)).view(3, 2, 2)  # [kernel row, phase, low row]
    return torch.einsum("kpr,lqs,opqirs->oikl", back, back, corners)
