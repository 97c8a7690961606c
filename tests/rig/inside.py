"""Runs inside the VM (rig.sh): drives livestyle with the fake webcam and the virtual camera, and prints what happened.

A line of JSON for each scene, which tests/test_rig.py judges. Arithmetic and starting Python are slow in there, so
livestyle is imported once and each run is a fork of that, but for one that is the command itself.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TextIO

import cv2  # before av, which livestyle brings
import numpy as np
import pyvirtualcam
from machine import DEVICE, RATE, SMALL, WEBCAM, Run, about, ffmpeg, load, reading, until

from livestyle.frame import Image
from livestyle.media.pattern import Pattern, read_number
from livestyle.media.size import Size

CELL = 20  # pixels
NOISE = Path("/tmp/noise")


def cells(image: Image) -> Image:
    """The mean colour of each CELL x CELL pixels."""
    height, width = (side // CELL for side in image.shape[:2])
    parts = image[: height * CELL, : width * CELL].reshape(height, CELL, width, CELL, 3)
    return np.asarray(parts.mean(axis=(1, 3)))


def apart(a: Image, b: Image) -> float:
    """The largest difference of two cells' colours, in levels."""
    return float(np.abs(cells(a) - cells(b)).max())


def compare(images: Sequence[Image], change: Callable[[Image], Image] = lambda image: image) -> dict[str, object]:
    """The numbers drawn in the images, and how far each is from the picture of its number."""
    pattern, numbers = Pattern(SMALL, fps=RATE), [read_number(image) for image in images]
    known = [(image, number) for image, number in zip(images, numbers, strict=True) if number is not None]
    return {
        "numbers": numbers,
        "apart": [round(apart(image, change(pattern.picture(number))), 1) for image, number in known],
    }


# Scenes


