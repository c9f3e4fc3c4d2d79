"""The objective of CrissCross (arXiv 2111.05329), as functions of tensors without state.

Views of a clip are called `v1`, `v2` (picture) and `a1`, `a2` (sound). Each of the six pairs of views gives one term.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import torch
from torch.nn.functional import cosine_similarity

#: Pair terms of every group: same modality (Eq. 2), same time across modalities (Eq. 3), other time (Eq. 4).
GROUPS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"intra": ("v1v2", "a1a2"), "synchronous": ("v1a1", "v2a2"), "asynchronous": ("v1a2", "a1v2")}
)
#: The six pair terms, each named after its two views.
PAIRS: tuple[str, ...] = tuple(pair for group in GROUPS.values() for pair in group)


def views_of(pair: str) -> tuple[str, str]:
    """The two views of a pair term: `v1a2` is `v1` and `a2`."""
    return pair[:2], pair[2:]


def pair_loss(
    first_prediction: torch.Tensor,
    first_projection: torch.Tensor,
    second_prediction: torch.Tensor,
    second_projection: torch.Tensor,
) -> torch.Tensor:
    """One pair term: how far each view is from predicting the projection of the other, half of each (Eq. 1).

    The distance is the negative cosine, in the mean over the batch. Projections get no gradient as targets.

    Args:
        first_prediction: Predictor output of the first view `(B, D)`.
        first_projection: Its projection `(B, D)`.
        second_prediction: Predictor output of the second view `(B, D)`.
        second_projection: Its projection `(B, D)`.

    Returns:
        Scalar in [-1, 1].
    """
    forth = cosine_similarity(first_prediction, second_projection.detach(), dim=-1, eps=1e-8)
    back = cosine_similarity(second_prediction, first_projection.detach(), dim=-1, eps=1e-8)
    return -(forth.mean() + back.mean()) / 2


def crisscross_loss(terms: Mapping[str, torch.Tensor], weights: Mapping[str, float]) -> torch.Tensor:
    """The objective: the weighted mean of the pair terms that take part.

    With whole groups of equal weights it is the mean of the groups' means (Eq. 5), which is what the released code
    computes too. (The paper's pseudocode has one term twice and lacks a division; its equations do not.)

    Args:
        terms: Values of the pair terms that take part, by name; at least one.
        weights: Coefficient of every pair term. The sum is divided by the number of terms, not by that of the
            coefficients, as in the released code.
    """
    return torch.stack([weights[name] * value for name, value in terms.items()]).sum() / len(terms)
