"""How the system shares its processor out among our threads."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def scheduling_kept() -> Iterator[None]:
    """This thread, and the threads begun meanwhile, end as this one began: neither more nor less urgent.

    SVT-AV1, opened by root, makes its threads and the one that opens it real-time ones (SCHED_FIFO) of the highest
    priority. Two of them starve a machine of two cores, and every program started afterwards inherits that.
    """
    if sys.platform != "linux":
        yield
        return
    policy, priority = os.sched_getscheduler(0), os.sched_getparam(0)
    others = _threads() - {0}
    try:
        yield
    finally:
        for thread in {0} | _threads() - others:
            with suppress(OSError):  # it has ended
                if os.sched_getscheduler(thread) != policy:
                    os.sched_setscheduler(thread, policy, priority)


def _threads() -> set[int]:
    return {int(path.name) for path in Path("/proc/self/task").iterdir()}
