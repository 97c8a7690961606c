"""Several processes as one (torchrun): each has its own crops, all have the same weights, the first one writes."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor


@dataclass(frozen=True)
class Team:
    """This process among its like; alone, nothing below does anything."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes and speaks."""
        return self.rank == 0

    def average(self, tensors: Iterable[Tensor]) -> None:
        """Makes each tensor the mean of all processes' tensors, in place."""
        if self.size == 1:
            return
        for tensor in tensors:
            dist.all_reduce(tensor)
            tensor.div_(self.size)

    def gather(self, rows: Tensor) -> Tensor:
        """The rows of all processes, in their order."""
        if self.size == 1:
            return rows
        parts = [torch.empty_like(rows) for _ in range(self.size)]
        dist.all_gather(parts, rows.contiguous())
        return torch.cat(parts)

    def agree(self, number: float, device: torch.device) -> float:
        """The first process's number: clocks differ."""
        if self.size == 1:
            return number
        told = torch.tensor([number], dtype=torch.float64, device=device)
        dist.broadcast(told, 0)
        return told.item()

    def average_of(self, losses: Mapping[str, Tensor]) -> dict[str, float]:
        """Numbers averaged over all processes, as plain floats."""
        values = torch.stack([value.detach() for value in losses.values()])  # one wait for the device, not five
        self.average([values])
        return dict(zip(losses, values.tolist(), strict=True))


def device_of_this_process() -> torch.device:
    """The GPU torchrun means for this process, or the CPU."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))


@contextmanager
def gathered() -> Iterator[Team]:
    """The team torchrun has started this process in; one of one without it."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield Team()
        return
    if dist.is_initialized():  # by the caller
        yield Team(dist.get_rank(), size)
        return
    device = device_of_this_process()
    if device.type == "cuda":
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Team(dist.get_rank(), size)
    finally:
        dist.destroy_process_group()
