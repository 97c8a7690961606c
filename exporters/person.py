"""The network of `--mask person`, made of MediaPipe's Selfie Segmentation (general), Apache-2.0, on the user's machine.

    pip install 'livestyle[mask]'
    python -m exporters.person             # has pip fetch mediapipe 0.10.21 (36 MB), the last with the weights in it
    python -m exporters.person WHEEL       # with that wheel at hand: nothing is fetched

The weights are not ours to ship as our own work, and that wheel does not install beside a present numpy: so its
file is read, not its code, and any system's wheel will do. Departures from the original: sizes are free (multiples of
16; it is convolutional but for its means), so that people keep their proportions, and the picture is uint8. On the
same 256x256 picture both give the same.
"""

from __future__ import annotations

import hashlib
import importlib.util
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from livestyle.errors import InputError, MissingExtra
from livestyle.matting import person_file

if TYPE_CHECKING:
    import onnx

VERSION = "0.10.21"
WEIGHTS = "9ee168ec7c8f2a16c56fe8e1cfbc514974cbbb7e434051b455635f1bd1462f5c"  # SHA-256, as MediaPipe released them
_WHEEL_FOR = ["--only-binary=:all:", "--implementation=cp", "--python-version=3.11", "--platform=manylinux_2_28_x86_64"]
ABOUT = {
    "name": "person",
    "licence": "Apache-2.0",
    "source": "MediaPipe Selfie Segmentation (general), Copyright 2021-2023 The MediaPipe Authors",
    "changes": "converted from mediapipe 0.10.21 (tflite) to ONNX; free sizes, uint8 input",
}
_FORMATS = {0: np.float32, 1: np.float16, 2: np.int32}  # tflite TensorType
_PLAIN = {"RELU": "Relu", "HARD_SWISH": "HardSwish", "LOGISTIC": "Sigmoid", "ADD": "Add", "MUL": "Mul"}
_HALVING_PADS = {3: (0, 0, 1, 1), 5: (1, 1, 2, 2)}  # tensorflow's SAME for even sides and stride 2, by kernel


