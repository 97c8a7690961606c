"""Image sequences: numbered pictures as a film. Their names, and a reader for them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av

from ..errors import InputError
from .decoder import set_limit
from .frame_times import FrameTimes
from .orientation import Orientation, orientation_of
from .picture import SUFFIXES
from .reader import FilmReader
from .size import MAX_PIXELS, Size

RATE = Fraction(25)  # pictures a second, unless another is given: FFmpeg's own guess too
FOLDERS_OWN = "%05d.png"  # the names in a folder that is given without a pattern
_PATTERN = re.compile(r"(?P<before>[^%]*)%(?:0(?P<digits>\d+))?d(?P<after>[^%]*)")


@dataclass(frozen=True)
class Pattern:
    """The names of numbered pictures, such as `%05d.png`, in a folder."""

    folder: Path
    before: str
    digits: int
    after: str

    @property
    def suffix(self) -> str:
        """What kind of pictures they are, in small letters."""
        return Path(f"name{self.after}").suffix.lower()

    def name(self, number: int) -> str:
        """The name of one of them."""
        return f"{self.before}{number:0{self.digits}d}{self.after}"

    def number(self, name: str) -> int | None:
        """The number in a name; None if it is not one of these."""
        match = re.fullmatch(re.escape(self.before) + r"(\d+)" + re.escape(self.after), name)
        return int(match[1]) if match and self.name(int(match[1])) == name else None


def pattern_of(path: Path) -> Pattern | None:
    """The pattern a path is; None for a plain name."""
    match = _PATTERN.fullmatch(path.name)
    return match and Pattern(path.parent, match["before"], int(match["digits"] or 1), match["after"])


def is_sequence(path: Path | str) -> bool:
    """Whether a path stands for pictures: a folder, or a pattern that is not the name of a file."""
    if not isinstance(path, Path):
        return False  # an address
    return path.is_dir() or (pattern_of(path) is not None and not path.exists())


def pictures_of(path: Path) -> list[Path]:
    """The pictures of a folder or a pattern, in the order of their numbers. Raises InputError if there are none."""
    pattern = None if path.is_dir() else pattern_of(path)
    folder = pattern.folder if pattern else path
    try:
        names = sorted(os.listdir(folder), key=_by_number)
    except OSError as error:
        raise InputError(f"{folder}: the folder cannot be read ({error.strerror})") from error
    if pattern:
        found = [name for name in names if pattern.number(name) is not None]
    else:  # what is hidden is not meant, such as what macOS leaves
        found = [name for name in names if Path(name).suffix.lower() in SUFFIXES and name[0] != "."]
    found = [name for name in found if not (folder / name).is_dir()]
    if not found:
        hint = "no file has such a name" if pattern else f"is a directory without a picture ({', '.join(SUFFIXES)})"
        raise InputError(f"{path}: {hint}")
    return [folder / name for name in found]


def _by_number(name: str) -> list[tuple[int, int | str]]:
    """A key under which 2.png comes before 10.png."""
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in re.split(r"([0-9]+)", name)]


class Pictures:
    """The pictures of some files, one each, timed by their place; what cannot be read is left out.

    Attributes:
        damaged: files that could not be read, so far.
        hidden, flawed: as a Decoder's, none.
    """

    def __init__(self, files: list[Path], rate: Fraction = RATE, *, max_pixels: int = MAX_PIXELS) -> None:
        self.damaged = self.hidden = self.flawed = 0
        self._files, self._rate, self._max_pixels = files, rate, max_pixels

    def __iter__(self) -> Iterator[av.VideoFrame]:
        for index, path in enumerate(self._files):
            frame = self._read(path)
            if frame is None:
                self.damaged += 1
                continue
            frame.pts, frame.time_base, frame.duration = index, 1 / self._rate, 1
            yield frame

    def _read(self, path: Path) -> av.VideoFrame | None:
        try:
            # Given the name, FFmpeg would take some for patterns.
            with (
                path.open("rb") as file,
                av.open(file, "r", options={"max_pixels": str(self._max_pixels)}) as container,
            ):
                set_limit(container.streams.video[0].codec_context, self._max_pixels)
                return next(container.decode(video=0), None)
        except (av.FFmpegError, OSError, IndexError):
            return None


class SequenceReader(FilmReader):
    """Numbered pictures, read as a film of `rate` pictures a second: one that cannot be read leaves a gap."""

    has_streams = False

    def __init__(
        self,
        path: Path,
        *,
        size: Size | int | None = None,
        max_pixels: int = MAX_PIXELS,
        rate: Fraction | None = None,
    ) -> None:
        self._learn_source(path, max_pixels)
        files = pictures_of(path)
        self.rate = rate or RATE
        self.time_base, self.expected_frames, self.before_zero = 1 / self.rate, len(files), Fraction(0)
        self._say_gaps(files)
        self._decoder = Pictures(files, self.rate, max_pixels=max_pixels)
        self._begin(size, Fraction(1))

    def _say_gaps(self, files: list[Path]) -> None:
        numbers = [int(found[-1]) for file in files if (found := re.findall(r"\d+", file.stem))]
        missing = numbers[-1] - numbers[0] + 1 - len(numbers) if numbers else 0
        if missing > 0 and len(numbers) == len(files):
            self._say(f"{missing} numbers from {numbers[0]} to {numbers[-1]} are missing; the pictures follow closely")

    def _no_frame(self) -> str:
        larger = f"if they have more than {self._max_pixels} pixels, allow that with --max-pixels"
        return f"none of its {self.expected_frames} pictures can be read; {larger}"

    def damage(self, decoded: int) -> str | None:
        lost = self._decoder.damaged
        return f"{self.path}: damaged; {decoded} of {decoded + lost} frames decoded" if lost else None

    def _orientation_of(self, frame: av.VideoFrame) -> Orientation:
        return orientation_of(frame)

    def _pixel_shape_now(self) -> Fraction | None:
        return None

    def _frame_times(self) -> FrameTimes:
        return FrameTimes("image2", 1)

    def close(self) -> None:
        """There is nothing to close."""


def open_reader(
    path: Path | str,
    *,
    size: Size | int | None = None,
    max_pixels: int = MAX_PIXELS,
    rate: Fraction | None = None,
) -> FilmReader:
    """A reader for a film or for an image sequence, which alone takes a rate. Raises InputError."""
    if isinstance(path, Path) and is_sequence(path):
        return SequenceReader(path, size=size, max_pixels=max_pixels, rate=rate)
    reader = FilmReader(path, size=size, max_pixels=max_pixels)
    if rate is not None:
        reader.close()
        raise InputError(f"{path}: a film has times of its own; --rate is for image sequences")
    return reader
