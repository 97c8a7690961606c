"""The rungs a governor moves on, a network at a size each, and what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .errors import InputError
from .media.size import Size, fit

STEP = 0.8  # one size to the next, by width: 0.64 of the area; finer steps are switches without a gain one can see
MULTIPLE = 8  # pixels: the networks halve the picture two or three times
SMALLEST = 160  # pixels of the long side: below it a style is a smear of colour
NETWORK_FLOOR = 0.5  # of the largest width; a better network's strokes on a quarter of the area are worth no more
LEAST_SLOPE = 0.5  # of cost by area: two measurements near each other say little about sizes far away


class Rung(NamedTuple):
    network: str
    size: Size
    work: float  # network's cost x pixels


def sizes(full: Size, largest: Size | int | None) -> list[Size]:
    """Processing sizes in the camera's aspect, from `largest` (at most `full`) down to about SMALLEST on the long side.

    The first is exact, so that nothing is scaled at full size; the others are multiples of 8 pixels.
    """
    if isinstance(largest, Size):
        largest = round(max(full) * min(largest.width / full.width, largest.height / full.height))
    top = fit(full, max(1, min(max(full), largest or max(full))))
    found = [top]
    side = max(top) * STEP
    while side >= SMALLEST:
        smaller = Size(*(max(MULTIPLE, round(s * side / max(top) / MULTIPLE) * MULTIPLE) for s in top))
        if smaller.width * smaller.height < found[-1].width * found[-1].height:
            found.append(smaller)
        side *= STEP
    return found


def ladder(processing: Sequence[Size], networks: Sequence[tuple[str, float]]) -> list[Rung]:
    """The best network down to NETWORK_FLOOR, then the next from the largest size that is cheaper, each a rung."""
    if not networks or not all(cost > 0 for _, cost in networks):
        raise InputError(f"networks {list(networks)}: name at least one, each with a cost above 0")
    rungs: list[Rung] = []
    for place, (network, cost) in enumerate(networks):
        floor = NETWORK_FLOOR * processing[0].width if place < len(networks) - 1 else 0
        for size in processing:
            work = cost * size.width * size.height
            if size.width >= floor and (not rungs or work < rungs[-1].work):
                rungs.append(Rung(network, size, work))
    return rungs


class Costs:
    """What each rung's median frame costs under the present load; when one gets dearer, so do those remembered."""

    def __init__(self, work: Sequence[float]) -> None:
        self._work = work
        self._seen: dict[int, tuple[float, float]] = {}  # rung -> (seconds, when measured)
        self._fresh = True

    def moved(self, *, fresh: bool) -> None:
        """To a rung of another cost if `fresh`: the next measurement tells of the rung, not of the load."""
        self._fresh = fresh

    def measured(self, rung: int, cost: float, now: float) -> None:
        if rung in self._seen and not self._fresh and self._seen[rung][0] > 0:
            load = cost / self._seen[rung][0]
            self._seen = {other: (seconds * load, when) for other, (seconds, when) in self._seen.items()}
        self._seen[rung] = cost, now
        self._fresh = False

    def forget(self, before: float) -> None:
        """What was measured earlier than that."""
        self._seen = {rung: seen for rung, seen in self._seen.items() if seen[1] >= before}

    def predict(self, rung: int, present: int) -> float:
        """Seconds: as measured, or on the line through the nearest measurement, or in proportion to the work."""
        if rung in self._seen:
            return self._seen[rung][0]
        here = self._seen[present][0]
        share = here / self._work[present]  # seconds for each unit of work, if all of it grew with the size
        slope = share
        if others := [other for other in self._seen if other != present]:
            nearest = min(others, key=lambda other: abs(other - rung))
            measured = (self._seen[nearest][0] - here) / (self._work[nearest] - self._work[present])
            slope = min(max(measured, LEAST_SLOPE * share), 2 * share)
        return max(0.0, here + slope * (self._work[rung] - self._work[present]))
