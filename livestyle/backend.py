"""What runs a style file: `Backend`, and onnxruntime behind it."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from .artifact import Artifact, Code
from .errors import DeviceError, MissingExtra, StyleError
from .frame import Image

if TYPE_CHECKING:
    import onnxruntime

DEVICES = ("auto", "cpu", "cuda")


class Backend(Protocol):
    """Something that runs a style file."""

    @property
    def device(self) -> str:
        """What really runs, with its details, for people."""
        ...

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
        threads = threads or cores()
        self._session = load_session(artifact.path, device, max(1, threads // lanes))
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


def cores() -> int:
    """The CPU cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def load_session(path: Path, device: str, threads: int) -> onnxruntime.InferenceSession:
    """A network ready to run. Raises MissingExtra, StyleError or DeviceError."""
    if importlib.util.find_spec("onnxruntime") is None:
        raise MissingExtra("running a style", "onnxruntime", "cpu")
    import onnxruntime

    onnxruntime.disable_telemetry_events()  # of Windows' own kind, which no variable stops
    onnxruntime.set_default_logger_severity(4)  # a style's default inputs make it chatter on stderr
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads
    # Waiting threads that spin would take the cores from decoding and encoding.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    providers = ["CPUExecutionProvider"]
    if device != "cpu" and "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        with contextlib.redirect_stdout(sys.stderr):  # it prints what is missing, into a program's output
            onnxruntime.preload_dlls()
        providers.insert(0, "CUDAExecutionProvider")
    try:
        session = onnxruntime.InferenceSession(path, options, providers=providers)
    except Exception as error:  # onnxruntime raises bare exceptions of many kinds
        if not os.path.exists(path):
            raise StyleError(f"{path}: is no longer there") from error
        raise StyleError(f"{path}: onnxruntime cannot load it ({str(error).splitlines()[0]})") from error
    if device == "cuda" and session.get_providers()[0] != "CUDAExecutionProvider":
        raise DeviceError(
            "device cuda: no session starts on it; look for the driver with nvidia-smi and install 'livestyle[gpu]' "
            "(not beside 'livestyle[cpu]'), or use --device cpu"
        )
    return session
