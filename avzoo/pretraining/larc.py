"""Layer-wise adaptive rate control: no tensor takes a step that is large beside its own size."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer


class Larc:
    """LARC (arXiv 1708.03888) around any optimizer, tensor by tensor, biases and norms included.

    Before each step the gradient g of a parameter p becomes ``(g + d p) min(r / lr, 1)`` with
    ``r = trust |p| / (|g| + d |p| + eps)`` and the weight decay d of its group; the optimizer then runs without decay
    of its own. Where p or g is zero the gradient stays as it is, without decay too. These are the rules of NVIDIA's
    apex with ``clip``, with which CrissCross was trained.

    It hooks into ``optimizer.step``, so that schedules, loss scalers and checkpoints see the optimizer itself.

    Args:
        trust: largest step as a share of the tensor's norm.
        eps: keeps the ratio finite.
    """

    def __init__(self, trust: float = 1e-3, eps: float = 1e-8) -> None:
        self.trust = trust
        self.eps = eps
        self._decays: list[float] = []

    def attach(self, optimizer: Optimizer) -> None:
        """Rules over every later step of ``optimizer``, which must not be a fused one."""
        optimizer.register_step_pre_hook(self._before)
        optimizer.register_step_post_hook(self._after)

    @torch.no_grad()
    def _before(self, optimizer: Optimizer, *_: Any) -> None:
        self._decays = [group["weight_decay"] for group in optimizer.param_groups]
        for group in optimizer.param_groups:
            self.adapt(
                [value for value in group["params"] if value.grad is not None], group["lr"], group["weight_decay"]
            )
            group["weight_decay"] = 0.0

    def _after(self, optimizer: Optimizer, *_: Any) -> None:
        for group, decay in zip(optimizer.param_groups, self._decays, strict=True):
            group["weight_decay"] = decay

    @torch.no_grad()
    def adapt(self, parameters: list[Tensor], learning_rate: float, weight_decay: float) -> None:
        """Rewrites the gradients of ``parameters``, all of which have one, in place."""
        if not parameters:
            return
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        sizes = torch.stack(torch._foreach_norm(parameters))
        norms = torch.stack(torch._foreach_norm(gradients))
        rate = self.trust * sizes / (norms + weight_decay * sizes + self.eps)
        untouched = (sizes == 0) | (norms == 0)
        factor = torch.where(untouched, 1.0, (rate / learning_rate).clamp(max=1.0))
        decay = torch.where(untouched, 0.0, weight_decay * factor)
        torch._foreach_mul_(gradients, list(factor.unbind()))
        torch._foreach_add_(gradients, torch._foreach_mul(parameters, list(decay.unbind())))
