"""A check: what a comparison of two films says about one thing."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

State = Literal["same", "differs", "not compared"]


@dataclass(frozen=True)
class Check:
    """A line of the report.

    Attributes:
        name: what was looked at.
        state: `same` also where the difference is as small as the container's timestamps allow.
        detail: what was found.
        must: whether a difference breaks a promise; where the target's container cannot hold it, it does not.
    """

    name: str
    state: State
    detail: str
    must: bool = True

    @property
    def broken(self) -> bool:
        """Whether something that must be kept was not."""
        return self.must and self.state == "differs"

    def row(self) -> dict[str, object]:
        """All of it, as plain values for JSON."""
        return asdict(self)


def check(name: str, same: bool, detail: str, *, must: bool = True) -> Check:
    """A check that was made: `same` or `differs`."""
    return Check(name, "same" if same else "differs", detail, must)


def skipped(name: str, why: str) -> Check:
    """A check for which there was nothing to look at."""
    return Check(name, "not compared", why)
