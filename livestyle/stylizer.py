"""`load` turns a name, a file or a mix into a `Stylizer`: an image in, a styled image of the same size out."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np

from .artifact import Artifact, Code
from .backend import DEVICES, Backend, OnnxBackend, cores
from .errors import InputError
from .frame import Image, check_image
from .styles import find

NO_NETWORK = "no network runs"  # in place of a device
_MOST_THREADS = 256


@dataclass(frozen=True)
class Part:
    """A share of a mix: its weights sum to 1; no backend stands for the input itself."""

    backend: Backend | None
    code: Code | None
    weight: float


class Stylizer:
    """An image in, a styled image of the same size out.

    Attributes:
        strength: 0 gives the input itself, bit for bit, and runs no network; 1 the full style. May be changed live.
        notes: what a user should know about this choice of styles, a line each.
        lanes: how many calls at once, from as many threads, make the most of the device.
        files: the style files in it.
    """

    def __init__(
        self,
        name: str,
        parts: Sequence[Part],
        *,
        strength: float = 1.0,
        lanes: int = 1,
        files: Sequence[Path] = (),
    ) -> None:
        self.name, self.strength, self.lanes, self.files = name, strength, lanes, tuple(files)
        self._parts = parts
        self._device = next((part.backend.device for part in parts if part.backend), NO_NETWORK)
        networks = sum(part.backend is not None for part in parts)
        self.notes = (
            [f"{name}: styles of {networks} networks blend in pixels, at the cost of {networks} networks a frame"]
            if networks > 1
            else []
        )

    def __call__(self, image: Image) -> Image:
        """(H, W, 3) uint8 RGB for an image of that shape, any H and W. Raises InputError for another type."""
        if not self._parts:
            raise InputError(f"{self.name}: this stylizer is closed; load it again")
        check_image(image)
        if self.strength == 0:
            return image
        return render(self._parts, image, self.strength)

    @property
    def strength(self) -> float:
        """0 to 1."""
        return self._strength

    @strength.setter
    def strength(self, strength: float) -> None:
        if not 0 <= strength <= 1:
            raise InputError(f"strength {strength}: give a number from 0 (the input) to 1 (the full style)")
        self._strength = strength

    @property
    def device(self) -> str:
        """What really runs, at the present strength."""
        return self._device if self.strength else NO_NETWORK

    @property
    def neutral(self) -> bool:
        """Whether pictures pass as they are."""
        return self.strength == 0 or not any(part.backend for part in self._parts)

    @property
    def recipe(self) -> list[object]:
        """What the pictures depend on beside the files: strength, and each part's weight and code."""
        codes = [
            hashlib.sha256(part.code.tobytes()).hexdigest() if part.code is not None else "" for part in self._parts
        ]
        return [self.strength, *([part.weight, code] for part, code in zip(self._parts, codes, strict=True))]

    def close(self) -> None:
        """Frees the networks. Twice is fine."""
        self._parts = []

    def __enter__(self) -> Stylizer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def load(
    style: str | Path, *, strength: float = 1.0, device: str = "auto", threads: int = 0, film: bool = False
) -> Stylizer:
    """A stylizer for a style's name, a style file, `none`, or a mix such as `starry:0.7+wave:0.3`.

    Args:
        style: `file.onnx#name` picks one style of a file that holds many.
        strength: 0 the input itself, 1 the full style.
        device: `auto`, `cpu` or `cuda`.
        threads: CPU threads, 256 at most; 0 for all cores.
        film: work on as many frames at once as there are threads, one thread each: more frames a second,
            for nobody waits at the end of a layer, but each frame takes longer. Not for a camera.

    Raises StyleError for an unknown or unsafe style, DeviceError if `cuda` is asked for and not to be had,
    InputError for a bad value. Codes of one network mix by arithmetic and cost one network.
    """
    if device not in DEVICES:
        raise InputError(f"device '{device}': choose one of {', '.join(DEVICES)}")
    if not isinstance(threads, int) or not 0 <= threads <= _MOST_THREADS:
        raise InputError(f"threads {threads}: give a whole number from 1 to {_MOST_THREADS}, or 0 for all cores")
    lanes = (threads or cores()) if film else 1
    files: list[Path] = []

    def open_backend(artifact: Artifact) -> Backend:
        files.append(artifact.path)
        return OnnxBackend(artifact, device=device, threads=threads, lanes=lanes)

    parts = compose(str(style), open_backend)
    return Stylizer(str(style), parts, strength=strength, lanes=lanes, files=files)


def compose(style: str, open_backend: Callable[[Artifact], Backend]) -> list[Part]:
    """The parts of a style or mix, one a network. Raises StyleError or InputError."""
    parts: dict[str | None, list[Part]] = {}
    backends: dict[str, Backend] = {}
    for name, weight in _shares(style):
        if name == "none":
            parts.setdefault(None, []).append(Part(None, None, weight))
            continue
        artifact, code = find(name)
        if artifact.network not in backends:
            backends[artifact.network] = open_backend(artifact)
        parts.setdefault(artifact.network, []).append(Part(backends[artifact.network], code, weight))
    return [_merged(same) for same in parts.values()]


def blend(parts: Sequence[Part]) -> list[Part]:
    """The same mix with the codes of each network made one."""
    by_backend: dict[int, list[Part]] = {}
    for part in parts:
        by_backend.setdefault(id(part.backend), []).append(part)
    return [_merged(same) for same in by_backend.values()]


def render(parts: Sequence[Part], image: Image, strength: float) -> Image:
    """The mix's picture of an image; the networks' pictures blend by weight."""
    styled = [part.backend(image, part.code, strength) if part.backend else image for part in parts]
    if len(styled) == 1:
        return styled[0]
    mixed = sum(part.weight * one.astype(np.float32) for part, one in zip(parts, styled, strict=True))
    return (np.asarray(mixed) + 0.5).astype(np.uint8)


def _shares(style: str) -> list[tuple[str, float]]:
    """[(name, weight)] with weights that sum to 1."""
    if _is_path(style):
        return [(style, 1.0)]
    shares = []
    for part in style.split("+"):
        name, colon, number = part.rpartition(":")
        if not colon:
            name, number = part, "1"
        try:
            weight = float(number)
        except ValueError:
            name, weight = part, 1.0  # a path with a colon in it
        name = name.strip()
        if not name or not 0 <= weight < float("inf"):
            raise InputError(f"style '{style}': write a mix as name:weight+name:weight, weights not negative")
        shares.append((name, weight))
    total = sum(weight for _, weight in shares)
    if not 0 < total < float("inf"):
        raise InputError(f"style '{style}': the weights add up to {total:g}; give shares such as starry:0.7+wave:0.3")
    return [(name, weight / total) for name, weight in shares if weight]


def _is_path(style: str) -> bool:
    """Whether it is a file, or one style of a file: a path may hold any character. pathlib raises for a long one."""
    file, _, chosen = style.rpartition("#")
    return os.path.exists(style) or (os.path.isfile(file) and not set("+:") & set(chosen))


def _merged(parts: Sequence[Part]) -> Part:
    """Parts of one network as one part."""
    total = sum(part.weight for part in parts)
    codes = [part.code * np.float32(part.weight / total) for part in parts if part.code is not None]
    return Part(parts[0].backend, np.sum(codes, axis=0, dtype=np.float32) if codes else None, total)
