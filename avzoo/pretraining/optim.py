"""Weight decay groups and gradient clipping of the pretraining methods."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor, nn


def decay_parameter_names(model: nn.Module) -> list[str]:
    """Names of the parameters that weight decay applies to.

    All but biases and 1-D tensors (norm gains); class tokens, position tables, mask tokens and the directions of
    weight-normalised layers do decay, as in DINO and the official XKD code.
    """
    return [name for name, value in model.named_parameters() if not (name.endswith(".bias") or value.ndim == 1)]


@torch.no_grad()
def clip_gradients_per_tensor(parameters: Iterable[nn.Parameter], max_norm: float) -> Tensor:
    """Scales each parameter's gradient in place by ``min(1, max_norm / (norm + 1e-6))``, norm by norm.

    Unlike global clipping, one exploding tensor leaves the others as they are (DINO; official XKD code with 0.3).
    No value is read back to the host.

    Args:
        parameters: those to clip; the ones without gradient are passed over. One that is listed twice (layers shared
            by two networks) is clipped twice, as in the official code, which visits each network in turn.
        max_norm: upper bound of every gradient's Euclidean norm.

    Returns:
        The norms before clipping, one per distinct gradient, ``(n,)``.
    """
    visits = Counter(parameter for parameter in parameters if parameter.grad is not None)
    norms = torch.zeros(0)
    for visit in range(max(visits.values(), default=0)):
        gradients = [cast(Tensor, parameter.grad) for parameter, count in visits.items() if count > visit]
        current = torch.stack(torch._foreach_norm(gradients))
        torch._foreach_mul_(gradients, list((max_norm / (current + 1e-6)).clamp(max=1.0).unbind()))
        norms = current if visit == 0 else norms
    return norms
