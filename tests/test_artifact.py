"""A stranger's style file is understood or refused before anything in it runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from livestyle.artifact import MAX_BYTES, encode_code, inspect
from livestyle.errors import StyleError

onnx = pytest.importorskip("onnx")

from handmade import BLUE, RED, one_style_model, paint_model, save, set_metadata  # noqa: E402
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

WHOLE = paint_model(red=RED, blue=BLUE).SerializeToString()
each_size = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


def refusal(path: Path) -> str:
    """The one line with which the file is refused."""
    with pytest.raises(StyleError) as caught:
        inspect(path)
    line = str(caught.value)
    assert "\n" not in line and line.startswith(str(path))
    return line


def refusal_of(data: bytes, folder: Path) -> str:
    path = folder / "style.onnx"
    path.write_bytes(data)
    return refusal(path)


def test_a_style_file_tells_its_network_and_codes(tmp_path: Path) -> None:
    artifact = inspect(save(paint_model(red=RED, blue=BLUE), tmp_path / "paint.onnx"))
    assert (artifact.name, artifact.kind, artifact.code_size) == ("paint", "lite", 3)
    assert {name: tuple(code[0]) for name, code in artifact.codes.items()} == {"red": RED, "blue": BLUE}
    assert artifact.about["livestyle.format"] == "1"


def test_a_network_of_one_style_has_no_codes(tmp_path: Path) -> None:
    artifact = inspect(save(one_style_model(RED), tmp_path / "red.onnx"))
    assert (artifact.code_size, artifact.codes) == (0, {})


def _external(model: Any) -> None:
    tensor = model.graph.initializer[0]
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")


def _external_in_a_constant(model: Any) -> None:
    value = numpy_helper.from_array(np.zeros(3, np.float32), "c")
    value.external_data.add(key="location", value="/etc/passwd")
    model.graph.node.append(helper.make_node("Constant", [], ["c"], value=value))


def _dims(*dims: int) -> Callable[[Any], None]:
    def mutate(model: Any) -> None:
        model.graph.initializer.append(TensorProto(name="huge", data_type=TensorProto.FLOAT, dims=dims))

    return mutate


def _node(operator: str, domain: str = "", **attributes: object) -> Callable[[Any], None]:
    def mutate(model: Any) -> None:
        model.graph.node.append(helper.make_node(operator, ["x"], ["z"], domain=domain, **attributes))

    return mutate


def _integers(*numbers: int, kind: Any = np.int64, raw: bool = True) -> Callable[[Any], None]:
    """An initialiser of these, written in one of the two ways."""
    as_raw = numpy_helper.from_array(np.array(numbers, kind), "pads")
    listed = helper.make_tensor("pads", as_raw.data_type, [len(numbers)], numbers)
    return lambda model: model.graph.initializer.append(as_raw if raw else listed)


def _reals(*numbers: float, kind: Any = np.float32, raw: bool = True) -> Callable[[Any], None]:
    as_raw = numpy_helper.from_array(np.array(numbers, kind), "weights")
    listed = helper.make_tensor("weights", as_raw.data_type, [len(numbers)], numbers)
    return lambda model: model.graph.initializer.append(as_raw if raw else listed)


def _function(model: Any) -> None:
    model.functions.append(helper.make_function("own", "f", ["a"], ["b"], [], [helper.make_opsetid("", 20)]))


def _sparse(model: Any) -> None:
    model.graph.sparse_initializer.add(dims=[1 << 40])


def _metadata(key: str, value: str | None) -> Callable[[Any], None]:
    return lambda model: set_metadata(model, key, value)


def _input(name: str, kind: int, shape: tuple[object, ...]) -> Callable[[Any], None]:
    def mutate(model: Any) -> None:
        kept = [value for value in model.graph.input if value.name != name]
        del model.graph.input[:]
        model.graph.input.extend([*kept, helper.make_tensor_value_info(name, kind, shape)])

    return mutate


def _output(model: Any) -> None:
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 480


def _code(*numbers: float) -> Callable[[Any], None]:
    return _metadata("codes", json.dumps({"red": encode_code(np.array([numbers], np.float32))}))


BRANCH = helper.make_graph([], "branch", [], [])
BAD: dict[str, tuple[Callable[[Any], None], str]] = {
    "external data": (_external, "another file"),
    "external data in a constant": (_external_in_a_constant, "another file"),
    "huge": (_dims(1 << 40), "absurd shape"),
    "huge in many dims": (_dims(1 << 20, 1 << 20), "absurd shape"),
    "negative": (_dims(-1), "absurd shape"),
    "huge padding": (_integers(0, 0, 1 << 30, 0), "absurd number 1073741824 in tensor 'pads'"),
    "huge padding in a list": (_integers(0, 0, 1 << 30, 0, raw=False), "absurd number 1073741824 in tensor 'pads'"),
    "huge padding in 32 bits": (_integers(65537, kind=np.int32), "absurd number 65537"),
    "huge padding in 32 bits in a list": (_integers(65537, kind=np.int32, raw=False), "absurd number 65537"),
    "hugely negative": (_integers(-65537), "absurd number -65537"),
    "hugely negative in a list": (_integers(-65537, raw=False), "absurd number -65537"),
    "huge constant": (
        _node("Constant", value=numpy_helper.from_array(np.array(1 << 40))),
        "absurd number 1099511627776 in tensor ''",
    ),
    "huge number": (_node("Constant", value_int=1 << 40), "absurd number 1099511627776 in operator Constant"),
    "huge numbers": (_node("Constant", value_ints=[2, -(1 << 40)]), "absurd number -1099511627776"),
    "huge strides": (_node("ConvTranspose", strides=[1 << 20, 1]), "absurd number 1048576 in operator ConvTranspose"),
    "integers of odd length": (
        lambda model: model.graph.initializer.add(data_type=TensorProto.INT64, dims=[1], raw_data=b"123"),
        "damaged",
    ),
    "no numbers": (_reals(1, np.nan), "tensor 'weights' holds what is no number"),
    "no numbers in a list": (_reals(1, np.nan, raw=False), "holds what is no number"),
    "no numbers of half precision": (_reals(1, np.nan, kind=np.float16), "holds what is no number"),
    "reals of odd length": (
        lambda model: model.graph.initializer.add(data_type=TensorProto.FLOAT, dims=[1], raw_data=b"123"),
        "damaged",
    ),
    "loop": (_node("Loop", body=BRANCH), "'Loop' is not allowed"),
    "if": (_node("If", then_branch=BRANCH, else_branch=BRANCH), "'If' is not allowed"),
    "graph in an operator that takes none": (_node("Identity", body=BRANCH), "graph inside operator Identity"),
    "grows its input": (_node("Tile"), "'Tile' is not allowed"),
    "foreign domain": (_node("Conv", "com.microsoft"), "'Conv' is not allowed"),
    "functions": (_function, "functions of its own"),
    "sparse": (_sparse, "sparse"),
    "sparse constant": (_node("Constant", sparse_value=onnx.SparseTensorProto(dims=[1 << 40])), "sparse"),
    "of another program": (_metadata("livestyle.format", None), "not a livestyle style"),
    "of a later format": (_metadata("livestyle.format", "2"), "not a livestyle style"),
    "without a name": (_metadata("name", None), "damaged"),
    "float frames": (_input("frames", TensorProto.FLOAT, ("n", "h", "w", 3)), "inputs and outputs"),
    "one size only": (_input("frames", TensorProto.UINT8, (1, 360, 640, 3)), "inputs and outputs"),
    "planar": (_input("frames", TensorProto.UINT8, ("n", 3, "h", "w")), "inputs and outputs"),
    "one input more": (_input("mask", TensorProto.FLOAT, ()), "inputs and outputs"),
    "code without a shape": (_input("code", TensorProto.FLOAT, ()), "damaged"),
    "code of absurd size": (_input("code", TensorProto.FLOAT, (1, 1 << 30)), "inputs and outputs"),
    "another output size": (_output, "inputs and outputs"),
    "code too short": (_code(1, 2), "3 finite numbers"),
    "code not finite": (_code(1, 2, float("nan")), "3 finite numbers"),
    "codes not JSON": (_metadata("codes", "{"), "cannot be read"),
    "codes a list": (_metadata("codes", "[1]"), "cannot be read"),
    "codes not text": (_metadata("codes", '{"red": 1}'), "cannot be read"),
    "codes not base64": (_metadata("codes", '{"red": "A"}'), "cannot be read"),
    "name with an escape": (_metadata("codes", json.dumps({"a\x1b[2J": ""})), "control characters"),
    "operator of two lines": (_node("Lo\nop"), "'Lo\\nop' is not allowed"),
    "codes too deep": (_metadata("codes", "[" * 100_000), "cannot be read"),
    "no codes": (_metadata("codes", None), "names none"),
}


@pytest.mark.parametrize("case", BAD)
def test_an_unsafe_or_broken_file_is_refused(case: str, tmp_path: Path) -> None:
    mutate, reason = BAD[case]
    model = onnx.load_from_string(WHOLE)
    mutate(model)
    assert reason in refusal_of(model.SerializeToString(), tmp_path)


def test_a_constant_in_two_parts_is_refused(tmp_path: Path) -> None:
    whole = numpy_helper.from_array(np.array([1 << 40], np.int64))
    halves = [TensorProto(data_type=whole.data_type, dims=whole.dims), TensorProto(raw_data=whole.raw_data)]
    parts = b"".join(b"\x2a" + _length(half.SerializeToString()) for half in halves)
    attribute = onnx.AttributeProto(name="value", type=onnx.AttributeProto.TENSOR).SerializeToString() + parts
    node = onnx.NodeProto(op_type="Constant", output=["c"]).SerializeToString() + b"\x2a" + _length(attribute)
    merged = onnx.NodeProto.FromString(node).attribute[0].t
    assert numpy_helper.to_array(merged) == [1 << 40]
    graph = onnx.load_from_string(WHOLE).graph.SerializeToString() + b"\x0a" + _length(node)
    rest = onnx.load_from_string(WHOLE)
    rest.ClearField("graph")
    assert "damaged" in refusal_of(rest.SerializeToString() + b"\x3a" + _length(graph), tmp_path)


@pytest.mark.parametrize("kind", [np.int32, np.int64])
@pytest.mark.parametrize("raw", [True, False])
def test_sizes_and_to_the_end_are_no_absurd_numbers(kind: Any, raw: bool, tmp_path: Path) -> None:
    end = np.iinfo(kind).max
    model = onnx.load_from_string(WHOLE)
    _integers(0, 1, -1, 65536, -65536, end, -end, -end - 1, kind=kind, raw=raw)(model)
    _node("Slice", ends=[np.iinfo(np.int64).max, np.iinfo(np.int64).min])(model)
    assert inspect(save(model, tmp_path / "style.onnx")).name == "paint"


def test_codes_for_a_network_that_takes_none_are_refused(tmp_path: Path) -> None:
    model = one_style_model(RED)
    set_metadata(model, "codes", json.dumps({"red": encode_code(np.ones((1, 3), np.float32))}))
    assert "finite numbers" in refusal(save(model, tmp_path / "red.onnx"))


def test_a_graph_hidden_beside_the_graph_is_found(tmp_path: Path) -> None:
    evil = onnx.ModelProto()
    evil.graph.node.append(helper.make_node("Loop", ["x"], ["z"]))
    for data in (evil.SerializeToString() + WHOLE, WHOLE + evil.SerializeToString()):
        # Any reader of protobuf merges the two, so both would run.
        assert "Loop" in [node.op_type for node in onnx.load_from_string(data).graph.node]
        refusal_of(data, tmp_path)


@given(st.integers(0, len(WHOLE) - 1))
@example(0)
@example(len(WHOLE) - 1)
@each_size
def test_a_truncated_file_is_refused(tmp_path: Path, length: int) -> None:
    refusal_of(WHOLE[:length], tmp_path)


@given(st.binary(max_size=300))
@each_size
def test_random_bytes_are_refused(tmp_path: Path, data: bytes) -> None:
    refusal_of(data, tmp_path)


@given(st.integers(0, len(WHOLE) - 1), st.integers(0, 255))
@example(19, 10)  # a line break in an operator's name
@settings(each_size, max_examples=300)
def test_a_damaged_byte_is_harmless_or_refused(tmp_path: Path, at: int, byte: int) -> None:
    path = tmp_path / "style.onnx"
    path.write_bytes(WHOLE[:at] + bytes([byte]) + WHOLE[at + 1 :])
    try:
        inspect(path)
    except StyleError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize("text", [b"", b"<!doctype html>", b"version https://git-lfs.github.com/spec/v1\n"])
def test_a_renamed_file_is_refused(text: bytes, tmp_path: Path) -> None:
    refusal_of(text, tmp_path)


def test_a_file_of_millions_of_numbers_is_refused_without_reading_them(tmp_path: Path) -> None:
    field = b"\x08\x0a"  # field 1, the number 10
    assert "damaged" in refusal_of(field * (10 << 20) + WHOLE, tmp_path)
    dims = b"\xff" * 9 + b"\x01"
    tensor = b"\x0a" + _length(dims * 100_000)
    graph = b"\x2a" + _length(tensor)
    assert "damaged" in refusal_of(b"\x3a" + _length(graph), tmp_path)


def _length(data: bytes) -> bytes:
    """Protobuf's length and the data."""
    size, head = len(data), b""
    while size > 127:
        head, size = head + bytes([size & 127 | 128]), size >> 7
    return head + bytes([size]) + data


def test_an_oversize_file_is_refused_without_reading_it(tmp_path: Path) -> None:
    path = tmp_path / "style.onnx"
    path.write_bytes(WHOLE)
    os.truncate(path, MAX_BYTES + (1 << 20))
    assert "65 MiB is too large" in refusal(path)


def test_a_folder_is_no_style_file(tmp_path: Path) -> None:
    assert "cannot be read" in refusal(tmp_path)


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=3, max_size=3))
@each_size
def test_a_code_comes_back_as_it_went_in(tmp_path: Path, numbers: list[float]) -> None:
    model = onnx.load_from_string(WHOLE)
    _code(*numbers)(model)
    assert inspect(save(model, tmp_path / "style.onnx")).codes["red"].tolist() == [numbers]


def test_refusing_a_file_loads_no_engine(tmp_path: Path) -> None:
    path = tmp_path / "style.onnx"
    path.write_bytes(WHOLE[:-1])
    program = f"""
import sys, livestyle
try:
    livestyle.load({str(path)!r})
except livestyle.StyleError:
    print([name for name in ("onnxruntime", "onnx", "torch") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
