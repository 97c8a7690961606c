"""What a kind of file has room for, found as a render finds it: by trying."""

from __future__ import annotations

from pathlib import Path

import av

from ..media.encoding import CONTAINERS
from ..media.pictures import in_memory
from ..media.reader import open_film
from ..media.streams import CopiedTrack


def kind_of(path: Path) -> str:
    """FFmpeg's name of the kind of file, if it is one that renders are written as; else an empty text."""
    container = CONTAINERS.get(path.suffix.lower())
    return container.format if container else ""


def fits(film: Path, index: int, target: Path) -> bool:
    """Whether a track of the film, by its number among all, can go into such a target packet for packet."""
    if not kind_of(target):
        return False
    with open_film(film) as container, in_memory(kind_of(target)) as output:
        try:
            CopiedTrack(container.streams[index], output)
        except (ValueError, av.FFmpegError):
            return False
    return True
