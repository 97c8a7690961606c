"""A real webcam driver, livestyle, a real virtual camera and ffmpeg, in a VM that is thrown away (rig/rig.sh).

Leave it out with LIVESTYLE_RIG=0: it downloads a kernel (90 MB, once) and takes minutes.
"""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import handmade
import pytest

RIG = Path(__file__).parent / "rig"
PROGRAMS = ["apt-cache", "apt-get", "bash", "ffmpeg", "gcc", "gzip", "make", "qemu-system-x86_64"]
TIMEOUT = 1500  # seconds, for a busy machine; two idle cores need less than four minutes
BOTH_WAYS_TO_YUV = 6  # levels that a cell's mean colour may be off by
STOPS_WITHIN = 3.0  # seconds, the best of three: 0.3 where the machine is free, 1 to 2 where it is busy

pytestmark = pytest.mark.timeout(TIMEOUT + 400)  # and four tries to boot

Scene = Callable[[str], dict[str, Any]]


def missing() -> str | None:
    """Why the VM cannot run here."""
    if os.environ.get("LIVESTYLE_RIG") == "0":
        return "LIVESTYLE_RIG=0"
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return "the VM is made for Linux on x86_64"
    if absent := [program for program in PROGRAMS if not shutil.which(program)]:
        return f"not installed: {', '.join(absent)}"
    if importlib.util.find_spec("pyvirtualcam") is None:
        return "not installed: pyvirtualcam"
    listed = subprocess.run(["apt-cache", "show", "linux-image-amd64"], capture_output=True, check=False)
    return "apt knows no linux-image-amd64 (apt-get update?)" if listed.returncode else None


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """What happened in a scene of rig/inside.py; the VM runs once, for all of them."""
    if reason := missing():
        pytest.skip(reason)
    style = handmade.save(handmade.paint_model(red=handmade.RED), tmp_path_factory.mktemp("rig") / "red.onnx")
    command = f"'{sys.executable}' '{RIG / 'inside.py'}' '{style}'"
    done = subprocess.run(
        ["bash", RIG / "rig.sh", "run", command],
        env={**os.environ, "RIG_TIMEOUT": str(TIMEOUT), "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if "rig: the machine never booted" in done.stderr:
        pytest.skip("the VM does not boot on this machine, in four tries")
    found = {facts.pop("scene"): facts for facts in map(json.loads, filter(_is_json, done.stdout.splitlines()))}

    def get(name: str) -> dict[str, Any]:
        if name not in found:
            pytest.fail(f"the VM did not get to {name}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
        assert "failed" not in found[name], found[name]["failed"]
        return found[name]

    return get


def _is_json(line: str) -> bool:
    return line.startswith('{"scene"')


def assert_in_order(numbers: list[int | None]) -> None:
    """Repeated frames are the driver's way, and one torn frame may be; anything older than the last is not."""
    known = [number for number in numbers if number is not None]
    assert len(numbers) - len(known) <= 1, numbers
    assert all(a <= b for a, b in pairwise(known)), numbers
    assert len(set(known)) >= len(known) / 2, numbers


def assert_right_frames(facts: dict[str, Any]) -> None:
    """Each is the picture of the number drawn in it."""
    assert_in_order(facts["numbers"])
    assert max(facts["apart"]) <= BOTH_WAYS_TO_YUV, facts


def test_a_webcam_reaches_ffmpeg_through_the_virtual_camera(scene: Scene) -> None:
    facts = scene("webcam")
    assert facts["shape"] == [180, 320, 3]
    assert facts["colours"] >= 6  # the webcam's colour bars, not one blank picture
    assert max(facts["apart"]) <= BOTH_WAYS_TO_YUV
    assert "virtual camera: /dev/video1" in facts["said"]
    assert facts["code"] == 143


def test_ffmpeg_reads_the_right_frames_in_order(scene: Scene) -> None:
    facts = scene("numbered")
    assert len(facts["numbers"]) == 12
    assert_right_frames(facts)


def test_ffmpeg_reads_styled_frames(scene: Scene) -> None:
    facts = scene("styled")
    assert len(facts["numbers"]) == 6
    assert_right_frames(facts)


@pytest.mark.parametrize("name", ["reopened", "reopened_exclusive"])
def test_a_device_is_opened_again_and_again(name: str, scene: Scene) -> None:
    """With exclusive_caps=1 too, after which Debian's driver by itself takes no second writer."""
    facts = scene(name)
    assert facts["codes"] == [143, 143, 143]
    assert None not in facts["numbers"]
    assert facts["after_kill"] == 0, facts["said"]


def test_a_stuck_device_is_one_line_with_the_way_out(scene: Scene) -> None:
    facts = scene("stuck")
    assert facts["refused"] == 1
    error = facts["said"][-1]
    assert error.startswith('error: virtual camera: /dev/video1 "livestyle" is in use by python')
    assert "modprobe v4l2loopback card_label=livestyle exclusive_caps=0" in error
    assert "Traceback" not in "".join(facts["said"])
    assert facts["once_it_is_gone"] == 0


def test_programs_that_watch_come_and_go(scene: Scene) -> None:
    facts = scene("consumers")
    assert len(facts["numbers"]) == 8
    assert_in_order([number for read in facts["numbers"] for number in read])
    assert all(a[0] < b[0] for a, b in pairwise(facts["numbers"]) if None not in (a[0], b[0]))  # it never stalls
    assert max(facts["memory"]) - facts["memory"][1] < 5  # MB
    assert facts["code"] == 143


@pytest.mark.parametrize("name", ["other_size", "other_pixels"])
def test_a_device_held_at_another_size_is_adapted_to(name: str, scene: Scene) -> None:
    facts = scene(name)
    assert_right_frames(facts)
    assert facts["bars"] <= 8  # black above and below
    assert any("640x480" in line for line in facts["said"])


def test_a_second_livestyle_is_told_who_has_the_device(scene: Scene) -> None:
    facts = scene("taken")
    for exclusive_caps in (0, 1):
        code, *said = facts[f"exclusive_caps={exclusive_caps}"]
        assert code == 1
        assert said[-1].startswith('error: virtual camera: /dev/video1 "livestyle" is written to by python (process')


@pytest.mark.parametrize(("name", "code"), [("sigint", 130), ("sigterm", 143)])
def test_a_signal_ends_it_and_frees_the_device(name: str, code: int, scene: Scene) -> None:
    facts = scene(name)
    assert facts["codes"] == [code] * 3
    assert min(facts["seconds"]) < STOPS_WITHIN
    assert all(held.startswith("YU12:640x480") for held in facts["formats"])  # another writer has it, at its size
    assert "Traceback" not in "".join(facts["said"])
