"""Networks: `build` makes one by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from ..errors import InputError
from .johnson import Johnson
from .lite import Lite

NETWORKS: dict[str, type[nn.Module]] = {"lite": Lite, "johnson": Johnson}


def build(name: str, options: Mapping[str, Any]) -> nn.Module:
    """A new network. Raises InputError for an unknown name or option."""
    if name not in NETWORKS:
        raise InputError(f"no network '{name}'; there are {', '.join(NETWORKS)}")
    try:
        return NETWORKS[name](**options)
    except TypeError as error:
        raise InputError(f"{name}: {error}") from error
