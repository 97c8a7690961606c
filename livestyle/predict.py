"""Any picture as a style, at once: its code for the network of many styles is predicted (Ghiasi 2017)."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

import numpy as np

from .artifact import Artifact, Code, inspect
from .backend import load_session
from .errors import StyleError
from .frame import Image
from .media.picture import at_side, in_good_light, open_rgb

SIDE = 256  # pixels: the long side of the pictures that the predictor learnt from
_STYLES = Path(__file__).parent / "styles"
PREDICTOR, NETWORK = _STYLES / "predictor.onnx", _STYLES / "lite.onnx"


def predict(picture: Path) -> tuple[Artifact, Code]:
    """The network of many styles, and the picture's code for it.

    Raises StyleError if there is no such file, InputError if it is no picture.
    """
    if not os.path.isfile(picture):  # pathlib raises for a long name
        raise StyleError(f"{picture}: no such picture")
    network, code = inspect(NETWORK), _code(picture, picture.stat().st_mtime_ns, PREDICTOR)
    if code.shape != (1, network.code_size):
        raise StyleError(f"{PREDICTOR}: of another livestyle than {NETWORK.name}; install livestyle again")
    return network, code


@lru_cache(maxsize=64)
def _code(path: Path, changed: int, predictor: Path) -> Code:
    return predict_code(np.asarray(in_good_light(at_side(open_rgb(path), SIDE))), predictor)


def predict_code(image: Image, predictor: Path = PREDICTOR) -> Code:
    """(1, K) for a picture (H, W, 3) whose long side is SIDE pixels."""
    code: Code = load_session(predictor, "cpu", 1).run(None, {"picture": image[None]})[0]
    return code
