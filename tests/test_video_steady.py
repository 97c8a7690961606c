"""`livestyle video --steady` and `--keep-color`: less flicker, the film's colour, and nothing where they are off."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from conftest import RunCli, gradient, images_of
from numpy.typing import NDArray
from PIL import Image as Pillow

from livestyle import load, stylize_film
from livestyle.frame import Frame, Image
from livestyle.segments import FRAMES, WARM_UP, Finish, Finisher, SegmentFinisher, Share


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A still scene with a sensor's noise: whatever changes in it is flicker."""
    path, random = tmp_path_factory.mktemp("noisy") / "in.mp4", np.random.default_rng(0)
    still = gradient(320, 180).astype(float)
    still[40:80, 50:110] = (30, 200, 90)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "1"})
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv444p"
        for _ in range(40):
            image = np.clip(still + random.normal(0, 2, still.shape), 0, 255).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def flicker(path: Path) -> float:
    """rms difference of frames that follow each other, in levels, once the filter is warm."""
    frames = np.stack(images_of(path)[15:]).astype(float)
    return float(np.sqrt(np.mean(np.diff(frames, axis=0) ** 2)))


def test_flicker_falls_the_more_the_steadier(noisy: Path, tmp_path: Path) -> None:
    seen = []
    with load("starry", film=True) as stylizer:
        for amount in (0, 0.5, 1):
            target = tmp_path / f"{amount}.mp4"
            stylize_film(noisy, target, stylizer, steady=amount)
            seen.append(flicker(target))
    assert seen[1] < 0.75 * seen[0], seen
    assert seen[2] < 0.75 * seen[1], seen


def test_off_it_changes_no_bit(noisy: Path, tmp_path: Path, run_cli: RunCli) -> None:
    for name, options in {"usual": [], "off": ["--steady", "0", "--keep-color", "0"]}.items():
        assert run_cli("video", noisy, tmp_path / f"{name}.mp4", *options).code == 0
    assert (tmp_path / "usual.mp4").read_bytes() == (tmp_path / "off.mp4").read_bytes()


def test_strength_0_stays_the_input_however_steady(noisy: Path, tmp_path: Path, run_cli: RunCli) -> None:
    for name, options in {"none": ["--style", "none"], "off": ["--strength", "0", "--steady", "1"]}.items():
        assert run_cli("video", noisy, tmp_path / f"{name}.mp4", *options).code == 0
    assert (tmp_path / "none.mp4").read_bytes() == (tmp_path / "off.mp4").read_bytes()


def test_steady_sees_frames_in_order_whatever_the_lanes(noisy: Path, tmp_path: Path) -> None:
    for lanes in (1, 4):
        with load("starry", threads=1, film=True) as stylizer:
            stylizer.lanes = lanes
            stylize_film(noisy, tmp_path / f"{lanes}.mp4", stylizer, steady=0.7)
    assert (tmp_path / "1.mp4").read_bytes() == (tmp_path / "4.mp4").read_bytes()


def colour(image: Image) -> NDArray[np.float64]:
    """Cb and Cr, means of the whole picture (BT.601)."""
    red, green, blue = image.reshape(-1, 3).mean(axis=0)
    return np.array([-0.169 * red - 0.331 * green + 0.5 * blue, 0.5 * red - 0.419 * green - 0.081 * blue])


def test_keep_color_keeps_a_films_colour(noisy: Path, tmp_path: Path, run_cli: RunCli) -> None:
    before = colour(images_of(noisy)[0])
    apart = []
    for amount in ("0", "0.5", "1"):
        target = tmp_path / f"{amount}.mp4"
        assert run_cli("video", noisy, target, "--style", "wave", "--keep-color", amount).code == 0
        apart.append(float(np.abs(colour(images_of(target)[0]) - before).max()))
    assert apart[0] > apart[1] > apart[2]
    assert apart[0] > 8
    assert apart[2] < 3


def test_keep_color_keeps_a_pictures_colour(tmp_path: Path, run_cli: RunCli) -> None:
    image = np.zeros((64, 64, 3), np.uint8) + np.array([120, 60, 140], np.uint8)
    Pillow.fromarray(image).save(tmp_path / "in.png")
    for amount in ("0", "1"):
        arguments = (tmp_path / "in.png", tmp_path / f"{amount}.png", "--style", "wave", "--keep-color", amount)
        assert run_cli("image", *arguments).code == 0
    far, near = (
        np.abs(colour(np.array(Pillow.open(tmp_path / f"{amount}.png"))) - colour(image)).max() for amount in (0, 1)
    )
    assert far > 8
    assert near < 3


@pytest.mark.parametrize("option", ["--steady", "--keep-color"])
def test_amounts_are_from_0_to_1(option: str, noisy: Path, tmp_path: Path, run_cli: RunCli) -> None:
    for amount in ("-0.1", "1.1", "nan"):
        assert run_cli("video", noisy, tmp_path / "out.mp4", option, amount).code == 2


def psnr(a: Image, b: Image) -> float:
    error = float(np.mean((a.astype(float) - b) ** 2))
    return float("inf") if error == 0 else 10 * np.log10(255**2 / error)


@pytest.mark.parametrize("amount", [0.5, 1.0])
def test_nobody_sees_a_border(amount: float) -> None:
    random, finish = np.random.default_rng(0), Finish(amount)
    still = gradient(320, 180).astype(float)
    whole, cut, cold = Finisher(finish), SegmentFinisher(finish, Share(frozenset({0, 1}))), Finisher(finish)
    warm_db, cold_db = [], []
    for index in range(FRAMES + 20):
        image = np.clip(still + random.normal(0, 2, still.shape), 0, 255).astype(np.uint8)
        styled = np.clip(255 - still + random.normal(0, 20, still.shape), 0, 255).astype(np.uint8)
        frame = Frame(image, Fraction(index), index)
        uncut, seen = whole(frame, styled).copy(), cut(frame, styled)
        if index >= FRAMES:
            warm_db.append(psnr(uncut, seen))
            cold_db.append(psnr(uncut, cold(frame, styled)))
    assert min(warm_db) > 45, warm_db
    assert cold_db[0] < 30  # without a warm-up the border would be seen
    assert WARM_UP < FRAMES
