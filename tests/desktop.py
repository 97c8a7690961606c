"""A desktop without a screen: Xvfb, `livestyle cam` on it, and keys pressed by xdotool."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def screen() -> Iterator[str]:
    """The name of a virtual X display."""
    if not (shutil.which("Xvfb") and shutil.which("xdotool")):
        pytest.skip("Xvfb and xdotool are not installed")
    with xvfb("640x480x24") as name:
        yield name


@contextmanager
def xvfb(geometry: str, *options: str) -> Iterator[str]:
    """The name of a virtual X display of that width, height and depth, which ends with the block."""
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", geometry, "-nolisten", "tcp", "-noreset", *options]
    with subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL) as server:
        os.close(write)
        try:
            with os.fdopen(read) as pipe:
                yield f":{pipe.readline().strip()}"
        finally:
            server.terminate()  # also if the test fails, or the block would wait for it for ever


@contextmanager
def cam(film: Path, screen: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A running `livestyle cam`; killed if the test fails."""
    command = [sys.executable, "-m", "livestyle.cli", "cam", "--camera", str(film), "--style", "none", *arguments]
    environment = {**os.environ, "DISPLAY": screen}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def xdotool(screen: str, *arguments: str) -> str:
    """What it says; it waits by itself for the window with --sync."""
    environment = {**os.environ, "DISPLAY": screen}
    done = subprocess.run(
        ["xdotool", *arguments], env=environment, capture_output=True, text=True, timeout=30, check=False
    )
    return done.stdout.strip()


def press(screen: str, *keys: str) -> None:
    """Presses keys in livestyle's window, once it is there."""
    window = xdotool(screen, "search", "--sync", "--onlyvisible", "--name", "^livestyle$").split()[0]
    xdotool(screen, "windowfocus", "--sync", window)
    for key in keys:
        xdotool(screen, "key", "--window", window, key)
