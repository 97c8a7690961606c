"""The checks that a stranger's mask network must pass before onnxruntime sees it."""

from __future__ import annotations

import math
from pathlib import Path

from .artifact import MalformedError, Message
from .errors import StyleError

MAX_BYTES = 256 << 20
_MAX_DEPTH = 4  # graphs within graphs: what `If` holds
_DOMAINS = ("", "ai.onnx", "com.microsoft")  # onnxruntime's own; it fuses operators when it saves a model
_ENDLESS = frozenset({"Loop", "Scan", "SequenceMap"})  # what they cost cannot be told
_PASSES_ON = frozenset({"Identity", "Transpose", "Squeeze", "Unsqueeze", "Reshape", "Slice", "Cast", "Resize"})


def check_file(path: Path) -> tuple[bytes, dict[str, str]]:
    """The file's bytes, and for each output the operator that makes its values.

    Raises StyleError, one line, if it is no ONNX file or asks for anything unsafe: other files, loops,
    operators of others, tensors larger than the file.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise StyleError(
                f"{path}: {size >> 20} MiB is too large for a mask network; the limit is {MAX_BYTES >> 20} MiB"
            )
        data = path.read_bytes()
        model = Message(data)
        graph = model.message(7)
        if model.messages(25):
            raise StyleError(f"{path}: holds functions of its own, which a mask network may not")
        _check_graph(path, graph, len(data), 0)
        makers = {output: (node.text(4), node) for node in graph.messages(1) for output in node.texts(2)}
        return data, {info.text(1): _maker(info.text(1), makers) for info in graph.messages(12)}
    except OSError as error:
        raise StyleError(f"{path}: cannot be read ({error.strerror})") from error
    except (MalformedError, UnicodeDecodeError, KeyError, IndexError) as error:
        raise StyleError(f"{path}: damaged or not an ONNX file; get it again or export it again") from error


def _check_graph(path: Path, graph: Message, file_size: int, depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise StyleError(
            f"{path}: graphs within graphs, more than {_MAX_DEPTH} deep, are not allowed in a mask network"
        )
    if graph.messages(15):
        raise StyleError(f"{path}: sparse tensors are not allowed in a mask network")
    for node in graph.messages(1):
        if node.text(4) in _ENDLESS or node.text(7) not in _DOMAINS:
            raise StyleError(f"{path}: operator {node.text(4)[:40]!r} is not allowed in a mask network")
        for attribute in node.messages(5):
            if attribute.messages(22) or attribute.messages(23):
                raise StyleError(f"{path}: sparse tensors are not allowed in a mask network")
            _check_tensors(path, [*attribute.messages(5), *attribute.messages(10)], file_size)
            for inner in [*attribute.messages(6), *attribute.messages(11)]:
                _check_graph(path, inner, file_size, depth + 1)
    _check_tensors(path, graph.messages(5), file_size)


def _check_tensors(path: Path, tensors: list[Message], file_size: int) -> None:
    for tensor in tensors:
        if tensor.messages(13) or tensor.number(14):
            raise StyleError(f"{path}: keeps weights in another file; give a mask network as one file")
        if math.prod(tensor.numbers(1)) > 2 * file_size:  # 4-bit numbers are two a byte
            raise StyleError(f"{path}: absurd shape {tensor.numbers(1)} of tensor {tensor.text(8)[:40]!r}")


def _maker(output: str, makers: dict[str, tuple[str, Message]]) -> str:
    """The operator behind an output, past those that only pass values on."""
    operator = ""
    for _ in range(len(makers)):
        if output not in makers:
            break
        operator, node = makers[output]
        inputs = node.texts(1)
        if operator not in _PASSES_ON or not inputs:
            break
        output = inputs[0]
    return operator
