"""From a style's name, file or mix to styled pictures, with networks whose answer is known."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import assert_images_close, gradient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import livestyle
from livestyle.errors import DeviceError, InputError, StyleError
from livestyle.frame import Image

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from handmade import BLUE, GREEN, RED, Colour, one_style_model, paint_model, save  # noqa: E402
from onnx import helper, numpy_helper  # noqa: E402


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's own styles: `rgb.onnx`, which holds red and blue, and `green.onnx`."""
    monkeypatch.setenv("LIVESTYLE_HOME", str(tmp_path))
    folder = tmp_path / "styles"
    folder.mkdir()
    save(paint_model(red=RED, blue=BLUE), folder / "rgb.onnx")
    save(one_style_model(GREEN), folder / "green.onnx")
    return folder


def plain(colour: Colour, width: int = 7, height: int = 5) -> Image:
    return np.full((height, width, 3), colour, np.uint8)


def styled(style: str | Path, image: Image | None = None, **options: float) -> Image:
    with livestyle.load(style, device="cpu", **options) as stylizer:  # type: ignore[arg-type]
        return stylizer(gradient(7, 5) if image is None else image)


def test_no_style_is_the_image_itself() -> None:
    image = gradient(7, 5)
    assert styled("none", image) is image


def test_strength_0_is_the_image_itself(home: Path) -> None:
    image = gradient(7, 5)
    assert styled("green", image, strength=0) is image


@given(st.integers(1, 40), st.integers(1, 40))
@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_size_is_styled_and_kept(home: Path, width: int, height: int) -> None:
    image = gradient(width, height)
    assert_images_close(styled("green", image), plain(GREEN, width, height), levels=0)


def test_strength_blends_with_the_image() -> None:
    assert_images_close(styled("green", plain((100, 50, 200)), strength=0.5), plain((50, 153, 100)), levels=0)


@pytest.mark.parametrize("strength", [-1.0, 2.0, float("nan")])
def test_strength_never_changes_to_what_is_none(strength: float) -> None:
    with livestyle.load("green", device="cpu") as stylizer:
        with pytest.raises(InputError, match="from 0"):
            stylizer.strength = strength
        assert stylizer.strength == 1.0


def test_strength_may_change_from_frame_to_frame() -> None:
    with livestyle.load("green", device="cpu") as stylizer:
        full = stylizer(plain(RED))
        stylizer.strength = 0.0
        assert_images_close(full, plain(GREEN), levels=0)
        assert_images_close(stylizer(plain(RED)), plain(RED), levels=0)


def test_the_input_is_neither_changed_nor_shared() -> None:
    image = gradient(7, 5)
    before = image.copy()
    assert not np.shares_memory(styled("green", image), image)
    assert_images_close(image, before, levels=0)


def test_a_view_of_a_larger_image_is_styled_as_its_copy() -> None:
    view = gradient(16, 12)[::-2, 1::3]
    assert_images_close(styled("green", view, strength=0.3), styled("green", view.copy(), strength=0.3), levels=0)


@pytest.mark.parametrize(
    ("style", "colour"),
    [
        ("{}/rgb.onnx", RED),  # the first
        ("{}/rgb.onnx#blue", BLUE),
        ("{}/rgb.onnx#blue:1+{}/rgb.onnx#red:0", BLUE),
        ("{}/rgb.onnx#blue:0+{}/rgb.onnx#red:1", RED),
        ("{}/rgb.onnx#blue:3+{}/rgb.onnx#red:1", (64, 0, 191)),  # weights are shares of their sum
        ("{}/rgb.onnx#blue+{}/rgb.onnx#red", (128, 0, 128)),
        ("green+rgb", (128, 128, 0)),
        ("green:0.2+rgb:0.6", (191, 64, 0)),
        (" green :0.2 + rgb : 0.6 ", (191, 64, 0)),
        ("green:1+none:3", (75, 139, 75)),  # of an image of 100
        ("rgb:1+none:1+{}/rgb.onnx#blue:2", (89, 25, 153)),
    ],
)
def test_styles_mix_by_their_shares(style: str, colour: Colour, home: Path) -> None:
    image = styled(style.replace("{}", str(home)), plain((100, 100, 100)))
    assert_images_close(image, plain(colour), levels=0)


