"""The time as a picture: black and white blocks that survive a screen, a lens, a codec and a style."""

from __future__ import annotations

import binascii
from collections.abc import Iterator
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import InputError
from .frame import Image

TIME_BITS = 20  # milliseconds: 17 minutes, then from 0 again
WRAP_MS = 1 << TIME_BITS
_CHECK_BITS = 16  # a torn or mixed picture passes once in 65,536

# The board in blocks, from outside: a white margin, a black ring to be found by, a white gap, the bits. Each bit is
# a pair of blocks, white and black for 1, black and white for 0, so it brings its own reference of both.
ROWS, COLUMNS = 12, 18
_BITS_ROWS, _BITS_COLUMNS = 6, 12
_FIRST = 3  # the first block of the bits
_LEAST_BLOCK = 2  # pixels

_CONTRAST = 20.0  # levels, of a typical pair: below it nothing is there to read
_WEAK = 0.3  # of the typical contrast: a pair below it is a mixture of two times
_SCALE = 8  # pixels a block when a board seen askew is laid straight
_LEAST_AREA = 0.03  # of the picture: a board smaller than that has blocks of a few pixels
_CANDIDATES = 6  # the largest four-sided shapes are tried

Gray = NDArray[np.float32]


def encode_time(image: Image, ms: int) -> Image:
    """A copy of the picture with the time, modulo WRAP_MS, as large as fits in its middle."""
    block = min(image.shape[0] // ROWS, image.shape[1] // COLUMNS)
    if block < _LEAST_BLOCK:
        least = f"{COLUMNS * _LEAST_BLOCK}x{ROWS * _LEAST_BLOCK}"
        raise InputError(f"picture of {image.shape[1]}x{image.shape[0]}: the time needs at least {least} pixels")
    coded = image.copy()
    top, left = (image.shape[0] - ROWS * block) // 2, (image.shape[1] - COLUMNS * block) // 2
    board = _board(ms % WRAP_MS).repeat(block, axis=0).repeat(block, axis=1)
    coded[top : top + ROWS * block, left : left + COLUMNS * block] = board[..., None]
    return coded


def decode_time(image: Image) -> int | None:
    """The milliseconds drawn in a picture, modulo WRAP_MS; None if there are none, or torn or mixed ones.

    Looks where `encode_time` puts them, then for the black ring anywhere: upright or mirrored, scaled, and a
    little askew.
    """
    gray = image.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    if min(gray.shape) < ROWS * _LEAST_BLOCK:
        return None
    block = min(gray.shape[0] / ROWS, gray.shape[1] / COLUMNS)
    boards = chain((_middle(gray, int(block)), _middle(gray, block)), _boards(gray))
    return next((ms for board in boards if (ms := _read(board)) is not None), None)


def _board(ms: int) -> NDArray[np.uint8]:
    """(ROWS, COLUMNS) of 0 and 255."""
    coded = ms << _CHECK_BITS | _check(ms)
    bits = np.array([coded >> place & 1 for place in reversed(range(TIME_BITS + _CHECK_BITS))], np.uint8)
    board = np.full((ROWS, COLUMNS), 255, np.uint8)
    board[1:-1, 1:-1] = 0
    board[2:-2, 2:-2] = 255
    pairs = np.stack([bits, 1 - bits], axis=1).reshape(_BITS_ROWS, _BITS_COLUMNS) * np.uint8(255)
    board[_FIRST : _FIRST + _BITS_ROWS, _FIRST : _FIRST + _BITS_COLUMNS] = pairs
    return board


def _check(ms: int) -> int:
    return binascii.crc_hqx(ms.to_bytes(4, "big"), 0xFFFF)


def _middle(gray: Gray, block: float) -> Gray:
    """The board as `encode_time` places it, with blocks of whole pixels, or of others after scaling."""
    top, left = int((gray.shape[0] - ROWS * block) / 2), int((gray.shape[1] - COLUMNS * block) / 2)
    return gray[top : top + round(ROWS * block), left : left + round(COLUMNS * block)]


def _read(board: Gray) -> int | None:
    """The time on a board that fills the picture."""
    levels = _levels(board)
    for upright in (levels, levels[:, ::-1]):
        pairs = upright[:, 0::2] - upright[:, 1::2]
        contrast = np.abs(pairs)
        typical = float(np.median(contrast))
        if typical < _CONTRAST or float(contrast.min()) < _WEAK * typical:
            return None
        coded = int("".join("1" if pair > 0 else "0" for pair in pairs.ravel()), 2)
        ms, check = coded >> _CHECK_BITS, coded & ((1 << _CHECK_BITS) - 1)
        if check == _check(ms):
            return ms
    return None


def _levels(board: Gray) -> Gray:
    """The mean of the inner half of each of the bits' blocks."""
    high, wide = board.shape[0] / ROWS, board.shape[1] / COLUMNS
    levels = np.empty((_BITS_ROWS, _BITS_COLUMNS), np.float32)
    for row, column in np.ndindex(levels.shape):
        top, left = (row + _FIRST + 0.25) * high, (column + _FIRST + 0.25) * wide
        levels[row, column] = board[
            int(top) : max(int(top) + 1, round(top + high / 2)), int(left) : max(int(left) + 1, round(left + wide / 2))
        ].mean()
    return levels


def _boards(gray: Gray) -> Iterator[Gray]:
    """What a board may be: each four-sided shape, as the ring's outer and inner edge, laid straight."""
    from .media.camera import import_cv2

    cv2 = import_cv2()
    for corners in _quadrangles(cv2, gray):
        for inset in (1, 2):
            right, bottom = (COLUMNS - inset) * _SCALE, (ROWS - inset) * _SCALE
            edge = inset * _SCALE
            target = np.array([[edge, edge], [right, edge], [right, bottom], [edge, bottom]], np.float32)
            warp = cv2.getPerspectiveTransform(corners, target)
            yield cv2.warpPerspective(gray, warp, (COLUMNS * _SCALE, ROWS * _SCALE), borderMode=cv2.BORDER_REPLICATE)


def _quadrangles(cv2: Any, gray: Gray) -> Iterator[NDArray[np.float32]]:
    """Corners of the largest dark shapes' edges, clockwise from the left upper one."""
    side = max(3, min(gray.shape) // 100 | 1)
    smooth = cv2.GaussianBlur(np.clip(gray, 0, 255).astype(np.uint8), (side, side), 0)
    around = max(3, min(gray.shape) // 3 | 1)  # pixels: wider than the ring, so that it has white beside it
    masks = (
        cv2.threshold(smooth, 0, 255, cv2.THRESH_BINARY_INV | cv2.THRESH_OTSU)[1],
        cv2.adaptiveThreshold(smooth, 255, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY_INV, around, 5),
    )
    for mask in masks:
        contours, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
        large = [shape for shape in contours if cv2.contourArea(shape) > _LEAST_AREA * gray.size]
        for shape in sorted(large, key=cv2.contourArea, reverse=True)[:_CANDIDATES]:
            corners = cv2.approxPolyDP(cv2.convexHull(shape), 0.03 * cv2.arcLength(shape, True), True)
            if len(corners) == 4:
                yield _clockwise(corners.reshape(4, 2).astype(np.float32))


def _clockwise(corners: NDArray[np.float32]) -> NDArray[np.float32]:
    total, difference = corners.sum(axis=1), corners[:, 0] - corners[:, 1]
    order = [int(total.argmin()), int(difference.argmax()), int(total.argmax()), int(difference.argmin())]
    return corners[order]
