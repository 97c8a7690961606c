"""A moving test picture, and numbers drawn so that a machine can read them back from a picture of a picture."""

from __future__ import annotations

import itertools
import math
import re
import time
from collections.abc import Callable, Iterator
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..frame import Frame, Image
from .size import MAX_SIDE, Size
from .source import Closing

# A row of blocks along the upper edge and again along the lower: a white and a black one to measure by, the
# number, a check, then black and white. Everything is a share of the picture, so scaling does no harm.
_BITS, _CHECK_BITS = 24, 4
_BLOCKS = 2 + _BITS + _CHECK_BITS + 2
_HEIGHT = Fraction(1, 10)  # of the picture
MAX_NUMBER = 2**_BITS - 1
_CONTRAST = 40  # levels between black and white below which nothing is read
_LONGEST_SLEEP = 0.25  # seconds; so that close() is noticed

_DEFAULT_SIZE, _DEFAULT_FPS = Size(1280, 720), 30
_PIXELS_PER_SECOND = 120


def draw_number(image: Image, number: int) -> None:
    """Draws a number from 0 to MAX_NUMBER into the upper and the lower edge of the image itself."""
    if not 0 <= number <= MAX_NUMBER:
        raise InputError(f"number {number}: 0 to {MAX_NUMBER} can be drawn")
    coded = number << _CHECK_BITS | _check(number)
    bits = [1, 0, *((coded >> place) & 1 for place in reversed(range(_BITS + _CHECK_BITS))), 0, 1]
    height, width = image.shape[:2]
    row = np.array(bits, np.uint8)[np.arange(width) * _BLOCKS // width] * 255
    thick = max(1, int(height * _HEIGHT))
    image[:thick] = image[height - thick :] = row[:, None]


def read_number(image: Image) -> int | None:
    """The number drawn in a picture, scaled or coded meanwhile; None if it cannot be read or is torn.

    One of the two rows is enough where the other is covered; two that differ are two frames in one.
    """
    thick = max(1, int(image.shape[0] * _HEIGHT))
    upper, lower = _read_row(image[:thick]), _read_row(image[image.shape[0] - thick :])
    if upper is not None and lower is not None and upper != lower:
        return None
    return upper if upper is not None else lower


def _read_row(strip: Image) -> int | None:
    height, width = strip.shape[:2]
    if width < _BLOCKS:
        return None
    middle = strip[height // 4 : max(height // 4 + 1, height * 3 // 4)].mean(axis=(0, 2))
    edges = np.arange(_BLOCKS + 1) * width / _BLOCKS
    levels = np.array([_inside(middle, left, right) for left, right in itertools.pairwise(edges)])
    white, black = (levels[0] + levels[-1]) / 2, (levels[1] + levels[-2]) / 2
    if white - black < _CONTRAST:
        return None
    bits = levels > (white + black) / 2
    if [*bits[:2], *bits[-2:]] != [True, False, False, True]:
        return None
    coded = int("".join("1" if bit else "0" for bit in bits[2:-2]), 2)
    number, check = coded >> _CHECK_BITS, coded & (2**_CHECK_BITS - 1)
    return number if check == _check(number) else None


def _inside(levels: NDArray[np.float64], left: float, right: float) -> float:
    """The mean of a block's middle half: its neighbours run into its sides."""
    quarter = (right - left) / 4
    first, end = math.ceil(left + quarter), int(right - quarter)
    return float(levels[first:end].mean() if end > first else levels[int((left + right) / 2)])


def _check(number: int) -> int:
    """Four bits that a single wrong block, or two neighbours, do not leave as they were."""
    return (number * 7 + 11) % 13 + 2


class Pattern(Closing):
    """A picture with fine detail that moves, its frame number drawn in; at its own pace, as a camera would.

    Args:
        clock, sleep: the time it goes by. Late numbers are left out, as a camera's frames would be.
    """

    patience: float | None = None
    stillness: float | None = None

    def __init__(
        self,
        size: Size = _DEFAULT_SIZE,
        *,
        fps: float = _DEFAULT_FPS,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        super().__init__()
        self.frame_size, self.rate = size, Fraction(fps).limit_denominator(1001)
        self._clock, self._sleep = clock, sleep
        self._scene = _scene(size)

    def describe(self) -> str:
        """One line: what it is and what it gives."""
        return f"pattern: {self.frame_size} at {float(self.rate):g} fps"

    def picture(self, number: int) -> Image:
        """The picture of a number, always the same."""
        shift = int(number * _PIXELS_PER_SECOND / self.rate) % self.frame_size.width
        image = self._scene[:, shift : shift + self.frame_size.width].copy()
        draw_number(image, number % (MAX_NUMBER + 1))
        return image

    def __iter__(self) -> Iterator[Frame]:
        started, number = self._clock(), 0
        while True:
            due = started + float(number / self.rate)
            while (left := due - self._clock()) > 0 and not self._closed:
                self._sleep(min(left, _LONGEST_SLEEP))
            if self._closed:
                return
            yield Frame(self.picture(number), number / self.rate, number, captured=self._clock())
            number = max(number + 1, int((self._clock() - started) * self.rate))

    def _release(self) -> None:
        pass


def _scene(size: Size) -> NDArray[np.uint8]:
    """A view two pictures wide to slide along: gradients, rings, fine stripes and a little grain."""
    width, height = size
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    rings = 60 * np.sin(np.hypot(x - width / 2, y - height / 2) ** 2 / (width * 4))
    stripes = 25 * ((x // 3 + y // 5) % 2)
    grain = np.random.default_rng(0).normal(0, 6, (height, width))
    red = 60 + 120 * x / width + stripes
    green = 120 + rings + grain
    blue = 60 + 120 * y / height - stripes + grain
    once = np.clip(np.stack([red, green, blue], axis=2), 0, 255).astype(np.uint8)
    return np.concatenate([once, once], axis=1)


def parse_pattern(source: str) -> Pattern:
    """`pattern`, `pattern:1280x720` or `pattern:1280x720@30`. Raises InputError for anything else."""
    match = re.fullmatch(r"pattern(?::(\d+)x(\d+)(?:@(\d+(?:\.\d+)?))?)?", source)
    width, height, fps = match.groups() if match else (None, None, None)
    size = Size(int(width), int(height)) if width and height else _DEFAULT_SIZE
    rate = float(fps) if fps else _DEFAULT_FPS
    if not match or not all(1 <= side <= MAX_SIDE for side in size) or not 0.001 <= rate <= 1000:
        raise InputError(f"camera '{source}': give pattern or pattern:WxH@FPS, such as pattern:1280x720@30")
    return Pattern(size, fps=rate)
