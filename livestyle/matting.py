"""Networks that tell a subject from what is around it: any segmentation or matting ONNX file, and the shipped one."""

from __future__ import annotations

import importlib.util
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import numpy as np
from numpy.typing import NDArray

from .errors import InputError, MissingExtra, StyleError
from .frame import Image
from .matting_file import check_file
from .media.camera import import_cv2
from .styles import user_folder

if TYPE_CHECKING:
    import onnxruntime

_GET_PERSON = "pip install 'livestyle[mask]' && python -m exporters.person"
LONG_SIDE = 256  # pixels; what a network with free sizes is given
Plane = NDArray[np.float32]  # (h, w), 0..1, 1 = the subject

_MAX_SIDE = 2048
_MULTIPLE = 32  # of the sides a network with free sizes takes; encoders halve five times
_VOC_CLASSES, _VOC_PERSON = 21, 15
_ALPHA_NAMES = ("pha", "alpha", "mask", "matte", "matting")
_STATES = ("r1", "r2", "r3", "r4")  # RobustVideoMatting's memory: r1i in, r1o out
_NORMS: dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]] = {  # (mean, deviation) of levels 0..255
    "raw": (np.zeros(3, np.float32), np.ones(3, np.float32)),
    "unit": (np.zeros(3, np.float32), np.full(3, 255, np.float32)),
    "signed": (np.full(3, 127.5, np.float32), np.full(3, 127.5, np.float32)),
    "imagenet": (np.array([123.675, 116.28, 103.53], np.float32), np.array([58.395, 57.12, 57.375], np.float32)),
}
_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(uint8)": np.uint8}


@dataclass(frozen=True)
class MattingOptions:
    """How a network is to be used, where its file does not tell.

    Attributes:
        norm: what it takes the picture as: `unit` 0..1, `signed` -1..1, `imagenet`, `raw` 0..255; None guesses.
        subject: the class that is the subject; None: the person's of 2 or 21 classes, else all but class 0.
        size: the long side in pixels that a network with free sizes is given.
        multiple: what the sides of such a network must divide by.
    """

    norm: str | None = None
    subject: int | None = None
    size: int = LONG_SIDE
    multiple: int = _MULTIPLE


def person_file() -> Path:
    """Where the network for `person` is; need not exist."""
    return user_folder().parent / "person.onnx"


def parse_matting(text: str) -> tuple[Path, MattingOptions]:
    """The file and the options in `file.onnx?norm=imagenet&class=15&size=320`. Raises InputError for others."""
    name, _, query = text.partition("?")
    given = dict(parse_qsl(query, keep_blank_values=True))
    norm, subject, size = given.pop("norm", None), given.pop("class", None), given.pop("size", str(LONG_SIDE))
    fits = (
        not given
        and (norm is None or norm in _NORMS)
        and (subject is None or (subject.isdecimal() and int(subject) < 1000))
        and (size.isdecimal() and 32 <= int(size) <= _MAX_SIDE)
    )
    if not fits:
        allowed = f"norm={'|'.join(_NORMS)}, class=NUMBER or size=32..{_MAX_SIDE}"
        raise InputError(f"mask '{text}': after the ? write {allowed}, with & between")
    return Path(name), MattingOptions(norm, None if subject is None else int(subject), int(size))


