"""`livestyle doctor`: what works on this machine, what does not, and the line that mends it.

Every check is alone: one that fails or hangs becomes a finding of the state `unknown`, and the others go on.
"""

from __future__ import annotations

import re
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click

from . import cameras, desktop, engine, own, packages, virtual
from .finding import Finding
from .system import System

__all__ = ["CHECKS", "Check", "Finding", "System", "report", "run_doctor"]

_COLORS = {"ok": "green", "warning": "yellow", "problem": "red", "unknown": "cyan"}


@dataclass(frozen=True)
class Check:
    """One look at the machine.

    Attributes:
        name: the finding's name if it fails.
        look: what it finds.
        seconds: how long it may take; more than its programs may, which are ended before.
        alone: whether others would spoil what it measures.
    """

    name: str
    look: Callable[[System], list[Finding]]
    seconds: float = 6.0
    alone: bool = False


CHECKS = (
    Check("python", packages.python),
    Check("packages", packages.packages),
    Check("torchvision", packages.torchvision, seconds=packages.IMPORT_SECONDS + 2),
    Check("onnxruntime", packages.onnxruntime),
    Check("devices", engine.devices, seconds=24, alone=True),
    Check("gpu", engine.gpu),
    Check("processor", engine.processor),
    Check("memory", engine.memory),
    Check("opencv", desktop.opencv),
    Check("ffmpeg", desktop.codecs),
    Check("display", desktop.display),
    Check("microphone", desktop.microphone),
    Check("camera permission", cameras.permission),
    Check("cameras", cameras.cameras, seconds=16, alone=True),
    Check(virtual.NAME, virtual.virtual_camera),
    Check("obs", virtual.obs),
    Check("secure boot", virtual.secure_boot),
    Check("own folder", own.folder),
    Check("settings", own.settings),
    Check("styles", own.styles),
)


def run_doctor(*, system: System | None = None, checks: Sequence[Check] = CHECKS) -> list[Finding]:
    """Every check's findings, in order, without the user's name in them. Takes some seconds."""
    system = system or System()
    found = {check.name: _Running(check, system).result() for check in checks if check.alone}
    started = {check.name: _Running(check, system) for check in checks if not check.alone}  # all at once
    found |= {name: running.result() for name, running in started.items()}
    home = system.home()
    return [_private(finding, home) for check in checks for finding in found[check.name]]


_AGAIN = "run livestyle doctor again when the computer is less busy; if it stays so, report it with this line"


class _Running:
    """A check under way on a thread of its own, which is left behind if it hangs."""

    def __init__(self, check: Check, system: System) -> None:
        self._check, self._system = check, system
        self._found: list[Finding] | None = None
        self._end = time.monotonic() + check.seconds
        self._thread = threading.Thread(target=self._work, name=f"doctor {check.name}", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        try:
            self._found = self._check.look(self._system)
        except subprocess.TimeoutExpired:
            self._found = [self._unknown("it took too long")]
        except Exception as error:  # a check must never take the others with it
            self._found = [self._unknown(f"{type(error).__name__}: {error}")]

    def _unknown(self, why: str) -> Finding:
        return Finding(self._check.name, "unknown", f"could not be checked ({' '.join(why.split())})", _AGAIN)

    def result(self) -> list[Finding]:
        """What it found, once it has; waits until its time is over."""
        self._thread.join(max(0.0, self._end - time.monotonic()))
        return self._found if self._found is not None else [self._unknown("it took too long")]


def _private(finding: Finding, home: Path) -> Finding:
    """The finding, each text one line, without the home folder, which holds the user's name."""

    def hidden(text: str, short: str) -> str:
        if len(home.parts) > 1:
            text = re.sub(rf"{re.escape(str(home))}(?![\w.-])", short, text)
        return " ".join(text.split())

    # A shell opens ~ only outside quotes, and paths in a fix are quoted.
    return replace(finding, detail=hidden(finding.detail, "~"), fix=hidden(finding.fix, "$HOME"))


def report(findings: Sequence[Finding]) -> str:
    """The findings as lines for people, and how many are bad."""
    width = max((len(finding.name) for finding in findings), default=0)
    lines = []
    for finding in findings:
        state = click.style(f"{finding.state:<8}", fg=_COLORS[finding.state])
        lines.append(f"{state} {finding.name:<{width}}  {finding.detail}")
        if finding.fix:
            lines.append(f"{'':<{width + 9}}  -> {finding.fix}")
    counts = {state: sum(finding.state == state for finding in findings) for state in ("problem", "warning", "unknown")}
    told = [f"{number} {state}{'s' if number > 1 else ''}" for state, number in counts.items() if number]
    return "\n".join([*lines, "", ", ".join(told) or "all is well"])
