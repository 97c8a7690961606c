"""`livestyle compare`: whether a render kept everything of its film but the style."""

from __future__ import annotations

from pathlib import Path

from .check import Check
from .facts import read_facts
from .picture import picture_checks
from .streams import stream_checks

__all__ = ["Check", "compare_films", "report"]

SAMPLES = 25  # frames whose colours are looked at, spread over the film


def compare_films(
    source: str | Path, target: str | Path, *, picture: bool = False, samples: int = SAMPLES
) -> list[Check]:
    """A check for each thing that a render must keep, all measured on the two files.

    Args:
        picture: compare the colours too; only the style `none` keeps them.
        samples: how many frames to compare then.

    Raises InputError if one of them is no film that can be read.
    """
    a, b = read_facts(Path(source)), read_facts(Path(target))
    checks = [*picture_checks(a, b), *stream_checks(a, b)]
    if picture:
        from .grid import colour_check

        checks.append(colour_check(a, b, samples))
    return checks


def report(checks: list[Check]) -> str:
    """The checks as text, a line each, and what they come to."""
    width = max(len(check.name) for check in checks)
    lines = [f"{check.name:<{width}}  {_word(check):<12}  {check.detail}" for check in checks]
    broken = [check.name for check in checks if check.broken]
    kept = sum(check.state == "same" for check in checks)
    end = f"not kept: {', '.join(broken)}" if broken else f"all kept: {kept} the same"
    told = sum(check.state == "differs" and not check.must for check in checks)
    return "\n".join([*lines, end + (f", {told} that may differ" if told else "")])


def _word(check: Check) -> str:
    return "may differ" if check.state == "differs" and not check.must else check.state
