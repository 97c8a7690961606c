"""A network as one ONNX file, checked against PyTorch before it gets its name."""

from __future__ import annotations

import json
import logging
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import ModelProto, TensorProto, helper, numpy_helper
from torch import nn
from torch.export import Dim

import livestyle
from livestyle.artifact import FORMAT, encode_code, inspect

from .verify import ExportError, verify
from .wrap import Contract

OPSET = 20
_HALF_FROM = 256  # numbers: smaller tensors (biases, shapes) stay in single precision

# What holds for a network, not for a code that is learnt later.
_OF_ITS_TRAINING = {"licence", "training data", "training", "command", "recipe"}


def export_onnx(
    net: nn.Module,
    target: Path,
    *,
    name: str,
    kind: str,
    styles: Sequence[str] = (),
    about: Mapping[str, str] | None = None,
    half: bool = False,
    keep_color: bool = False,
) -> None:
    """Writes `target`: the network behind the uint8 contract, its codes and metadata inside.

    Args:
        styles: the names of the rows of a conditional network's codes.
        about: further metadata: licence, training data, configuration.
        keep_color: pictures keep their own colours, see `Contract`.
        half: store large weights in half precision (computed in single precision all the same).

    Raises ExportError, and writes nothing, if onnxruntime's pictures differ from PyTorch's.
    """
    contract = Contract(net.eval(), keep_color=keep_color).eval()
    codes = {style: encode_code(code.numpy()) for style, code in zip(styles, contract.code_rows(), strict=True)}
    model = _to_proto(contract)
    if half:
        store_half(model)
    metadata = {"name": name, "kind": kind, "codes": json.dumps(codes), **(about or {}), **versions()}
    helper.set_model_props(model, metadata)
    onnx.checker.check_model(model, full_check=True)
    temporary = target.with_name(f".{target.stem}.{os.getpid()}.part.onnx")
    try:
        onnx.save(model, temporary)
        verify(contract, temporary, half=half)
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def _to_proto(contract: Contract) -> ModelProto:
    frames = torch.randint(0, 256, (2, 37, 51, 3), dtype=torch.uint8)
    inputs: tuple[torch.Tensor, ...] = (frames, torch.tensor(1.0))
    shapes: dict[str, object] = {"frames": dict.fromkeys((0, 1, 2), Dim.DYNAMIC), "strength": None}
    if contract.code_size:
        inputs, shapes = (*inputs, contract.code_rows()[0]), {**shapes, "code": None}
    with silent_exporter(), torch.no_grad():
        # Left to itself, it first tries to do without `strict`, in vain and for as long again.
        captured = torch.export.export(contract, inputs, dynamic_shapes=shapes, strict=True)
        program = torch.onnx.export(
            captured, dynamo=True, input_names=list(shapes), output_names=["styled"], opset_version=OPSET,
            verbose=False,
        )  # fmt: skip
    assert program is not None
    model = program.model_proto
    for key, length in zip(("batch", "height", "width"), (0, 1, 2), strict=True):
        for value in (model.graph.input[0], model.graph.output[0]):
            value.type.tensor_type.shape.dim[length].dim_param = key
    # An initializer with an input's name is that input's default (ONNX IR, "Optional inputs").
    defaults = {"strength": np.array(1.0, np.float32)}
    if contract.code_size:
        defaults["code"] = contract.code_rows()[0].numpy()
    model.graph.initializer.extend(numpy_helper.from_array(value, key) for key, value in defaults.items())
    drop_traces(model)
    return model


def export_codes(
    source: Path, target: Path, *, name: str, codes: Mapping[str, torch.Tensor], about: Mapping[str, str]
) -> None:
    """Writes `target`: the very network of the style file `source` with other codes (1, K), which mix with its own."""
    model = onnx.load(source, load_external_data=False)
    kept = {prop.key: prop.value for prop in model.metadata_props if prop.key not in _OF_ITS_TRAINING}
    told = {style: encode_code(code.numpy()) for style, code in codes.items()}
    helper.set_model_props(model, {**kept, "name": name, "codes": json.dumps(told), **about, **versions()})
    default = next(tensor for tensor in model.graph.initializer if tensor.name == "code")
    default.CopyFrom(numpy_helper.from_array(next(iter(codes.values())).numpy(), "code"))
    temporary = target.with_name(f".{target.stem}.{os.getpid()}.part.onnx")
    try:
        onnx.save(model, temporary)
        if inspect(temporary).network != inspect(source).network:
            raise ExportError(f"{target}: not the network of {source} any more; nothing was written")
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def silent_exporter() -> Iterator[None]:
    """torch's exporter warns of what it does with every dynamic shape."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def drop_traces(model: ModelProto) -> None:
    """Removes what the exporter notes about source files, which would name paths of this machine."""
    model.doc_string = ""
    for part in (
        *model.graph.node,
        *model.graph.input,
        *model.graph.output,
        *model.graph.value_info,
        *model.graph.initializer,
    ):
        del part.metadata_props[:]
        part.doc_string = ""
    del model.graph.metadata_props[:]
    del model.graph.value_info[:]


def store_half(model: ModelProto) -> None:
    """Large float weights become float16 and a Cast, which onnxruntime folds away when it loads them."""
    graph = model.graph
    casts = []
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        if tensor.data_type != TensorProto.FLOAT or values.size < _HALF_FROM or tensor.name == "code":
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
        casts.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


def versions() -> dict[str, str]:
    """Metadata: what made the file."""
    return {"livestyle.format": FORMAT, "livestyle.version": livestyle.__version__, "torch.version": torch.__version__}
