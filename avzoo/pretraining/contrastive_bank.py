"""Contrast with a memory of the training set: the two distillation objectives that need more than a batch."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import nn
from torch.nn.functional import normalize
from transformers import initialization as init

from avzoo.pretraining.collectives import gather
from avzoo.pretraining.mlp_head import HeadLinear
from avzoo.pretraining.objectives_distillation import multiview_contrast_loss, representation_contrast_loss

# Constants of SplitMix64 (Steele et al., 2014) as signed numbers.
_STEP, _FIRST, _SECOND = -7046029254386353131, -4658895280553007687, -7723592293110705685


class ContrastiveBank(nn.Module):
    """Projections of student and teacher, and a memory of those of every sample of the training set.

    Each sample's projection by one network is compared with what the memory holds of the other network: of the same
    sample, and of others drawn at random. Both directions are added up, as in the reference codes of CRD and CMC; so is
    it there that the own sample, too, comes from the memory, which carries no gradient. In training the memory then
    moves towards the new projections. It is made of buffers, saved and resumed with the model.

    Which others a sample is compared with follows from its seed alone: not from the process that it is in, nor from how
    often the run was interrupted.

    Args:
        student_size: Width of the student's feature.
        teacher_size: Width of the teacher's.
        objective: `crd` tells the own sample from each of the others, `cmc` from all of them at once.
        num_samples: Samples of the training set, M.
        projection_size: Width of the projections.
        negatives: Others per sample, N.
        temperature: Divides the inner products.
        momentum: Share of the memory that stays.
        normalizer: With `crd`, what exponentials are divided by: `first_batch`, M times their mean in the first batch
            (reference code), or nothing (`none`, the formula of the paper, with which N random others outweigh the own
            sample by far at the start).
    """

    student_memory: torch.Tensor
    teacher_memory: torch.Tensor
    log_normalizers: torch.Tensor

    def __init__(
        self,
        student_size: int,
        teacher_size: int,
        objective: Literal["crd", "cmc"],
        num_samples: int,
        projection_size: int = 128,
        negatives: int = 16_384,
        temperature: float = 0.07,
        momentum: float = 0.5,
        normalizer: Literal["first_batch", "none"] = "first_batch",
    ) -> None:
        super().__init__()
        self.objective = objective
        self.negatives = negatives
        self.temperature = temperature
        self.momentum = momentum
        self.student_projection = HeadLinear(student_size, projection_size)
        self.teacher_projection = HeadLinear(teacher_size, projection_size)
        self.register_buffer("student_memory", torch.empty(num_samples, projection_size))
        self.register_buffer("teacher_memory", torch.empty(num_samples, projection_size))
        self.normalizes = objective == "crd" and normalizer == "first_batch"
        if self.normalizes:
            # Of the student's scores and of the teacher's; not finite before the first batch.
            self.register_buffer("log_normalizers", torch.empty(2))

    def reset_memory(self) -> None:
        """Fills the memory with random vectors of length 1 in the mean; leaves what was loaded alone."""
        bound = math.sqrt(3 / self.student_memory.shape[1])
        for memory in (self.student_memory, self.teacher_memory):
            init.uniform_(memory, -bound, bound)
        if self.normalizes:
            init.constant_(self.log_normalizers, math.inf)

    def forward(
        self,
        student: torch.Tensor,
        teacher: torch.Tensor,
        indices: torch.Tensor,
        seeds: torch.Tensor,
        present: torch.Tensor,
    ) -> torch.Tensor:
        """The loss of each sample; in training mode also moves the memory.

        Args:
            student: Features `(n, d)`.
            teacher: Features of the same samples, without gradient `(n, D)`.
            indices: Places of the samples in the training set, int64 `(n,)`.
            seeds: Decide which others each is compared with, int64 `(n,)`.
            present: Which samples have a teacher's feature, bool `(n,)`; the memory of the others stays.

        Returns:
            `(n,)`.
        """
        projections = (
            normalize(self.student_projection(student), dim=1),
            normalize(self.teacher_projection(teacher), dim=1),
        )
        chosen = torch.cat([indices[:, None], draw_others(seeds, indices, self.negatives, self.num_samples)], dim=1)
        memories = (self.teacher_memory, self.student_memory)
        # Products with all of the memory cost less than copies of what is chosen. The clone survives the update below.
        scores = [
            (projection @ memory.clone().T / self.temperature).gather(1, chosen)
            for projection, memory in zip(projections, memories, strict=True)
        ]
        everywhere = gather(present.long()).bool()  # not every backend sends booleans
        if self.objective == "cmc":
            losses = [multiview_contrast_loss(each) for each in scores]
        else:
            if self.normalizes:
                logs = self._log_normalizers(scores, everywhere)
                scores = [each - log for each, log in zip(scores, logs, strict=True)]
            losses = [representation_contrast_loss(each, self.num_samples) for each in scores]
        if self.training:
            self._remember(projections, indices, everywhere)
        return losses[0] + losses[1]

    @property
    def num_samples(self) -> int:
        """Samples that the memory holds."""
        return len(self.student_memory)

    @torch.no_grad()
    def _log_normalizers(self, scores: list[torch.Tensor], present: torch.Tensor) -> torch.Tensor:
        """Those of the first batch in which a sample is present; 0 until then."""
        sums = gather(torch.stack([each.exp().mean(dim=1) for each in scores], dim=1))[present]
        found = (self.num_samples * sums.sum(dim=0) / present.sum().clamp_min(1)).log()
        found = torch.where(self.log_normalizers.isfinite(), self.log_normalizers, found)
        if self.training:
            self.log_normalizers.copy_(found)
        return torch.where(found.isfinite(), found, 0)

    @torch.no_grad()
    def _remember(
        self, projections: tuple[torch.Tensor, torch.Tensor], indices: torch.Tensor, present: torch.Tensor
    ) -> None:
        rows = gather(indices)[present]
        for projection, memory in zip(projections, (self.student_memory, self.teacher_memory), strict=True):
            moved = memory[rows].lerp(gather(projection)[present].to(memory.dtype), 1 - self.momentum)
            memory.index_copy_(0, rows, normalize(moved, dim=1))


def draw_others(seeds: torch.Tensor, own: torch.Tensor, count: int, size: int) -> torch.Tensor:
    """Draws samples other than each sample's own, with repetition, on the device of the seeds.

    Args:
        seeds: One per sample, int64 `(n,)`; equal seeds draw the same places among the others.
        own: Index of each sample, in 0 ... size - 1, `(n,)`.
        count: Draws per sample.
        size: Samples to draw from, at least 2.

    Returns:
        Indices int64 `(n, count)` in 0 ... size - 1.
    """
    # SplitMix64: a generator per sample, all of whose numbers are computed at once, alike on every device.
    steps = torch.arange(1, count + 1, device=seeds.device)
    bits = seeds[:, None] + _STEP * steps
    bits = (bits ^ _shift(bits, 30)) * _FIRST
    bits = (bits ^ _shift(bits, 27)) * _SECOND
    drawn = _shift(bits ^ _shift(bits, 31), 1) % (size - 1)
    return drawn + (drawn >= own[:, None])


def _shift(bits: torch.Tensor, count: int) -> torch.Tensor:
    """Shifts to the right as unsigned numbers are shifted."""
    return (bits >> count) & ((1 << (64 - count)) - 1)
