"""`Palette`: styles to change between from one frame to the next, each network loaded once."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np

from .artifact import Artifact, Code
from .backend import Backend, OnnxBackend
from .errors import InputError
from .frame import Image
from .governor import Networks
from .styles import shipped
from .stylizer import NO_NETWORK, Part, blend, compose, render

_TIMED = (96, 160, 3)  # the shape of the picture that tells how much slower one network is than another


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
        zoo = shipped()
        self._lighter = {
            number: zoo[style].lighter
            for number, style in enumerate(self.styles)
            if style in zoo and zoo[style].lighter
        }
        self._lighter_parts = {name: compose(name, network) for name in self._lighter.values()}
        self._costs: dict[int, Networks] = {}
        self.device = self.device_of(0)

    def networks(self, style: int) -> int:
        """How many networks a style runs a frame."""
        return sum(part.backend is not None for part in self._parts[style])

    def device_of(self, style: int) -> str:
        """What really runs a style; loads its network if that has not been needed yet."""
        return next((part.backend.device for part in self._parts[style] if part.backend), NO_NETWORK)

    def choices(self, style: int) -> Networks:
        """What a governor may choose from: the style's own network, then the lighter one there may be instead.

        Each with its name and its cost, as timed on a small picture when first asked; a single one has no name.
        """
        if style not in self._lighter:
            return (("", 1.0),)
        if style not in self._costs:
            lighter = self._lighter[style]
            own, other = (_seconds(parts) for parts in (self._parts[style], self._lighter_parts[lighter]))
            self._costs[style] = ((self.styles[style], own), (lighter, other))
        return self._costs[style]

    def __call__(self, image: Image, style: int, strength: float = 1.0, *, network: str = "") -> Image:
        """(H, W, 3) uint8 RGB of the same shape; the image itself at strength 0. `network`: of the `choices`."""
        return render(self._by(network, style), image, strength) if strength else image

    def _by(self, network: str, style: int) -> list[Part]:
        return self._lighter_parts[network] if network and network == self._lighter.get(style) else self._parts[style]

    def mixed(self, image: Image, shares: Mapping[int, float], strength: float = 1.0, *, network: str = "") -> Image:
        """Between styles: `shares` by their number, 1 in sum. `network`: of the `choices` of any."""
        if not strength:
            return image
        parts: list[Part] = [
            replace(part, weight=part.weight * weight)
            for style, weight in shares.items()
            if weight
            for part in self._by(network, style)
        ]
        return render(blend(parts), image, strength)


def _seconds(parts: Sequence[Part]) -> float:
    """That a small picture takes, once the network is warm."""
    image = np.full(_TIMED, 128, np.uint8)
    render(parts, image, 1.0)
    began = time.perf_counter()
    render(parts, image, 1.0)
    return time.perf_counter() - began
