"""Style files whose answer is known: their network paints every pixel in one colour."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from livestyle.artifact import FORMAT, encode_code

if TYPE_CHECKING:
    from onnx import ModelProto

Colour = tuple[int, int, int]
RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def paint_model(**colours: Colour) -> ModelProto:
    """styled = frames + strength * (code - frames), rounded: a style's code is its RGB colour."""
    from onnx import helper

    model = _model("code", [helper.make_tensor_value_info("code", 1, (1, 3))], next(iter(colours.values())))
    codes = {name: encode_code(np.array([colour], np.float32)) for name, colour in colours.items()}
    helper.set_model_props(model, _metadata(json.dumps(codes)))
    return model


def one_style_model(colour: Colour) -> ModelProto:
    """The same network with one colour and no code."""
    from onnx import helper

    model = _model("colour", [], colour)
    helper.set_model_props(model, _metadata("{}"))
    return model


def save(model: ModelProto, path: Path) -> Path:
    path.write_bytes(model.SerializeToString())
    return path


def set_metadata(model: ModelProto, key: str, value: str | None) -> None:
    """Puts a value in, or takes it out."""
    rest = [(p.key, p.value) for p in model.metadata_props if p.key != key]
    del model.metadata_props[:]
    for name, text in [*([(key, value)] if value is not None else []), *rest]:
        model.metadata_props.add(key=name, value=text)


def _metadata(codes: str) -> dict[str, str]:
    return {"name": "paint", "kind": "lite", "codes": codes, "livestyle.format": FORMAT}


def _model(colour_name: str, code_input: list[object], colour: Colour) -> ModelProto:
    from onnx import TensorProto, helper, numpy_helper

    picture = ["batch", "height", "width", 3]
    nodes = [
        helper.make_node("Cast", ["frames"], ["x"], to=TensorProto.FLOAT),
        helper.make_node("Sub", [colour_name, "x"], ["change"]),
        helper.make_node("Mul", ["strength", "change"], ["share"]),
        helper.make_node("Add", ["x", "share"], ["y"]),
        helper.make_node("Add", ["y", "half"], ["rounded"]),
        helper.make_node("Cast", ["rounded"], ["styled"], to=TensorProto.UINT8),
    ]
    values = {"strength": 1.0, colour_name: [colour], "half": 0.5}
    graph = helper.make_graph(
        nodes,
        "paint",
        [
            helper.make_tensor_value_info("frames", TensorProto.UINT8, picture),
            helper.make_tensor_value_info("strength", TensorProto.FLOAT, ()),
            *code_input,
        ],
        [helper.make_tensor_value_info("styled", TensorProto.UINT8, picture)],
        [numpy_helper.from_array(np.array(value, np.float32), name) for name, value in values.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
