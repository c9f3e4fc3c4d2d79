"""What the processes of a distributed run tell each other; a run of one process talks to itself, at no cost."""

from __future__ import annotations

from typing import cast

import torch
import torch.distributed.nn.functional as differentiable
from torch import distributed


def world_size() -> int:
    """Number of processes."""
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def rank() -> int:
    """Number of this process, from 0."""
    return distributed.get_rank() if world_size() > 1 else 0


@torch.no_grad()
def gather(values: torch.Tensor) -> torch.Tensor:
    """The values `(n, ...)` of all processes in the order of their ranks `(N, ...)`, without gradient."""
    if world_size() == 1:
        return values.detach()
    parts = [torch.empty_like(values) for _ in range(world_size())]
    distributed.all_gather(parts, values.contiguous())
    return torch.cat(parts)


def gather_with_gradient(values: torch.Tensor) -> torch.Tensor:
    """As `gather`, and each process receives the gradients that all processes have with respect to its values.

    Those are summed: with the mean over processes that distributed training takes of parameters' gradients, they are
    the gradients of the processes' mean loss.
    """
    if world_size() == 1:
        return values
    return torch.cat(cast(tuple[torch.Tensor, ...], differentiable.all_gather(values.contiguous())))


@torch.no_grad()
def mean_over_processes(values: torch.Tensor) -> torch.Tensor:
    """The mean over processes, without gradient."""
    if world_size() == 1:
        return values.detach()
    total = values.clone()
    distributed.all_reduce(total)
    return total / world_size()
