"""The objective of CCL (Chen et al., CVPR 2021), as functions of tensors without state.

As the released code computes it (commit b590483), but for the similarities, which are one matrix product here. The mean
over no samples, as where no clip of a batch has sound, is 0.
"""

from __future__ import annotations

import math

import torch
from torch.nn.functional import cross_entropy, normalize

# Inside every logarithm of the released code.
_EPS = 1e-10


def multi_class_nce(
    anchors: torch.Tensor, targets: torch.Tensor, labels: torch.Tensor, temperature: float
) -> torch.Tensor:
    """Draws each anchor to the targets of its class and away from those of others, in one direction.

    With `p_ij` the softmax over j of `cos(anchor_i, target_j) / temperature`: the mean of `-log p_ij` over the targets
    of the same class, the own one included, plus the mean of `-log(1 - p_ij)` over the others. The denominator of the
    printed Eq. 3 runs over mismatched pairs (j, j); the softmax over a row is what the code computes.

    A sample whose class is that of the whole batch has no others: its second mean is left out. (The released code
    divides by their number, and its loss becomes NaN.)

    Args:
        anchors: Features `(n, d)`, of any length.
        targets: Features of the same samples `(n, d)`.
        labels: Class of each sample `(n,)`.
        temperature: Divides the cosines.

    Returns:
        Scalar, the mean over the samples.
    """
    cosines = normalize(anchors, dim=1) @ normalize(targets, dim=1).T
    shares = (cosines / temperature).softmax(dim=1)
    same = labels[:, None] == labels
    drawn = torch.where(same, -(shares + _EPS).log(), 0).sum(dim=1) / same.sum(dim=1)
    pushed = torch.where(same, 0, -(1 - shares + _EPS).log()).sum(dim=1) / (~same).sum(dim=1).clamp_min(1)
    return _mean(drawn + pushed)


def instance_nce(anchors: torch.Tensor, targets: torch.Tensor, temperature: float) -> torch.Tensor:
    """InfoNCE, which knows no classes: each anchor against the target of its own sample among all, in one direction.

    What the paper's ablation puts in the place of `multi_class_nce`.

    Args:
        anchors: Features `(n, d)`, of any length.
        targets: Features of the same samples `(n, d)`.
        temperature: Divides the cosines.

    Returns:
        Scalar, the mean over the samples of `-log p_ii`.
    """
    cosines = normalize(anchors, dim=1) @ normalize(targets, dim=1).T
    return -_mean((cosines / temperature).log_softmax(dim=1).diagonal())


def symmetric_divergence(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """What paper and code call Jensen-Shannon divergence: the mean of both Kullback-Leibler divergences.

    Unlike that of Jensen and Shannon it is not bounded. Gradients flow through both arguments.

    Args:
        first: Scores of classes `(n, K)`.
        second: Scores of classes of the same samples `(n, K)`.

    Returns:
        Scalar, the mean over the samples.
    """
    logs = first.log_softmax(dim=1), second.log_softmax(dim=1)
    ratio = logs[0] - logs[1]
    floor = ratio.new_tensor(math.log(_EPS))  # log(P / Q + eps), without dividing
    forth = (logs[0].exp() * torch.logaddexp(ratio, floor)).sum(dim=1)
    back = (logs[1].exp() * torch.logaddexp(-ratio, floor)).sum(dim=1)
    return _mean(forth + back) / 2


def mean_cross_entropy(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of scores `(n, K)` against classes `(n,)`, the mean over the samples."""
    return _mean(cross_entropy(logits, labels, reduction="none"))


def _mean(values: torch.Tensor) -> torch.Tensor:
    return values.sum() / max(len(values), 1)
