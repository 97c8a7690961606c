"""What the checks may see of the machine, in one place, so that a test can script another machine."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

PROGRAM_SECONDS = 3.0
PROBE_SECONDS = 6.0


class Done(NamedTuple):
    """How a program ended."""

    code: int
    out: str
    err: str


class ProbeError(Exception):
    """A probe that crashed or said nothing of use."""


class System:
    """This machine. Whatever is not there reads as empty; a program that hangs raises TimeoutExpired."""

    platform = sys.platform

    def python(self) -> tuple[int, int, int]:
        """The running Python's version."""
        return sys.version_info[:3]

    def describe(self) -> str:
        """The kernel or system, and the processor's family."""
        return f"{platform.system()} {platform.release()}, {platform.machine()}"

    def kernel(self) -> str:
        """The kernel's release."""
        return platform.release()

    def machine(self) -> str:
        """The processor's family, such as `x86_64` or `arm64`."""
        return platform.machine()

    def cores(self) -> int:
        """The cores this process may use."""
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

    def env(self, name: str) -> str:
        """An environment variable."""
        return os.environ.get(name, "")

    def home(self) -> Path:
        """The user's own folder."""
        return Path(os.path.expanduser("~"))

    def read(self, path: str) -> str:
        """A file's text; empty if it is not there or not ours to read."""
        return self.read_bytes(path).decode(errors="replace").strip()

    def read_bytes(self, path: str) -> bytes:
        """A file's bytes; empty if it is not there or not ours to read."""
        try:
            return Path(path).read_bytes()
        except OSError:
            return b""

    def listing(self, folder: str) -> list[str]:
        """The names in a folder, sorted; empty if there is no such folder."""
        try:
            return sorted(os.listdir(folder))
        except OSError:
            return []

    def exists(self, path: str) -> bool:
        """Whether a file or folder is there."""
        return os.path.exists(path)

    def may_write(self, path: str) -> bool:
        """Whether this process may read and write it."""
        return os.access(path, os.R_OK | os.W_OK)

    def packages(self) -> dict[str, str]:
        """The installed packages' versions, by normal name."""
        found = importlib.metadata.distributions()
        return {dist.name.lower().replace("_", "-"): dist.version for dist in found if dist.name}

    def requirements(self) -> list[str]:
        """What livestyle asks for, as in its metadata: `av<19,>=14`, `onnxruntime>=1.20; extra == 'cpu'`."""
        return importlib.metadata.requires("livestyle") or []

    def run(self, *command: str, timeout: float = PROGRAM_SECONDS) -> Done | None:
        """Runs a program; None if there is none of that name."""
        environment = os.environ | {"LC_ALL": "C"}
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                check=False,
                encoding="utf-8",
                env=environment,
                errors="replace",
                stdin=subprocess.DEVNULL,
                timeout=timeout,
            )
        except (FileNotFoundError, PermissionError):
            return None
        return Done(done.returncode, done.stdout, done.stderr)

    def probe(self, name: str, *arguments: str, timeout: float = PROBE_SECONDS) -> dict[str, Any]:
        """What a function of probe.py finds, run in a Python of its own: native code can hang or abort."""
        code = f"import sys; sys.path[:] = {sys.path!r}; from livestyle.doctor.probe import main; main()"
        done = self.run(sys.executable, "-P", "-c", code, name, *arguments, timeout=timeout)
        return read_probe(done)


def read_probe(done: Done | None) -> dict[str, Any]:
    """A probe's answer, its last line. Raises ProbeError without one."""
    last = done.out.splitlines()[-1] if done and done.out.strip() else ""
    try:
        answer = json.loads(last)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        said = [line for line in done.err.splitlines() if line.strip()] if done else []
        ended = f"ended with {done.code}" if done else "did not start"
        raise ProbeError(f"{ended}: {said[-1].strip()[:200]}" if said else ended)
    return answer
