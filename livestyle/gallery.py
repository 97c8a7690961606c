"""Pages of pictures in one HTML file: every style on a few photographs."""

from __future__ import annotations

import base64
import html
import io
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from .errors import LivestyleError, OutputError
from .frame import Image
from .media.pattern import parse_pattern
from .media.picture import resize
from .media.reader import FilmReader
from .media.size import Size, fit
from .stylizer import load

_SIDE = 320  # pixels, the long one
_SAMPLE = Path(__file__).parents[1] / "samples" / "bay.mp4"
_LOOK = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 76em; padding: 0 1em; color: #222 }
h1 { font-size: 1.5em } h2 { font-size: 1.1em; margin: 1.6em 0 .3em } p { margin: .2em 0; color: #555 }
img { max-width: 100%; border-radius: 3px; margin: 2px } code { background: #f2f2f2; padding: .1em .3em }
th { white-space: nowrap }
td, th { text-align: left; vertical-align: top; padding: .15em 1.2em .15em 0 } td { word-break: break-word }
"""


def page(title: str, body: Iterable[str]) -> str:
    """A whole HTML file."""
    head = f"<!doctype html><meta charset='utf-8'><title>{html.escape(title)}</title><style>{_LOOK}</style>"
    return "\n".join([head, f"<h1>{html.escape(title)}</h1>", *body, ""])


def picture(image: Image, alt: str) -> str:
    """A picture as part of the page itself."""
    file = io.BytesIO()
    Pillow.fromarray(image).save(file, "JPEG", quality=88)
    data = base64.b64encode(file.getvalue()).decode()
    return f"<img alt='{html.escape(alt, quote=True)}' src='data:image/jpeg;base64,{data}'>"


def write_page(text: str, target: Path) -> None:
    """Complete or not at all. Raises OutputError."""
    temporary = target.with_name(f".{target.stem}.{os.getpid()}.part{target.suffix}")
    try:
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, target)
    except OSError as error:
        raise OutputError(f"{target}: cannot be written ({error.strerror or error})") from error
    finally:
        temporary.unlink(missing_ok=True)


def photographs() -> list[Image]:
    """Up to three that come with scikit-image; without it a frame of the sample clip, or of the test pattern."""
    try:
        from skimage import data
    except ModuleNotFoundError:
        return [_sized(_frame())]
    photos: list[Image] = [data.astronaut(), data.chelsea(), data.coffee()]  # type: ignore[no-untyped-call,unused-ignore]
    return [_sized(photo) for photo in photos]


def _frame() -> Image:
    if not _SAMPLE.is_file():
        with parse_pattern(f"pattern:{_SIDE}x{_SIDE * 9 // 16}") as pattern:
            return pattern.picture(0)
    with FilmReader(_SAMPLE) as film:
        return next(iter(film)).image


def _sized(photo: Image) -> Image:
    return resize(np.ascontiguousarray(photo), fit(Size(photo.shape[1], photo.shape[0]), _SIDE))


def gallery(styles: Sequence[tuple[str, str]]) -> str:
    """The page, for (name, a word on it) of each style. One that cannot be loaded says why."""
    photos = photographs()
    body = ["<h2>none</h2><p>the photographs</p>", *(picture(photo, "photograph") for photo in photos)]
    for name, about in styles:
        body.append(f"<h2>{html.escape(name)}</h2><p>{html.escape(about)}</p>")
        try:
            with load(name) as stylizer:
                body += [picture(stylizer(photo), name) for photo in photos]
        except LivestyleError as error:
            body.append(f"<p>{html.escape(str(error))}</p>")
    return page(f"livestyle: {len(styles)} styles", body)
