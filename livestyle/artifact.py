"""Style files: what an ONNX file says of itself, and the checks a stranger's file must pass before it runs.

An ONNX file is data, but data can ask for other files, for huge tensors or for loops. So the file is
read here, field by field (onnx.proto, IR version 10), before onnxruntime sees it. The runtime does
not depend on the `onnx` package for that: it would be half its size.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .errors import StyleError

FORMAT = "1"  # of our metadata
MAX_BYTES = 64 << 20
MAX_CODE = 1 << 16  # numbers in a code
Code = NDArray[np.float32]  # (1, K)

_UINT8, _FLOAT = 2, 1  # TensorProto.DataType
# A style has far fewer; reading a stranger's millions would take minutes.
_MAX_FIELDS = 1 << 16  # of one message
_MAX_DIMS = 64  # of one tensor
_MAX_INTEGER = MAX_CODE  # a padding, a size, a place: more would make tensors that fill the memory
_INTEGERS = {6: ("<i4", 5), 7: ("<i8", 7)}  # TensorProto.DataType: the form of raw data, the field of other data
_REALS = {1: ("<f4", 4), 10: ("<f2", 0), 11: ("<f8", 10)}  # as above; listed reals lie as raw ones; halves do not (0)
# All that the exporters write; nothing that branches, loops, calls out or invents sizes.
_OPERATORS = frozenset(
    """
    Add AveragePool BatchNormalization Cast Clip Concat Constant Conv ConvTranspose DepthToSpace Div Einsum
    Flatten Gather Gemm Identity InstanceNormalization MatMul Mod Mul Neg Pad Pow ReduceMean Relu Reshape
    Shape Sigmoid Slice SpaceToDepth Split Sqrt Squeeze Sub Tanh Transpose Unsqueeze
    """.split()  # noqa: SIM905 (a list of 35 quoted words is no clearer)
)


@dataclass(frozen=True)
class Artifact:
    """A checked style file: a network, and the codes of the styles in it.

    Attributes:
        name, kind: the network's name, and `lite` or `johnson`.
        code_size: K, the numbers in a code; 0 for a network of one style.
        codes: each style's code; empty for a network of one style.
        about: all metadata: licence, training data, configuration, versions.
        network: equal for files that hold the same network, whatever codes are in them.
    """

    path: Path
    name: str
    kind: str
    code_size: int
    codes: dict[str, Code]
    about: dict[str, str]
    network: str


def inspect(path: Path) -> Artifact:
    """What a style file holds. Raises StyleError, one line, if it is not one or asks for anything unsafe."""
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise StyleError(f"{path}: {size >> 20} MiB is too large for a style; the limit is {MAX_BYTES >> 20} MiB")
        model = Message(path.read_bytes())
        graph = model.message(7)
        about = {entry.text(1): entry.text(2) for entry in model.messages(14)}
        _check_graph(path, model, graph, size)
        if about.get("livestyle.format") != FORMAT:
            raise StyleError(f"{path}: not a livestyle style (its metadata lacks livestyle.format {FORMAT})")
        code_size = _check_interface(path, graph)
        codes = _codes(path, about, code_size)
        return Artifact(path, about["name"], about["kind"], code_size, codes, about, _digest(graph))
    except OSError as error:
        raise StyleError(f"{path}: cannot be read ({error.strerror})") from error
    except (MalformedError, UnicodeDecodeError, KeyError, IndexError) as error:
        raise StyleError(f"{path}: damaged or not an ONNX file; get it again or export it again") from error


def _check_graph(path: Path, model: Message, graph: Message, file_size: int) -> None:
    if model.messages(25):
        raise StyleError(f"{path}: holds functions of its own, which a style never does")
    tensors = list(graph.messages(5))
    for node in graph.messages(1):
        operator = node.text(4)
        if operator not in _OPERATORS or node.text(7) not in ("", "ai.onnx"):
            raise StyleError(f"{path}: operator {_shown(operator)} is not allowed in a style")
        for attribute in node.messages(5):
            tensors += [*([attribute.message(5)] if attribute.messages(5) else []), *attribute.messages(10)]
            numbers = attribute.numbers(3) + attribute.numbers(8, _MAX_FIELDS)
            _check_integers(path, _signed(numbers), f"operator {operator}")
            if attribute.messages(6) or attribute.messages(11):
                raise StyleError(f"{path}: a graph inside operator {operator} is not allowed in a style")
            if attribute.messages(22) or attribute.messages(23):
                raise StyleError(f"{path}: sparse tensors are not allowed in a style")
    if graph.messages(15):
        raise StyleError(f"{path}: sparse tensors are not allowed in a style")
    for tensor in tensors:
        if tensor.messages(13) or tensor.number(14):
            raise StyleError(f"{path}: keeps weights in another file; a style is one file")
        if math.prod(tensor.numbers(1)) > file_size:
            raise StyleError(f"{path}: absurd shape {tensor.numbers(1)} of tensor {_shown(tensor.text(8))}")
        if _lacks_numbers(tensor):
            raise StyleError(f"{path}: tensor {_shown(tensor.text(8))} holds what is no number (NaN)")
        for integers in _integers(tensor):
            _check_integers(path, integers, f"tensor {_shown(tensor.text(8))}")


def _lacks_numbers(tensor: Message) -> bool:
    """Whether a tensor of real numbers holds one that is none."""
    if (kind := tensor.number(2)) not in _REALS:
        return False
    form, field = _REALS[kind]
    written = [*tensor.raw(9), *tensor.raw(field)]
    if any(len(raw) % np.dtype(form).itemsize for raw in written):
        raise MalformedError
    return any(np.isnan(np.frombuffer(raw, form)).any() for raw in written)


def _integers(tensor: Message) -> Iterator[NDArray[np.signedinteger]]:
    """The numbers of a tensor of integers, however they are written."""
    if (kind := tensor.number(2)) in _INTEGERS:
        form, field = _INTEGERS[kind]
        yield _signed(tensor.numbers(field, _MAX_FIELDS)).astype(form)
        for raw in tensor.raw(9):
            if len(raw) % np.dtype(form).itemsize:
                raise MalformedError
            yield np.frombuffer(raw, form)


def _signed(numbers: list[int]) -> NDArray[np.int64]:
    return np.array([number & (1 << 64) - 1 for number in numbers], np.uint64).view(np.int64)


def _check_integers(path: Path, integers: NDArray[np.signedinteger], where: str) -> None:
    """Raises StyleError for one that no size can be; the largest and smallest mean "to the end" to Slice."""
    limits = np.iinfo(integers.dtype)
    absurd = (abs(integers) > _MAX_INTEGER) & (integers > limits.min + 1) & (integers < limits.max)
    if absurd.any():
        raise StyleError(f"{path}: absurd number {integers[absurd][0]} in {where}")


def _shown(text: str) -> str:
    """A stranger's text as part of a message: short, and no control characters."""
    return repr(text[:40])


