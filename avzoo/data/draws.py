"""Random numbers for augmentations, always from an explicit generator."""

from __future__ import annotations

import torch


def uniform(low: float, high: float, generator: torch.Generator) -> float:
    """A number drawn uniformly from [low, high)."""
    return low + (high - low) * torch.rand((), generator=generator).item()


def integer(low: int, high: int, generator: torch.Generator) -> int:
    """An integer drawn uniformly from {low, ..., high}, both ends included."""
    return int(torch.randint(low, high + 1, (), generator=generator))


def chance(probability: float, generator: torch.Generator) -> bool:
    """True with the given probability. Draws one number whatever the probability, so that streams stay aligned."""
    return uniform(0.0, 1.0, generator) < probability
