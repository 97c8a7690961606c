"""Linux's virtual cameras (v4l2loopback): which there are, which one is free, and what holds the others."""

from __future__ import annotations

import errno
import os
import platform
import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..errors import DeviceError
from . import v4l2
from .size import Size

DEV, SYS, PROC, MODULES = Path("/dev"), Path("/sys"), Path("/proc"), Path("/lib/modules")
LOAD = "modprobe v4l2loopback card_label=livestyle exclusive_caps=1"  # browsers list no other
RELOAD = "sudo modprobe -r v4l2loopback && sudo modprobe v4l2loopback card_label=livestyle exclusive_caps=0"

_CAPABILITIES = struct.Struct("=80xIII12x")
# A buffer type, then a union that is aligned as a pointer is: 208 bytes on 64 bits, 204 on 32.
_FORMAT = struct.Struct("@I0P200s")
_PIXELS = struct.Struct("=III")  # width, height, four-character code
_OUTPUT_BUFFERS = 2
_TRY_FMT = 3 << 30 | _FORMAT.size << 16 | ord("V") << 8 | 64
_STREAMON = 1 << 30 | 4 << 16 | ord("V") << 8 | 18
_I420 = int.from_bytes(b"YU12", "little")


@dataclass(frozen=True)
class Loopback:
    """A virtual camera's device and the name programs list it under."""

    path: Path
    name: str

    def __str__(self) -> str:
        return f'{self.path} "{self.name}"'


@dataclass(frozen=True)
class Place:
    """A device that can be written to.

    Attributes:
        size, fourcc: what it takes: as asked, or what the programs that hold it are fixed to.
    """

    device: Loopback
    size: Size
    fourcc: str


def list_loopbacks() -> list[Loopback]:
    """Every v4l2loopback device by number, whatever its state."""
    folder = SYS / "class/video4linux"
    found = [entry.parent for entry in folder.glob("video*/max_openers")]  # only this driver has that attribute
    found.sort(key=lambda entry: int(entry.name.removeprefix("video")))
    return [Loopback(DEV / entry.name, (entry / "name").read_text(errors="replace").strip()) for entry in found]


def find_place(wanted: str | None, size: Size) -> Place | None:
    """A device nobody writes to, best one of the size asked; None if there is no v4l2loopback at all.

    Args:
        wanted: its number, path or name, or part of the name; None for any.

    Raises DeviceError if none is named so, or all are taken; it says by whom.
    """
    devices = list_loopbacks()
    if not devices:
        return None
    places, problems = [], []
    for device in _named(wanted, devices):
        try:
            places.append(_place(device, size))
        except DeviceError as error:
            problems.append(f"{device} {error}")
    if not places:
        raise DeviceError(f"virtual camera: {'; '.join(problems)}")
    return next((place for place in places if place.size == size), places[0])


def _named(wanted: str | None, devices: Sequence[Loopback]) -> Sequence[Loopback]:
    if wanted is None:
        return devices
    paths = {Path(wanted).resolve(), DEV / f"video{wanted}"}
    found = [device for device in devices if device.path in paths]
    found = found or [device for device in devices if wanted.casefold() in device.name.casefold()]
    if not found:
        raise DeviceError(f"virtual camera '{wanted}': there is none; choose from {', '.join(map(str, devices))}")
    return found


def _place(device: Loopback, size: Size) -> Place:
    """Raises DeviceError with why it cannot be written to, and what to do."""
    try:
        capabilities = _capabilities(device.path)
        if not capabilities & (v4l2.CAPTURE | v4l2.OUTPUT):
            revive(device.path)
            capabilities = _capabilities(device.path)
        _require_no_writer(device.path, capabilities)
        return _try_format(device, size)
    except OSError as error:
        raise DeviceError(_refusal(error)) from error


def _capabilities(path: Path) -> int:
    structure = bytearray(_CAPABILITIES.size)
    with v4l2.device(path) as ioctl:
        ioctl(v4l2.QUERYCAP, structure)
    _version, _all, of_this_node = _CAPABILITIES.unpack(structure)
    return int(of_this_node)


def _require_no_writer(path: Path, capabilities: int) -> None:
    """With exclusive_caps=1 a device that is written to says so; else only the writer's open file does."""
    users = list(_users(path))
    if writers := [user for user in users if user[1]]:
        raise DeviceError(f"is written to{_by(writers)} already: end that, or load the driver with devices=2")
    if not capabilities & v4l2.OUTPUT:
        told = f"is in use{_by(users)}: close it there"
        raise DeviceError(f"{told}; if nothing writes to it, its driver is stuck: {RELOAD}" if _is_old() else told)


def _try_format(device: Loopback, size: Size) -> Place:
    asked = _PIXELS.pack(*size, _I420)
    structure = bytearray(_FORMAT.pack(_OUTPUT_BUFFERS, asked))
    with v4l2.device(device.path) as ioctl:
        ioctl(_TRY_FMT, structure)
    width, height, pixels = _PIXELS.unpack_from(_FORMAT.unpack(structure)[1])
    return Place(device, Size(width, height), pixels.to_bytes(4, "little").decode("ascii", "replace"))


def revive(path: Path) -> None:
    """Makes a device that its last writer left ready for the next one.

    v4l2loopback 0.12 (Debian 12, Ubuntu 22.04) with exclusive_caps=1 notices only that a writer leaves which had
    started to stream; pyvirtualcam writes plainly, so the device would refuse all others until the module is reloaded.
    """
    if not _is_old():
        return
    with suppress(OSError):
        if _capabilities(path) & v4l2.OUTPUT:
            return
        with v4l2.device(path) as ioctl, suppress(OSError):  # it refuses, having noted that we are a writer
            ioctl(_STREAMON, bytearray(struct.pack("=i", _OUTPUT_BUFFERS)))


def _is_old() -> bool:
    """Whether v4l2loopback is older than 0.13, the first to tell its version."""
    return not (SYS / "module/v4l2loopback/version").exists()


def _users(path: Path) -> Iterator[tuple[str, bool]]:
    """Who has it open, as far as we may see, and whether only to write."""
    for link in PROC.glob("[0-9]*/fd/*"):
        with suppress(OSError, StopIteration):
            if os.readlink(link) != str(path):
                continue
            process = link.parents[1]
            facts = (process / "fdinfo" / link.name).read_text().split()
            flags = int(facts[facts.index("flags:") + 1], 8)
            name = (process / "comm").read_text(errors="replace").strip()
            yield f"{name} (process {process.name})", flags & os.O_ACCMODE == os.O_WRONLY


def _by(users: Sequence[tuple[str, bool]]) -> str:
    names = sorted({name for name, _ in users})
    return f" by {', '.join(names)}" if names else " by another program"


def _refusal(error: OSError) -> str:
    if error.errno in (errno.EACCES, errno.EPERM):
        return "may not be opened: add yourself to the group video (sudo usermod -aG video $USER) and log in again"
    if error.errno == errno.EBUSY:
        return "is open in too many programs: close one"
    return f"cannot be opened ({error.strerror})"


def how_to_load() -> str:
    """The line that makes a virtual camera where there is none."""
    listed = MODULES / platform.release() / "modules.dep"
    with suppress(OSError):
        if "/v4l2loopback.ko" in listed.read_text(errors="replace"):
            return f"load its driver: sudo {LOAD}"
    install = "sudo apt-get install v4l2loopback-dkms linux-headers-$(uname -r)"
    return f"its driver is not installed: {install} && sudo {LOAD}"
