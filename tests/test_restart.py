"""Training on from a style file: the network comes back as it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import assert_images_close, gradient

import livestyle
from exporters.from_onnx import load_lite, load_network
from exporters.to_onnx import export_onnx
from exporters.wrap import Contract
from livestyle.errors import InputError, StyleError
from livestyle.nets import build
from livestyle.nets.johnson import Johnson
from livestyle.nets.layers import SubpixelConv
from livestyle.styles import shipped

STYLES = Path(__file__).parents[1] / "livestyle" / "styles"
LITE: tuple[dict[str, Any], list[str]] = ({"width": 16, "depth": 16, "blocks": 1}, ["x", "y"])


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("kind", ["lite", "johnson"])
def test_an_exported_network_comes_back(tmp_path: Path, kind: str, half: bool) -> None:
    torch.manual_seed(1)
    options, styles = LITE if kind == "lite" else ({"width": 8}, [])
    net = build(kind, options | ({"styles": len(styles)} if styles else {}))
    for parameter in net.parameters():  # ICNR and zero biases would hide a wrong order
        torch.nn.init.normal_(parameter, std=0.1)
    for layer in net.modules():
        if isinstance(layer, SubpixelConv):
            layer.weight.data = layer.kernel().detach()  # which is what a file holds
    about = {"config": json.dumps({"net_options": options})}
    export_onnx(net, tmp_path / "a.onnx", name="a", kind=kind, styles=styles, about=about, half=half)
    back = load_network(tmp_path / "a.onnx").state_dict()
    for name, weight in net.state_dict().items():
        torch.testing.assert_close(back[name], weight, atol=1e-3 if half else 1e-5, rtol=1e-3)


@pytest.mark.parametrize("name", sorted({style.network for style in shipped().values()}))
def test_a_shipped_network_comes_back_and_paints_the_same(name: str) -> None:
    path, image = STYLES / f"{name}.onnx", gradient(61, 47)
    contract = Contract(load_network(path).eval())
    codes = contract.code_rows()[:1]
    with torch.inference_mode():
        styled = contract(torch.from_numpy(image)[None], torch.tensor(1.0), *codes)[0].numpy()
    assert_images_close(styled, livestyle.load(path, device="cpu")(image), levels=2)


def test_a_network_without_codes_is_no_lite() -> None:
    with pytest.raises(InputError, match="not a lite network"):
        load_lite(STYLES / "starry-johnson.onnx")


def test_a_file_that_does_not_tell_its_network_is_one_line(tmp_path: Path) -> None:
    export_onnx(Johnson(width=4), tmp_path / "j.onnx", name="j", kind="johnson")
    with pytest.raises(StyleError, match="its weights are not those of a network of ours"):
        load_network(tmp_path / "j.onnx")
