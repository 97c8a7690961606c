"""Loss networks: VGG features by name, from a file or from torchvision's own download."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import InputError, MissingExtra

SMALL = Path(__file__).with_name("small.safetensors")  # livestyle/training/distill.py made it
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet, torchvision's documented preprocessing


class Conv(nn.Module):
    """One 3x3 convolution of a loss network and its ReLU, and the 1x1 map to true widths if it has one."""

    weight: Tensor
    bias: Tensor
    widen_weight: Tensor
    widen_bias: Tensor

    def __init__(self, name: str, weight: Tensor, bias: Tensor, widen: tuple[Tensor, Tensor] | None) -> None:
        super().__init__()
        self.name, self.widens = name, widen is not None
        self.register_buffer("weight", weight)
        self.register_buffer("bias", bias)
        for key, tensor in zip(("widen_weight", "widen_bias"), widen or (None, None), strict=True):
            self.register_buffer(key, tensor)

    def forward(self, x: Tensor, pad_mode: str) -> Tensor:
        return F.relu(F.conv2d(F.pad(x, (1, 1, 1, 1), mode=pad_mode), self.weight, self.bias))

    def features(self, y: Tensor) -> Tensor:
        """What the layer shows to the outside, for its activations y."""
        return F.relu(F.conv2d(y, self.widen_weight, self.widen_bias)) if self.widens else y


class LossNetwork(nn.Module):
    """VGG's ReLU activations by name (`relu1_1` ... `relu5_1`), as deep as its weights reach.

    Frozen. `layers` lists the names it has. `pad_mode` is `constant` for VGG (zero padding), `reflect` for students
    (ours, and those of Collaborative Distillation, Wang 2020), which map slim features to VGG's widths.
    """

    first_weight: Tensor
    first_bias: Tensor

    def __init__(self, convs: Iterable[Conv], *, pad_mode: str, first: tuple[Tensor, Tensor]) -> None:
        super().__init__()
        self.pad_mode, self.convs = pad_mode, nn.ModuleList(convs)
        self.register_buffer("first_weight", first[0])
        self.register_buffer("first_bias", first[1])
        student = any(conv.widens for conv in self.convolutions())  # it answers for the first of a block alone
        self.layers = tuple(conv.name for conv in self.convolutions() if not student or conv.name.endswith("_1"))

    @property
    def widths(self) -> list[int]:
        """Channels of each convolution."""
        return [len(conv.bias) for conv in self.convolutions()]

    def convolutions(self) -> Iterator[Conv]:
        """From the first to the last."""
        yield from self.convs  # type: ignore[misc]

    def forward(self, x: Tensor, layers: Iterable[str]) -> dict[str, Tensor]:
        """{layer: (N, C, h, w)} for x (N, 3, H, W) in [0, 1]. Raises InputError for a layer it does not have."""
        wanted = set(layers)
        require(wanted, self.layers)
        features: dict[str, Tensor] = {}
        for conv, y in zip(self.convolutions(), self.activations(x), strict=False):
            if conv.name in wanted:
                features[conv.name] = conv.features(y)
                if len(features) == len(wanted):
                    break
        return features

    def activations(self, x: Tensor) -> Iterator[Tensor]:
        """(N, C, h, w) after each convolution's ReLU, as narrow as the network is."""
        y, block = F.conv2d(x, self.first_weight, self.first_bias), "1"
        for conv in self.convolutions():
            if conv.name[4] != block:
                block, y = conv.name[4], F.max_pool2d(y, 2)
            y = conv(y, self.pad_mode)
            yield y


