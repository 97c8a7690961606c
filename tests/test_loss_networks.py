"""Loss networks from files: their layers, their arithmetic and what is refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from urllib.error import URLError

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

import torch.nn.functional as F  # noqa: E402
from safetensors.torch import save_file  # noqa: E402
from torch import Tensor  # noqa: E402

from livestyle.data import load_painting  # noqa: E402
from livestyle.errors import InputError  # noqa: E402
from livestyle.losses import LossWeights, content_loss, gram, style_loss  # noqa: E402
from livestyle.nets.vgg import SMALL, load_loss_network, load_loss_networks  # noqa: E402

SHARED = Path(__file__).parents[2] / "shared" / "data" / "loss_networks"
# torchvision's numbers of VGG's convolutions, and VGG's own names.
VGG16 = [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28]
VGG19 = [0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34]
VGG16_NAMES = [f"relu{block}_{i + 1}" for block, depth in enumerate((2, 2, 3, 3, 3), 1) for i in range(depth)]
VGG19_NAMES = [f"relu{block}_{i + 1}" for block, depth in enumerate((2, 2, 4, 4, 4), 1) for i in range(depth)]
STUDENT = ["11", "12", "21", "22", "31", "32", "33", "34", "41"]
SIDE = 32


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def convolution(name: str, inputs: int, outputs: int, side: int = 3) -> dict[str, Tensor]:
    return {f"{name}.weight": torch.randn(outputs, inputs, side, side) / 3, f"{name}.bias": torch.rand(outputs)}


def vgg_weights(numbers: list[int], width: int = 4) -> dict[str, Tensor]:
    weights: dict[str, Tensor] = {}
    for number in numbers:
        weights |= convolution(f"features.{number}", 3 if number == 0 else width, width)
    return weights


def student_weights() -> dict[str, Tensor]:
    weights = convolution("conv0", 3, 3, 1)
    for name in STUDENT:
        weights |= convolution(f"conv{name}", 3 if name == "11" else 4, 4)
        if name.endswith("1"):
            weights |= convolution(f"conv{name}_aux", 4, 8, 1)
    return weights


def save(weights: dict[str, Tensor], path: Path) -> Path:
    save_file(weights, path)
    return path


@pytest.mark.parametrize(
    ("numbers", "names"),
    [(VGG16, VGG16_NAMES), (VGG19, VGG19_NAMES), (VGG16[:7], VGG16_NAMES[:7]), (VGG19[:1], ["relu1_1"])],
)
def test_layers_are_named_after_the_numbers_in_the_file(numbers: list[int], names: list[str], tmp_path: Path) -> None:
    network = load_loss_network(save(vgg_weights(numbers), tmp_path / "vgg.safetensors"))
    assert list(network.layers) == names


@pytest.mark.parametrize(("numbers", "names"), [(VGG16, VGG16_NAMES), (VGG19, VGG19_NAMES)])
def test_each_block_has_half_the_resolution_of_the_one_before(
    numbers: list[int], names: list[str], tmp_path: Path
) -> None:
    network = load_loss_network(save(vgg_weights(numbers), tmp_path / "vgg.safetensors"))
    sides = {name: f.shape[-1] for name, f in network(torch.rand(1, 3, SIDE, SIDE), names).items()}
    assert sides == {name: SIDE >> int(name[4]) - 1 for name in names}


def test_features_are_those_of_vgg(tmp_path: Path) -> None:
    weights = vgg_weights(VGG19[:5])
    network = load_loss_network(save(weights, tmp_path / "vgg.safetensors"))
    x = torch.rand(2, 3, 17, 22)
    # torchvision's own order: normalise, then convolution and ReLU with a pool after features 3 and 8.
    y = (x - torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)) / torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    expected = {}
    for number, name in zip(VGG19[:5], VGG19_NAMES, strict=False):
        y = F.max_pool2d(y, 2, 2) if number in (5, 10) else y
        y = F.relu(F.conv2d(y, weights[f"features.{number}.weight"], weights[f"features.{number}.bias"], padding=1))
        expected[name] = y
    got = network(x, expected)
    for name, features in expected.items():
        torch.testing.assert_close(got[name], features, atol=1e-4, rtol=1e-4)


def test_only_the_layers_asked_for_are_given(tmp_path: Path) -> None:
    network = load_loss_network(save(vgg_weights(VGG16), tmp_path / "vgg.safetensors"))
    assert set(network(torch.rand(1, 3, 2, 2), ["relu1_2"])) == {"relu1_2"}  # too small for a deeper layer


def test_a_student_shows_its_widened_layers_only(tmp_path: Path) -> None:
    weights = student_weights()
    network = load_loss_network(save(weights, tmp_path / "student.safetensors"))
    assert network.layers == ("relu1_1", "relu2_1", "relu3_1", "relu4_1")
    x = torch.rand(1, 3, SIDE, SIDE)
    features = network(x, network.layers)
    assert {name: tuple(f.shape[1:]) for name, f in features.items()} == {
        "relu1_1": (8, 32, 32), "relu2_1": (8, 16, 16), "relu3_1": (8, 8, 8), "relu4_1": (8, 4, 4),
    }  # fmt: skip
    y = F.pad(F.conv2d(x, weights["conv0.weight"], weights["conv0.bias"]), (1, 1, 1, 1), mode="reflect")
    y = F.relu(F.conv2d(y, weights["conv11.weight"], weights["conv11.bias"]))
    y = F.relu(F.conv2d(y, weights["conv11_aux.weight"], weights["conv11_aux.bias"]))
    torch.testing.assert_close(features["relu1_1"], y)


def test_a_student_as_wide_as_vgg_needs_no_map(tmp_path: Path) -> None:
    weights = {name: w for name, w in student_weights().items() if "aux" not in name or name.startswith("conv41")}
    network = load_loss_network(save(weights, tmp_path / "student.safetensors"))
    assert network.layers == ("relu1_1", "relu2_1", "relu3_1", "relu4_1")
    features = network(torch.rand(1, 3, SIDE, SIDE), network.layers)
    assert [f.shape[1] for f in features.values()] == [4, 4, 4, 8]


def test_half_precision_in_the_file_is_single_precision_when_loaded(tmp_path: Path) -> None:
    halves = {name: tensor.half() for name, tensor in vgg_weights(VGG19[:3]).items()}
    network = load_loss_network(save(halves, tmp_path / "half.safetensors"))
    assert network(torch.rand(1, 3, SIDE, SIDE), ["relu2_1"])["relu2_1"].dtype == torch.float32


def test_the_small_one_ships_and_has_what_the_losses_ask_for() -> None:
    assert SMALL.stat().st_size < 4e6
    assert set(LossWeights().style_layers) <= set(load_loss_network("small").layers)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared loss networks are not here")
@pytest.mark.parametrize("picture", ["a photo", "a painting"])
def test_the_small_one_sees_what_vgg_sees(picture: str) -> None:
    teacher = load_loss_network(SHARED / "vgg19_normalised_relu3_1.safetensors")
    layers = ("relu1_1", "relu2_1", "relu3_1")
    folder = SHARED.parent / ("photos" if picture == "a photo" else "paintings/named")
    x = load_painting(sorted(folder.iterdir())[5], stroke=0.5)
    right, told = teacher(x, layers), load_loss_network("small")(x, layers)
    for layer in layers:
        assert content_loss({layer: told[layer]}, {layer: right[layer]}, {layer: 1.0}).item() < 0.12
        assert style_loss({layer: told[layer]}, {layer: gram(right[layer])}).item() < 0.05


def test_each_layer_comes_from_the_first_network_that_has_it(tmp_path: Path) -> None:
    shallow = save(vgg_weights(VGG19[:5]), tmp_path / "shallow.safetensors")
    deep = save(vgg_weights(VGG19, width=6), tmp_path / "deep.safetensors")
    both = load_loss_networks([shallow, deep])
    assert set(both.layers) == set(VGG19_NAMES)
    x, wanted = torch.rand(1, 3, SIDE, SIDE), ["relu1_1", "relu3_1", "relu3_2", "relu4_1"]
    features = both(x, wanted)
    assert {name: f.shape[1] for name, f in features.items()} == {
        "relu1_1": 4, "relu3_1": 4, "relu3_2": 6, "relu4_1": 6,
    }  # fmt: skip
    assert load_loss_networks([deep, shallow])(x, ["relu1_1"])["relu1_1"].shape[1] == 6


def test_a_loss_network_moves_as_a_whole_and_is_not_trained(tmp_path: Path) -> None:
    vgg = save(vgg_weights(VGG19[:3]), tmp_path / "vgg.safetensors")
    student = save(student_weights(), tmp_path / "student.safetensors")
    networks = load_loss_networks([vgg, student]).double()  # to(dtype) and to(device) move the same tensors
    features = networks(torch.rand(1, 3, SIDE, SIDE, dtype=torch.float64), ["relu1_1", "relu4_1"])
    assert all(f.dtype == torch.float64 for f in features.values())
    assert not list(networks.parameters())


def test_a_missing_layer_lists_those_there_are(tmp_path: Path) -> None:
    path = save(vgg_weights(VGG16[:3]), tmp_path / "vgg.safetensors")
    for network in (load_loss_network(path), load_loss_networks([path])):
        with pytest.raises(InputError, match="no layer relu4_1; it has relu1_1, relu1_2, relu2_1"):
            network(torch.rand(1, 3, SIDE, SIDE), ["relu1_1", "relu4_1"])


def _without(weights: dict[str, Tensor], key: str) -> dict[str, Tensor]:
    return {name: value for name, value in weights.items() if name != key}


@pytest.mark.parametrize(
    ("weights", "reason"),
    [
        (convolution("layer1", 3, 4), "neither features.N.weight"),
        (_without(vgg_weights(VGG16), "features.5.bias"), "lacks 'features.5.bias'"),
        (_without(vgg_weights(VGG16), "features.2.weight"), "features.5 after features.0 is not VGG"),
        (vgg_weights([0, 1, 3, 4]), "features.1 after features.0 is not VGG"),  # with batch norm between
        (_without(student_weights(), "conv0.weight"), "lacks 'conv0.weight'"),
        (_without(student_weights(), "conv21_aux.bias"), "lacks 'conv21_aux.bias'"),
    ],
)
def test_a_file_that_is_no_whole_loss_network_is_refused(
    weights: dict[str, Tensor], reason: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=reason) as caught:
        load_loss_network(save(weights, tmp_path / "net.safetensors"))
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_safetensors_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    path.write_bytes(b"not a tensor in sight")
    with pytest.raises(InputError, match="not a safetensors file") as caught:
        load_loss_network(path)
    assert "\n" not in str(caught.value)


def test_a_missing_file_says_what_can_be_given(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no such loss network; give small, vgg16, vgg19 or a \.safetensors file"):
        load_loss_network(tmp_path / "vgg11")


def test_loading_a_file_imports_no_torchvision(tmp_path: Path) -> None:
    path = save(vgg_weights(VGG16), tmp_path / "vgg.safetensors")
    program = f"""
