"""A predictor as an ONNX file: a uint8 picture in, its code out."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import helper
from torch import Tensor, nn
from torch.export import Dim

from livestyle.nets.predictor import Predictor

from .to_onnx import OPSET, drop_traces, silent_exporter, store_half, versions
from .verify import ExportError

_CLOSE = 0.02  # of a code's numbers, which are about 1: half precision


class _Contract(nn.Module):
    """(1, H, W, 3) uint8 in, (1, K) out."""

    def __init__(self, predictor: Predictor) -> None:
        super().__init__()
        self.predictor = predictor

    def forward(self, picture: Tensor) -> Tensor:
        code: Tensor = self.predictor(picture.permute(0, 3, 1, 2).float() / 255)
        return code


def export_predictor(predictor: Predictor, target: Path, *, about: Mapping[str, str]) -> None:
    """Writes `target`, large weights in half precision.

    Raises ExportError, and writes nothing, if onnxruntime's codes differ from PyTorch's.
    """
    contract = _Contract(predictor).eval()
    picture = torch.randint(0, 256, (1, 67, 93, 3), dtype=torch.uint8)
    with silent_exporter():
        program = torch.onnx.export(
            contract, (picture,), dynamo=True, dynamic_shapes={"picture": {1: Dim.DYNAMIC, 2: Dim.DYNAMIC}},
            input_names=["picture"], output_names=["code"], opset_version=OPSET, verbose=False,
        )  # fmt: skip
    assert program is not None
    model = program.model_proto
    drop_traces(model)
    store_half(model)
    helper.set_model_props(model, {"name": "predictor", "kind": "predictor", **about, **versions()})
    onnx.checker.check_model(model, full_check=True)
    temporary = target.with_name(f".{target.stem}.{os.getpid()}.part.onnx")
    try:
        onnx.save(model, temporary)
        _verify(contract, temporary)
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def _verify(contract: _Contract, path: Path) -> None:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    for shape in ((1, 256, 171, 3), (1, 32, 256, 3), (1, 45, 67, 3)):
        picture = rng.integers(0, 256, shape, dtype=np.uint8)
        with torch.inference_mode():
            expected = contract(torch.from_numpy(picture)).numpy()
        off = np.abs(session.run(None, {"picture": picture})[0] - expected).max()
        if not off <= _CLOSE:
            raise ExportError(f"export: at {shape}, onnxruntime's code is {off:.3f} off PyTorch's; nothing was written")
