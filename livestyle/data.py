"""Pictures for training: paintings at a stroke size, and endless random crops of photos."""

from __future__ import annotations

import io
import os
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from .batch import FILM_SUFFIXES
from .errors import InputError
from .frame import Image as Pixels
from .media.camera import open_camera
from .media.picture import SUFFIXES, at_side, holds_several, in_good_light, lacks_light, open_rgb
from .media.reader import FilmReader
from .scenes import Scenes, photographs_to_show

STROKE_SIZE = 512  # pixels: a painting's long side at stroke 1
_SMALLEST = 16  # pixels: a painting's long side
_SMALL = 256  # pixels: enough to see how dark a painting is
_ENLARGED = 2.0  # times: beyond it, a painting has no strokes to learn but those of the enlargement
FRAMES = 300  # of a film or a camera, at most
FILMED = 30.0  # seconds, of a camera
_FRAME_SIDE = 640  # pixels: their long side
_MANY = 10  # times as many frames as are wanted: then key frames alone are decoded
_KEPT, _LEAST_KEPT = 16, 8  # photos kept aside to judge by; with fewer photos than the second, none
_NAMED = 3  # broken photos that are named one by one


def to_tensor(picture: Image.Image) -> Tensor:
    """(1, 3, H, W) in [0, 1]."""
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].float() / 255


def load_painting(path: Path, *, stroke: float = 1.0) -> Tensor:
    """(1, 3, H, W) in [0, 1], long side 512 px times `stroke`: the larger, the broader the strokes learnt.

    A dark one has more contrast, as `in_good_light` says.
    Raises InputError for what is no picture or too small to learn from.
    """
    with _huge_ones_allowed():
        picture = open_rgb(path)
    if max(picture.size) < _SMALLEST:
        raise InputError(f"{path}: {_shape(picture)} is too small to learn from; {STROKE_SIZE} pixels and more do well")
    return to_tensor(in_good_light(at_side(picture, round(STROKE_SIZE * stroke))))


def painting_notes(path: Path, *, stroke: float = 1.0) -> list[str]:
    """What the user should know of a painting, a line each; nothing of one that `load_painting` refuses."""
    try:
        with _huge_ones_allowed(), Image.open(path) as picture:
            times, moves = STROKE_SIZE * stroke / max(picture.size), holds_several(path)
            contrast = lacks_light(at_side(open_rgb(path), _SMALL))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, InputError):
        return []
    notes = [f"{path}: holds several pictures; the first is taken"] if moves else []
    if times > _ENLARGED:
        better = "a larger picture, or a smaller --stroke, gives finer strokes"
        notes.append(f"{path}: {_shape(picture)} is enlarged {times:.1f} times; {better}")
    if contrast > 1:
        notes.append(f"{path}: is dark; it is learnt with {contrast:.1f} times the contrast")
    return notes


def _shape(picture: Image.Image) -> str:
    return f"{picture.width}x{picture.height}"


@contextmanager
def _huge_ones_allowed() -> Iterator[None]:
    """Pillow warns from 89 million pixels on, and refuses twice as many: scans of paintings may be between."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        yield


class Photos(Protocol):
    """Numbered photographs, each opened when it is wanted."""

    def __len__(self) -> int: ...

    def open(self, index: int) -> Image.Image:
        """As RGB. Raises InputError if it cannot be read."""


class Files:
    """Picture files."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths

    def __len__(self) -> int:
        return len(self._paths)

    def open(self, index: int) -> Image.Image:
        """As RGB. Raises InputError if it cannot be read."""
        return open_rgb(self._paths[index])


class Frames:
    """At most `count` of the images that come, evenly spread over them, held in memory as JPEG: 300 take some 20 MB."""

    def __init__(self, images: Iterable[Pixels], *, count: int = FRAMES) -> None:
        self._files = evenly_spread(images, count, _jpeg)

    def __len__(self) -> int:
        return len(self._files)

    def open(self, index: int) -> Image.Image:
        """As RGB."""
        return Image.open(io.BytesIO(self._files[index])).convert("RGB")


class Some:
    """The photos of these numbers."""

    def __init__(self, photos: Photos, numbers: Sequence[int]) -> None:
        self._photos, self._numbers = photos, numbers

    def __len__(self) -> int:
        return len(self._numbers)

    def open(self, index: int) -> Image.Image:
        """As RGB. Raises InputError if it cannot be read."""
        return self._photos.open(self._numbers[index])


def film_frames(path: Path, *, count: int = FRAMES) -> Frames:
    """A film's frames. Raises InputError if it cannot be read."""
    with FilmReader(path) as film:
        side = min(max(film.size), _FRAME_SIDE)
        keyframes_only = (film.expected_frames or 0) > _MANY * count
    with FilmReader(path, size=side, keyframes_only=keyframes_only) as film:
        return Frames((frame.image for frame in film), count=count)


def camera_frames(source: str, *, seconds: float = FILMED, say: Callable[[str], object] = lambda line: None) -> Frames:
    """What a camera sees for so long, `source` as for `open_camera`. Raises DeviceError or InputError."""
    with open_camera(source) as camera:
        say(f"{camera.describe()}: filming for {seconds:g} s; move about, and turn the camera")
        return Frames(frame.image for frame in takewhile(lambda frame: frame.time < seconds, camera))


def _jpeg(image: Pixels) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=95)
    return file.getvalue()


