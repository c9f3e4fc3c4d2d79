"""Batch norms that see the batch of all processes, on GPU and on CPU."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from avzoo.pretraining.collectives import gather_with_gradient, world_size


class SyncBatchNormOnCpu(_BatchNorm):
    """`torch.nn.SyncBatchNorm` where torch has none: off the GPU.

    Every process must hold equally many values, as the trainer's batches do.
    """

    def _check_input_dim(self, input: Tensor) -> None:  # any number of axes, as in torch.nn.SyncBatchNorm
        pass

    def forward(self, input: Tensor) -> Tensor:
        """Normalises ``(B, C, ...)`` by the mean and biased variance over the batches of all processes."""
        if not self.training:
            return super().forward(input)
        mean = _mean(input)
        centred = input - mean
        variance = _mean(centred.square())
        if self.track_running_stats:
            count = world_size() * input.numel() // input.shape[1]
            self._track(mean.detach(), variance.detach(), count)
        normalised = centred * (variance + self.eps).rsqrt()
        if not self.affine:
            return normalised
        shape = [1, -1, *[1] * (input.ndim - 2)]
        return torch.addcmul(self.bias.view(shape), normalised, self.weight.view(shape))

    @torch.no_grad()
    def _track(self, mean: Tensor, variance: Tensor, count: int) -> None:
        cast(Tensor, self.num_batches_tracked).add_(1)
        momentum = self.momentum if self.momentum is not None else 1 / cast(Tensor, self.num_batches_tracked).item()
        cast(Tensor, self.running_mean).lerp_(mean.flatten(), momentum)
        cast(Tensor, self.running_var).lerp_(variance.flatten() * count / (count - 1), momentum)


def _mean(values: Tensor) -> Tensor:
    """Mean over all axes but the channels', and over the processes; ``(1, C, 1, ...)``."""
    local = values.mean([axis for axis in range(values.ndim) if axis != 1], keepdim=True)
    return gather_with_gradient(local).mean(dim=0, keepdim=True)


def synchronise_batch_norms(model: nn.Module, device: torch.device) -> None:
    """Makes every batch norm of ``model`` a synchronised one, in place; names and values stay.

    Args:
        model: the model; its parameters remain the same objects.
        device: where it will be trained.
    """
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if isinstance(child, _BatchNorm) and not isinstance(child, nn.SyncBatchNorm | SyncBatchNormOnCpu):
                setattr(parent, name, _on_cpu(child) if device.type == "cpu" else _on_gpu(child))


def _on_gpu(norm: _BatchNorm) -> nn.Module:
    return cast(nn.Module, nn.SyncBatchNorm.convert_sync_batchnorm(norm))


def _on_cpu(norm: _BatchNorm) -> nn.Module:
    new = SyncBatchNormOnCpu(norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats)
    for name, value in [*norm.named_parameters(), *norm.named_buffers()]:
        setattr(new, name, value)
    return new.train(norm.training)
