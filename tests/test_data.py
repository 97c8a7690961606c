"""Photos and paintings as training sees them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import gradient
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

torch = pytest.importorskip("torch")

from livestyle.data import Crops, find_pictures, load_painting  # noqa: E402
from livestyle.errors import InputError  # noqa: E402

EXIF_ORIENTATION = 0x0112
TURN_RIGHT = 6  # the camera was held so that the picture must be turned clockwise


def crops(*photos: Path, size: int = 24, batch: int = 2, seed: int = 0) -> Crops:
    return Crops(photos, size=size, batch=batch, seed=seed)


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{i}.png" for i in range(4)]
    for i, path in enumerate(paths):
        Pillow.fromarray(gradient(60 + 9 * i, 50, shift=11 * i)).save(path)
    return paths


def test_crops_are_a_pure_function_of_seed_and_step(photos: list[Path]) -> None:
    first, second = crops(*photos, seed=1), crops(*photos, seed=1)
    second(0)  # what was asked before does not matter
    assert torch.equal(first(3), second(3))
    assert not torch.equal(first(3), first(4))
    assert not torch.equal(first(3), crops(*photos, seed=2)(3))


def test_crops_have_the_size_and_range_asked_for(photos: list[Path]) -> None:
    x = crops(*photos, size=40, batch=5)(0)
    assert x.shape == (5, 3, 40, 40) and x.dtype == torch.float32
    assert 0 <= x.min() < x.max() <= 1


def test_all_photos_come_up(photos: list[Path]) -> None:
    for level, path in enumerate(photos):
        Pillow.new("RGB", (30, 30), (level * 60,) * 3).save(path)
    levels = {round(x.mean().item() * 255) for step in range(20) for x in crops(*photos)(step)}
    assert levels == {0, 60, 120, 180}


def test_a_crop_is_mirrored_half_the_time_and_never_upside_down(tmp_path: Path) -> None:
    ramp = np.linspace(0, 255, 64).astype(np.uint8)
    photo = tmp_path / "photo.png"
    red, green = np.meshgrid(ramp, ramp)
    Pillow.fromarray(np.stack([red, green, green], axis=2)).save(photo)
    x = torch.cat([crops(photo, batch=10)(step) for step in range(10)])
    rightwards = x[:, 0, :, -1].mean(1) > x[:, 0, :, 0].mean(1)
    downwards = x[:, 1, -1].mean(1) > x[:, 1, 0].mean(1)
    assert 30 < rightwards.sum() < 70
    assert downwards.all()


@given(st.integers(1, 40), st.integers(1, 40))
@settings(deadline=None, max_examples=30)
def test_photos_of_any_size_are_cropped(tmp_path_factory: pytest.TempPathFactory, width: int, height: int) -> None:
    photo = tmp_path_factory.mktemp("photos") / "tiny.png"
    Pillow.fromarray(gradient(width, height)).save(photo)
    assert crops(photo, batch=3)(0).shape == (3, 3, 24, 24)


@pytest.mark.parametrize(
    ("mode", "colour", "suffix", "expected"),
    [
        ("L", 100, "png", (100, 100, 100)),
        ("1", 1, "png", (255, 255, 255)),
        ("LA", (100, 255), "png", (100, 100, 100)),
        ("RGBA", (10, 20, 30, 255), "png", (10, 20, 30)),
        ("RGBA", (10, 20, 30, 0), "png", (255, 255, 255)),
        ("CMYK", (0, 0, 0, 0), "jpg", (255, 255, 255)),
        ("CMYK", (0, 255, 255, 0), "jpg", (255, 0, 0)),
        ("P", 0, "png", (0, 0, 0)),
    ],
)
def test_photos_of_any_kind_become_rgb(
    mode: str, colour: int | tuple[int, ...], suffix: str, expected: tuple[int, int, int], tmp_path: Path
) -> None:
    photo = tmp_path / f"photo.{suffix}"
    Pillow.new(mode, (50, 40), colour).save(photo)
    x = crops(photo)(0)
    wanted = (torch.tensor(expected) / 255).view(1, 3, 1, 1).expand_as(x)
    torch.testing.assert_close(x, wanted, atol=2.1 / 255, rtol=0)  # a JPEG's rounding


def test_a_photo_is_turned_upright(tmp_path: Path) -> None:
    stored = np.zeros((20, 60, 3), np.uint8)
    stored[:, :30, 0] = 255  # red left, which is above once it is turned
    exif = Pillow.Exif()
    exif[EXIF_ORIENTATION] = TURN_RIGHT
    path = tmp_path / "photo.png"
    Pillow.fromarray(stored).save(path, exif=exif)
    x = load_painting(path)
    assert x.shape == (1, 3, 512, 171)
    assert x[0, 0, :200].min() > 0.95 and x[0, 0, -200:].max() < 0.05


@pytest.mark.parametrize(("stroke", "size"), [(1.0, (256, 512)), (0.25, (64, 128)), (2.0, (512, 1024))])
def test_a_paintings_long_side_is_its_stroke_size(stroke: float, size: tuple[int, int], tmp_path: Path) -> None:
    path = tmp_path / "painting.png"
    Pillow.fromarray(gradient(80, 40)).save(path)
    x = load_painting(path, stroke=stroke)
    assert x.shape == (1, 3, *size) and 0 <= x.min() < x.max() <= 1


def test_a_scroll_stays_wide_enough_for_a_loss_network(tmp_path: Path) -> None:
    path = tmp_path / "scroll.png"
    Pillow.fromarray(gradient(400, 4)).save(path)
    assert load_painting(path, stroke=0.25).shape == (1, 3, 32, 128)


def test_pictures_are_found_below_the_folder_in_order(tmp_path: Path) -> None:
    for name in ("b.JPG", "a/c.png", "a/notes.txt", "z.webp"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    assert find_pictures(tmp_path) == [tmp_path / "a" / "c.png", tmp_path / "b.JPG", tmp_path / "z.webp"]


def test_a_folder_without_pictures_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no pictures in it"):
        find_pictures(tmp_path)
    with pytest.raises(InputError, match="no such folder of photos"):
        find_pictures(tmp_path / "missing")


def test_a_broken_photo_is_named(tmp_path: Path) -> None:
    photo = tmp_path / "broken.jpg"
    photo.write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"broken\.jpg: not a picture"):
        crops(photo)(0)
