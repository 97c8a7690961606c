"""Looks that may hang or abort, each run in a Python of its own; the last line on stdout is the answer, as JSON."""

from __future__ import annotations

import importlib
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..media.source import LiveSource

STYLE = "starry"
SIZE = (640, 360)
SECONDS = 1.5  # of timing a device, and of watching a camera
MOST_RUNS = 20


def main() -> None:
    """Runs the probe named on the command line and prints its answer."""
    name, *arguments = sys.argv[1:]
    answer = PROBES[name](*arguments)
    print("\n" + json.dumps(answer), flush=True)


def providers() -> dict[str, Any]:
    """What this onnxruntime was built for; a list, no proof."""
    import onnxruntime

    return {
        "version": onnxruntime.__version__,
        "providers": onnxruntime.get_available_providers(),
        "cuda": str(getattr(onnxruntime, "cuda_version", "") or ""),
    }


def engine(device: str) -> dict[str, Any]:
    """The time of a frame of a shipped style on a device, by a session that really runs there."""
    import numpy as np

    from ..errors import LivestyleError
    from ..stylizer import load

    image = np.random.default_rng(0).integers(0, 256, (SIZE[1], SIZE[0], 3), dtype=np.uint8)
    try:
        with load(STYLE, device=device) as stylizer:
            stylizer(image)  # the first one allocates
            times = list(_times(lambda: stylizer(image)))
            return {"device": stylizer.device, "ms": statistics.median(times) * 1000, "runs": len(times)}
    except LivestyleError as error:
        return {"error": str(error)}


def _times(work: Callable[[], object]) -> Iterator[float]:
    """Seconds of each run, for a second or two."""
    end = time.perf_counter() + SECONDS
    for _ in range(MOST_RUNS):
        began = time.perf_counter()
        work()
        yield (now := time.perf_counter()) - began
        if now > end:
            return


def cuda_libraries() -> dict[str, Any]:
    """What the loader says of the driver and of onnxruntime's CUDA part, and the libraries it does not find.

    The CUDA part is loaded as onnxruntime would do it, after the libraries of the `nvidia-*` packages.
    """
    import ctypes
    from pathlib import Path

    import onnxruntime

    folder = Path(onnxruntime.__file__).parent / "capi"
    with suppress(AttributeError):  # before 1.21
        onnxruntime.preload_dlls()
    windows = sys.platform == "win32"
    begin, end = ("", ".dll") if windows else ("lib", ".so")
    with suppress(OSError):  # then the next one says why
        ctypes.CDLL(str(folder / f"{begin}onnxruntime_providers_shared{end}"), mode=ctypes.RTLD_GLOBAL)
    cuda = str(getattr(onnxruntime, "cuda_version", "") or "12").partition(".")[0]
    return {
        "driver": _loading("nvcuda.dll" if windows else "libcuda.so.1"),
        "part": _loading(str(folder / f"{begin}onnxruntime_providers_cuda{end}")),
        "missing": [name for name in cuda_names(cuda, windows=windows) if _loading(name)],
    }


def cuda_names(cuda: str, *, windows: bool) -> list[str]:
    """The libraries onnxruntime's CUDA part needs, by the major version of CUDA it was built for."""
    cufft = {"11": "10", "12": "11"}.get(cuda, "12")
    versions = {"cudart": cuda, "cublasLt": cuda, "cublas": cuda, "cufft": cufft, "cudnn": "9"}
    return [f"{name}64_{number}.dll" if windows else f"lib{name}.so.{number}" for name, number in versions.items()]


def _loading(name: str) -> str:
    import ctypes

    try:
        ctypes.CDLL(name)
    except OSError as error:
        return str(error) or name
    return ""


def torchvision() -> dict[str, Any]:
    """Why torchvision cannot be imported."""
    try:
        importlib.import_module("torchvision.models")
    except (ImportError, OSError, RuntimeError) as error:  # built for CUDA beside a torch for CPUs, or for another
        return {"error": str(error).partition("\n")[0] or type(error).__name__}
    return {}


def opencv() -> dict[str, Any]:
    """OpenCV's version and the window toolkit it was built with."""
    try:
        import cv2
    except ImportError as error:
        return {"error": str(error)}
    lines = [line.split(":", 1) for line in cv2.getBuildInformation().splitlines() if ":" in line]
    built = {key.strip(): value.strip() for key, value in lines}
    return {"version": cv2.__version__, "gui": built.get("GUI", "")}


def codecs() -> dict[str, Any]:
    """FFmpeg's version, and which of the codecs we write and read it lacks."""
    try:
        import av
        import av.codec
    except ImportError as error:
        return {"error": str(error)}
    missing = []
    for name, mode in (("libx264", "w"), ("aac", "w"), ("h264", "r"), ("hevc", "r"), ("mjpeg", "r")):
        try:
            av.codec.Codec(name, "w" if mode == "w" else "r")
        except ValueError:
            missing.append(f"{name} ({'encoder' if mode == 'w' else 'decoder'})")
    return {"version": av.__version__, "ffmpeg": str(av.ffmpeg_version_info), "missing": missing}


def display() -> dict[str, Any]:
    """Opens a window for a moment, with OpenCV as `livestyle cam` does; that aborts where there is no display."""
    import cv2
    import numpy as np

    from ..errors import LivestyleError
    from ..media.size import Size
    from ..media.window import Window

    try:
        with closing(Window("livestyle doctor", Size(320, 180))):
            cv2.imshow("livestyle doctor", np.zeros((180, 320, 3), np.uint8))
            cv2.waitKey(50)
    except (LivestyleError, cv2.error) as error:
        return {"error": str(error)}
    return {}


def cameras() -> dict[str, Any]:
    """The cameras there are."""
    from ..media.devices import list_cameras

    return {"cameras": [camera.row() for camera in list_cameras()]}


def camera(source: str) -> dict[str, Any]:
    """A second of a camera: what it really gives, and its warnings."""
    from ..errors import LivestyleError
    from ..media.camera import Camera, open_camera

    said: list[str] = []
    try:
        with open_camera(source, say=said.append) as opened:
            seen = watch(opened)
            shortfall = opened.shortfall() if isinstance(opened, Camera) else None
    except LivestyleError as error:
        return {"error": str(error)}
    warnings = [line.removeprefix("warning: ") for line in said if line.startswith("warning: ")]
    return seen | {"warnings": warnings + ([shortfall] if shortfall else [])}


def watch(opened: LiveSource, *, clock: Callable[[], float] = time.perf_counter) -> dict[str, Any]:
    """The mode and pace of a source's frames after the first, which waits for the camera to wake up."""
    frames, began, now, mode = 0, 0.0, 0.0, ""
    for frame in opened:
        now = clock()
        if not mode:
            began, mode = now, f"{frame.image.shape[1]}x{frame.image.shape[0]}"
            continue
        frames += 1
        if now - began > SECONDS:
            break
    return {"mode": str(getattr(opened, "given", mode)), "fps": frames / (now - began) if frames else 0.0}


PROBES: dict[str, Callable[..., dict[str, Any]]] = {
    look.__name__: look
    for look in (providers, engine, cuda_libraries, torchvision, opencv, codecs, display, cameras, camera)
}
