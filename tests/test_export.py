"""Exported files keep the uint8 contract, show PyTorch's pictures and tell nothing of this machine."""

from __future__ import annotations

import getpass
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import assert_images_close, gradient
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")

import onnxruntime  # noqa: E402
from onnx import numpy_helper  # noqa: E402

from exporters import to_onnx  # noqa: E402
from exporters.to_onnx import export_onnx  # noqa: E402
from exporters.verify import ExportError, verify  # noqa: E402
from exporters.wrap import Contract  # noqa: E402
from livestyle.artifact import inspect  # noqa: E402
from livestyle.nets.johnson import Johnson  # noqa: E402
from livestyle.nets.lite import Lite  # noqa: E402

torch.set_num_threads(1)  # threads cost more than they bring to nets this small
ABOUT = {"licence": "Apache-2.0", "data": "two gradients"}
SIDES = st.integers(1, 50)


def lite() -> Lite:
    torch.manual_seed(0)
    net = Lite(2, width=16, depth=32, blocks=2).eval()
    with torch.no_grad():
        net.codes.add_(0.3 * torch.randn_like(net.codes))
    return net


class Exported:
    """A network, its contract, its file and a session on it."""

    def __init__(self, net: torch.nn.Module, path: Path, *, half: bool = False) -> None:
        self.net, self.path, self.contract = net, path, Contract(net).eval()
        styles = ("first", "second") if isinstance(net, Lite) else ()
        export_onnx(net, path, name=path.stem, kind="lite", styles=styles, about=ABOUT, half=half)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def torch(self, frames: np.ndarray, strength: float = 1.0, style: int = 0) -> np.ndarray:
        code = self.net.codes[[style]] if isinstance(self.net, Lite) else None
        with torch.inference_mode():
            return self.contract(torch.from_numpy(frames), torch.tensor(strength), code).numpy()

    def file(self, frames: np.ndarray, **inputs: np.ndarray) -> np.ndarray:
        return self.session.run(None, {"frames": frames, **inputs})[0]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("export")


@pytest.fixture(scope="module")
def whole(folder: Path) -> Exported:
    return Exported(lite(), folder / "whole.onnx")


@pytest.fixture(scope="module")
def half(folder: Path) -> Exported:
    return Exported(lite(), folder / "half.onnx", half=True)


@pytest.fixture(scope="module")
def johnson(folder: Path) -> Exported:
    torch.manual_seed(0)
    return Exported(Johnson(width=8).eval(), folder / "johnson.onnx")


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)


def test_the_file_tells_what_it_is(whole: Exported) -> None:
    artifact = inspect(whole.path)
    assert (artifact.name, artifact.kind, artifact.code_size) == ("whole", "lite", whole.net.codes.shape[1])
    assert list(artifact.codes) == ["first", "second"]
    assert np.array_equal(np.concatenate(list(artifact.codes.values())), whole.net.codes.detach())
    assert ABOUT.items() <= artifact.about.items()


