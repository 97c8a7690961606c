"""Every kind of mask network gives the same answer: where the subject is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import livestyle
from livestyle.errors import InputError, StyleError
from livestyle.frame import Image
from livestyle.matting import MattingNetwork, MattingOptions, parse_matting, person_file
from livestyle.matting_file import check_file

onnx = pytest.importorskip("onnx")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

person = pytest.mark.skipif(not person_file().is_file(), reason="the network of --mask person is not in place")

FLOAT, HALF, BYTE, LONG = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.UINT8, TensorProto.INT64
NCHW: list[int | str] = [1, 3, "height", "width"]
NHWC: list[int | str] = [1, "height", "width", 3]
Write = Callable[..., Path]


def disc(width: int, height: int, centre: tuple[float, float], radius: float) -> Image:
    """White where the subject is, black around it."""
    y, x = np.mgrid[:height, :width]
    inside = (x - centre[0]) ** 2 + (y - centre[1]) ** 2 < radius**2
    return np.where(inside[..., None], np.uint8(255), np.uint8(0)).repeat(3, axis=2)


def conv(source: str, target: str, weights: Sequence[float], biases: Sequence[float]) -> list[Any]:
    """Nodes: a plane for each weight, weight * (R + G + B) + bias, of a (1,3,H,W)."""
    kernel = np.repeat(np.array(weights, np.float32)[:, None], 3, axis=1)[..., None, None]
    return [
        constant(f"{target}_kernel", kernel),
        constant(f"{target}_bias", np.array(biases, np.float32)),
        helper.make_node("Conv", [source, f"{target}_kernel", f"{target}_bias"], [target]),
    ]


def constant(name: str, value: Any) -> Any:
    return helper.make_node("Constant", [], [name], value=numpy_helper.from_array(np.asarray(value)))


def node(kind: str, inputs: str, output: str, **attributes: Any) -> Any:
    return helper.make_node(kind, inputs.split(), [output], **attributes)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """A function that writes a network: nodes, then (name, type, shape) of its inputs and outputs."""

    def build(
        nodes: list[Any],
        inputs: Sequence[tuple[str, int, Sequence[Any]]] = (("input", FLOAT, NCHW),),
        outputs: Sequence[tuple[str, int, Sequence[Any]]] = (("output", FLOAT, [None] * 4),),
        change: Callable[[Any], object] = lambda model: None,
    ) -> Path:
        graph = helper.make_graph(
            nodes,
            "mask",
            [helper.make_tensor_value_info(*spec) for spec in inputs],
            [helper.make_tensor_value_info(*spec) for spec in outputs],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
        change(model)
        path = tmp_path / "mask.onnx"
        path.write_bytes(model.SerializeToString())
        return path

    return build


THIRD = 1 / 3
# A network of each convention that finds what is white: nodes, the picture input, the output, options.
CONVENTIONS: dict[str, tuple[list[Any], tuple[str, int, list[Any]], tuple[str, int, list[Any]], str]] = {
    "alpha, -1..1 (MODNet)": (
        [*conv("input", "x", [THIRD / 2], [0.5]), node("Clip", "x zero one", "output")],
        ("input", FLOAT, NCHW),
        ("output", FLOAT, [1, 1, "h", "w"]),
        "",
    ),
    "NHWC, 0..1, fixed 256x256 (MediaPipe)": (
        [node("ReduceMean", "input last", "output", keepdims=1)],
        ("input", FLOAT, [1, 256, 256, 3]),
        ("output", FLOAT, [1, 256, 256, 1]),
        "",
    ),
    "logits": (conv("input", "output", [10], [0]), ("input", FLOAT, NCHW), ("output", FLOAT, [1, 1, "h", "w"]), ""),
    "sigmoid": (
        [*conv("input", "x", [10], [0]), node("Sigmoid", "x", "output")],
        ("input", FLOAT, NCHW),
        ("output", FLOAT, [1, 1, "h", "w"]),
        "",
    ),
    "two classes, logits": (
        conv("input", "output", [-5, 5], [0, 0]),
        ("input", FLOAT, NCHW),
        ("output", FLOAT, [1, 2, "h", "w"]),
        "",
    ),
    "two classes last, softmax": (
        [
            node("Transpose", "input", "x", perm=[0, 3, 1, 2]),
            *conv("x", "y", [-5, 5], [8, -8]),
            node("Softmax", "y", "z", axis=1),
            node("Transpose", "z", "output", perm=[0, 2, 3, 1]),
        ],
        ("input", FLOAT, NHWC),
        ("output", FLOAT, [1, "h", "w", 2]),
        "",
    ),
    "21 classes, imagenet (torchvision)": (
        conv("input", "output", [0] * 15 + [9] + [0] * 5, [0] * 21),
        ("input", FLOAT, NCHW),
        ("output", FLOAT, [1, 21, "h", "w"]),
        "",
    ),
    "six classes, all but the background": (
        conv("input", "output", [-9] + [0] * 5, [2] + [0] * 5),
        ("input", FLOAT, NCHW),
        ("output", FLOAT, [1, 6, "h", "w"]),
        "?norm=signed",
    ),
    "150 classes, one chosen": (
        conv("input", "output", [0] * 12 + [9] + [0] * 137, [0] * 150),
        ("input", FLOAT, NCHW),
        ("output", FLOAT, [1, 150, "h", "w"]),
        "?class=12&norm=signed",
    ),
    "class numbers": (
        [*conv("input", "x", [-1, 1], [0, 0]), node("ArgMax", "x", "output", axis=1, keepdims=0)],
        ("input", FLOAT, NCHW),
        ("output", LONG, [1, "h", "w"]),
        "?norm=signed",
    ),
    "class numbers, one chosen": (
        [*conv("input", "x", [-1, 0, 1], [0, -1, 0]), node("ArgMax", "x", "output", axis=1, keepdims=0)],
        ("input", FLOAT, NCHW),
        ("output", LONG, [1, "h", "w"]),
        "?norm=signed&class=2",
    ),
    "uint8 in and out": (
        [node("Slice", "input none one_long last", "output")],
        ("input", BYTE, NHWC),
        ("output", BYTE, [1, "h", "w", 1]),
        "",
    ),
    "half precision": (
        [
            node("Cast", "input", "x", to=FLOAT),
            *conv("x", "y", [THIRD / 2], [0.5]),
            node("Clip", "y zero one", "z"),
            node("Cast", "z", "output", to=HALF),
        ],
        ("input", HALF, NCHW),
        ("output", HALF, [1, 1, "h", "w"]),
        "",
    ),
    "an eighth of the size": (
        [*conv("input", "x", [10], [0]), node("AveragePool", "x", "output", kernel_shape=[8, 8], strides=[8, 8])],
        ("input", FLOAT, NCHW),
        ("output", FLOAT, [1, 1, "h", "w"]),
        "",
    ),
}
SHARED = [
    constant("zero", np.float32(0)),
    constant("one", np.float32(1)),
    constant("none", np.array([0])),
    constant("one_long", np.array([1])),
    constant("last", np.array([-1])),
]


def network(write: Write, convention: str) -> MattingNetwork:
    nodes, picture, output, options = CONVENTIONS[convention]
    path = write([*SHARED[:4], constant("last", np.array([3])), *nodes], [picture], [output])
    return MattingNetwork(*parse_matting(f"{path}{options}"))


@pytest.mark.parametrize("size", [(128, 72), (72, 128), (400, 300), (641, 361)])
@pytest.mark.parametrize("convention", CONVENTIONS)
def test_every_convention_finds_the_subject(convention: str, size: tuple[int, int], write: Write) -> None:
    net = network(write, convention)
    width, height = size
    mask = net(net.shrink(disc(*size, (width * 0.7, height * 0.4), min(size) * 0.25)))
    assert mask.dtype == np.float32 and mask.ndim == 2
    assert mask.min() >= 0 and mask.max() <= 1
    rows, columns = mask.shape
    assert mask[int(rows * 0.4), int(columns * 0.7)] > 0.9
    assert max(mask[0, 0], mask[-1, -1], mask[int(rows * 0.4), int(columns * 0.2)]) < 0.1


@pytest.mark.parametrize("level", [0, 64, 200, 255])
@pytest.mark.parametrize("convention", [*list(CONVENTIONS)[:2], "uint8 in and out"])
def test_levels_arrive_as_they_should(convention: str, level: int, write: Write) -> None:
    net = network(write, convention)
    mask = net(net.shrink(np.full((72, 128, 3), level, np.uint8)))
    assert np.abs(mask - level / 255).max() < 1e-4


def test_imagenet_levels(write: Write) -> None:
    path = write([node("Identity", "input", "output")], outputs=[("output", FLOAT, [1, 3, "h", "w"])])
    net = MattingNetwork(path, MattingOptions("imagenet", subject=2))
    blue = np.zeros((64, 64, 3), np.uint8)
    blue[..., 2] = 255
    r, g, b = -123.675 / 58.395, -116.28 / 57.12, (255 - 103.53) / 57.375
    expected = np.exp(b) / np.exp([r, g, b]).sum()
    assert np.abs(net(net.shrink(blue)) - expected).max() < 1e-5


def recurrent(write: Write) -> MattingNetwork:
    """RobustVideoMatting's form; its alpha is a tenth of the number of pictures since the last reset."""
    states = [(f"r{n}i", FLOAT, [None] * 4) for n in range(1, 5)]
    given_back = [(f"r{n}o", FLOAT, [None] * 4) for n in range(1, 5)]
    nodes = [
        constant("one", np.float32(1)),
        constant("tenth", np.float32(0.1)),
        *(node("Add", f"r{n}i one", f"r{n}o") for n in range(1, 5)),
        *conv("src", "nothing", [0], [0]),
        node("Mul", "r4o tenth", "share"),
        node("Mul", "share downsample_ratio", "scaled"),
        node("Add", "nothing scaled", "sum"),
        node("Clip", "sum", "pha"),
        node("Identity", "src", "fgr"),
    ]
    inputs = [("src", FLOAT, ["n", 3, "h", "w"]), *states, ("downsample_ratio", FLOAT, [1])]
    outputs = [("fgr", FLOAT, [None] * 4), ("pha", FLOAT, [None] * 4), *given_back]
    return MattingNetwork(write(nodes, inputs, outputs))


