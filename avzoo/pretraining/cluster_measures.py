"""What is said of a clustering: how it agrees with another one or with classes, and how even its clusters are."""

from __future__ import annotations

import torch
from torch import Tensor


def contingency(first: Tensor, second: Tensor) -> Tensor:
    """Number of items of every pair of clusters ``(k, l)``, float64.

    Args:
        first: cluster of every item, int64 ``(N,)``, from 0.
        second: cluster of every item in another clustering, or its class.
    """
    columns = int(second.max()) + 1
    pairs = torch.bincount(first * columns + second, minlength=(int(first.max()) + 1) * columns)
    return pairs.view(-1, columns).double()


def normalized_mutual_information(first: Tensor, second: Tensor) -> float:
    """Mutual information of two clusterings over the mean of their entropies, in [0, 1]; 1 for equal ones.

    Args:
        first: cluster of every item, int64 ``(N,)``, from 0.
        second: likewise; the names of the clusters do not matter.
    """
    joint = contingency(first, second) / len(first)
    entropies = _entropy(joint.sum(dim=1)) + _entropy(joint.sum(dim=0))
    if entropies == 0:
        return 1.0  # everything is in one cluster, both times
    return max(0.0, float(2 * (entropies - _entropy(joint.flatten())) / entropies))


def purity(clusters: Tensor, classes: Tensor) -> float:
    """Share of items that are of the most frequent class of their cluster, in (0, 1].

    Args:
        clusters: cluster of every item, int64 ``(N,)``, from 0.
        classes: class of every item, likewise.
    """
    return float(contingency(clusters, classes).amax(dim=1).sum() / len(clusters))


def evenness(sizes: Tensor) -> float:
    """Entropy of the shares of the clusters over that of equal shares, in [0, 1]; 0 where one cluster has everything.

    Args:
        sizes: items per cluster ``(k,)``, k at least 2.
    """
    return float(_entropy(sizes.double() / sizes.sum()) / torch.tensor(len(sizes)).double().log())


def _entropy(shares: Tensor) -> Tensor:
    return torch.special.entr(shares).sum()
