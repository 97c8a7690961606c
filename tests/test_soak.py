"""An hour of live frames, sped up: nothing grows."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import closing
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from livestyle.chain import Chain
from livestyle.controls import Controls, Look
from livestyle.frame import Frame
from livestyle.governor import Governor
from livestyle.latency import Meter
from livestyle.media.mjpeg import MjpegServer
from livestyle.outputs import Outputs
from livestyle.palette import Palette
from livestyle.pipeline import run

pytest.importorskip("cv2")
FRAMES, SETTLED = 20_000, 4_000
GROWTH = 1.10


def resident_mb() -> float:
    """Memory of this process that is in use, from Linux' own books."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0]) / 1024


def frames(random: np.random.Generator) -> Iterator[Frame]:
    images = [random.integers(0, 256, (48, 64, 3), np.uint8) for _ in range(16)]
    for index in range(FRAMES):
        yield Frame(images[index // 100 % 16], Fraction(index, 30), index, captured=time.monotonic())


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_twenty_thousand_frames_leave_memory_flat() -> None:
    controls = Controls(["starry", "wave", "none"], Look(keep_color=0.5))
    meter, sizes = Meter(), []
    chain = Chain(
        Palette(controls.styles, device="cpu", threads=1),
        controls,
        lambda full, networks: Governor(full, fps=1000, max_latency=1),
    )
    with closing(MjpegServer(0)) as server, closing(Outputs([server], controls, meter)) as outputs:

        def write(frame: Frame) -> bool:
            if frame.index % 50 == 0:
                controls.press("nxm"[frame.index // 50 % 3])
            if frame.index % 1000 == 0:
                sizes.append(resident_mb())
                meter.lines()
            return outputs.write(frame)

        stats = run(frames(np.random.default_rng(1)), chain, write)
    assert stats.frames == FRAMES
    assert max(sizes[SETTLED // 1000 :]) < GROWTH * sizes[SETTLED // 1000]
