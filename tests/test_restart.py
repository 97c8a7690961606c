"""Training on from a style file: the network comes back as it was."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from exporters.from_onnx import load_lite
from exporters.to_onnx import export_onnx
from livestyle.errors import InputError
from livestyle.nets.johnson import Johnson
from livestyle.nets.lite import Lite

SHIPPED = Path(__file__).parents[1] / "livestyle" / "styles" / "lite.onnx"
CONFIG = '{"net_options": {"width": 16, "depth": 16, "blocks": 1}}'


@pytest.mark.parametrize("half", [False, True])
def test_an_exported_network_comes_back(tmp_path: Path, half: bool) -> None:
    torch.manual_seed(1)
    net = Lite(2, width=16, depth=16, blocks=1)
    for parameter in net.parameters():  # ICNR and zero biases would hide a wrong order
        torch.nn.init.normal_(parameter, std=0.1)
    export_onnx(net, tmp_path / "a.onnx", name="a", kind="lite", styles=["x", "y"], about={"config": CONFIG}, half=half)
    back = load_lite(tmp_path / "a.onnx").state_dict()
    for name, weight in net.state_dict().items():
        torch.testing.assert_close(back[name], weight, atol=1e-3 if half else 1e-5, rtol=1e-3)


def test_the_shipped_network_comes_back_whole() -> None:
    net = load_lite(SHIPPED)
    assert net.codes.shape == (4, 928)
    assert all(weight.isfinite().all() and weight.abs().sum() > 0 for weight in net.parameters())


def test_a_network_without_codes_is_refused(tmp_path: Path) -> None:
    export_onnx(Johnson(width=4), tmp_path / "j.onnx", name="j", kind="johnson")
    with pytest.raises(InputError, match="not a lite network"):
        load_lite(tmp_path / "j.onnx")