class _Converter:
    """ONNX nodes for the operators of one tflite graph; activations become NCHW."""

    def __init__(self, model: Any) -> None:
        import tflite  # type: ignore[import-not-found, import-untyped, unused-ignore]

        self._model, self._graph = model, model.Subgraphs(0)
        self._names = {code: name for name, code in vars(tflite.BuiltinOperator).items() if isinstance(code, int)}
        self._float_of: dict[int, int] = {}  # a dequantized tensor: where its 16-bit original is
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def convert(self) -> None:
        for index in range(self._graph.OperatorsLength()):
            operator = self._graph.Operators(index)
            code = self._model.OperatorCodes(operator.OpcodeIndex())
            name = self._names[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
            self._operator(name, operator, list(operator.InputsAsNumpy()), int(operator.OutputsAsNumpy()[0]))

    def _operator(self, name: str, operator: Any, inputs: list[int], output: int) -> None:
        if name == "DEQUANTIZE":
            self._float_of[output] = inputs[0]
        elif name in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            self._convolution(name, operator, inputs, output)
        elif name in ("MEAN", "AVERAGE_POOL_2D"):  # of the whole picture, both
            self._node("GlobalAveragePool", [self._name(inputs[0])], output)
        elif name == "RESIZE_BILINEAR":
            self._node("Resize", [self._name(inputs[0]), "", "twice"], output, mode="linear")  # half_pixel, the default
        elif name == "CUSTOM":  # Convolution2DTransposeBias, 2x2 with stride 2: no overlap, so no padding
            kernel = self._array(inputs[1]).transpose(3, 0, 1, 2)
            self._node("ConvTranspose", self._with_weights(inputs, kernel), output, strides=[2, 2])
        else:
            self._node(_PLAIN[name], [self._name(tensor) for tensor in inputs], output)

    def _convolution(self, name: str, operator: Any, inputs: list[int], output: int) -> None:
        import tflite

        depthwise = name.startswith("DEPTHWISE")
        options = tflite.DepthwiseConv2DOptions() if depthwise else tflite.Conv2DOptions()
        table = operator.BuiltinOptions()
        options.Init(table.Bytes, table.Pos)
        kernel = self._array(inputs[1]).transpose((3, 0, 1, 2) if depthwise else (0, 3, 1, 2))
        size, stride = kernel.shape[2], options.StrideH()
        pads = _HALVING_PADS[size] if stride == 2 else (size // 2,) * 4
        group = kernel.shape[0] if depthwise else 1
        self._node("Conv", self._with_weights(inputs, kernel), output, pads=pads, strides=[stride] * 2, group=group)

    def _with_weights(self, inputs: list[int], kernel: NDArray[Any]) -> list[str]:
        """Names of the input, the kernel and the bias; 16-bit weights stay so in the file."""
        from onnx import numpy_helper

        names = [self._name(inputs[0])]
        for tensor, array in ((inputs[1], kernel), (inputs[2], self._array(inputs[2]))):
            self.weights.append(numpy_helper.from_array(np.ascontiguousarray(array), f"half{tensor}"))
            self._node("Cast", [f"half{tensor}"], tensor, to=1)
            names.append(self._name(tensor))
        return names

    def _array(self, tensor: int) -> NDArray[Any]:
        stored = self._graph.Tensors(self._float_of.get(tensor, tensor))
        raw = self._model.Buffers(stored.Buffer()).DataAsNumpy().tobytes()
        return np.frombuffer(raw, _FORMATS[stored.Type()]).reshape(stored.ShapeAsNumpy())

    def _node(self, kind: str, inputs: list[str], output: int, **attributes: Any) -> None:
        from onnx import helper

        self.nodes.append(helper.make_node(kind, inputs, [self._name(output)], **attributes))

    @staticmethod
    def _name(tensor: int) -> str:
        return f"t{tensor}"


def convert(tflite_file: bytes) -> onnx.ModelProto:
    """The network as ONNX: `image` (1, H, W, 3) uint8 RGB, H and W multiples of 16, to `alpha` (1, 1, H, W) 0..1."""
    import tflite
    from onnx import TensorProto, checker, helper, numpy_helper

    model = tflite.Model.GetRootAs(tflite_file, 0)
    converter = _Converter(model)
    converter.convert()
    first, last = model.Subgraphs(0).Inputs(0), model.Subgraphs(0).Outputs(0)
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["float", "level"], ["unit"]),
        helper.make_node("Transpose", ["unit"], [f"t{first}"], perm=[0, 3, 1, 2]),
        *converter.nodes,
        helper.make_node("Identity", [f"t{last}"], ["alpha"]),
    ]
    constants = {"level": np.float32(1 / 255), "twice": np.array([1, 1, 2, 2], np.float32)}
    graph = helper.make_graph(
        nodes,
        "person",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, [1, "height", "width", 3])],
        [helper.make_tensor_value_info("alpha", TensorProto.FLOAT, [1, 1, "height", "width"])],
        [*converter.weights, *(numpy_helper.from_array(np.asarray(v), name) for name, v in constants.items())],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    helper.set_model_props(made, ABOUT)
    checker.check_model(made, full_check=True)
    return made


def fetch_wheel(folder: Path) -> Path:
    """The wheel of mediapipe, by pip. Raises InputError if pip does not get it."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", f"--dest={folder}", *_WHEEL_FOR]
    done = subprocess.run([*command, f"mediapipe=={VERSION}"], stdout=sys.stderr, check=False)
    wheels = list(folder.glob("mediapipe-*.whl"))
    if done.returncode or not wheels:
        raise InputError(f"pip did not get mediapipe {VERSION}; fetch its wheel elsewhere and name it here")
    return wheels[0]


def convert_wheel(wheel: Path, target: Path) -> None:
    """Writes the network found in a wheel of mediapipe. Raises InputError if it is none."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            name = next(name for name in archive.namelist() if name.endswith("/selfie_segmentation.tflite"))
            weights = archive.read(name)
    except (OSError, zipfile.BadZipFile, StopIteration) as error:
        raise InputError(f"{wheel}: not a wheel of mediapipe {VERSION}") from error
    if hashlib.sha256(weights).hexdigest() != WEIGHTS:
        raise InputError(f"{wheel}: its network is not the one of mediapipe {VERSION}")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(convert(weights).SerializeToString())


def main() -> None:
    """Converts the wheel named, or one that pip fetches, and says where to."""
    if len(sys.argv) > 2 or "-h" in sys.argv or "--help" in sys.argv:
        sys.exit(__doc__)
    try:
        _require("onnx", "tflite")
        with tempfile.TemporaryDirectory() as folder:
            convert_wheel(Path(sys.argv[1]) if sys.argv[1:] else fetch_wheel(Path(folder)), person_file())
    except (InputError, MissingExtra, OSError) as error:
        sys.exit(f"error: {error}")
    print(f"{person_file()}: livestyle cam --mask person can use it now")


def _require(*packages: str) -> None:
    """Before anything is fetched."""
    for package in packages:
        if importlib.util.find_spec(package) is None:
            raise MissingExtra("python -m exporters.person", package, "mask")


if __name__ == "__main__":
    main()
