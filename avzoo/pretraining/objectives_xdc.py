"""Deep clustering of two encoders (arXiv 1911.12667): what is clustered, and the loss of the pseudo-labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from avzoo.pretraining.labelling_xdc import JOINT

#: The assignment of a clip that took no part in the clustering.
UNASSIGNED = -1


def clustered_features(features: Mapping[str, Tensor], sources: Sequence[str]) -> dict[str, Tensor]:
    """What is clustered.

    Args:
        features: Pooled features `(N, D)` of every encoder.
        sources: Names of the clusterings.

    Returns:
        For every clustering its points: an encoder's features as they are, or, for `JOINT`, those of all encoders, each
        normalised to unit length, side by side `(N, 2 D)`.
    """
    parts = [F.normalize(value, dim=1) for value in features.values()] if JOINT in sources else []
    return {name: torch.cat(parts, dim=1) if name == JOINT else features[name] for name in sources}


def pseudo_label_loss(logits: Tensor, labels: Tensor, sizes: Tensor | None = None) -> Tensor:
    """Mean cross-entropy over the clips that have a pseudo-label.

    Args:
        logits: `(B, k)`.
        labels: Cluster of every clip `(B,)`, or `UNASSIGNED`.
        sizes: Clips per cluster `(k,)`. If given, a clip weighs the inverse of the size of its cluster, scaled to a
            mean of 1 over the set: what drawing clips uniformly over clusters amounts to (DeepCluster, section 3.3).
    """
    losses = F.cross_entropy(logits, labels, ignore_index=UNASSIGNED, reduction="none")
    assigned = labels != UNASSIGNED
    if sizes is not None:
        used = (sizes > 0).sum()
        weights = sizes.sum() / (used * sizes.clamp(min=1))
        losses = losses * weights.to(losses.dtype)[labels.clamp(min=0)]
    return losses.sum() / assigned.sum().clamp(min=1)