def evenly_spread(images: Iterable[Pixels], count: int, keep: Callable[[Pixels], bytes]) -> list[bytes]:
    """What `keep` makes of at least half of `count` images, at most `count`, at equal distances; all if fewer."""
    chosen: list[bytes] = []
    every = 1
    for index, image in enumerate(images):
        if index % every == 0:
            if len(chosen) == count:
                chosen, every = chosen[::2], 2 * every
                if index % every:
                    continue
            chosen.append(keep(image))
    return chosen


def open_photos(where: Path | None, say: Callable[[str], object] = lambda line: None) -> Photos:
    """The pictures below a folder, a film's frames, a camera's (`webcam`, `webcam:0`), or what needs no download.

    Raises InputError or DeviceError if there are none.
    """
    if where is None:
        return Scenes()
    if re.match(r"webcam(:|$)", str(where)) and not where.exists():
        return camera_frames(str(where).partition(":")[2] or "0", say=say)
    if where.suffix.lower() in FILM_SUFFIXES and not where.is_dir():
        return film_frames(where)
    return Files(find_pictures(where))


def split(photos: Photos) -> tuple[Photos, Photos]:
    """The photos to learn on, and those kept aside to judge by: a tenth of them, at most 16.

    With fewer than 8 they are the same: nothing can be spared.
    """
    if len(photos) < _LEAST_KEPT:
        return photos, photos
    count = min(_KEPT, max(1, len(photos) // 10))
    kept = [int((place + 0.5) * len(photos) / count) for place in range(count)]
    learnt = sorted({*range(len(photos))}.difference(kept))
    return Some(photos, learnt), Some(photos, kept)


def to_look_at(photos: Photos, kept: Photos) -> Photos:
    """What people are shown of those kept aside: all, or photographs as they are where those are made-up scenes."""
    shown = photographs_to_show() if isinstance(photos, Scenes) else ()
    return Files(shown) if shown else kept


def find_pictures(folder: Path) -> list[Path]:
    """All pictures below a folder, sorted. Raises InputError if there are none."""
    if not folder.is_dir():
        what = "a file; give a folder of pictures, or a film" if folder.exists() else "no such folder"
        raise InputError(f"{folder}: {what}")
    found = (Path(place, name) for place, _, names in os.walk(folder) for name in names)
    paths = sorted(path for path in found if path.suffix.lower() in SUFFIXES and path.name[0] != ".")
    if not paths:
        raise InputError(f"{folder}: no pictures in it ({', '.join(SUFFIXES)})")
    return paths


class Crops:
    """Batches of random square crops, a pure function of (seed, step): resuming needs no state.

    Every photo comes up once before any comes up again. Each crop has its short side scaled to 1 to 2.5 times
    the crop (small and large objects; film frames are smoother than small photos) and is mirrored half the time.
    A photo that cannot be read is said, and the next one taken.

    Args:
        of: (rank, size) of the team whose batches are shares of one larger batch.
        say: hears of photos that cannot be read.
    """

    def __init__(
        self,
        photos: Photos,
        *,
        size: int,
        batch: int,
        seed: int,
        of: tuple[int, int] = (0, 1),
        say: Callable[[str], object] = lambda line: None,
    ) -> None:
        self.photos, self.size, self.batch, self.seed = photos, size, batch, seed
        self._rank, self._ranks = of
        self._say, self._broken = say, set[int]()
        self._order: tuple[int, Sequence[int]] = (-1, [])  # of an epoch

    def numbers(self, step: int) -> range:
        """The batch's numbers in the row of all crops there will ever be."""
        first = (step * self._ranks + self._rank) * self.batch
        return range(first, first + self.batch)

    def __call__(self, step: int) -> Tensor:
        """(batch, 3, size, size) in [0, 1]."""
        return torch.cat([self.one(number) for number in self.numbers(step)])

    def one(self, number: int) -> Tensor:
        """(1, 3, size, size). Raises InputError if no photo at all can be read."""
        epoch, place = divmod(number, len(self.photos))
        if self._order[0] != epoch:
            self._order = epoch, np.random.default_rng((self.seed, epoch, 2)).permutation(len(self.photos)).tolist()
        rng = np.random.default_rng((self.seed, number))
        return to_tensor(self._crop(self._open(self._order[1], place), rng))

    def _open(self, order: Sequence[int], place: int) -> Image.Image:
        for index in (*order[place:], *order[:place]):
            if index in self._broken:
                continue
            try:
                return self.photos.open(index)
            except InputError as error:
                self._leave_out(index, error)
        raise AssertionError  # _leave_out raises for the last

    def _leave_out(self, index: int, error: InputError) -> None:
        self._broken.add(index)
        if len(self._broken) == len(self.photos):
            raise error
        if len(self._broken) <= _NAMED:
            self._say(f"left out: {error}")
        elif len(self._broken) == _NAMED + 1:
            self._say("left out: more photos that cannot be read; they are not named")

    def _crop(self, picture: Image.Image, rng: np.random.Generator) -> Image.Image:
        side = min(picture.size) / rng.uniform(1, 2.5)
        left, top = (rng.uniform(0, extent - side) for extent in picture.size)
        box = (left, top, left + side, top + side)
        crop = picture.resize((self.size, self.size), Image.Resampling.BICUBIC, box=box, reducing_gap=2)
        return ImageOps.mirror(crop) if rng.random() < 0.5 else crop


def middle(picture: Image.Image, size: int) -> Tensor:
    """(1, 3, size, size) in [0, 1]: the middle square."""
    side = min(picture.size)
    left, top = ((extent - side) / 2 for extent in picture.size)
    box = (left, top, left + side, top + side)
    return to_tensor(picture.resize((size, size), Image.Resampling.BICUBIC, box=box, reducing_gap=2))