def test_a_recurrent_network_remembers_until_reset(write: Write) -> None:
    net = recurrent(write)
    small = net.shrink(np.zeros((90, 160, 3), np.uint8))
    assert [float(net(small).mean()) for _ in range(3)] == pytest.approx([0.1, 0.2, 0.3])
    net.reset()
    assert float(net(small).mean()) == pytest.approx(0.1)


def test_values_that_are_no_numbers_are_outside(write: Write) -> None:
    path = write([constant("zero", np.float32(0)), node("Mul", "input zero", "x"), node("Div", "x zero", "output")])
    net = MattingNetwork(path, MattingOptions(subject=0))
    assert np.isfinite(net(net.shrink(np.zeros((64, 64, 3), np.uint8)))).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 999), (3, 2), (1920, 1080), (17, 4000)])
def test_free_sizes_keep_to_the_long_side_and_the_multiple(size: tuple[int, int], write: Write) -> None:
    net = network(write, "logits")
    small = net.shrink(np.zeros((size[1], size[0], 3), np.uint8))
    assert max(small.shape) == 256
    assert small.shape[0] % 32 == small.shape[1] % 32 == 0
    assert net(small).shape == small.shape[:2]


# The network for `person`, where it was put in place


@person
def test_the_person_network_agrees_with_mediapipe() -> None:
    data = pytest.importorskip("skimage.data")
    cv2 = pytest.importorskip("cv2")
    net = MattingNetwork.person()
    astronaut = cv2.resize(data.astronaut(), (256, 256), interpolation=cv2.INTER_AREA)
    blocks = net(net.shrink(astronaut)).reshape(8, 32, 8, 32).mean(axis=(1, 3)) * 100
    # mediapipe 0.10.21: SelfieSegmentation(model_selection=0).process(astronaut), in percent
    expected = [
        [0, 0, 18, 70, 30, 0, 0, 0],
        [0, 0, 53, 100, 64, 0, 0, 0],
        [0, 3, 60, 100, 16, 0, 0, 0],
        [1, 59, 100, 100, 74, 3, 0, 0],
        [42, 100, 100, 100, 100, 56, 0, 0],
        [63, 100, 100, 100, 96, 90, 59, 12],
        [85, 100, 100, 100, 100, 100, 100, 68],
        [88, 99, 99, 95, 100, 100, 100, 80],
    ]
    assert np.abs(blocks - expected).max() < 1.5  # the resize of other OpenCV versions may differ by a level


