"""The losses, by hand."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402

from livestyle.errors import InputError  # noqa: E402
from livestyle.losses import (  # noqa: E402
    LossWeights,
    Perceptual,
    beyond_range,
    blur_loss,
    cloud_loss,
    color_loss,
    colors,
    content_loss,
    dot_loss,
    gram,
    lattice_loss,
    style_loss,
    temporal_loss,
    tone_loss,
    tones,
    total_variation,
    weave_loss,
)

FACTORS = st.floats(0.01, 100)


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def test_gram_by_hand() -> None:
    features = torch.tensor([[1.0, 2.0], [3.0, 4.0]]).view(1, 2, 1, 2)  # two channels, two positions
    assert gram(features).tolist() == [[[2.5, 5.5], [5.5, 12.5]]]


def test_gram_does_not_know_where_things_are() -> None:
    features = torch.rand(2, 3, 4, 5)
    moved = features.flatten(2)[..., torch.randperm(20)].view(2, 3, 5, 4)
    torch.testing.assert_close(gram(moved), gram(features))


def test_gram_does_not_depend_on_the_size() -> None:
    features = torch.rand(1, 3, 4, 5)
    torch.testing.assert_close(gram(features.repeat(1, 1, 3, 2)), gram(features))


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_gram_has_the_slope_of_the_product_that_it_is(kind: torch.dtype) -> None:
    features = torch.rand(2, 3, 4, 5).to(kind).requires_grad_()
    weights = torch.rand(2, 3, 3)  # not symmetric, as no style loss asks for them
    flat = features.flatten(2).float()
    wanted = torch.autograd.grad((weights * (flat @ flat.mT) / 20).sum(), features)[0]
    with torch.autocast("cpu", torch.bfloat16):  # as training does; going back is outside of it
        matrices = gram(features)
    found = torch.autograd.grad((weights * matrices).sum(), features)[0]
    assert found.dtype == kind
    torch.testing.assert_close(found, wanted, atol=0.01 * float(wanted.abs().max()), rtol=0.02)


def test_style_loss_by_hand() -> None:
    features = {"a": torch.tensor([[1.0, 2.0], [3.0, 4.0]]).view(1, 2, 1, 2)}
    target = {"a": torch.tensor([[[2.5, 5.5], [5.5, 0.0]]])}
    assert style_loss(features, target).item() == pytest.approx(12.5**2 / (2.5**2 + 2 * 5.5**2))


def test_losses_are_0_at_their_targets() -> None:
    features = {"a": torch.rand(2, 3, 4, 5), "b": torch.rand(2, 6, 2, 2)}
    assert style_loss(features, {k: gram(f) for k, f in features.items()}).tolist() == [0, 0]
    assert content_loss(features, features, {"a": 1.0, "b": 2.0}).tolist() == [0, 0]


def test_the_temporal_loss_counts_only_what_both_pictures_show() -> None:
    moved, inside = torch.zeros(2, 3, 2, 2), torch.ones(2, 1, 2, 2)
    later = moved.clone()
    later[0, :, 0, 0] = 1.0  # one of four pixels, in every channel
    later[1, 0, 1, 1] = 1.0  # and one in one of three
    assert temporal_loss(later, moved, inside).tolist() == pytest.approx([1 / 4, 1 / 12])
    inside[0, :, 0, 0] = 0
    assert temporal_loss(later, moved, inside).tolist() == pytest.approx([0, 1 / 12])


def test_only_blur_costs_the_blur_loss() -> None:
    x = torch.zeros(4, 1, 4, 8)
    x[..., [2, 3, 6, 7]] = 0.4  # stripes: a slope of 0.2 across in six of eight columns, nothing down
    styled = x * torch.tensor([1.0, 0.9, 0.25, 0.25]).view(4, 1, 1, 1)
    styled[3, ..., ::2] += 0.3  # what alternates from pixel to pixel makes nothing sharper
    slope = 0.2 * 6 / 8
    assert blur_loss(styled, x)[:3].tolist() == pytest.approx([0, 0, (0.65 * slope) ** 2], abs=1e-6)
    assert blur_loss(torch.full_like(x, 0.5) + 0.3 * (styled[3] - styled[2]), x).min() > (0.6 * slope) ** 2


@pytest.mark.parametrize("turn", [(2, 3), (3, 2)])
def test_only_what_alternates_from_pixel_to_pixel_costs_the_weave_loss(turn: tuple[int, int]) -> None:
    x = torch.full((6, 3, 48, 64), 0.5)
    styled = x.clone()
    styled[0, ..., ::2] += 0.1
    styled[1, 1, ::2, ::2] += 0.1  # a checkerboard, in one channel
    styled[1, 1, 1::2, 1::2] += 0.1
    styled[2] += 0.05 * torch.sin(torch.arange(64) * torch.pi / 2)  # strokes of 4 pixels, as strong
    styled[3, ..., 32:] += 0.1  # an edge
    x[4, ..., ::2] += 0.1
    styled[4] = x[4]  # the photo's own
    styled[5, ..., ::2] += 0.1
    styled[5, :, :, 1:] = styled[5, :, :, 1:] * 0.5 + styled[5, :, :, :-1] * 0.5  # blurred away
    costs = weave_loss(styled.permute(0, 1, *turn), x.permute(0, 1, *turn)).tolist()
    assert costs[0] == pytest.approx(0.05**2, rel=0.05)  # as strong as it swings
    assert costs[1] == pytest.approx(2 / 3 * 0.05**2, rel=0.1)
    assert costs[2] < costs[0] / 7
    assert costs[3] < costs[0] / 10
    assert costs[4] == 0
    assert costs[5] < costs[0] / 100


def test_only_new_changes_of_colour_cost_the_cloud_loss() -> None:
    x = torch.full((4, 3, 32, 64), 0.5)
    x[1, :, :, 32:] = 0.7  # an edge there may be an edge in colour
    styled = torch.full_like(x, 0.5)
    styled[0, :, :, 32:] = 0.9  # light, not colour
    styled[1, 1, :, 32:] = 0.7
    styled[2, 1, :, 32:] = 0.7  # a cloud of green where the photo is flat
    styled[3, 1, :, ::2] = 0.7  # strokes
    usual = torch.full((4,), 0.01)
    costs = cloud_loss(styled, x, usual).tolist()
    assert costs[2] > 0.02
    assert [costs[n] for n in (0, 1, 3)] == pytest.approx([0, 0, 0], abs=1e-6)
    assert cloud_loss(styled, x, 40 * usual).tolist() == pytest.approx([0, 0, 0, 0])  # of a motley painting


def test_tones_are_quantiles_of_a_paintings_light_and_dark() -> None:
    painting = torch.linspace(0, 1, 80).view(1, 1, 1, 80).expand(1, 3, 16, 80)
    found = tones(painting.flip(3))
    assert torch.equal(found, found.sort().values)
    assert found.mean().item() == pytest.approx(0.5, abs=0.01)
    assert found[0] < 0.08 and found[-1] > 0.92
    fine = torch.full((1, 3, 16, 80), 0.5)
    fine[..., ::2] = 0.9  # strokes, not tones
    assert (tones(fine) - 0.7).abs().max() < 1e-6


def test_only_another_range_of_light_and_dark_costs_the_tone_loss() -> None:
    usual = torch.linspace(0.2, 0.6, 32)[None].expand(5, 32)
    x = torch.linspace(0, 1, 160).expand(5, 3, 40, 160)
    step = torch.linspace(-1, 1, 160).clamp(-0.9, 0.9)
    spread = (0.4 + 0.2 * step).expand(5, 3, 40, 160)  # from dark to light as in the photo, the painting's range
    styled = spread.clone()
    styled[1] = 0.4  # all of one tone
    styled[2] = spread[2].flip(2)  # dark where the photo is light
    styled[3, :, :, ::2] += 0.1
    styled[3, :, :, 1::2] -= 0.1  # the strokes are free
    styled[4, 0], styled[4, 2] = styled[4, 0] + 0.1, styled[4, 2] - 0.1 * 0.299 / 0.114  # and so is colour
    costs = tone_loss(styled, x, usual).tolist()
    assert costs[1] > 0.01 and costs[2] > 0.04
    assert max(costs[0], costs[3], costs[4]) < costs[1] / 10
    plain = torch.full_like(x, 0.3)  # nothing is light or dark in a flat photo: the painting's middle tone
    assert tone_loss(torch.full_like(x, 0.4), plain, usual).tolist() == pytest.approx([0] * 5, abs=1e-6)
    noise = plain + 0.01 * torch.randn_like(plain)
    assert tone_loss(torch.full_like(x, 0.4), noise, usual).max() < 1e-4  # nor in its noise


def test_only_what_repeats_on_the_networks_grid_costs_the_lattice_loss() -> None:
    x = torch.full((5, 3, 128, 192), 0.3)
    x[0, :, 3::8, 5::8] = 0.8  # a dot in every cell of 8 pixels
    x[1, :, 1::4, ::4] = 0.5  # and of 4, fainter
    x[2, :, 3::8, 5::16] = 0.8  # in every other one
    places = torch.randperm(128 * 192)[: 16 * 24]
    x[3].view(3, -1)[:, places] = 0.8  # as many as in the first, anywhere
    costs = lattice_loss(x).tolist()
    assert costs[0] > 1.5 * costs[2] > 1e-3
    assert costs[1] > 1e-3
    assert abs(costs[3]) < costs[2] / 20
    assert costs[4] == pytest.approx(0, abs=1e-9)
    assert lattice_loss(x.roll((3, 2), (2, 3)))[0].item() == pytest.approx(costs[0], rel=0.1)  # wherever it lies


@pytest.mark.parametrize(("down", "across"), [(8, 16), (16, 8), (16, 16)])
def test_what_turns_to_its_negative_from_cell_to_cell_costs_the_lattice_loss(down: int, across: int) -> None:
    waves = [torch.sin(2 * torch.pi * (torch.arange(side) + 2) / size) for side, size in ((128, down), (192, across))]
    strokes = (0.5 + 0.1 * waves[0][:, None] * waves[1]).expand(1, 3, 128, 192)
    once = strokes.clone()
    once[..., 16:, :] = once[..., :, 16:] = 0.5
    assert lattice_loss(strokes).item() > 1e-3
    assert 0 <= lattice_loss(once).item() < lattice_loss(strokes).item() / 100


def test_nothing_is_better_than_no_lattice() -> None:
    x = torch.rand(8, 3, 64, 64)
    x[..., 8:16, :] = 1 - x[..., :8, :]  # a cell and its negative
    assert lattice_loss(x).min() >= 0


def test_only_new_spots_cost_the_dot_loss() -> None:
    x = torch.full((4, 3, 48, 64), 0.3)
    styled = x.clone()
    styled[0, :, 10:38:9, 8:56:11] = 0.9  # dots
    styled[1, :, 10:38:9, 8:56:11] = 0.9
    x[1] = styled[1]  # that the photo has
    styled[2, :, 10:38:9] = 0.9  # strokes
    styled[3] = 0.6 + 0.3 * torch.sin((2 * torch.arange(48)[:, None] - torch.arange(64)) / 4)  # that slant
    costs = dot_loss(styled, x).tolist()
    assert costs[0] > 1e-3
    assert costs[1] == pytest.approx(0, abs=1e-4)
    assert max(costs[2:]) < costs[0] / 3


def test_dots_count_for_the_paintings_that_ask_for_it() -> None:
    paintings, x = [torch.rand(1, 3, 16, 16)] * 2, torch.rand(2, 3, 16, 16)
    styled = torch.rand(2, 3, 16, 16)
    with_dots = Perceptual(Pixels(), paintings, [1.0, 1.0], WEIGHTS, dots=[0.0, 10.0])  # type: ignore[arg-type]
    without = perceptual(paintings, [1.0, 1.0])
    for index, more in ((0, 0.0), (1, 10 * dot_loss(styled[1:], x[1:]).item())):
        one = (styled[[index]], x[[index]], torch.tensor([index]))
        assert with_dots(*one)["total"].item() == pytest.approx(without(*one)["total"].item() + more)


@pytest.mark.parametrize("size", [(1, 1), (3, 9), (9, 5), (17, 70)])
def test_pictures_smaller_than_the_lattice_have_one_too(size: tuple[int, int]) -> None:
    assert lattice_loss(torch.rand(2, 3, *size)).abs().max() < 0.1
    assert weave_loss(torch.rand(2, 3, *size), torch.rand(2, 3, *size)).isfinite().all()
    assert tone_loss(torch.rand(2, 3, *size), torch.rand(2, 3, *size), torch.rand(2, 32)).isfinite().all()
    assert color_loss(torch.rand(2, 3, *size), colors(torch.rand(1, 3, *size)).expand(2, 13, 32)).isfinite().all()


def test_only_other_colours_in_the_large_cost_the_color_loss() -> None:
    painting = torch.full((1, 3, 64, 64), 0.2)
    painting[:, 2] = 0.6
    painting[:, :, :16] = torch.tensor([0.8, 0.7, 0.3])[:, None, None]  # a quarter of a blue picture is yellow
    styled = painting.repeat(6, 1, 1, 1)
    styled[1] = painting[0].flip(1)  # wherever it is
    styled[2] = painting[0].mean((1, 2), keepdim=True)  # all of one colour
    styled[3] = styled[2]
    styled[3, :, ::4, ::4] += 0.5  # specks
    styled[4] = painting[0].flip(0)  # other colours, as many
    styled[5, :, 16:32] = painting[0, :, :1]  # half of it
    costs = color_loss(styled, colors(painting).expand(6, 13, -1)).tolist()
    assert max(costs[:2]) < 1e-3
    assert min(costs[2:]) > 0.04
    small = torch.nn.functional.avg_pool2d(painting, 2)
    assert color_loss(small, colors(painting)[None]).item() < 1e-3  # of any size


def test_training_goes_back_through_what_was_only_looked_at_before() -> None:
    x = torch.rand(1, 3, 40, 56)
    with torch.inference_mode():
        seen = lattice_loss(x)
    x.requires_grad_()
    assert torch.equal(lattice_loss(x).detach(), seen)
    lattice_loss(x).sum().backward()
    assert x.grad is not None and x.grad.abs().max() > 0


def test_losses_add_up_over_layers_by_their_weights() -> None:
    target = {"a": torch.ones(1, 1, 2, 2), "b": torch.ones(1, 1, 2, 2)}
    features = {"a": 1.5 * target["a"], "b": 2 * target["b"]}
    assert content_loss(features, target, {"a": 1.0, "b": 3.0}).item() == pytest.approx(0.25 + 3)
    assert style_loss(features, {k: gram(t) for k, t in target.items()}).item() == pytest.approx(1.25**2 + 3**2)


@given(FACTORS)
@settings(deadline=None)
def test_losses_are_relative(factor: float) -> None:
    features, target = {"a": torch.rand(2, 3, 4, 5)}, {"a": torch.rand(2, 3, 4, 5)}
    scaled, scaled_target = ({"a": factor * f["a"]} for f in (features, target))
    torch.testing.assert_close(
        style_loss(scaled, {"a": gram(scaled_target["a"])}), style_loss(features, {"a": gram(target["a"])})
    )
    torch.testing.assert_close(
        content_loss(scaled, scaled_target, {"a": 1.0}), content_loss(features, target, {"a": 1.0})
    )


def test_content_loss_of_a_layer_that_is_silent_is_finite() -> None:
    silent = {"a": torch.zeros(1, 2, 3, 3)}
    assert content_loss(silent, silent, {"a": 1.0}).item() == 0


def test_total_variation_by_hand() -> None:
    stripes = torch.tensor([[0.0, 1.0, 0.0], [0.0, 1.0, 0.0]])[None, None]
    assert total_variation(stripes).tolist() == [1]  # columns change by 1, rows do not
    assert total_variation(stripes.transpose(2, 3)).tolist() == [1]
    assert total_variation(torch.full((2, 3, 4, 4), 0.7)).tolist() == [0, 0]


@given(st.integers(2, 30), st.integers(2, 30))
@settings(deadline=None, max_examples=20)
def test_total_variation_does_not_depend_on_the_size(height: int, width: int) -> None:
    ramp = (0.1 * torch.arange(width)).expand(1, 3, height, width)
    assert total_variation(ramp).item() == pytest.approx(0.01, rel=1e-4)


class Pixels(nn.Module):
    """A loss network whose only layers are the picture and its double."""

    layers = ("relu1_1", "relu2_1")

    def forward(self, x: Tensor, layers: Iterable[str]) -> dict[str, Tensor]:
        return {layer: x * (1 + self.layers.index(layer)) for layer in layers}


WEIGHTS = LossWeights(
    ("relu1_1", "relu2_1"), (("relu1_1", 1.0),), content=2.0, tv=3.0, tones=0.0, colors=0.0, lattice=0.0, weave=0.0
)


def perceptual(paintings: list[Tensor], style_weights: list[float]) -> Perceptual:
    return Perceptual(Pixels(), paintings, style_weights, WEIGHTS)  # type: ignore[arg-type]


def test_each_picture_is_held_against_its_own_painting() -> None:
    paintings = [torch.rand(1, 3, 8, 9), torch.rand(1, 3, 7, 6) ** 3]
    losses = perceptual(paintings, [1.0, 1.0])
    for index, painting in enumerate(paintings):
        own = losses(painting, painting, torch.tensor([index]))["style"]
        other = losses(painting, painting, torch.tensor([1 - index]))["style"]
        assert own < 1e-9 and other > 0.1


def test_the_total_weighs_each_picture_by_its_paintings_weight() -> None:
    paintings = [torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 8) ** 3]
    losses, styled, x = perceptual(paintings, [5.0, 7.0]), torch.rand(2, 3, 8, 8), torch.rand(2, 3, 8, 8)
    singles = [losses(styled[[i]], x[[i]], torch.tensor([i])) for i in range(2)]
    by_hand = [w * one["style"] + 2 * one["content"] + 3 * one["tv"] for w, one in zip((5, 7), singles, strict=True)]
    both = losses(styled, x, torch.tensor([0, 1]))
    assert both["total"].item() == pytest.approx(sum(v.item() for v in by_hand) / 2)
    assert both["content"].item() == pytest.approx(sum(one["content"].item() for one in singles) / 2)


def test_only_the_styled_picture_is_moved() -> None:
    losses, styled, x = perceptual([torch.rand(1, 3, 8, 8)], [1.0]), torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 8)
    styled.requires_grad_()
    x.requires_grad_()
    losses(styled, x, torch.tensor([0]))["total"].backward()
    assert styled.grad.abs().sum() > 0 and x.grad is None
    assert not list(losses.parameters())


def test_losses_stay_in_single_precision_under_autocast() -> None:
    losses, painting = perceptual([torch.rand(1, 3, 32, 32)], [1.0]), torch.tensor([0])
    styled, x = torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = losses(styled, x, painting)
    for name, value in losses(styled, x, painting).items():
        assert rounded[name].item() == pytest.approx(value.item(), rel=1e-6), name


def test_a_layer_the_network_lacks_is_an_error_that_lists_those_it_has() -> None:
    weights = LossWeights(("relu1_1", "relu9_1"), (("relu8_1", 1.0),))
    with pytest.raises(InputError, match=r"no layer relu8_1, relu9_1; it has relu1_1, relu2_1"):
        Perceptual(Pixels(), [torch.rand(1, 3, 8, 8)], [1.0], weights)  # type: ignore[arg-type]


def test_only_what_is_beyond_black_and_white_costs() -> None:
    x = torch.tensor([0.0, 0.5, 1.0, -0.1, 1.2]).view(5, 1, 1, 1).expand(5, 3, 4, 4)
    assert beyond_range(x).tolist() == pytest.approx([0, 0, 0, 0.01, 0.04])


class Bare(nn.Module):
    """A loss network whose only features are the picture itself."""

    layers = ("relu1_1",)

    def forward(self, x: Tensor, layers: Iterable[str]) -> dict[str, Tensor]:
        return {layer: x for layer in layers}


@pytest.mark.parametrize(("level", "goal", "grows"), [(0.5, 0.9, True), (0.5, 0.1, False)])
def test_a_style_weight_moves_towards_the_content_loss_it_is_to_reach(level: float, goal: float, grows: bool) -> None:
    weights = LossWeights(style_layers=("relu1_1",), content_layers=(("relu1_1", 1.0),))
    paintings = [torch.rand(1, 3, 8, 8) for _ in range(2)]
    perceptual = Perceptual(Bare(), paintings, [2.0, 2.0], weights, [goal, None])
    x = torch.ones(2, 3, 8, 8)
    for _ in range(5):
        perceptual(x * (1 - level**0.5), x, torch.tensor([0, 1]))  # content loss: `level`
    assert perceptual.running[:, 1].tolist() == pytest.approx([level, level])
    moved, fixed = perceptual.style_weights.tolist()
    assert (moved > 2.0) == grows and fixed == 2.0
