"""How feature maps of ConvNets are compared with those of the original code."""

from __future__ import annotations

import torch


def close(actual: torch.Tensor, expected: torch.Tensor, tolerance: float = 1e-5) -> None:
    """Within a share of the largest value: maps of generated weights grow from stage to stage."""
    torch.testing.assert_close(actual, expected, atol=tolerance * expected.abs().max().item(), rtol=0)


def statistics(stage: torch.Tensor) -> torch.Tensor:
    """Mean, deviation, largest magnitude and first element, as the references hold them."""
    return torch.stack([stage.mean(), stage.std(correction=0), stage.abs().max(), stage.flatten()[0]])
