"""livestyle: real-time style transfer for webcams and films.

import livestyle
stylize = livestyle.load("starry")
styled = stylize(image)  # (H, W, 3) uint8 RGB in and out
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .errors import DeviceError, InputError, LivestyleError, MissingExtra, OutputError, StyleError
    from .film import stylize_film
    from .frame import Frame, Image
    from .media.picture import read_image, write_image
    from .pipeline import Stats, run
    from .stylizer import Stylizer, load

__version__ = "0.1.0"

# From 1.29 on, onnxruntime tells its maker of every run unless this is said before it starts, whoever imports it.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

# Nothing is imported before it is used: `import livestyle` costs no time and needs no engine.
_HOMES = {
    "errors": ("DeviceError", "InputError", "LivestyleError", "MissingExtra", "OutputError", "StyleError"),
    "film": ("stylize_film",),
    "frame": ("Frame", "Image"),
    "media.picture": ("read_image", "write_image"),
    "pipeline": ("Stats", "run"),
    "stylizer": ("Stylizer", "load"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "DeviceError",
    "Frame",
    "Image",
    "InputError",
    "LivestyleError",
    "MissingExtra",
    "OutputError",
    "Stats",
    "StyleError",
    "Stylizer",
    "__version__",
    "load",
    "read_image",
    "run",
    "stylize_film",
    "write_image",
]


def __getattr__(name: str) -> Any:
    if name in _HOME_OF:
        return getattr(import_module(f".{_HOME_OF[name]}", __name__), name)
    raise AttributeError(f"module 'livestyle' has no attribute '{name}'")
