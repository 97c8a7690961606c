"""Only me, or all but me: what is inside a mask, and two styles put together along it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .errors import InputError
from .frame import Image
from .matting import MattingNetwork, parse_matting
from .media.camera import import_cv2
from .media.picture import open_mask as open_picture
from .subject import Subject

Alpha: TypeAlias = NDArray[np.uint8]  # (H, W), 255 = inside
Side: TypeAlias = Callable[[Image], Image]


class MaskSource(Protocol):
    """Tells what of a picture is inside."""

    def mask(self, image: Image, *, mirrored: bool = False) -> Alpha:
        """(H, W) for an image (H, W, 3), not to be written to; `mirrored` says that the image has been mirrored."""
        ...

    def close(self) -> None:
        """Ends what runs beside. Twice is fine."""
        ...


def open_mask(source: str, *, threads: int = 1) -> MaskSource:
    """The mask for `--mask`: `person`, a picture, or an ONNX network with options after a `?` (`parse_matting`).

    Raises InputError for a file that is neither, MissingExtra where a network needs onnxruntime.
    """
    if source == "person":
        return Subject(MattingNetwork.person(threads=threads))
    path, _, _ = source.partition("?")
    if path.lower().endswith(".onnx"):
        file, options = parse_matting(source)
        return Subject(MattingNetwork(file, options, threads=threads))
    if not Path(source).suffix:
        raise InputError(f"mask '{source}': give `person`, a picture (white is inside) or an ONNX network")
    return PictureMask(Path(source))


class PictureMask:
    """A picture as the mask: white, or opaque where it has an alpha channel, is inside. Stretched to the image."""

    def __init__(self, path: Path) -> None:
        self._picture = open_picture(path)
        self._made: tuple[tuple[int, int, bool], Alpha] | None = None

    def mask(self, image: Image, *, mirrored: bool = False) -> Alpha:
        """The picture at the image's size, mirrored with it."""
        height, width = image.shape[:2]
        key = (height, width, mirrored)
        if self._made is None or self._made[0] != key:
            resized = np.asarray(self._picture.resize((width, height)))
            alpha = np.ascontiguousarray(resized[:, ::-1] if mirrored else resized)
            alpha.flags.writeable = False
            self._made = key, alpha
        return self._made[1]

    def close(self) -> None:
        """Nothing runs beside."""


class MaskedStyle:
    """One style inside a mask, another outside. A context manager that closes the mask, not the styles.

    Args:
        inside, outside: (H, W, 3) in and out; None leaves that side as it is, and nothing runs for it.
    """

    def __init__(self, mask: MaskSource, inside: Side | None, outside: Side | None) -> None:
        self._mask, self._inside, self._outside = mask, inside, outside

    def __call__(self, image: Image, *, mirrored: bool = False) -> Image:
        """Both styles put together; a style no pixel of which would show does not run."""
        alpha = self._mask.mask(image, mirrored=mirrored)
        if not alpha.any():
            return _styled(self._outside, image)
        if alpha.min() == 255:
            return _styled(self._inside, image)
        return composite(_styled(self._inside, image), _styled(self._outside, image), alpha)

    def close(self) -> None:
        """Ends what the mask runs beside. Twice is fine."""
        self._mask.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _styled(side: Side | None, image: Image) -> Image:
    return side(image) if side else image


def composite(inside: Image, outside: Image, alpha: Alpha) -> Image:
    """`inside` where alpha is 255, `outside` where it is 0, both bit for bit; between, within one level of the mix."""
    cv2 = import_cv2()
    share = alpha * np.float32(1 / 255)
    mixed: Image = cv2.blendLinear(inside, outside, share, 1 - share)
    return mixed