def test_a_mix_of_networks_says_what_it_costs(home: Path) -> None:
    assert livestyle.load("rgb+green", device="cpu").notes == [
        "rgb+green: styles of 2 networks blend in pixels, at the cost of 2 networks a frame"
    ]
    assert livestyle.load(f"{home}/rgb.onnx#red+{home}/rgb.onnx#blue", device="cpu").notes == []


def test_a_path_may_hold_the_signs_of_a_mix(tmp_path: Path) -> None:
    path = save(one_style_model(BLUE), tmp_path / "a+b:2.onnx")
    assert_images_close(styled(path), plain(BLUE), levels=0)


def test_a_path_may_hold_the_sign_before_a_style(tmp_path: Path) -> None:
    path = save(one_style_model(BLUE), tmp_path / "a#b.onnx")
    assert_images_close(styled(path), plain(BLUE), levels=0)
    assert_images_close(styled(f"{path}:3+{path}"), plain(BLUE), levels=0)
    two = save(paint_model(red=RED, blue=BLUE), tmp_path / "a+b#:2.onnx")
    assert_images_close(styled(f"{two}#blue"), plain(BLUE), levels=0)


def test_a_picture_may_hold_the_sign_before_a_style(tmp_path: Path) -> None:
    for name in ("a.png", "a #1.png"):
        livestyle.write_image(gradient(40, 30), tmp_path / name)
    assert_images_close(styled(tmp_path / "a #1.png"), styled(tmp_path / "a.png"), levels=0)


def test_an_own_style_does_not_hide_a_shipped_one(home: Path) -> None:
    save(one_style_model(BLUE), home / "starry.onnx")
    assert np.ptp(styled("starry", gradient(40, 30))) > 0


@pytest.mark.parametrize(
    ("style", "reason"),
    [
        ("stary", "did you mean 'starry'?"),
        ("gren", "did you mean 'green'?"),
        ("starry:0.5+nothing-like-it", "style 'nothing-like-it': there is none of that name"),
        ("a" * 5000, "there is none of that name"),
        ("a" * 5000 + ".onnx", "no such style file"),
        ("photo.jpg", "photo.jpg: no such picture"),
        ("a" * 5000 + ".jpg", "no such picture"),
        ("net.pt", "ask for the .onnx file"),
        ("missing.onnx", "no such style file"),
        ("{}/rgb.onnx#gold", "no style 'gold' in it; it holds red, blue"),
        ("{}/rgb.onnx#", "no style '' in it"),
        ("{}/green.onnx#gold", "a single style, without a name"),
    ],
)
def test_an_unknown_style_is_one_line_with_a_hint(style: str, reason: str, home: Path) -> None:
    with pytest.raises(StyleError) as caught:
        livestyle.load(style.replace("{}", str(home)))
    assert reason in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("style", ["green:-1", "green:nan", "green:inf", "green:0", "green:0+rgb:0", "green+", "+", ""])
def test_a_mix_without_sense_is_an_error(style: str) -> None:
    with pytest.raises(InputError, match="style "):
        livestyle.load(style)


@pytest.mark.parametrize("strength", [-0.1, 1.1, float("nan")])
@pytest.mark.parametrize("style", ["none", "green"])
def test_a_strength_outside_0_to_1_is_an_error(style: str, strength: float) -> None:
    with pytest.raises(InputError, match="from 0"):
        livestyle.load(style, strength=strength)


@pytest.mark.parametrize(
    "image",
    [
        [[[0, 0, 0]]],
        b"",
        np.zeros((5, 7, 3), np.float32),
        np.zeros((5, 7, 4), np.uint8),
        np.zeros((5, 7), np.uint8),
        np.zeros((1, 5, 7, 3), np.uint8),
        np.zeros((0, 7, 3), np.uint8),
    ],
)
def test_another_kind_of_image_is_an_error(image: Image) -> None:
    with pytest.raises(InputError, match=r"give \(H, W, 3\) uint8 RGB"):
        styled("green", image)


