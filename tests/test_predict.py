"""Any picture as a style: a code predicted for the network that ships, with no PyTorch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import RunCli, gradient
from PIL import Image as Pillow

import livestyle
from livestyle.artifact import inspect
from livestyle.backend import OnnxBackend
from livestyle.errors import InputError
from livestyle.media.picture import in_good_light
from livestyle.predict import NETWORK, SIDE, predict, predict_code
from livestyle.styles import find


def paint(path: Path, *colour: int, size: tuple[int, int] = (90, 60)) -> Path:
    """A picture of stripes of that colour."""
    pixels = np.zeros((*size[::-1], 3), np.uint8)
    pixels[::4] = colour
    Pillow.fromarray(pixels).save(path)
    return path


def test_a_picture_is_a_style_of_the_network_that_ships(tmp_path: Path) -> None:
    red, blue = paint(tmp_path / "red.png", 255, 40, 0), paint(tmp_path / "blue.png", 0, 60, 255)
    artifact, code = find(str(red))
    assert artifact.path == NETWORK and code is not None and code.shape == (1, artifact.code_size)
    image = gradient(64, 48)
    with livestyle.load(red, device="cpu") as reddish, livestyle.load(blue, device="cpu") as bluish:
        means = [stylize(image).mean(axis=(0, 1)) for stylize in (reddish, bluish)]
    assert means[0][0] - means[0][2] > means[1][0] - means[1][2]  # the red picture's is the redder one


def test_a_picture_mixes_with_the_styles_that_ship(tmp_path: Path) -> None:
    picture = paint(tmp_path / "red.png", 255, 40, 0)
    with livestyle.load(f"{picture}:0.5+starry:0.5", device="cpu") as mix:
        assert mix.notes == [] and len(mix.files) == 1  # one network


@pytest.mark.parametrize("name", ["red.gif", "red.jp2", "red.ppm"])
def test_any_kind_of_picture_is_a_style(name: str, tmp_path: Path) -> None:
    picture = paint(tmp_path / name, 255, 40, 0)
    assert find(str(picture))[0].path == NETWORK


def test_a_file_that_is_no_picture_is_not_called_an_unknown_name(tmp_path: Path) -> None:
    (tmp_path / "style.pth").write_bytes(b"weights")
    with pytest.raises(InputError, match="not a picture that can be read"):
        find(str(tmp_path / "style.pth"))


def test_a_painted_over_picture_is_looked_at_again(tmp_path: Path) -> None:
    before = predict(paint(tmp_path / "p.png", 255, 40, 0))[1]
    assert not np.array_equal(before, predict(paint(tmp_path / "p.png", 0, 60, 255))[1])


@pytest.mark.parametrize("size", [(1, 1), (3, 400), (2000, 1500)])
def test_any_size_will_do(size: tuple[int, int], tmp_path: Path) -> None:
    assert np.isfinite(predict(paint(tmp_path / "p.png", 200, 40, 0, size=size))[1]).all()


def test_a_dark_picture_is_seen_in_good_light(tmp_path: Path) -> None:
    tones = np.random.default_rng(0).integers(10, 40, (256, 256, 1)).repeat(3, 2).astype(np.uint8)
    dark = Pillow.fromarray(tones).resize((64, 64), Pillow.Resampling.BOX).resize((SIDE, SIDE))
    dark.save(tmp_path / "p.png")
    assert np.array_equal(predict(tmp_path / "p.png")[1], predict_code(np.asarray(in_good_light(dark))))
    assert not np.array_equal(predict(tmp_path / "p.png")[1], predict_code(np.asarray(dark)))


@pytest.mark.parametrize("painting", ["mada_primavesi_klimt_1912", "grand_canal_venice_turner_1835"])
def test_the_style_of_a_painting_never_seen_is_nearer_than_what_all_have_in_common(painting: str) -> None:
    pytest.importorskip("torch")
    from livestyle.data import load_painting, to_tensor
    from livestyle.losses import gram, style_loss
    from livestyle.nets.vgg import load_loss_network

    shared = Path(__file__).parents[2] / "shared" / "data"
    if not shared.is_dir():
        pytest.skip("the shared paintings are not here")
    network, layers = load_loss_network("small"), ("relu1_1", "relu2_1", "relu3_1")
    path = shared / "paintings" / "named" / f"{painting}.jpg"
    goal = {layer: gram(f) for layer, f in network(load_painting(path), layers).items()}
    photo = np.array(Pillow.open(sorted((shared / "photos").iterdir())[13]).convert("RGB"))
    shipped = inspect(NETWORK)
    codes = (predict(path)[1], np.mean(list(shipped.codes.values()), axis=0))

    def distance(code: np.ndarray) -> float:
        styled = OnnxBackend(shipped, device="cpu")(photo, code.reshape(1, -1), 1.0)
        return style_loss(network(to_tensor(Pillow.fromarray(styled)), layers), goal).item()

    predicted, usual = map(distance, codes)
    assert predicted < 0.7 * usual


@pytest.mark.parametrize(("name", "reason"), [("missing.jpg", "no such picture"), ("text.jpg", "not a picture")])
def test_what_is_no_picture_is_one_line(name: str, reason: str, tmp_path: Path, run_cli: RunCli) -> None:
    (tmp_path / "text.jpg").write_text("no picture")
    photo = paint(tmp_path / "photo.png", 9, 9, 9)
    outcome = run_cli("image", photo, tmp_path / "out.png", "--style", tmp_path / name)
    assert (outcome.code, len(outcome.err)) == (1, 1)
    assert outcome.err[0].startswith("error: ") and reason in outcome.err[0]


def test_no_pytorch_is_needed(tmp_path: Path) -> None:
    picture = paint(tmp_path / "red.png", 255, 40, 0)
    code = "import sys, livestyle; livestyle.load(sys.argv[1], device='cpu'); sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code, str(picture)], check=True)
