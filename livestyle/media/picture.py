"""Still pictures: read upright as RGB, written whole or not at all."""

from __future__ import annotations

import contextlib
import io
import os
import warnings
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageCms, ImageOps, UnidentifiedImageError

from ..errors import InputError, OutputError
from ..frame import Image, check_image

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
SAVE_OPTIONS: dict[str, dict[str, Any]] = {".jpg": {"quality": 95}, ".jpeg": {"quality": 95}, ".webp": {"quality": 95}}
_LONGEST_SIDE = {".jpg": 65500, ".jpeg": 65500, ".webp": 16383}  # pixels; what libjpeg and libwebp write
_GRID = 64  # squares a side, whose light and dark are looked at
_DARK = 0.4  # of 1: a middle tone below it is dark
_MIDDLE, _SPREAD, _RANGE = 0.8, 0.3, 0.5  # what lies between the outer tenths; how far it, and all, is to spread
_MOST_CONTRAST = 2.5  # times
_MAX_PIXELS = 178956970  # Pillow's own limit; at half of that it warns


def open_rgb(path: Path) -> Pillow.Image:
    """A picture as upright sRGB, transparency over white. Raises InputError if it cannot be read."""
    upright = _open_upright(path)
    if upright.has_transparency_data:
        rgba = upright.convert("RGBA")
        flat = Pillow.alpha_composite(Pillow.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    else:
        flat = upright if upright.mode in ("RGB", "CMYK", "L") else upright.convert("RGB")
    return _in_srgb(flat, upright.info.get("icc_profile"))


def _in_srgb(picture: Pillow.Image, profile: bytes | None) -> Pillow.Image:
    """RGB, CMYK or gray as sRGB, by the picture's colour profile if it has one that fits."""
    if profile:
        with contextlib.suppress(ImageCms.PyCMSError, ImportError):  # a broken one; a Pillow without littlecms
            converted = ImageCms.applyTransform(picture, _to_srgb(profile, picture.mode))
            assert converted is not None
            return converted
    return picture.convert("RGB")


@lru_cache(8)  # a folder's photos mostly share one, which takes longer to make than to use
def _to_srgb(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform:
    own, srgb = ImageCms.getOpenProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB")
    return ImageCms.buildTransform(own, srgb, mode, "RGB")


def holds_several(path: Path) -> bool:
    """Whether a file that can be read is an animation, or of several pages. A camera's second picture is no other."""
    with warnings.catch_warnings(action="ignore"), Pillow.open(path) as picture:
        return picture.format != "MPO" and getattr(picture, "n_frames", 1) > 1


def at_side(picture: Pillow.Image, side: int) -> Pillow.Image:
    """The picture resized: its long side so many pixels, its short one 32 at least."""
    scale = side / max(picture.size)
    # A loss network halves four times and then pads by reflection, which two pixels allow and one does not.
    size = (max(32, round(picture.width * scale)), max(32, round(picture.height * scale)))
    return picture.resize(size, Pillow.Resampling.LANCZOS, reducing_gap=3)


def in_good_light(picture: Pillow.Image) -> Pillow.Image:
    """RGB; one that is dark all over with the contrast that `lacks_light` says, for its style would hide all faces.

    What most of it is takes more of the range, as in histogram equalization (Gonzalez and Woods 2008, section 3.3.1),
    as far as that is needed: a dark portrait keeps its dark and its lights, and has tones between.
    """
    times = lacks_light(picture)
    if times == 1:
        return picture
    light = _light(picture)
    low, tenth, others, high = np.quantile(light, (0.02, 0.1, 0.9, 0.98))
    spread, width = others - tenth, max(high - low, _RANGE)
    start = low * (1 - width) / (1 - (high - low)) if width > high - low else low
    share = min((times - 1) * spread / (_MIDDLE * width - spread), 1)
    levels = np.arange(256) / 255
    below = np.interp(levels, np.sort(light), np.linspace(0, 1, light.size))
    curve = (1 - share) * levels + share * (start + width * below)
    curve = np.where(levels > others, np.maximum(curve, levels), curve)  # few lights count for next to nothing there
    return picture.point([round(255 * level) for level in curve] * 3)


def lacks_light(picture: Pillow.Image) -> float:
    """How many times its contrast a dark painting should have, from 1 for most to 2.5.

    So many that four fifths of it, seen at a 64th of its sides, spread over 0.3 of the range. One whose middle tone is
    0.4 or more is not dark: what is pale may be paper, with next to nothing on it.
    """
    tenth, middle, others = np.quantile(_light(picture), (0.1, 0.5, 0.9))
    spread = others - tenth
    return float(min(_SPREAD / spread, _MOST_CONTRAST)) if 0 < spread < _SPREAD and middle < _DARK else 1.0


def _light(picture: Pillow.Image) -> NDArray[np.float64]:
    """(4096,), from 0 to 1"""
    small = picture.convert("L").resize((_GRID, _GRID), Pillow.Resampling.BOX)
    return np.asarray(small).ravel() / 255


def open_mask(path: Path) -> Pillow.Image:
    """A picture's alpha channel where it has one, else its lightness, upright, 8 bits. Raises InputError."""
    upright = _open_upright(path)
    return upright.convert("RGBA").getchannel("A") if upright.has_transparency_data else upright.convert("L")


def _open_upright(path: Path) -> Pillow.Image:
    if os.path.isdir(path):  # pathlib raises for a long name
        raise InputError(f"{path}: is a directory, not a picture")
    try:
        with warnings.catch_warnings(action="ignore"), Pillow.open(path) as picture:
            if picture.format == "EPS":  # a program, whatever the file's name: Ghostscript would run it
                raise InputError(f"{path}: PostScript is a program and is not run; save it as a .png")
            upright = ImageOps.exif_transpose(picture)
            if upright.mode == "F":  # nothing says which number is white; Pillow would take 255
                raise InputError(f"{path}: a picture of floating-point numbers; save it with 8 or 16 bits")
            if upright.mode.startswith("I"):  # 16 bits of gray, which Pillow would clip to 8 instead of scaling
                levels = np.asarray(upright) >> 8
                if levels.min() < 0 or levels.max() > 255:
                    raise InputError(f"{path}: a picture of 32-bit numbers; save it with 8 or 16 bits")
                upright = Pillow.fromarray(levels.astype(np.uint8))
            upright.load()
            return upright
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except UnidentifiedImageError as error:
        raise InputError(f"{path}: not a picture that can be read; films go to `livestyle video`") from error
    except Pillow.DecompressionBombError as error:
        raise InputError(f"{path}: too large; pictures of up to {_MAX_PIXELS} pixels are read") from error
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f"{path}: not a picture that can be read ({error})") from error


def read_image(path: str | Path) -> Image:
    """(H, W, 3) RGB."""
    return np.array(open_rgb(Path(path)))


def write_image(image: Image, target: str | Path) -> None:
    """Writes beside the target first, then renames. Raises OutputError if that fails, InputError for no image."""
    check_image(image)
    target = Path(target)
    if Pillow.registered_extensions().get(target.suffix.lower()) not in Pillow.SAVE:
        raise OutputError(f"{target}: unknown kind of picture; use one of {', '.join(SUFFIXES)}")
    temporary = target.with_name(f".{target.stem}.{os.getpid()}.part{target.suffix}")
    check_sides(image.shape[1], image.shape[0], target)
    try:
        Pillow.fromarray(image).save(temporary, **SAVE_OPTIONS.get(target.suffix.lower(), {}))
        os.replace(temporary, target)
    except (OSError, ValueError) as error:  # a name that the system does not take
        raise OutputError(f"{target}: cannot be written ({getattr(error, 'strerror', None) or error})") from error
    finally:
        with contextlib.suppress(OSError, ValueError):  # a name that is none for the first step is none for this one
            temporary.unlink(missing_ok=True)


def check_sides(width: int, height: int, target: Path) -> None:
    """Raises OutputError if the kind of file holds no picture of that size."""
    longest = _LONGEST_SIDE.get(target.suffix.lower())
    if longest and max(width, height) > longest:
        raise OutputError(f"{target}: {width}x{height} is too large for it ({longest} pixels a side); write a .png")


def resize(image: Image, size: tuple[int, int]) -> Image:
    """The image at (width, height), Lanczos; itself if it has that size."""
    if size == (image.shape[1], image.shape[0]):
        return image
    return np.array(Pillow.fromarray(image).resize(size, Pillow.Resampling.LANCZOS))