@pytest.mark.skipif("CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="a GPU may be here")
def test_a_gpu_that_is_not_there_is_an_error_and_never_the_cpu() -> None:
    with pytest.raises(DeviceError, match="device cuda"):
        livestyle.load("green", device="cuda")


@pytest.mark.parametrize("style", ["none", "green"])
def test_an_unknown_device_is_an_error(style: str) -> None:
    with pytest.raises(InputError, match="choose one of auto, cpu, cuda"):
        livestyle.load(style, device="quantum")


@pytest.mark.parametrize("threads", [-1, 257, 10**6, 1.5, "2", None])
def test_a_number_of_threads_that_is_none_is_an_error(threads: int) -> None:
    with pytest.raises(InputError, match=f"threads {threads}: give a whole number from 1 to 256, or 0"):
        livestyle.load("none", device="cpu", threads=threads)


def test_the_device_is_what_really_runs() -> None:
    assert livestyle.load("none").device == "no network runs"
    stylizer = livestyle.load("green", strength=0, device="cpu", threads=3)
    assert stylizer.device == "no network runs"
    stylizer.strength = 1
    assert stylizer.device == "cpu, 3 threads (onnxruntime)"
    stylizer.close()
    assert stylizer.device == "cpu, 3 threads (onnxruntime)"  # a film's script tells it afterwards


def test_closing_twice_is_fine() -> None:
    stylizer = livestyle.load("green", device="cpu")
    stylizer.close()
    stylizer.close()


def test_a_network_that_changes_the_size_is_an_error(home: Path) -> None:
    model = one_style_model(GREEN)
    model.graph.node[-1].output[0] = "whole"
    for name, value in (("start", 1), ("end", 4), ("axis", 1)):
        model.graph.initializer.append(numpy_helper.from_array(np.array([value]), name))
    model.graph.node.append(helper.make_node("Slice", ["whole", "start", "end", "axis"], ["styled"]))
    save(model, home / "thin.onnx")
    with pytest.raises(StyleError, match="a style keeps the size"):
        styled("thin")


def test_a_network_that_fails_is_one_line(home: Path) -> None:
    model = one_style_model(GREEN)
    model.graph.node[0].output[0] = "plain"
    model.graph.initializer.append(numpy_helper.from_array(np.array([1, 2, 2, 3]), "shape"))
    model.graph.node.insert(1, helper.make_node("Reshape", ["plain", "shape"], ["x"]))
    save(model, home / "stiff.onnx")
    with pytest.raises(StyleError, match=r"stiff\.onnx: fails on") as caught:
        styled("stiff")
    assert "\n" not in str(caught.value)


def test_a_network_that_does_not_start_is_one_line(home: Path) -> None:
    model = one_style_model(GREEN)
    model.graph.node[1].input[0] = "nowhere"
    save(model, home / "loose.onnx")
    with pytest.raises(StyleError, match="onnxruntime cannot load it") as caught:
        livestyle.load("loose")
    assert "\n" not in str(caught.value)


STYLE_ONE = "import numpy, livestyle; livestyle.load('starry', device='cpu')(numpy.zeros((8, 8, 3), numpy.uint8))"


@pytest.mark.parametrize("code", [STYLE_ONE, "import exporters.verify"])
def test_nothing_is_left_in_the_users_folders_and_nothing_sent(
    code: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """onnxruntime keeps a number for this machine, and what it is going to tell its maker, in the cache."""
    if "exporters" in code:
        pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("user")
    names = ("PATH", "PYTHONPATH", "SYSTEMROOT")  # and not those by which it sees a CI, where it is quiet
    kept = {name: os.environ[name] for name in names if name in os.environ}
    folders = dict.fromkeys(("HOME", "XDG_CACHE_HOME", "LOCALAPPDATA", "TEMP", "TMPDIR"), str(folder))
    subprocess.run([sys.executable, "-c", code], env={**kept, **folders}, check=True)
    assert list(folder.iterdir()) == []


def test_the_engine_is_told_to_report_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[bool] = []
    monkeypatch.setattr("onnxruntime.disable_telemetry_events", lambda: said.append(True))
    livestyle.load("starry", device="cpu")
    assert said
