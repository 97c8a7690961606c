"""The cameras of this computer, and which one a number, a name or a path means."""

from __future__ import annotations

import errno
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import InputError
from . import v4l2
from .size import Size
from .v4l2 import Format

_PROBED = 10  # numbers tried where the system keeps no list
DEV, SYS = Path("/dev"), Path("/sys/class/video4linux")
LOOPBACK = "v4l2 loopback"  # the driver of virtual cameras


@dataclass(frozen=True)
class CameraInfo:
    """A camera as its driver describes it.

    Attributes:
        number: what `--camera` takes; also OpenCV's.
        path: /dev/video0; empty where there are no paths.
        formats: what it lists; empty if it lists nothing.
        problem: why something is not known or not to be had, and what to do; None if all is well.
    """

    number: int
    path: str
    name: str
    driver: str = ""
    formats: tuple[Format, ...] = ()
    problem: str | None = None

    def row(self) -> dict[str, object]:
        """Plain values, for JSON."""
        return {
            "number": self.number,
            "name": self.name,
            "path": self.path,
            "driver": self.driver,
            "formats": [{"format": f.fourcc, "size": str(f.size), "fps": list(f.fps)} for f in self.formats],
            "problem": self.problem,
        }

    def lines(self) -> list[str]:
        """For people: who it is, then its pixel formats, in one line those that come at the same sizes and rates."""
        where = ", ".join(part for part in (self.path, self.driver) if part)
        told = [f'{self.number}  "{self.name}"' + (f" ({where})" if where else "")]
        alike: dict[str, list[str]] = {}
        for fourcc in dict.fromkeys(f.fourcc for f in self.formats):
            sizes = ", ".join(f"{f.size}{_at(f.fps)}" for f in self.formats if f.fourcc == fourcc)
            alike.setdefault(sizes, []).append(fourcc or "?")
        told += [f"   {', '.join(fourccs)}: {sizes}" for sizes, fourccs in alike.items()]
        if self.problem:
            told.append(f"   {self.problem}")
        return told

    def offers(self, *, fourcc: str | None = None, size: Size | None = None) -> tuple[Format, ...]:
        """What it lists of that pixel format and size."""
        return tuple(f for f in self.formats if fourcc in (None, f.fourcc) and size in (None, f.size))


def list_cameras() -> list[CameraInfo]:
    """Every camera that pictures can be read from, or could be if a problem were solved, by number."""
    if sys.platform != "linux":
        return _probed()
    numbers = sorted(int(path.name[5:]) for path in DEV.glob("video*") if path.name[5:].isdigit())
    return [camera for number in numbers if (camera := _ask(number)) is not None]


def _ask(number: int) -> CameraInfo | None:
    """What /dev/videoN says; None if it gives no pictures (metadata, output only, a codec)."""
    path = DEV / f"video{number}"
    camera = CameraInfo(number, str(path), _kernel_name(number))
    try:
        with v4l2.device(path) as ioctl:
            name, driver, captures = v4l2.identify(ioctl)
            formats = tuple(v4l2.formats(ioctl)) if captures else ()
    except OSError as error:
        return None if error.errno in (errno.ENOTTY, errno.EINVAL) else replace(camera, problem=_problem(error))
    return replace(camera, name=name or camera.name, driver=driver, formats=formats) if captures else None


def _kernel_name(number: int) -> str:
    """The name the kernel knows even of a device that does not open."""
    try:
        return (SYS / f"video{number}" / "name").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return f"video{number}"


def _problem(error: OSError) -> str:
    if error.errno in (errno.EACCES, errno.EPERM):
        return "may not be opened: add yourself to the group video (sudo usermod -aG video $USER) and log in again"
    if error.errno == errno.EBUSY:
        return "is in use: close the other program"
    return f"cannot be opened ({error.strerror})"


def _probed() -> list[CameraInfo]:
    """The numbers OpenCV can open; names and formats stay unknown."""
    from .camera import import_cv2

    cv2, found = import_cv2(), []
    for number in range(_PROBED):
        capture = cv2.VideoCapture(number)
        if capture.isOpened():
            size = Size(int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)), int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)))
            fps = round(float(capture.get(cv2.CAP_PROP_FPS)), 2)
            given = Format("", size, (fps,) if fps > 0 else ())
            unknown = f"names and other formats are not told on {sys.platform}"
            found.append(
                CameraInfo(number, "", f"camera {number}", capture.getBackendName(), formats=(given,), problem=unknown)
            )
        capture.release()
    return found


def find_camera(wanted: str, cameras: Sequence[CameraInfo]) -> CameraInfo | None:
    """The camera of that number, path (a link to it too) or name, or part of a name; None if there is none.

    Raises InputError if several names fit.
    """
    if wanted.isdigit():
        return next((camera for camera in cameras if camera.number == int(wanted)), None)
    if "/" in wanted:
        target = str(Path(wanted).resolve())
        return next((camera for camera in cameras if camera.path in (wanted, target)), None)
    name = wanted.casefold()
    fitting = [camera for camera in cameras if name in camera.name.casefold()]
    exact = [camera for camera in fitting if name == camera.name.casefold()]
    if len(exact or fitting) > 1:
        raise InputError(f"camera '{wanted}': several have that name; choose a number: {names(exact or fitting)}")
    return next(iter(exact or fitting), None)


def names(cameras: Sequence[CameraInfo]) -> str:
    """All in one line."""
    return ", ".join(f'{camera.number} "{camera.name}"' for camera in cameras) or "none found"


def _at(rates: tuple[float, ...]) -> str:
    return f" at {'/'.join(f'{rate:g}' for rate in rates)} fps" if rates else ""
