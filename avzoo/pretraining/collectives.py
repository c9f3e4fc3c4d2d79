"""What the processes of a distributed run tell each other; a run of one process talks to itself, at no cost."""

from __future__ import annotations

from typing import Any, cast

import torch
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
    parts = [torch.empty_like(values, memory_format=torch.contiguous_format) for _ in range(world_size())]
    distributed.all_gather(parts, values.contiguous())
    return torch.cat(parts)


class _Gather(torch.autograd.Function):
    """`gather`, whose backward adds up what the processes have of the gradient and takes the own part."""

    @staticmethod
    def forward(ctx: Any, values: torch.Tensor) -> torch.Tensor:
        ctx.own = slice(rank() * len(values), (rank() + 1) * len(values))
        return gather(values)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> torch.Tensor:
        # Backends read memory from its start to its end, whatever the strides: it has to be contiguous.
        total = gradients[0].clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(total)
        return total[ctx.own]


def gather_with_gradient(values: torch.Tensor) -> torch.Tensor:
    """As `gather`, and each process receives the gradients that all processes have with respect to its values.

    Those are summed: with the mean over processes that distributed training takes of parameters' gradients, they are
    the gradients of the processes' mean loss.
    """
    return values if world_size() == 1 else cast(torch.Tensor, _Gather.apply(values))


@torch.no_grad()
def mean_over_processes(values: torch.Tensor) -> torch.Tensor:
    """The mean over processes, without gradient."""
    if world_size() == 1:
        return values.detach()
    total = values.clone(memory_format=torch.contiguous_format)
    distributed.all_reduce(total)
    return total / world_size()