def webcam() -> dict[str, object]:
    """The whole way, by the command itself: a webcam, livestyle, the virtual camera, ffmpeg."""
    load(exclusive_caps=0)
    with Run("--camera-size", str(SMALL), camera=WEBCAM, command=True) as run:
        run.shows()
        images = ffmpeg(5)
        code = run.stop() and run.code()
    capture = cv2.VideoCapture(0)
    capture.set(cv2.CAP_PROP_FRAME_WIDTH, SMALL.width)
    capture.set(cv2.CAP_PROP_FRAME_HEIGHT, SMALL.height)
    direct = cv2.cvtColor(capture.read()[1], cv2.COLOR_BGR2RGB)
    capture.release()
    # vivid writes the time into the upper part of its colour bars
    lower = [image[SMALL.height * 2 // 3 :] for image in (direct, *images)]
    return {
        "shape": images[0].shape,
        "apart": [apart(lower[0], image) for image in lower[1:]],
        "colours": len(np.unique(cells(lower[0]).round(-1).reshape(-1, 3), axis=0)),
        "code": code,
        "said": run.said(),
    }


def numbered() -> dict[str, object]:
    """Every frame that ffmpeg reads is the picture of the number drawn in it."""
    load(exclusive_caps=0)
    with Run() as run:
        run.shows()
        return compare(ffmpeg(12)) | {"said": run.said()}


def styled(style: str) -> dict[str, object]:
    """A network that mixes the picture with red, half and half."""
    load(exclusive_caps=0)
    with Run("--strength", "0.5", style=style) as run:
        run.shows()
        images = ffmpeg(6)
    red = np.array([255, 0, 0])
    return compare(images, lambda image: np.asarray((image + red) / 2, np.uint8)) | {"said": run.said()}


def reopened(exclusive_caps: int) -> dict[str, object]:
    """Started and ended three times on one device, which a program reads each time; then killed, and started again."""
    load(exclusive_caps=exclusive_caps)
    numbers, codes = [], []
    for _ in range(3):
        with Run() as run:
            run.shows()
            with reading() as read:
                # The driver counts the first frame as shown before it is there.
                numbers.append([read_number(read()) for _ in range(3)][-1])
            run.stop()
            codes.append(run.code())
    with Run() as run:
        run.shows()
        run.stop(signal.SIGKILL)
    with Run("--frames", "3") as run:
        return {"numbers": numbers, "codes": codes, "after_kill": run.code(), "said": run.said()}


def stuck() -> dict[str, object]:
    """Killed while a program reads, with exclusive_caps=1: Debian's driver takes no new writer."""
    load(exclusive_caps=1)
    with Run() as run:
        run.shows()
        with reading() as read:
            read()
            run.stop(signal.SIGKILL)
            with Run("--frames", "3") as again:
                refused, said = again.code(), again.said()
    with Run("--frames", "3") as run:
        return {"refused": refused, "said": said, "once_it_is_gone": run.code()}


def consumers() -> dict[str, object]:
    """Programs come and go while livestyle runs."""
    load(exclusive_caps=0)
    numbers: list[list[int | None]] = []
    memory = []
    with Run() as run:
        run.shows()
        for _ in range(8):
            with reading() as read:
                numbers.append([read_number(read()) for _ in range(3)])
            memory.append(run.memory_mb())
        run.stop()
        return {"numbers": numbers, "memory": memory, "code": run.code(), "said": run.said()}


def other_size(pixels: str) -> dict[str, object]:
    """A program that watches holds the device at the size of a writer that has left."""
    load(exclusive_caps=0)
    size, fmt = Size(640, 480), getattr(pyvirtualcam.PixelFormat, pixels)
    with pyvirtualcam.Camera(*size, 30, fmt=fmt, device=DEVICE) as first:
        blank = np.zeros((480, 640, 3) if pixels == "RGB" else 640 * 480 * 2, np.uint8)
        first.send(blank)
        with reading() as read:
            read()
            first.close()
            with Run() as run:
                until(lambda: run.ended() or "virtual camera" in "".join(run.said()), "livestyle")
                images = [read() for _ in range(8)]
                said = run.said()
    inside = [image[60:420] for image in images[4:]]  # 640x360 in the middle; the old writer's are read first
    small = [np.asarray(cv2.resize(image, SMALL, interpolation=cv2.INTER_AREA), np.uint8) for image in inside]
    bars = [float(image[bar].max()) for image in images[4:] for bar in (slice(0, 56), slice(424, 480))]
    return compare(small) | {"bars": max(bars), "said": said}


def taken() -> dict[str, object]:
    """A second livestyle finds the device taken, whatever exclusive_caps is."""
    found = {}
    for exclusive_caps in (0, 1):
        load(exclusive_caps=exclusive_caps)
        with Run() as first:
            first.shows()
            with Run() as second:
                found[f"exclusive_caps={exclusive_caps}"] = [second.code(), *second.said()]
    return found


def stopped(number: int) -> dict[str, object]:
    """A signal ends it, and another writer has the device at once, at its own size. Three times."""
    load(exclusive_caps=0)
    seconds, codes, formats, said = [], [], [], []
    for _ in range(3):
        with Run() as run:
            run.shows()
            seconds.append(run.stop(number))
            codes.append(run.code())
            said += run.said()
        with pyvirtualcam.Camera(640, 480, 30, device=DEVICE) as other:
            other.send(np.zeros((480, 640, 3), np.uint8))
            formats.append(about("format"))
    return {"seconds": seconds, "codes": codes, "said": said, "formats": formats}


def alone() -> TextIO:
    """The standard output, for us only: drivers and programs that write there would break into our lines."""
    told = os.fdopen(os.dup(1), "w")
    with NOISE.open("w") as noise:
        os.dup2(noise.fileno(), 1)
        os.dup2(noise.fileno(), 2)
    return told


def main(style: str, *wanted: str) -> None:
    scenes: dict[str, Callable[[], dict[str, object]]] = {
        "webcam": webcam,
        "numbered": numbered,
        "styled": lambda: styled(style),
        "reopened": lambda: reopened(0),
        "reopened_exclusive": lambda: reopened(1),
        "stuck": stuck,
        "consumers": consumers,
        "other_size": lambda: other_size("RGB"),
        "other_pixels": lambda: other_size("YUYV"),
        "taken": taken,
        "sigint": lambda: stopped(signal.SIGINT),
        "sigterm": lambda: stopped(signal.SIGTERM),
    }
    told = alone()
    for name in wanted or scenes:
        started = time.monotonic()
        try:
            facts = scenes[name]()
        except Exception:
            facts = {"failed": f"{traceback.format_exc()}\n{NOISE.read_text()[-2000:]}"}
        facts["took"] = round(time.monotonic() - started, 1)
        print(json.dumps({"scene": name} | facts), file=told, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