@person
def test_the_person_network_finds_nobody_in_gray_and_tells_its_licence() -> None:
    net = MattingNetwork.person()
    assert net(net.shrink(np.full((360, 640, 3), 128, np.uint8))).max() < 0.5
    about = {entry.key: entry.value for entry in onnx.load(person_file()).metadata_props}
    assert about["licence"] == "Apache-2.0" and "MediaPipe" in about["source"]


# Options


def test_options_follow_a_question_mark() -> None:
    path, options = parse_matting("my/net.onnx?norm=imagenet&class=15&size=320")
    assert (path, options) == (Path("my/net.onnx"), MattingOptions("imagenet", 15, 320))
    assert parse_matting("net.onnx") == (Path("net.onnx"), MattingOptions())


@pytest.mark.parametrize("query", ["norm=vgg", "class=x", "class=-1", "size=3", "size=99999", "sise=320", "norm"])
def test_options_that_make_no_sense(query: str) -> None:
    with pytest.raises(InputError, match=r"norm=.*class=NUMBER"):
        parse_matting(f"net.onnx?{query}")


# Files that are refused


def refusal(path: Path, options: MattingOptions | None = None) -> str:
    with pytest.raises(StyleError) as caught:
        MattingNetwork(path, options)
    line = str(caught.value)
    assert line.startswith(str(path)) and "\n" not in line and len(line) < len(str(path)) + 300
    return line