@pytest.mark.parametrize(("strength", "level"), [(0.0, 100), (0.5, 100), (1.0, 101)])
def test_levels_are_rounded_to_the_nearest(strength: float, level: int) -> None:
    class Brighter(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + 0.7 / 255

    frames = torch.full((1, 2, 3, 3), 100, dtype=torch.uint8)
    assert Contract(Brighter())(frames, torch.tensor(strength)).unique().tolist() == [level]


def test_a_network_of_one_style_takes_no_code(johnson: Exported) -> None:
    artifact = inspect(johnson.path)
    assert (artifact.code_size, artifact.codes) == (0, {})
    assert [i.name for i in johnson.session.get_inputs()] == ["frames"]


def test_the_contract_is_uint8_in_and_out_of_any_size(whole: Exported) -> None:
    (frames,), (styled,) = whole.session.get_inputs(), whole.session.get_outputs()
    assert (frames.name, styled.name, frames.type, styled.type) == ("frames", "styled", *["tensor(uint8)"] * 2)
    assert frames.shape == styled.shape == ["batch", "height", "width", 3]


@given(st.integers(1, 3), SIDES, SIDES)
@settings(deadline=None, max_examples=12)
@pytest.mark.parametrize("net", ["whole", "johnson"])
def test_any_size_is_within_a_level_of_pytorch(
    net: str, request: pytest.FixtureRequest, count: int, height: int, width: int
) -> None:
    exported: Exported = request.getfixturevalue(net)
    frames = noise(count, height, width)
    assert_images_close(exported.file(frames), exported.torch(frames), levels=1)


@pytest.mark.parametrize("shape", [(1, 33, 47), (2, 61, 9), (1, 90, 161)])
def test_half_precision_is_within_four_levels_of_pytorch(half: Exported, shape: tuple[int, int, int]) -> None:
    for frames in (noise(*shape), np.stack([gradient(shape[2], shape[1])] * shape[0])):
        file, reference = half.file(frames), half.torch(frames)
        assert_images_close(file, reference, levels=4)
        assert np.abs(file.astype(int) - reference).mean() < 0.5


def test_half_precision_halves_the_weights(whole: Exported, half: Exported) -> None:
    def weights(path: Path) -> int:
        return sum(len(t.raw_data) for t in onnx.load(path).graph.initializer if t.name.removesuffix(".half") != "code")

    assert weights(half.path) < 0.55 * weights(whole.path)
    assert half.path.stat().st_size < 0.65 * whole.path.stat().st_size


def test_strength_and_code_may_be_left_out(whole: Exported) -> None:
    frames = noise(1, 20, 31)
    assert {i.name for i in whole.session.get_overridable_initializers()} >= {"strength", "code"}
    everything = {"strength": np.array(1, np.float32), "code": whole.net.codes[:1].detach().numpy()}
    assert_images_close(whole.file(frames), whole.file(frames, **everything), levels=0)


def test_code_and_strength_do_what_they_do_in_pytorch(whole: Exported) -> None:
    frames = noise(1, 20, 31)
    code = whole.net.codes[1:].detach().numpy()
    assert np.abs(whole.file(frames, code=code).astype(int) - whole.file(frames)).max() > 4
    for strength in (0.0, 0.5, 1.0):
        file = whole.file(frames, code=code, strength=np.array(strength, np.float32))
        assert_images_close(file, whole.torch(frames, strength, style=1), levels=1)
    assert_images_close(whole.file(frames, strength=np.array(0, np.float32)), frames, levels=0)


@pytest.mark.parametrize("net", ["whole", "half", "johnson"])
def test_the_file_names_nothing_of_this_machine(net: str, request: pytest.FixtureRequest) -> None:
    exported: Exported = request.getfixturevalue(net)
    data = exported.path.read_bytes()
    traces = [str(Path.cwd()), str(Path.home()) + "/", str(exported.path.parent), sys.prefix, "site-packages", ".py"]
    assert [trace for trace in (*traces, f"/{getpass.getuser()}/") if trace.encode() in data] == []


def tampered(path: Path, target: Path) -> Path:
    """The same file with its largest tensor changed by a fifth."""
    model = onnx.load(path)
    tensor = max(model.graph.initializer, key=lambda t: len(t.raw_data))
    tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * np.float32(1.2), tensor.name))
    onnx.save(model, target)
    return target


def test_a_file_with_other_weights_is_refused(whole: Exported, tmp_path: Path) -> None:
    verify(whole.contract, whole.path, half=False)
    with pytest.raises(ExportError, match="levels off PyTorch"):
        verify(whole.contract, tampered(whole.path, tmp_path / "tampered.onnx"), half=False)


def test_rounding_blown_up_in_a_picture_of_a_few_pixels_is_no_bad_export(whole: Exported) -> None:
    class Shaky(Contract):
        """A trained network was 12 levels off its own double precision there."""

        def forward(
            self, frames: torch.Tensor, strength: torch.Tensor, code: torch.Tensor | None = None
        ) -> torch.Tensor:
            return super().forward(frames, strength, code) ^ (16 if frames.shape[1] < 8 else 0)

    verify(Shaky(whole.net).eval(), whole.path, half=False)


def test_a_bad_export_leaves_nothing_and_overwrites_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def lose_weights(model: onnx.ModelProto) -> None:
        for tensor in model.graph.initializer:
            if len(tensor.dims) == 4:
                tensor.CopyFrom(numpy_helper.from_array(0.5 * numpy_helper.to_array(tensor), tensor.name))

    monkeypatch.setattr(to_onnx, "store_half", lose_weights)
    target = tmp_path / "style.onnx"
    target.write_bytes(b"the one before")
    with pytest.raises(ExportError, match="Nothing was written"):
        export_onnx(Lite(width=4, depth=4, blocks=1), target, name="style", kind="lite", styles=["a"], half=True)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"the one before"]


def test_styles_and_codes_must_match_in_number(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"shorter|longer"):
        export_onnx(lite(), tmp_path / "style.onnx", name="style", kind="lite", styles=["only one"])
    assert not list(tmp_path.iterdir())


def test_an_exported_file_runs_without_torch(whole: Exported) -> None:
    program = f"""
import sys, numpy, livestyle
styled = livestyle.load({str(whole.path)!r} + "#second", device="cpu")(numpy.zeros((5, 3, 3), numpy.uint8))
print(styled.shape, [name for name in ("torch", "onnx", "cv2") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), done.stderr) == ("(5, 3, 3) []", "")
