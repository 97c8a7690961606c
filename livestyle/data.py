"""Pictures for training: paintings at a stroke size, and endless random crops of photos."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from .errors import InputError
from .media.picture import SUFFIXES, open_rgb

STROKE_SIZE = 512  # pixels: a painting's long side at stroke 1


def to_tensor(picture: Image.Image) -> Tensor:
    """(1, 3, H, W) in [0, 1]."""
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].float() / 255


def load_painting(path: Path, *, stroke: float = 1.0) -> Tensor:
    """(1, 3, H, W) in [0, 1], long side 512 px times `stroke`: the larger, the broader the strokes learnt."""
    picture = open_rgb(path)
    scale = STROKE_SIZE * stroke / max(picture.size)
    # A loss network halves four times and then pads by reflection, which two pixels allow and one does not.
    size = (max(32, round(picture.width * scale)), max(32, round(picture.height * scale)))
    return to_tensor(picture.resize(size, Image.Resampling.LANCZOS))


def find_pictures(folder: Path) -> list[Path]:
    """All pictures below a folder, sorted. Raises InputError if there are none."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder of photos")
    paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    if not paths:
        raise InputError(f"{folder}: no pictures in it ({', '.join(SUFFIXES)})")
    return paths


class Crops:
    """Batches of random square crops, a pure function of (seed, step): resuming needs no state.

    Each crop comes from another photo, its short side scaled to 1 to 2.5 times the crop
    (small and large objects; film frames are smoother than small photos) and mirrored half the time.
    """

    def __init__(self, photos: Sequence[Path], *, size: int, batch: int, seed: int) -> None:
        self.photos, self.size, self.batch, self.seed = photos, size, batch, seed

    def __call__(self, step: int) -> Tensor:
        """(batch, 3, size, size) in [0, 1]."""
        rng = np.random.default_rng((self.seed, step))
        chosen = rng.integers(len(self.photos), size=self.batch)
        return torch.cat([to_tensor(self._crop(self.photos[i], rng)) for i in chosen])

    def _crop(self, path: Path, rng: np.random.Generator) -> Image.Image:
        picture = open_rgb(path)
        side = min(picture.size) / rng.uniform(1, 2.5)
        left, top = (rng.uniform(0, extent - side) for extent in picture.size)
        box = (left, top, left + side, top + side)
        crop = picture.resize((self.size, self.size), Image.Resampling.BICUBIC, box=box, reducing_gap=2)
        return ImageOps.mirror(crop) if rng.random() < 0.5 else crop
