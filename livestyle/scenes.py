"""Pictures to train on that need no download: the photographs inside two Python packages, and made-up scenes.

Style networks learn from the statistics of edges, textures and smooth areas, which a few photographs, cut, zoomed and
recoloured, and scenes with the same statistics have as well: dead leaves (Lee, Mumford, Huang 2001) and fractal
landscapes (Mandelbrot 1982, chapter 28).
"""

from __future__ import annotations

import importlib.util
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from .media.camera import import_cv2

Picture = Image.Image
_FOLDERS = {  # package: (folder in it, photographs)
    "skimage": (
        "data",
        "astronaut.png brick.png camera.png chelsea.png coffee.png coins.png grass.png gravel.png "
        "hubble_deep_field.jpg motorcycle_left.png motorcycle_right.png retina.jpg rocket.jpg",
    ),
    "sklearn": ("datasets/images", "china.jpg flower.jpg"),
}
_SHOWN = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")  # a face, a cat, a cup, much sky
_COUNT, _SEED = 4000, 1729
_SIDE = 320  # pixels, of a scene
_GROUND, _LEAVES = 14, 110  # large leaves that cover the picture, and leaves of all sizes over them
_LARGEST, _SMALLEST = 0.5, 0.02  # radius of a leaf over the side
_PHOTO, _LEAVES_SHARE = 0.6, 0.85  # how often a photograph; up to here, dead leaves; else a landscape


class Scenes:
    """A supply of numbered pictures, the same every time."""

    def __len__(self) -> int:
        return _COUNT

    def open(self, index: int) -> Picture:
        """An RGB picture of 200 to 800 pixels a side."""
        rng = self._rng(index)
        kind = rng.random()
        if kind < _PHOTO and photographs():
            return recoloured(_photograph(rng), rng)
        scene = dead_leaves(rng) if kind < _LEAVES_SHARE else landscape(rng)
        return scene.filter(ImageFilter.GaussianBlur(rng.uniform(0, 1)))

    def _rng(self, index: int) -> np.random.Generator:
        return np.random.default_rng((_SEED, index))


@lru_cache
def photographs() -> tuple[Path, ...]:
    """The photographs in the packages that are installed; none are imported."""
    found = []
    for package, (folder, names) in _FOLDERS.items():
        spec = importlib.util.find_spec(package)
        if spec and spec.origin:
            found += [Path(spec.origin).parent / folder / name for name in names.split()]
    return tuple(path for path in found if path.is_file())


def photographs_to_show() -> tuple[Path, ...]:
    """Those that tell people the most of a style."""
    return tuple(path for name in _SHOWN for path in photographs() if path.name == name)


@cache
def _opened(path: Path) -> Picture:
    picture = Image.open(path).convert("RGB")
    picture.thumbnail((800, 800), Image.Resampling.LANCZOS)
    return picture


def _photograph(rng: np.random.Generator) -> Picture:
    return _opened(photographs()[rng.integers(len(photographs()))])


def recoloured(picture: Picture, rng: np.random.Generator) -> Picture:
    """The picture in another light: hues turned, saturation, gamma and contrast changed; now and then upside down."""
    level = np.arange(256, dtype=np.float32)
    hue = (level + rng.normal(0, 25)) % 256
    saturation = level * rng.uniform(0.4, 1.4)
    value = 255 * (level / 255) ** np.exp(rng.normal(0, 0.35)) * rng.uniform(0.6, 1.1)
    tables = np.stack([hue, saturation.clip(0, 255), value.clip(0, 255)], 1).astype(np.uint8)
    cv2 = import_cv2()
    hsv = cv2.LUT(cv2.cvtColor(np.asarray(picture), cv2.COLOR_RGB2HSV_FULL), tables[:, None])
    changed = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB_FULL)
    return Image.fromarray(changed[::-1] if rng.random() < 0.15 else changed)


def dead_leaves(rng: np.random.Generator) -> Picture:
    """Shapes of all sizes over each other, plain, shaded or cut from photographs.

    The number of leaves falls with the cube of their radius, as of things in the world seen from all distances.
    """
    scene = Image.new("RGB", (_SIDE, _SIDE), _colour(rng))
    low, high = _SMALLEST**-2, _LARGEST**-2
    radii = (low + rng.random(_LEAVES) * (high - low)) ** -0.5
    for radius in (*rng.uniform(0.25, 0.6, _GROUND), *radii):
        _lay_leaf(scene, float(radius) * _SIDE, rng)
    return scene


