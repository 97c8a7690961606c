"""A scripted machine for the doctor, and what a check says of it."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any, NamedTuple

from livestyle.doctor import Finding, System
from livestyle.doctor.system import Done

REQUIREMENTS = [
    "av<19,>=14",
    "click>=8.1",
    "onnxruntime>=1.20; extra == 'cpu'",
    "onnxruntime-gpu[cuda,cudnn]>=1.21; extra == 'gpu'",
    "pyvirtualcam>=0.11; extra == 'live'",
    "onnx>=1.17; extra == 'mask'",
    "tflite>=2.18; extra == 'mask'",
    "onnx>=1.17; extra == 'train'",
    "torch==2.13.0; extra == 'train'",
    "safetensors>=0.4; extra == 'train'",
    "pytest>=8; extra == 'dev'",
]
INSTALLED = {"av": "18.1.0", "click": "8.5.1", "onnxruntime": "1.31.1", "pyvirtualcam": "0.15.0"}


class Scripted(System):
    """A machine told by its files, programs, packages and probes; nothing of the real one shows through."""

    def __init__(
        self,
        *,
        platform: str = "linux",
        files: dict[str, str | bytes] | None = None,
        programs: dict[str, Done] | None = None,
        probes: dict[str, Any] | None = None,
        installed: dict[str, str] | None = None,
        requirements: list[str] | None = None,
        environment: dict[str, str] | None = None,
        closed: tuple[str, ...] = (),
        cores: int = 4,
        python: tuple[int, int, int] = (3, 12, 1),
        machine: str = "x86_64",
    ) -> None:
        self.platform, self._files, self._programs, self._probes = platform, files or {}, programs or {}, probes or {}
        self._installed = INSTALLED if installed is None else installed
        self._requirements = REQUIREMENTS if requirements is None else requirements
        self._environment, self._closed, self._cores = environment or {}, closed, cores
        self._python, self._machine = python, machine
        self.asked: list[str] = []

    def python(self) -> tuple[int, int, int]:
        return self._python

    def describe(self) -> str:
        return "Linux 6.1.0-amd64, x86_64"

    def kernel(self) -> str:
        return "6.1.0-amd64"

    def machine(self) -> str:
        return self._machine

    def cores(self) -> int:
        return self._cores

    def env(self, name: str) -> str:
        return self._environment.get(name, "")

    def home(self) -> Path:
        return Path("/home/ada")

    def read_bytes(self, path: str) -> bytes:
        content = self._files.get(path, b"")
        return content.encode() if isinstance(content, str) else content

    def listing(self, folder: str) -> list[str]:
        inside = [path.removeprefix(f"{folder}/") for path in self._files if path.startswith(f"{folder}/")]
        return sorted({path.split("/", 1)[0] for path in inside})

    def exists(self, path: str) -> bool:
        return path in self._files or bool(self.listing(path))

    def may_write(self, path: str) -> bool:
        return path not in self._closed

    def packages(self) -> dict[str, str]:
        return self._installed

    def requirements(self) -> list[str]:
        return self._requirements

    def run(self, *command: str, timeout: float = 0) -> Done | None:
        return self._programs.get(" ".join(command), self._programs.get(command[0]))

    def probe(self, name: str, *arguments: str, timeout: float = 0) -> dict[str, Any]:
        key = " ".join([name, *arguments])
        self.asked.append(key)
        answer: Any = self._probes[key]
        if isinstance(answer, Exception):
            raise answer
        return dict(answer)


TIMEOUT = subprocess.TimeoutExpired("probe", 4)


class Verdict(NamedTuple):
    """The one finding of a check, without its name."""

    state: str
    detail: str
    fix: str


def only(findings: list[Finding]) -> Verdict:
    (finding,) = findings
    assert finding.state == "ok" or finding.fix, "what is wrong has a line that mends it"
    assert "\n" not in finding.fix
    return Verdict(finding.state, finding.detail, finding.fix)