import sys
from livestyle.nets.vgg import load_loss_network
print(len(load_loss_network({str(path)!r}).layers), "torchvision" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["13", "False"]


def stub_torchvision(monkeypatch: pytest.MonkeyPatch, get_model: object) -> None:
    models = ModuleType("torchvision.models")
    models.get_model = get_model  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torchvision", ModuleType("torchvision"))
    monkeypatch.setitem(sys.modules, "torchvision.models", models)


@pytest.mark.parametrize(
    "error", [RuntimeError("operator torchvision::nms does not exist"), ImportError("libc10_cuda")]
)
def test_a_torchvision_that_does_not_fit_torch_is_one_line(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    class Misfit:
        def find_spec(self, name: str, *_: object) -> None:
            if name.partition(".")[0] == "torchvision":
                raise error

    for module in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setattr(sys, "meta_path", [Misfit(), *sys.meta_path])
    with pytest.raises(
        InputError, match=r"vgg19: the torchvision here does not fit torch .* give a \.safetensors file"
    ):
        load_loss_network("vgg19")


def test_vgg19_comes_from_torchvision(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def get_model(name: str, *, weights: str) -> SimpleNamespace:
        calls.append((name, weights))
        return SimpleNamespace(state_dict=lambda: vgg_weights(VGG19) | convolution("classifier.0", 4, 4, 1))

    stub_torchvision(monkeypatch, get_model)
    assert list(load_loss_network("vgg19").layers) == VGG19_NAMES
    assert calls == [("vgg19", "IMAGENET1K_V1")]


def test_a_download_that_fails_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def get_model(name: str, *, weights: str) -> None:
        raise URLError("no route to host")

    stub_torchvision(monkeypatch, get_model)
    with pytest.raises(InputError, match=r"vgg16: torchvision cannot download it .*no route to host"):
        load_loss_network("vgg16")


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared loss networks are not here")
@pytest.mark.parametrize(
    ("file", "layers"),
    [
        ("vgg16_ssd300_relu3_3", VGG16_NAMES[:7]),
        ("vgg19_normalised_relu3_1", VGG19_NAMES[:5]),
        ("vgg19_distilled16x_relu5_1", [f"relu{block}_1" for block in range(1, 6)]),
    ],
)
def test_the_shared_loss_networks_load(file: str, layers: list[str]) -> None:
    network = load_loss_network(SHARED / f"{file}.safetensors")
    assert list(network.layers) == layers
    features = network(torch.rand(1, 3, 48, 48), layers)
    assert all(f.isfinite().all() and f.max() > 0 for f in features.values())
