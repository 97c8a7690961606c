"""The networks: fused layers equal what they stand for, any size keeps its shape, codes are styles."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

import torch.nn.functional as F  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from livestyle.errors import InputError  # noqa: E402
from livestyle.nets import build, layers  # noqa: E402
from livestyle.nets.johnson import Johnson, _Residual  # noqa: E402
from livestyle.nets.layers import InstanceNorm, SubpixelConv, UpsampleConv, instance_norm, pad_to_multiple  # noqa: E402
from livestyle.nets.lite import Lite  # noqa: E402

SIZES = st.integers(1, 40)
torch.set_num_threads(1)  # threads cost more than they bring to nets this small
TINY = {"width": 4, "depth": 4, "blocks": 1}


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def no_gradients():  # type: ignore[no-untyped-def]
    with torch.no_grad():
        yield


def upsample_conv(x: Tensor, conv: nn.Conv2d) -> Tensor:
    """What UpsampleConv stands for."""
    fine = F.interpolate(x, scale_factor=2, mode="nearest")
    return F.conv2d(F.pad(fine, (1, 1, 1, 1), mode="replicate"), conv.weight, conv.bias)


def with_random_codes(net: Lite) -> Lite:
    net.codes.copy_(torch.randn_like(net.codes))
    return net.eval()


@given(SIZES, SIZES)
@settings(deadline=None, max_examples=25)
def test_upsample_conv_equals_nearest_upsampling_and_a_convolution(height: int, width: int) -> None:
    layer, x = UpsampleConv(3, 5), torch.randn(2, 3, height, width)
    torch.testing.assert_close(layer(x), upsample_conv(x, layer.conv), atol=1e-5, rtol=0)


@pytest.mark.parametrize("scale", [2, 4])
def test_subpixel_conv_starts_without_dots(scale: int) -> None:
    y = SubpixelConv(4, 3, scale)(torch.randn(1, 4, 6, 7))
    cells = y.reshape(1, 3, 6, scale, 7, scale)
    torch.testing.assert_close(cells, cells[:, :, :, :1, :, :1].expand_as(cells), atol=1e-6, rtol=0)
    assert y.std() > 0


def test_subpixel_conv_puts_each_output_at_its_place() -> None:
    layer, x = SubpixelConv(1, 2, 2), torch.randn(1, 1, 3, 5)
    nn.init.normal_(layer.weight)
    y, sub = layer(x), F.conv2d(x, layer.kernel())[0, :, 0, 2]  # of the pixel in the middle
    assert y.shape == (1, 2, 6, 10)
    for channel in range(2):
        expected = sub[4 * channel : 4 * channel + 4].view(2, 2) + layer.bias[channel]
        torch.testing.assert_close(y[0, channel, 2:4, 6:8], expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("scale", [2, 4])
def test_subpixel_conv_keeps_flat_what_is_flat(scale: int) -> None:
    layer = SubpixelConv(4, 3, scale)
    nn.init.normal_(layer.weight)
    y = layer(torch.randn(1, 4, 1, 1).expand(1, 4, 6, 7))
    torch.testing.assert_close(y, y[..., :1, :1].expand_as(y), atol=1e-5, rtol=0)
    assert layer(torch.randn(1, 4, 6, 7)).std() > 0.1
    kernel = layer.kernel()
    layer.weight.copy_(kernel)  # as a file has it
    torch.testing.assert_close(layer.kernel(), kernel)


def test_padding_repeats_the_edge_to_a_multiple_and_a_margin() -> None:
    x = torch.tensor([[1.0, 2.0, 3.0]])[None, None]
    y = pad_to_multiple(x, 4, 1)[0, 0]
    assert y.tolist() == [[1, 1, 2, 3, 3, 3]] * 6


def test_instance_norm_of_a_single_pixel_is_0() -> None:
    assert instance_norm(torch.randn(2, 3, 1, 1)).abs().max() < 1e-5


# Johnson 2016, supplement, table 1: (out channels, in channels, kernel, stride).
PAPER = [
    (32, 3, 9, 1), (64, 32, 3, 2), (128, 64, 3, 2),
    *[(128, 128, 3, 1)] * 10,
    (64, 128, 3, 1), (32, 64, 3, 1), (3, 32, 9, 1),
]  # fmt: skip


def convolutions(net: nn.Module) -> list[tuple[int, int, int, int]]:
    found = [module for module in net.modules() if isinstance(module, nn.Conv2d)]
    return [(conv.out_channels, conv.in_channels, conv.kernel_size[0], conv.stride[0]) for conv in found]


def test_johnson_has_the_layers_of_the_paper() -> None:
    net = Johnson()
    assert convolutions(net) == PAPER
    assert sum(isinstance(m, _Residual) for m in net.modules()) == 5


def test_johnson_has_the_activations_of_the_paper() -> None:
    net, shapes = Johnson(width=4).eval(), []
    for layer in net.layers:
        if isinstance(layer, (nn.Conv2d, _Residual, UpsampleConv)):
            layer.register_forward_hook(lambda _, __, y: shapes.append(tuple(y.shape[1:])))
    net(torch.rand(1, 3, 64, 64))
    assert shapes == [(4, 64, 64), (8, 32, 32), *[(16, 16, 16)] * 6, (8, 32, 32), (4, 64, 64), (3, 64, 64)]


def test_johnson_at_half_width_has_half_the_channels() -> None:
    halves = [(o // 2 if o > 3 else 3, i // 2 if i > 3 else 3, k, s) for o, i, k, s in PAPER]
    assert convolutions(Johnson(width=16)) == halves


@pytest.mark.parametrize(("norm", "there", "not_there"), [
    ("instance", InstanceNorm, nn.BatchNorm2d), ("batch", nn.BatchNorm2d, InstanceNorm),
])  # fmt: skip
def test_johnson_has_the_norm_asked_for(norm: str, there: type[nn.Module], not_there: type[nn.Module]) -> None:
    modules = list(build("johnson", {"width": 4, "norm": norm}).modules())
    assert sum(isinstance(m, there) for m in modules) == 15
    assert not any(isinstance(m, not_there) for m in modules)


@pytest.mark.parametrize(("up", "there"), [("resize", UpsampleConv), ("deconv", nn.ConvTranspose2d)])
def test_johnson_upsamples_as_asked_for(up: str, there: type[nn.Module]) -> None:
    net = build("johnson", {"width": 4, "up": up}).eval()
    kinds = (UpsampleConv, nn.ConvTranspose2d)
    assert [type(m) for m in net.modules() if isinstance(m, kinds)] == [there, there]
    assert net(torch.rand(1, 3, 13, 18)).shape == (1, 3, 13, 18)


def black_johnson(bias: float) -> Johnson:
    """One whose last layer gives the same for every picture."""
    net = Johnson(width=4)
    with torch.no_grad():
        net.layers[-1].weight.zero_()
        net.layers[-1].bias.fill_(bias)
    return net


def test_black_is_no_dead_end_in_training() -> None:
    net = black_johnson(-1.2)
    with torch.enable_grad():
        y = net.train()(torch.rand(1, 3, 16, 16))
        y.mean().backward()
    assert abs(y.mean().item()) < 0.02
    assert net.layers[-1].bias.grad.sum() > 0.15  # (1 - tanh²) / 2 of the paper's tanh, at as black, is below 0.02


def test_what_is_beyond_black_is_black() -> None:
    assert black_johnson(-5).eval()(torch.rand(1, 3, 16, 16)).unique().tolist() == [0]


JOHNSONS = [Johnson(width=4).eval(), Johnson(width=4, norm="batch", up="deconv").eval()]


@given(SIZES, SIZES, st.integers(1, 3))
@settings(deadline=None, max_examples=25)
def test_any_size_keeps_its_shape(height: int, width: int, count: int) -> None:
    x, lite = torch.rand(count, 3, height, width), Lite(**TINY).eval()
    for y in (lite(x, lite.codes), *(net(x) for net in JOHNSONS)):
        assert y.shape == x.shape
        assert y.min() >= 0 and y.max() <= 1  # false for NaN too


@pytest.mark.parametrize("style", [0, 1, 2])
def test_each_code_is_a_style_of_its_own(style: int) -> None:
    net, x = with_random_codes(Lite(3, **TINY)), torch.rand(1, 3, 24, 16)
    others = [net(x, net.codes[[other]]) for other in range(3) if other != style]
    assert all((net(x, net.codes[[style]]) - other).abs().max() > 0.01 for other in others)


def test_a_batch_of_styles_equals_single_runs() -> None:
    net, x = with_random_codes(Lite(3, **TINY)), torch.rand(3, 3, 21, 35)
    singles = [net(x[[i]], net.codes[[i]]) for i in range(3)]
    torch.testing.assert_close(net(x, net.codes), torch.cat(singles), atol=1e-5, rtol=0)


def test_a_code_is_the_scales_and_shifts_of_every_norm() -> None:
    net = Lite(2, width=4, depth=6, blocks=1)
    assert net.code_sizes == [8, 12, 12, 12, 8, 8, 8]
    scales, shifts = zip(*(part.chunk(2) for part in net.codes[0].split(net.code_sizes)), strict=True)
    assert torch.cat(scales).eq(1).all() and torch.cat(shifts).eq(0).all()


def plain_texture(epsilon: float, monkeypatch: pytest.MonkeyPatch) -> float:
    """The largest deviation over a styled plain picture, of all nets and levels."""
    monkeypatch.setattr(layers, "NORM_EPSILON", epsilon)
    lite, johnson = Lite().eval(), Johnson(width=16).eval()
    plain = [torch.full((1, 3, 48, 56), level) for level in (0.0, 0.3, 1.0)]
    styled = [y for x in plain for y in (lite(x, lite.codes), johnson(x))]
    return max(y.std(dim=(2, 3)).max().item() for y in styled)


def test_a_plain_picture_stays_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    assert plain_texture(layers.NORM_EPSILON, monkeypatch) < 0.1 / 255
    assert plain_texture(1e-12, monkeypatch) > 0.1 / 255  # the reason for NORM_EPSILON


def test_an_unknown_network_or_option_is_an_error() -> None:
    with pytest.raises(InputError, match="no network 'unet'; there are lite, johnson"):
        build("unet", {})
    with pytest.raises(InputError, match=r"johnson: .*depth"):
        build("johnson", {"depth": 3})
