"""The composition module of CCL: what a teacher knows of a clip, moved to where the video agrees with it."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.functional import normalize

from avzoo.pretraining.mlp_head import HeadLinear


class Composition(nn.Module):
    """Adds to a teacher's embedding a residual computed from it and the video's feature, and classifies the sum.

    Args:
        teacher_size: Width D of the teacher's embedding, and of the composed one.
        student_size: Width d of the video's feature.
        num_classes: Classes K.
        normalize: Whether the residual is computed from unit vectors; the sum is with the embedding as it is.
    """

    def __init__(self, teacher_size: int, student_size: int, num_classes: int, normalize: bool = True) -> None:
        super().__init__()
        self.normalize = normalize
        self.residual = HeadLinear(teacher_size + student_size, teacher_size)
        self.classifier = HeadLinear(teacher_size, num_classes)

    def forward(self, teacher: torch.Tensor, student: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Maps embeddings `(B, D)` and features `(B, d)` to composed embeddings `(B, D)` and logits `(B, K)`."""
        pair = (teacher, student)
        if self.normalize:
            pair = (normalize(teacher, dim=1), normalize(student, dim=1))
        composed = teacher + self.residual(torch.cat(pair, dim=1))
        return composed, self.classifier(composed)