def _check_interface(path: Path, graph: Message) -> int:
    """The code size. Raises StyleError unless inputs and output are those of the uint8 contract."""
    inputs = {name: spec for name, spec in map(_value, graph.messages(11))}
    outputs = {name: spec for name, spec in map(_value, graph.messages(12))}
    picture = (_UINT8, (0, 0, 0, 3))
    kind, shape = inputs.pop("code", (_FLOAT, (1, 0)))
    fits = (
        inputs == {"frames": picture, "strength": (_FLOAT, ())}
        and outputs == {"styled": picture}
        and (kind, shape[0], len(shape)) == (_FLOAT, 1, 2)
        and 0 <= shape[1] <= MAX_CODE
    )
    if not fits:
        raise StyleError(f"{path}: its inputs and outputs are not those of a style (frames, strength, code -> styled)")
    return shape[1]


def _value(info: Message) -> tuple[str, tuple[int, tuple[int, ...]]]:
    """(name, (element type, shape)) of a ValueInfoProto; 0 stands for any length."""
    tensor = info.message(2).message(1)
    shape = tensor.message(2).messages(1) if tensor.messages(2) else []
    return info.text(1), (tensor.number(1), tuple(dim.number(1) for dim in shape))


def _digest(graph: Message) -> str:
    """Of all operators and weights; the code that is the default is no part of the network."""
    weights = [data for data in graph.raw(5) if Message(data).text(8) != "code"]
    return hashlib.sha256(b"".join((*graph.raw(1), *weights))).hexdigest()


