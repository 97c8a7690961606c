"""`load` turns a name, a file or a mix into a `Stylizer`: an image in, a styled image of the same size out."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from .artifact import Artifact, Code
from .errors import DeviceError, InputError, MissingExtra, StyleError
from .frame import Image
from .styles import find

if TYPE_CHECKING:
    import onnxruntime

DEVICES = ("auto", "cpu", "cuda")


class Backend(Protocol):
    """Something that runs a style file."""

    device: str  # what really runs, with its details, for people

    def __call__(self, image: Image, code: Code | None, strength: float) -> Image:
        """The styled image; never the input's memory."""
        ...


class OnnxBackend:
    """onnxruntime on the CPU or a CUDA GPU.

    Args:
        artifact: a checked style file.
        device: `auto` takes the GPU where a session on it really starts, `cuda` insists on it.
        threads: CPU threads; 0 for all cores.
        lanes: calls that will be under way at once; they share the threads.
    """

    def __init__(self, artifact: Artifact, *, device: str = "auto", threads: int = 0, lanes: int = 1) -> None:
        self._path = artifact.path
        threads = threads or _cores()
        self._session = _session(artifact.path, device, max(1, threads // lanes))
        provider = self._session.get_providers()[0]
        self.device = {
            "CUDAExecutionProvider": "cuda (onnxruntime)",
            "CPUExecutionProvider": f"cpu, {threads} threads (onnxruntime)",
        }.get(provider, provider)

    def __call__(self, image: Image, code: Code | None, strength: float) -> Image:
        feed: dict[str, Any] = {"frames": image[None], "strength": np.array(strength, np.float32)}
        if code is not None:
            feed["code"] = code
        try:
            styled: Image = self._session.run(None, feed)[0][0]
        except Exception as error:  # onnxruntime raises bare exceptions of many kinds
            raise StyleError(f"{self._path}: fails on {image.shape} ({str(error).splitlines()[0]})") from error
        if styled.shape != image.shape:
            raise StyleError(f"{self._path}: makes {styled.shape} of {image.shape}; a style keeps the size")
        return styled


def _cores() -> int:
    """The CPU cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _session(path: Path, device: str, threads: int) -> onnxruntime.InferenceSession:
    if importlib.util.find_spec("onnxruntime") is None:
        raise MissingExtra("running a style", "onnxruntime", "cpu")
    import onnxruntime

    onnxruntime.set_default_logger_severity(4)  # a style's default inputs make it chatter on stderr
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads
    # Waiting threads that spin would take the cores from decoding and encoding.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    providers = ["CPUExecutionProvider"]
    if device != "cpu" and "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        onnxruntime.preload_dlls()
        providers.insert(0, "CUDAExecutionProvider")
    try:
        session = onnxruntime.InferenceSession(path, options, providers=providers)
    except Exception as error:  # onnxruntime raises bare exceptions of many kinds
        raise StyleError(f"{path}: onnxruntime cannot load it ({str(error).splitlines()[0]})") from error
    if device == "cuda" and session.get_providers()[0] != "CUDAExecutionProvider":
        raise DeviceError(
            "device cuda: no session starts on it; look for the driver with nvidia-smi and install 'livestyle[gpu]' "
            "(not beside 'livestyle[cpu]'), or use --device cpu"
        )
    return session


@dataclass
class _Part:
    """A share of a mix; no backend stands for the input itself."""

    backend: Backend | None
    code: Code | None
    weight: float


class Stylizer:
    """An image in, a styled image of the same size out.

    Attributes:
        strength: 0 gives the input itself, bit for bit, and runs no network; 1 the full style. May be changed live.
        device: what really runs.
        notes: what a user should know about this choice of styles, a line each.
        lanes: how many calls at once, from as many threads, make the most of the device.
    """

    def __init__(self, name: str, parts: Sequence[_Part], *, strength: float = 1.0, lanes: int = 1) -> None:
        if not 0 <= strength <= 1:
            raise InputError(f"strength {strength}: give a number from 0 (the input) to 1 (the full style)")
        self.name, self.strength, self.lanes = name, strength, lanes
        self._parts = parts
        self.device = next((part.backend.device for part in parts if part.backend), "no network runs")
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
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
            raise InputError(f"image of shape {image.shape}, {image.dtype}: give (H, W, 3) uint8 RGB")
        if self.strength == 0:
            return image
        styled = [self._run(part, image) for part in self._parts]
        if len(styled) == 1:
            return styled[0]
        mixed = sum(part.weight * one.astype(np.float32) for part, one in zip(self._parts, styled, strict=True))
        return (np.asarray(mixed) + 0.5).astype(np.uint8)

    def _run(self, part: _Part, image: Image) -> Image:
        return part.backend(image, part.code, self.strength) if part.backend else image

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
        threads: CPU threads; 0 for all cores.
        film: work on as many frames at once as there are threads, one thread each: more frames a second,
            for nobody waits at the end of a layer, but each frame takes longer. Not for a camera.

    Raises StyleError for an unknown or unsafe style, DeviceError if `cuda` is asked for and not to be had,
    InputError for a bad value. Codes of one network mix by arithmetic and cost one network.
    """
    if device not in DEVICES:
        raise InputError(f"device '{device}': choose one of {', '.join(DEVICES)}")
    shares = _shares(str(style))
    lanes = (threads or _cores()) if film else 1
    by_network: dict[Path | None, list[tuple[Code | None, float]]] = {}
    artifacts: dict[Path, Artifact] = {}
    for name, weight in shares:
        if name == "none":
            by_network.setdefault(None, []).append((None, weight))
            continue
        artifact, code = find(name)
        artifacts[artifact.path] = artifact
        by_network.setdefault(artifact.path, []).append((code, weight))
    parts = []
    for path, codes in by_network.items():
        backend = OnnxBackend(artifacts[path], device=device, threads=threads, lanes=lanes) if path else None
        parts.append(_Part(backend, _mix(codes), sum(weight for _, weight in codes)))
    return Stylizer(str(style), parts, strength=strength, lanes=lanes)


def _shares(style: str) -> list[tuple[str, float]]:
    """[(name, weight)] with weights that sum to 1."""
    if os.path.exists(style):  # a path may hold any character; pathlib raises for a long one
        return [(style, 1.0)]
    shares = []
    for part in style.split("+"):
        name, colon, number = part.strip().rpartition(":")
        if not colon:
            name, number = part.strip(), "1"
        try:
            weight = float(number)
        except ValueError:
            name, weight = part.strip(), 1.0  # a path with a colon in it
        if not name or not 0 <= weight < float("inf"):
            raise InputError(f"style '{style}': write a mix as name:weight+name:weight, weights not negative")
        shares.append((name, weight))
    total = sum(weight for _, weight in shares)
    if total == 0:
        raise InputError(f"style '{style}': all weights are 0")
    return [(name, weight / total) for name, weight in shares if weight]


def _mix(codes: Sequence[tuple[Code | None, float]]) -> Code | None:
    total = sum(weight for _, weight in codes)
    arrays = [code * np.float32(weight / total) for code, weight in codes if code is not None]
    return np.sum(arrays, axis=0, dtype=np.float32) if arrays else None