def external(model: Any) -> None:
    tensor = model.graph.node[0].attribute[0].t
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")


def absurd(model: Any) -> None:
    model.graph.initializer.add(name="huge", data_type=FLOAT, dims=[1 << 20, 1 << 20])


def foreign(model: Any) -> None:
    model.graph.node[-1].domain = "evil"


def endless(model: Any) -> None:
    model.graph.node.add(op_type="Loop", output=["output"])


def hidden(model: Any) -> None:
    """A loop in a branch of an If."""
    branch = helper.make_graph([helper.make_node("Loop", [], ["y"])], "branch", [], [])
    model.graph.node.append(helper.make_node("If", ["c"], ["z"], then_branch=branch))


def sparse(model: Any) -> None:
    model.graph.sparse_initializer.add()


def function(model: Any) -> None:
    model.functions.add(name="f")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (external, "another file"),
        (absurd, "absurd shape"),
        (foreign, "'Conv' is not allowed"),
        (endless, "'Loop' is not allowed"),
        (hidden, "'Loop' is not allowed"),
        (sparse, "sparse"),
        (function, "functions of its own"),
    ],
)
def test_an_unsafe_file_is_refused(change: Callable[[Any], object], words: str, write: Write) -> None:
    assert words in refusal(write(conv("input", "output", [1], [0]), change=change))


@pytest.mark.parametrize("content", [b"", b"no network", bytes(range(256)) * 9])
def test_a_file_that_is_no_network(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "mask.onnx"
    path.write_bytes(content)
    assert "damaged or not an ONNX file" in refusal(path)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    assert "cannot be read" in refusal(tmp_path / "missing.onnx")
    assert "cannot be read" in refusal(tmp_path)


def takes(kind: int, *shape: int | str) -> list[tuple[str, int, list[int | str]]]:
    return [("input", kind, list(shape))]


SAME = [node("Identity", "input", "output")]
SCALAR = [node("Flatten", "input", "x"), node("ReduceMean", "x", "output", keepdims=0)]
FAILING = [constant("shape", np.array([7, 7])), node("Reshape", "input shape", "output")]


@pytest.mark.parametrize(
    ("nodes", "inputs", "rank", "words"),
    [
        (SAME, takes(FLOAT, 1, 3, 99999, 99999), 4, "absurd"),
        (SAME, takes(FLOAT, 1, 1, "h", "w"), 4, "one picture"),
        (SAME, takes(FLOAT, 3, "h", "w"), 3, "one picture"),
        (SAME, takes(LONG, 1, 3, "h", "w"), 4, "one picture"),
        ([node("Add", "input other", "output")], [*takes(FLOAT, *NCHW), ("other", FLOAT, NCHW)], 4, "one picture"),
        (FAILING, takes(FLOAT, *NCHW), 2, "fails on 256x128"),
        ([node("Conv", "input gone", "output")], takes(FLOAT, *NCHW), 4, "cannot load"),
        (SCALAR, takes(FLOAT, *NCHW), 0, "gives ()"),
    ],
)
def test_a_network_of_another_kind_is_refused(
    nodes: list[Any], inputs: list[Any], rank: int, words: str, write: Write
) -> None:
    kind = inputs[0][1]
    assert words in refusal(write(nodes, inputs, [("output", kind, [None] * rank)]))


def test_a_class_beyond_its_classes_is_refused(write: Write) -> None:
    path = write(conv("input", "output", [1, 2], [0, 0]))
    assert "class 7 is not among its 2 classes, 0 to 1" in refusal(path, MattingOptions(subject=7))


SHIPPED = (Path(livestyle.__file__).parent / "styles" / "lite.onnx").read_bytes()


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cut=st.integers(0, len(SHIPPED)),
    flips=st.lists(st.tuples(st.integers(0, len(SHIPPED) - 1), st.integers(0, 255)), max_size=9),
)
def test_a_damaged_file_is_one_line_or_fine(cut: int, flips: list[tuple[int, int]], tmp_path: Path) -> None:
    damaged = bytearray(SHIPPED)
    for at, value in flips:
        damaged[at] = value
    path = tmp_path / "cut.onnx"
    path.write_bytes(damaged[:cut])
    try:
        check_file(path)
    except StyleError as error:
        assert str(error).startswith(str(path)) and "\n" not in str(error)
