"""A finding: what a check says."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

State = Literal["ok", "warning", "problem", "unknown"]


@dataclass(frozen=True)
class Finding:
    """A line of the doctor's report.

    Attributes:
        name: what was looked at.
        state: `problem` where something livestyle promises does not work, `warning` where a part of it does not.
        detail: what was found.
        fix: one line that mends it; empty if there is nothing to mend.
    """

    name: str
    state: State
    detail: str
    fix: str = ""

    def row(self) -> dict[str, str]:
        """All of it, as plain values for JSON."""
        return asdict(self)