class LossNetworks(nn.Module):
    """Several loss networks as one: each layer comes from the first that has it.

    A cheap student reaches deep layers but can be fooled at shallow ones, where a genuine VGG is affordable.
    """

    def __init__(self, networks: Sequence[LossNetwork]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self._owner = {layer: net for net in reversed(networks) for layer in net.layers}
        self.layers = tuple(sorted(self._owner))

    def forward(self, x: Tensor, layers: Iterable[str]) -> dict[str, Tensor]:
        """As LossNetwork's."""
        require(layers, self.layers)
        features: dict[str, Tensor] = {}
        for network in self.networks:
            share = [layer for layer in layers if self._owner[layer] is network]
            if share:
                features |= network(x, share)
        return features


def require(wanted: Iterable[str], layers: Sequence[str]) -> None:
    """Raises InputError if a wanted layer is missing, listing those there are."""
    missing = sorted(set(wanted) - set(layers))
    if missing:
        raise InputError(f"loss network: no layer {', '.join(missing)}; it has {', '.join(layers)}")


def load_loss_networks(sources: Sequence[str | Path]) -> LossNetworks:
    """`LossNetworks` of the given sources, each as for `load_loss_network`."""
    return LossNetworks([load_loss_network(source) for source in sources])


def load_loss_network(source: str | Path) -> LossNetwork:
    """A loss network: `small`, which ships, `vgg16`, `vgg19` (torchvision downloads them) or a safetensors file.

    A file holds `features.N.weight/bias` in torchvision's names, cut after any convolution, or a
    student `convBL.weight/bias` with 1x1 `convBL_aux` maps. Raises InputError for anything else.
    """
    if str(source) in ("vgg16", "vgg19"):
        return _from_vgg(_torchvision_weights(str(source)))
    path = SMALL if str(source) == "small" else Path(source)
    if not path.is_file():
        raise InputError(f"{path}: no such loss network; give small, vgg16, vgg19 or a .safetensors file")
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        weights = {name: tensor.float() for name, tensor in load_file(path).items()}
    except SafetensorError as error:
        raise InputError(f"{path}: not a safetensors file ({error})") from error
    try:
        if "features.0.weight" in weights:
            return _from_vgg(weights)
        if "conv11.weight" in weights:
            return student_from(weights)
    except KeyError as error:
        raise InputError(f"{path}: not a whole loss network, it lacks {error}") from error
    raise InputError(f"{path}: neither features.N.weight (VGG) nor convBL.weight (a student) in the file")


def _torchvision_weights(name: str) -> dict[str, Tensor]:
    try:
        from torchvision.models import get_model  # type: ignore[import-not-found,import-untyped,unused-ignore]
    except ModuleNotFoundError as error:
        raise MissingExtra(f"loss network {name}", "torchvision", "train") from error
    except (
        ImportError,
        RuntimeError,
        OSError,
    ) as error:  # built for CUDA beside a torch for CPUs, or for another torch
        raise InputError(
            f"{name}: the torchvision here does not fit torch {torch.__version__}; install both from one place, "
            f"or give a .safetensors file"
        ) from error
    try:
        weights: dict[str, Tensor] = get_model(name, weights="IMAGENET1K_V1").state_dict()
    except OSError as error:  # no network, no space
        raise InputError(f"{name}: torchvision cannot download it ({error}); give a .safetensors file") from error
    return weights


def _from_vgg(weights: dict[str, Tensor]) -> LossNetwork:
    # ReLU and pooling have no weights, but they leave gaps in the numbering: conv, ReLU (2 apart)
    # stays in the block; conv, ReLU, pool (3 apart) starts the next.
    numbers = sorted(int(m[1]) for key in weights if (m := re.fullmatch(r"features\.(\d+)\.weight", key)))
    convs, block, place = [], 1, 0
    for previous, number in zip([0, *numbers], numbers, strict=False):
        if number - previous not in (0, 2, 3):
            raise InputError(f"loss network: features.{number} after features.{previous} is not VGG-16's or VGG-19's")
        block, place = (block + 1, 1) if number - previous == 3 else (block, place + 1)
        key = f"features.{number}"
        convs.append(Conv(f"relu{block}_{place}", weights[f"{key}.weight"], weights[f"{key}.bias"], None))
    mean, std = torch.tensor(_MEAN), torch.tensor(_STD)
    first = torch.diag(1 / std)[:, :, None, None], -mean / std
    return LossNetwork(convs, pad_mode="constant", first=first)


def student_from(weights: dict[str, Tensor]) -> LossNetwork:
    """The student in the tensors `convBL.weight`, `convBL.bias` and `convBL_aux`; it shares their memory."""
    names = sorted(m[1] for key in weights if (m := re.fullmatch(r"conv([1-5]\d)\.weight", key)))
    convs = []
    for name in names:
        aux = f"conv{name}_aux"
        widen = (weights[f"{aux}.weight"], weights[f"{aux}.bias"]) if f"{aux}.weight" in weights else None
        convs.append(
            Conv(f"relu{name[0]}_{name[1]}", weights[f"conv{name}.weight"], weights[f"conv{name}.bias"], widen)
        )
    return LossNetwork(convs, pad_mode="reflect", first=(weights["conv0.weight"], weights["conv0.bias"]))