def _lay_leaf(scene: Picture, radius: float, rng: np.random.Generator) -> None:
    side = max(3, int(2 * radius))
    mask = Image.new("L", (2 * side, 2 * side))  # twice the size: smooth edges
    _draw_shape(ImageDraw.Draw(mask), 2 * side, rng)
    mask = mask.reduce(2)
    left, top = (int(v) for v in rng.uniform(-radius, _SIDE - radius, 2))
    scene.paste(_filling(side, rng), (left, top), mask)


def _draw_shape(draw: ImageDraw.ImageDraw, side: int, rng: np.random.Generator) -> None:
    centre, kind = side / 2, rng.integers(3)
    if kind == 0:
        height = rng.uniform(0.3, 1) * centre
        draw.ellipse((0, centre - height, side - 1, centre + height), fill=255)
        return
    corners = 4 if kind == 1 else int(rng.integers(3, 9))
    turns = np.sort(rng.uniform(0, 2 * np.pi, corners)) if kind == 2 else np.arange(4) * np.pi / 2 + rng.uniform(0, 2)
    points = centre + centre * np.stack([np.cos(turns), np.sin(turns)], 1)
    draw.polygon([(float(x), float(y)) for x, y in points], fill=255)


def _filling(side: int, rng: np.random.Generator) -> Picture:
    """What a leaf is made of."""
    kind = rng.random()
    if kind < 0.35 and photographs():
        picture = _photograph(rng)
        cut = min(*picture.size, max(8, int(side * rng.uniform(0.5, 2))))
        left, top = (int(rng.integers(extent - cut + 1)) for extent in picture.size)
        return recoloured(picture.crop((left, top, left + cut, top + cut)).resize((side, side)), rng)
    if kind < 0.75:
        corners = np.array([[_colour(rng), _colour(rng)], [_colour(rng), _colour(rng)]], np.float32)
        near = corners[0, 0] + (corners - corners[0, 0]) * rng.uniform(0, 0.6)
        return Image.fromarray(import_cv2().resize(near.astype(np.uint8), (side, side)))  # linear
    return Image.new("RGB", (side, side), _colour(rng))


def _colour(rng: np.random.Generator) -> tuple[int, int, int]:
    """As in a photograph at a random place, or any."""
    if photographs() and rng.random() < 0.85:
        picture = _photograph(rng)
        pixel = picture.getpixel((int(rng.integers(picture.width)), int(rng.integers(picture.height))))
        return pixel  # type: ignore[return-value]
    red, green, blue = (int(v) for v in rng.integers(0, 256, 3))
    return red, green, blue


def landscape(rng: np.random.Generator) -> Picture:
    """Ridges behind each other under a sky, paler with distance, each with its own grain."""
    rows = np.arange(_SIDE, dtype=np.float32)[:, None, None] / _SIDE
    above, below = (np.array(_colour(rng), np.float32) for _ in range(2))
    sky = above + (below - above) * rows
    clouds = fractal(_SIDE, rng.uniform(1.6, 2.4), rng)[..., None]
    image = sky + (235 - sky) * np.clip(clouds * rng.uniform(0, 0.8), 0, 1)
    ridges = int(rng.integers(2, 6))
    for index in range(ridges):
        nearness = (index + 1) / ridges
        height = _SIDE * (0.25 + 0.6 * nearness) + fractal(_SIDE, 2.2, rng)[0] * _SIDE * 0.08
        grain = fractal(_SIDE, rng.uniform(1.0, 2.0), rng)[..., None] * 35 * nearness
        ground = np.array(_colour(rng), np.float32) * nearness + below * (1 - nearness) + grain
        image = np.where((np.arange(_SIDE)[:, None] > height)[..., None], ground, image)
    return Image.fromarray(image.clip(0, 255).astype(np.uint8))


def fractal(side: int, slope: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """(side, side) of mean 0 and deviation 1, its amplitudes falling with frequency to the power `slope`."""
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None]).astype(np.float32)
    frequency[0, 0] = np.inf
    phases = np.float32(2 * np.pi) * rng.random(frequency.shape, np.float32)
    amplitudes = frequency ** np.float32(-slope)
    field = np.fft.irfft2(amplitudes * (np.cos(phases) + 1j * np.sin(phases)), (side, side))
    return np.asarray(field / field.std(), np.float32)