def _codes(path: Path, about: dict[str, str], code_size: int) -> dict[str, Code]:
    try:
        texts = json.loads(about.get("codes", "{}"))
        codes = {name: np.frombuffer(base64.b64decode(text), "<f4")[None] for name, text in texts.items()}
    except (ValueError, TypeError, AttributeError, RecursionError, binascii.Error) as error:
        raise StyleError(f"{path}: the codes in its metadata cannot be read") from error
    if not all(name.isprintable() for name in codes):
        raise StyleError(f"{path}: the name of a style in it holds control characters")
    if any(code.size != code_size or not np.isfinite(code).all() for code in codes.values()):
        raise StyleError(f"{path}: a code in it has not {code_size} finite numbers")
    if bool(codes) != bool(code_size):
        raise StyleError(f"{path}: takes a code but names none" if code_size else f"{path}: has codes but takes none")
    return codes


def encode_code(code: Code) -> str:
    """A code as text for the metadata."""
    return base64.b64encode(code.astype("<f4").tobytes()).decode()


class MalformedError(Exception):
    """Not the protobuf it should be."""


class Message:
    """One protobuf message, its fields by number (protobuf.dev/programming-guides/encoding)."""

    def __init__(self, data: bytes | memoryview) -> None:
        self._fields: dict[int, list[int | memoryview]] = {}
        for count, (number, value) in enumerate(_fields(memoryview(data))):
            if count == _MAX_FIELDS:
                raise MalformedError
            self._fields.setdefault(number, []).append(value)

    def messages(self, number: int) -> list[Message]:
        return [Message(data) for data in self.raw(number)]

    def message(self, number: int) -> Message:
        # Readers of protobuf merge repeated ones: taking the last would hide the nodes of the first.
        values = self._fields[number]
        if len(values) > 1:
            raise MalformedError
        return Message(self._bytes(values[0]))

    def text(self, number: int) -> str:
        values = self._fields.get(number)
        return bytes(self._bytes(values[-1])).decode() if values else ""

    def texts(self, number: int) -> list[str]:
        """Every text of a repeated field."""
        return [bytes(self._bytes(value)).decode() for value in self._fields.get(number, [])]

    def raw(self, number: int) -> list[memoryview]:
        """The bytes of every message, text or string of bytes of a repeated field."""
        return [self._bytes(value) for value in self._fields.get(number, [])]

    def numbers(self, number: int, most: int = _MAX_DIMS) -> list[int]:
        """Varints, packed or not, `most` of them."""
        result: list[int] = []
        for value in self._fields.get(number, []):
            if isinstance(value, int):
                result.append(value)
                continue
            at = 0
            while at < len(value) and len(result) <= most:
                item, at = _varint(value, at)
                result.append(item)
        if len(result) > most:
            raise MalformedError
        return result

    def number(self, number: int) -> int:
        return self.numbers(number)[-1] if number in self._fields else 0

    @staticmethod
    def _bytes(value: int | memoryview) -> memoryview:
        if isinstance(value, int):
            raise MalformedError
        return value


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        wire = key & 7
        if wire == 0:
            value, at = _varint(data, at)
            yield key >> 3, value
            continue
        if wire == 2:
            length, at = _varint(data, at)
        elif wire in (1, 5):
            length = 8 if wire == 1 else 4
        else:
            raise MalformedError
        if at + length > len(data):
            raise MalformedError
        yield key >> 3, data[at : at + length]
        at += length


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    result = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise MalformedError
        byte = data[at]
        at += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result, at
    raise MalformedError
