"""Image effects: pure functions of (H, W, 3) uint8 RGB images of any size, which never write to what they are given."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import InputError
from .frame import Image
from .media.size import Size

BLOCK = 3 << 13  # pixels worked on at once
LINE = (255, 255, 255)
DETAIL_WINDOW = (3, 3)  # pixels of half the small picture in which the style is compared with the guide
FLAT = 30.0  # variance in squared levels below which a window of the guide is noise, not detail
SLOPE_STEPS = 85  # so that 8 bits hold slopes of -1.5 to 1.5, the strongest detail that is added


def keep_color(image: Image, styled: Image, amount: float) -> Image:
    """The input's colour with the styled brightness (BT.601 luma).

    Args:
        image: the input, of the same size as `styled`.
        amount: 0 gives `styled` itself, 1 all of the input's colour.
    """
    if not _share("keep_color", amount):
        return styled
    _same_size("keep_color", image, styled)
    cv2, colored = _cv2(), np.empty_like(image)
    for rows in _blocks(image):
        before, after = (cv2.cvtColor(x[rows], cv2.COLOR_RGB2GRAY) for x in (image, styled))
        # In YCrCb a change of Y adds the same to red, green and blue.
        brighter, darker = (cv2.merge([cv2.subtract(*pair)] * 3) for pair in ((after, before), (before, after)))
        cv2.subtract(cv2.add(image[rows], brighter), darker, colored[rows])
    return fade(styled, colored, amount)


def fade(a: Image, b: Image, t: float) -> Image:
    """From `a` (t = 0) to `b` (t = 1); the ends are the images themselves."""
    _same_size("fade", a, b)
    if _share("fade", t) in (0, 1):
        return b if t else a
    mixed: Image = _cv2().addWeighted(a, 1 - t, b, t, 0)
    return mixed


def compare_split(image: Image, styled: Image) -> Image:
    """The styled image with the original on its left half, and a thin line between."""
    _same_size("compare_split", image, styled)
    split, middle = styled.copy(), styled.shape[1] // 2
    split[:, :middle] = image[:, :middle]
    if styled.shape[1] > 2:
        split[:, middle : middle + max(1, styled.shape[1] // 640)] = LINE
    return split


def mirrored(image: Image) -> Image:
    """Left and right exchanged."""
    flipped: Image = _cv2().flip(image, 1)
    return flipped


def downsample(image: Image, size: Size) -> Image:
    """The image at a smaller size, every pixel the mean of those it stands for; itself if it has that size."""
    if image.shape[1::-1] == size:
        return image
    cv2 = _cv2()
    # Halving is many times as fast as any other ratio.
    while (
        image.shape[0] % 2 == image.shape[1] % 2 == 0 and min(image.shape[1] // size[0], image.shape[0] // size[1]) > 1
    ):
        half = (image.shape[1] // 2, image.shape[0] // 2)
        image = cv2.resize(image, half, interpolation=cv2.INTER_AREA)
    if image.shape[1::-1] == size:
        return image
    small: Image = cv2.resize(image, tuple(size), interpolation=cv2.INTER_AREA)
    return small


def upsample(styled: Image, guide: Image) -> Image:
    """The small styled image at the guide's size, with contours as sharp as the guide's.

    What the guide has lost at the small size is added to the enlarged picture, times the slope of the style's
    brightness over the guide's around each place. The slope is that of the fast guided filter (He and Sun 2015,
    equations 3 and 5); unlike the filter it replaces nothing, so strokes stay.

    Args:
        styled: a picture of the guide made at a smaller size, and so with the same content.
        guide: the input in full size.
    """
    if styled.shape == guide.shape:
        return styled
    cv2, size = _cv2(), guide.shape[1::-1]
    luma = cv2.cvtColor(guide, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(luma, styled.shape[1::-1], interpolation=cv2.INTER_AREA)
    slope = cv2.resize(_slope(small, cv2.cvtColor(styled, cv2.COLOR_RGB2GRAY)), size)
    blurred = cv2.resize(small, size)
    large: Image = cv2.resize(styled, size)
    for rows in _blocks(guide):
        lost = cv2.subtract(luma[rows], blurred[rows], dtype=cv2.CV_16S)
        steps = np.subtract(slope[rows], 128, dtype=np.int16)
        cv2.multiply(lost, steps, lost, 1 / SLOPE_STEPS)
        detail = cv2.addWeighted(lost, 1, lost, 0, 128, dtype=cv2.CV_8U)  # cv2.add takes (4, 1) for a scalar
        cv2.addWeighted(large[rows], 1, cv2.merge([detail] * 3), 1, -128, large[rows])
    return large


def _slope(guide: Image, styled: Image) -> Image:
    """How many levels the style changes for a level of the guide, around each place: covariance over variance.

    Half the pictures' size, as it varies slowly; 128 stands for 0, 128 + SLOPE_STEPS for 1.
    """
    cv2 = _cv2()
    half = ((guide.shape[1] + 1) // 2, (guide.shape[0] + 1) // 2)
    guide, styled = (cv2.resize(x, half, interpolation=cv2.INTER_AREA) for x in (guide, styled))

    def mean(x: Image, y: Image | None = None) -> NDArray[np.float32]:
        product = x if y is None else cv2.multiply(x, y, dtype=cv2.CV_32F)
        averaged: NDArray[np.float32] = cv2.boxFilter(product, cv2.CV_32F, DETAIL_WINDOW)
        return averaged

    guide_mean, styled_mean = mean(guide), mean(styled)
    covariance = cv2.subtract(mean(guide, styled), cv2.multiply(guide_mean, styled_mean))
    variance = cv2.subtract(mean(guide, guide), cv2.multiply(guide_mean, guide_mean))
    slope = cv2.divide(covariance, np.maximum(variance, 0) + np.float32(FLAT))
    steps: Image = cv2.addWeighted(slope, SLOPE_STEPS, slope, 0, 128, dtype=cv2.CV_8U)
    return steps


def _blocks(image: Image) -> Iterator[slice]:
    """Rows of the image, few enough at once that what is made of them stays in the cache."""
    rows = max(1, BLOCK // image.shape[1])
    return (slice(top, top + rows) for top in range(0, image.shape[0], rows))


def _cv2() -> Any:
    from .media.camera import import_cv2

    return import_cv2()


def _share(name: str, amount: float) -> float:
    if not 0 <= amount <= 1:
        raise InputError(f"{name} {amount}: give a number from 0 to 1")
    return amount


def _same_size(name: str, a: Image, b: Image) -> None:
    if a.shape != b.shape:
        raise InputError(f"{name}: images of {a.shape} and {b.shape}; give two of the same size")