class MattingNetwork:
    """A small picture in, how much each pixel is the subject out; on the CPU.

    Understands one picture input, (1,3,H,W) or (1,H,W,3), uint8 or float, of fixed or free size; one output or
    one plane a class; alpha, probabilities, logits or class numbers; and RobustVideoMatting's recurrent form.
    Not for two threads at once.

    Raises StyleError, one line, for a file that is no such network, is unsafe or fails on a gray picture.
    """

    def __init__(self, path: Path, options: MattingOptions | None = None, *, threads: int = 1) -> None:
        self._path, self._options = path, options or MattingOptions()
        data, self._makers = check_file(path)
        self._session = _session(path, data, threads)
        self._read_inputs()
        self._read_outputs()
        self._mean, self._deviation = _NORMS[self._options.norm or self._guess_norm()]
        self._logits = self._makers.get(self._output) in _UNBOUNDED
        self.reset()
        self(self.shrink(np.full((72, 128, 3), 128, np.uint8)))
        self.reset()

    @classmethod
    def person(cls, *, threads: int = 1) -> MattingNetwork:
        """MediaPipe's Selfie Segmentation, which the user has put in place once (exporters/person.py)."""
        path = person_file()
        if not path.is_file():
            raise InputError(
                f"mask person: its network is not there yet; once: {_GET_PERSON}; or give your own: --mask net.onnx"
            )
        return cls(path, MattingOptions(norm="raw", multiple=16), threads=threads)

    def reset(self) -> None:
        """Forgets earlier pictures; call it at a cut."""
        blank = np.zeros((1, 1, 1, 1), self._type)
        self._memory = {f"{state}i": blank for state in _STATES} if self._recurrent else {}

    def shrink(self, image: Image) -> Image:
        """The picture at the size the network takes."""
        size = self._size_for(image)
        if size == (image.shape[1], image.shape[0]):
            return image
        cv2 = import_cv2()
        shrinks = size[0] < image.shape[1]
        small: Image = cv2.resize(image, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
        return small

    def __call__(self, small: Image) -> Plane:
        """How much each pixel of a picture from `shrink` is the subject, at the network's output size."""
        x = small if self._type == np.uint8 else ((small - self._mean) / self._deviation).astype(self._type)
        feed = {self._picture: np.ascontiguousarray(x if self._channels_last else x.transpose(2, 0, 1))[None]}
        feed |= self._memory
        if self._recurrent:
            feed["downsample_ratio"] = np.ones(1, np.float32)
        try:
            out, *memory = self._session.run([self._output, *(name[:-1] + "o" for name in self._memory)], feed)
        except Exception as error:  # onnxruntime raises bare exceptions of many kinds
            size = f"{small.shape[1]}x{small.shape[0]}"
            raise StyleError(f"{self._path}: fails on {size} ({_first_words(error)})") from error
        self._memory = dict(zip(self._memory, memory, strict=True))
        return self._subject(self._planes(out, small))

    def _read_inputs(self) -> None:
        inputs = {spec.name: spec for spec in self._session.get_inputs()}
        self._recurrent = all(f"{state}i" in inputs for state in _STATES) and "downsample_ratio" in inputs
        known = {f"{state}i" for state in _STATES} | {"downsample_ratio"} if self._recurrent else set()
        pictures = [spec for name, spec in inputs.items() if name not in known]
        shape = [side if isinstance(side, int) and side > 0 else None for side in pictures[0].shape or []]
        if len(pictures) != 1 or len(shape) != 4 or 3 not in (shape[1], shape[3]) or pictures[0].type not in _TYPES:
            shown = ", ".join(f"{name[:20]} {spec.type} {spec.shape}" for name, spec in list(inputs.items())[:6])
            raise StyleError(
                f"{self._path}: takes {shown}; a mask network takes one picture, (1,3,H,W) or (1,H,W,3), uint8 or float"
            )
        self._picture, self._type = pictures[0].name, _TYPES[pictures[0].type]
        self._channels_last = shape[1] != 3
        self._sides = (shape[1], shape[2]) if self._channels_last else (shape[2], shape[3])
        if any(side is not None and side > _MAX_SIDE for side in self._sides):
            raise StyleError(f"{self._path}: takes pictures of absurd size {self._sides}; up to {_MAX_SIDE} a side")

    def _read_outputs(self) -> None:
        names = [spec.name for spec in self._session.get_outputs()]
        if self._recurrent and not {f"{state}o" for state in _STATES} <= set(names):
            raise StyleError(f"{self._path}: takes a memory (r1i to r4i) but gives none back (r1o to r4o)")
        self._output = next((name for name in _ALPHA_NAMES if name in names), names[0])

    def _guess_norm(self) -> str:
        if self._type == np.uint8:
            return "raw"
        if self._recurrent or self._channels_last:  # RobustVideoMatting; MediaPipe and others born in tensorflow
            return "unit"
        shape = next(spec.shape for spec in self._session.get_outputs() if spec.name == self._output)
        # MODNet, PP-Matting and PP-HumanSeg give an alpha or two classes; torchvision's and their kin many.
        return "imagenet" if len(shape) == 4 and isinstance(shape[1], int) and 2 < shape[1] < 256 else "signed"

    def _size_for(self, image: Image) -> tuple[int, int]:
        height, width = image.shape[:2]
        scale, multiple = self._options.size / max(height, width), self._options.multiple
        free = [max(multiple, round(side * scale / multiple) * multiple) for side in (height, width)]
        rows, columns = (fixed or side for fixed, side in zip(self._sides, free, strict=True))
        return columns, rows

    def _planes(self, out: NDArray[Any], small: Image) -> NDArray[Any]:
        """(C, h, w), whatever the output's layout."""
        shape = out.shape
        while out.ndim > 2 and out.shape[0] == 1:
            out = out[0]
        if out.ndim == 2:
            out = out[None]
        if out.ndim != 3 or 0 in out.shape or max(out.shape) > _MAX_SIDE:
            raise StyleError(f"{self._path}: gives {shape}; a mask network gives one plane, or one a class")
        aspect = math.log(small.shape[0] / small.shape[1])
        first, last = (abs(math.log(h / w) - aspect) < 0.1 for h, w in (out.shape[1:], out.shape[:2]))
        return out.transpose(2, 0, 1) if (last if first != last else self._channels_last) else out

    def _subject(self, planes: NDArray[Any]) -> Plane:
        chosen, classes = self._options.subject, len(planes)
        if chosen is not None and classes > 1 and chosen >= classes:
            raise StyleError(f"{self._path}: class {chosen} is not among its {classes} classes, 0 to {classes - 1}")
        if planes.dtype == np.uint8 and classes == 1:
            return _as_plane(planes[0] / 255)
        if planes.dtype.kind in "iub" and classes == 1:
            return _as_plane(planes[0] == chosen if chosen is not None else planes[0] != 0)
        x = np.nan_to_num(planes.astype(np.float32), posinf=1e4, neginf=-1e4)
        # One such value tells for good: an alpha never leaves 0..1.
        self._logits = self._logits or bool(x.min() < -0.05 or x.max() > 1.05)
        if self._logits:
            x = _sigmoid(x) if classes == 1 else _softmax(x)
        if chosen is None:
            chosen = {1: 0, 2: 1, _VOC_CLASSES: _VOC_PERSON}.get(classes)
        inside = 1 - x[0] if chosen is None else x[chosen if classes > 1 else 0]
        return _as_plane(inside.clip(0, 1))


def _as_plane(x: NDArray[Any]) -> Plane:
    return np.ascontiguousarray(x, np.float32)


# Operators whose result has no bounds, so an output they make is logits.
_UNBOUNDED = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul", "Add", "BatchNormalization", "Resize", "Upsample"})


def _sigmoid(x: NDArray[np.float32]) -> NDArray[np.float32]:
    return _as_plane(1 / (1 + np.exp(-x.clip(-60, 60))))


def _softmax(x: NDArray[np.float32]) -> NDArray[np.float32]:
    e = np.exp(x - x.max(axis=0))
    return _as_plane(e / e.sum(axis=0))


def _session(path: Path, data: bytes, threads: int) -> onnxruntime.InferenceSession:
    if importlib.util.find_spec("onnxruntime") is None:
        raise MissingExtra("a mask network", "onnxruntime", "cpu")
    import onnxruntime

    onnxruntime.set_default_logger_severity(4)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises bare exceptions of many kinds
        raise StyleError(f"{path}: onnxruntime cannot load it ({_first_words(error)})") from error


def _first_words(error: Exception) -> str:
    return str(error).splitlines()[0][:160]
