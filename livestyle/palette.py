"""`Palette`: styles to change between from one frame to the next, each network loaded once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from .artifact import Artifact, Code
from .backend import Backend, OnnxBackend
from .errors import InputError
from .frame import Image
from .stylizer import Part, blend, compose, render


class _Network:
    """A Backend that loads its network when it is first needed."""

    def __init__(self, artifact: Artifact, device: str, threads: int) -> None:
        self._artifact, self._wanted, self._threads = artifact, device, threads

    @cached_property
    def _backend(self) -> Backend:
        return OnnxBackend(self._artifact, device=self._wanted, threads=self._threads)

    @property
    def device(self) -> str:
        return self._backend.device

    def __call__(self, image: Image, code: Code | None, strength: float) -> Image:
        return self._backend(image, code, strength)


class Palette:
    """Several styles by number. Styles of one network share it: changing costs nothing, fading is one code.

    The first style's network is loaded at once, those of others when they are first chosen.

    Args:
        styles: names, files or mixes, as `livestyle.load` takes them.
        device: `auto`, `cpu` or `cuda`.
        threads: CPU threads; 0 for all cores.

    Attributes:
        device: what really runs the first style.

    Raises StyleError for an unknown or unsafe style, DeviceError if `cuda` is asked for and not to be had.
    """

    def __init__(self, styles: Sequence[str], *, device: str = "auto", threads: int = 0) -> None:
        if not styles:
            raise InputError("palette: name at least one style")
        self.styles = tuple(styles)
        networks: dict[Path, _Network] = {}

        def network(artifact: Artifact) -> Backend:
            return networks.setdefault(artifact.path, _Network(artifact, device, threads))

        self._parts = [compose(style, network) for style in self.styles]
        first = [part.backend.device for part in self._parts[0] if part.backend]
        self.device = first[0] if first else "no network runs"

    def networks(self, style: int) -> int:
        """How many networks a style runs a frame."""
        return sum(part.backend is not None for part in self._parts[style])

    def __call__(self, image: Image, style: int, strength: float = 1.0) -> Image:
        """(H, W, 3) uint8 RGB of the same shape; the image itself at strength 0."""
        return render(self._parts[style], image, strength) if strength else image

    def faded(self, image: Image, first: int, second: int, share: float, strength: float = 1.0) -> Image:
        """Between two styles: 0 the first, 1 the second."""
        if not strength:
            return image
        shares = ((first, 1 - share), (second, share))
        parts: list[Part] = [
            replace(part, weight=part.weight * weight)
            for style, weight in shares
            if weight
            for part in self._parts[style]
        ]
        return render(blend(parts), image, strength)
