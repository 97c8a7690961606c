"""Photos and paintings as training sees them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import MakeFilm, assert_images_close, gradient
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

torch = pytest.importorskip("torch")

from livestyle.data import (  # noqa: E402
    Crops,
    Files,
    camera_frames,
    evenly_spread,
    film_frames,
    find_pictures,
    load_painting,
    open_photos,
    painting_notes,
    split,
    to_look_at,
)
from livestyle.errors import InputError  # noqa: E402
from livestyle.media.picture import in_good_light, lacks_light, open_rgb  # noqa: E402
from livestyle.scenes import Scenes, photographs, photographs_to_show  # noqa: E402

EXIF_ORIENTATION = 0x0112
TURN_RIGHT = 6  # the camera was held so that the picture must be turned clockwise


def crops(*photos: Path, size: int = 24, batch: int = 2, seed: int = 0) -> Crops:
    return Crops(Files(photos), size=size, batch=batch, seed=seed)


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
    with pytest.raises(InputError, match="no such folder"):
        find_pictures(tmp_path / "missing")


def test_a_broken_photo_is_named_if_there_is_no_other(tmp_path: Path) -> None:
    photo = tmp_path / "broken.jpg"
    photo.write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"broken\.jpg: not a picture"):
        crops(photo)(0)


def test_broken_photos_are_left_out_with_a_word_for_the_first_three(photos: list[Path], tmp_path: Path) -> None:
    broken = [tmp_path / f"broken{i}.jpg" for i in range(6)]
    for path in broken:
        path.write_bytes(photos[0].read_bytes()[:100])
    said: list[str] = []
    some = Crops(Files([*photos, *broken]), size=24, batch=5, seed=0, say=said.append)
    whole = torch.cat([some(step) for step in range(6)])
    assert whole.shape == (30, 3, 24, 24)
    assert len(said) == 4 and all("left out" in line for line in said)
    assert len({line for line in said if "not a picture" in line}) == 3
    again = Crops(Files([*photos, *broken]), size=24, batch=5, seed=0)
    assert torch.equal(again(5), some(5))  # what was found out before does not matter


def test_every_photo_comes_up_once_before_any_comes_up_again(tmp_path: Path) -> None:
    paths = [tmp_path / f"{i}.png" for i in range(7)]
    for level, path in enumerate(paths):
        Pillow.new("RGB", (30, 30), (level * 30,) * 3).save(path)
    seen = [round(x.mean().item() * 255 / 30) for step in range(7) for x in crops(*paths)(step)]
    assert sorted(seen[:7]) == sorted(seen[7:]) == list(range(7))
    assert seen[:7] != seen[7:]


def test_the_shares_of_a_team_are_the_batch_of_one(photos: list[Path]) -> None:
    whole = Crops(Files(photos), size=24, batch=4, seed=0)
    shares = [Crops(Files(photos), size=24, batch=2, seed=0, of=(rank, 2)) for rank in (0, 1)]
    assert torch.equal(whole(3), torch.cat([share(3) for share in shares]))


@pytest.mark.parametrize(("count", "kept"), [(7, 7), (8, 1), (40, 4), (1000, 16)])
def test_a_tenth_of_the_photos_is_kept_aside_unless_there_are_few(count: int, kept: int) -> None:
    paths = [Path(f"{i}.png") for i in range(count)]
    learnt, judged = split(Files(paths))
    assert len(judged) == kept and len(learnt) == (count if count < 8 else count - kept)


def test_a_films_frames_are_evenly_spread(make_film: MakeFilm) -> None:
    film = make_film(pts=range(12))
    assert len(open_photos(film)) == 12
    some = film_frames(film, count=4)
    assert len(some) == 3  # of 12, every fourth
    whole = film_frames(film, count=100)
    for few, all_ in ((0, 0), (1, 4), (2, 8)):
        assert_images_close(np.array(some.open(few)), np.array(whole.open(all_)), levels=0)


def test_a_camera_films_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    photos = camera_frames("pattern:64x48@30", seconds=0.5, say=said.append)
    assert 3 <= len(photos) <= 16 and photos.open(0).size == (64, 48)
    assert "filming for 0.5 s" in said[0]
    monkeypatch.setattr("livestyle.data.camera_frames", lambda source, *, say: source)
    assert [open_photos(Path(where)) for where in ("webcam", "webcam:pattern")] == ["0", "pattern"]


def test_of_a_long_film_key_frames_are_enough(make_film: MakeFilm) -> None:
    assert 1 <= len(film_frames(make_film(pts=range(300)), count=4)) <= 4


@pytest.mark.parametrize(("there", "count", "expected"), [(3, 5, 3), (5, 5, 5), (6, 5, 3), (100, 10, 7)])
def test_as_many_as_wanted_at_equal_distances(there: int, count: int, expected: int) -> None:
    images = [np.full((1, 1, 3), i, np.uint8) for i in range(there)]
    chosen = [int(text) for text in evenly_spread(images, count, lambda image: str(image[0, 0, 0]).encode())]
    assert len(chosen) == expected
    assert len(set(np.diff(chosen))) == 1 and chosen[0] == 0


def test_what_is_no_source_of_photos_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "film.mp4").write_bytes(b"no film")
    (tmp_path / "one.png").write_bytes(b"")
    for where, reason in (("film.mp4", "not a film"), ("one.png", "a file; give a folder"), ("none", "no such folder")):
        with pytest.raises(InputError, match=reason):
            open_photos(tmp_path / where)


def test_without_photos_there_are_pictures_that_need_no_download() -> None:
    photos = open_photos(None)
    assert len(photos) >= 1000 and photos.open(0).mode == "RGB"
    assert Crops(photos, size=64, batch=3, seed=0)(5).shape == (3, 3, 64, 64)


def test_of_the_pictures_that_come_along_people_see_photographs_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    supply = Scenes()
    _, kept = split(supply)
    shown = to_look_at(supply, kept)
    assert {path.name for path in photographs()} > {"astronaut.png", "chelsea.png"} and len(shown) == 4
    assert shown.open(0).tobytes() == open_rgb(photographs_to_show()[0]).tobytes()
    monkeypatch.setattr("livestyle.data.photographs_to_show", lambda: ())
    assert to_look_at(supply, kept) is kept
    monkeypatch.undo()
    own = Files([tmp_path / "a.png"])
    assert to_look_at(own, own) is own


def test_a_tiny_painting_is_refused_and_a_small_one_gets_a_word(tmp_path: Path) -> None:
    path = tmp_path / "painting.png"
    Pillow.fromarray(gradient(9, 5)).save(path)
    with pytest.raises(InputError, match="9x5 is too small to learn from"):
        load_painting(path)
    Pillow.fromarray(gradient(100, 60)).save(path)
    assert "100x60 is enlarged 5.1 times" in painting_notes(path)[0]
    assert painting_notes(path, stroke=0.25) == []


def spread(picture: Pillow.Image) -> float:
    tenth, others = np.quantile(np.asarray(picture.convert("L").resize((64, 64), Pillow.Resampling.BOX)), (0.1, 0.9))
    return float(others - tenth) / 255


def portrait(middle: int, *, light: int = 200) -> Pillow.Image:
    """Tones within 12 levels of the middle, and something light."""
    tones = np.random.default_rng(0).integers(middle - 12, middle + 13, (32, 32, 1))
    image = np.repeat(tones, 3, 2).astype(np.uint8)
    image[12:16, 12:16] = light
    return Pillow.fromarray(image).resize((512, 512), Pillow.Resampling.NEAREST)


def test_a_dark_painting_has_more_contrast_between_the_same_ends_with_a_word(tmp_path: Path) -> None:
    path, dark = tmp_path / "painting.png", portrait(30)
    dark.save(path)
    lit = in_good_light(dark)
    assert lacks_light(dark) == 2.5
    assert spread(lit) == pytest.approx(2.5 * spread(dark), rel=0.1)
    assert max(lit.getextrema()[0]) == pytest.approx(200, abs=10)
    assert min(lit.getextrema()[0]) < 30
    before, after = (np.asarray(picture)[..., 0].ravel() for picture in (dark, lit))
    assert (np.diff(after[np.argsort(before)].astype(int)) >= 0).all()  # what was lighter is
    assert np.array_equal((255 * load_painting(path)[0]).round().byte().permute(1, 2, 0), np.asarray(lit))
    assert any("is dark; it is learnt with 2.5 times the contrast" in note for note in painting_notes(path))


def test_a_dark_painting_in_a_white_frame_on_black_is_lit() -> None:
    framed = np.asarray(portrait(30)).copy()
    framed[:20], framed[-20:] = 255, 0
    lit = np.asarray(in_good_light(Pillow.fromarray(framed)))
    assert (lit[:20] == 255).all() and (lit[-20:] < 5).all()
    assert lit[100:180].std() > 2 * framed[100:180].std()


@pytest.mark.parametrize("picture", [portrait(130), portrait(220, light=20), Pillow.new("RGB", (64, 40), (20, 20, 20))])
def test_a_light_or_plain_painting_is_left_as_it_is(picture: Pillow.Image) -> None:
    assert in_good_light(picture) is picture


def test_a_dark_painting_whose_tones_are_far_apart_is_left_as_it_is() -> None:
    stripes = np.full((512, 512, 3), 20, np.uint8)
    stripes[:200] = 180
    assert in_good_light(Pillow.fromarray(stripes)).tobytes() == stripes.tobytes()


def test_of_an_animated_painting_the_first_picture_is_taken_with_a_word(tmp_path: Path) -> None:
    path = tmp_path / "painting.gif"
    frames = [Pillow.new("RGB", (600, 400), colour) for colour in ("red", "blue")]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    x = load_painting(path)
    assert x[0, 0].min() > 0.9 and x[0, 2].max() < 0.1
    assert "the first is taken" in painting_notes(path)[0]


@pytest.mark.filterwarnings("error")
def test_a_huge_painting_is_taken_without_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "painting.png"
    Pillow.new("L", (10_000, 9_500), 100).save(path)
    assert load_painting(path).shape == (1, 3, 486, 512)
