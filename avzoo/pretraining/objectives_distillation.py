"""Distillation objectives to compare with, as functions of tensors without state.

Each compares features of a student `(n, d)` with those of a frozen teacher `(n, D)` of the same samples. Formulas are
those of the papers that are named; the widths have to agree only where it is said.
"""

from __future__ import annotations

import math

import torch
from torch.nn.functional import cross_entropy, mse_loss, normalize, smooth_l1_loss, softplus

_EPS = 1e-7


def fitnet_loss(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    """Mean squared error (FitNets, arXiv 1412.6550, with the feature as the hint); the widths have to agree."""
    return mse_loss(student, teacher)


def pkt_loss(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    """Probabilistic knowledge transfer (PKT, arXiv 1803.10837).

    The similarity `(cos + 1) / 2` of each sample to all of the batch, divided by its sum, is a distribution; the loss
    is the Kullback-Leibler divergence of the student's from the teacher's, in the mean over all pairs.
    """
    q, p = (_conditional(_cosine_kernel(features)) for features in (teacher, student))
    return (q * ((q + _EPS) / (p + _EPS)).log()).mean()


def correlation_congruence_loss(
    student: torch.Tensor, teacher: torch.Tensor, gamma: float = 0.4, order: int = 2
) -> torch.Tensor:
    """Correlation congruence (CCKD, arXiv 1904.01802): squared difference of the samples' correlations.

    The correlation is the Gaussian kernel `exp(-gamma |x - y|^2)` of unit vectors, by its Taylor series in their inner
    product.

    Args:
        student: Features `(n, d)`.
        teacher: Features `(n, D)`.
        gamma: Width of the kernel.
        order: Highest power of the series.

    Returns:
        Scalar, the mean over all pairs.
    """

    def correlation(features: torch.Tensor) -> torch.Tensor:
        products = _cosines(features)
        factors = [math.exp(-2 * gamma) * (2 * gamma) ** power / math.factorial(power) for power in range(order + 1)]
        return torch.stack([factor * products**power for power, factor in enumerate(factors)]).sum(dim=0)

    return (correlation(teacher) - correlation(student)).square().mean()


def relational_loss(
    student: torch.Tensor, teacher: torch.Tensor, distance_weight: float = 25.0, angle_weight: float = 50.0
) -> torch.Tensor:
    """Relations within the batch (RKD, arXiv 1904.05068): distances of pairs, angles of triplets.

    Distances are divided by their mean over the pairs of different samples. Angles are those at each sample between the
    directions to two others, as cosines. Both are compared by the smooth L1 loss in the mean over all pairs and all
    triplets, those included in which a sample comes twice and which contribute nothing.

    Args:
        student: Features `(n, d)`.
        teacher: Features `(n, D)`.
        distance_weight: Weight of the distances.
        angle_weight: Weight of the angles.
    """
    distances = smooth_l1_loss(_relative_distances(student), _relative_distances(teacher))
    return distance_weight * distances + angle_weight * smooth_l1_loss(_angles(student), _angles(teacher))


def information_flow_loss(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    """Heterogeneous distillation by information flow (IFD, arXiv 2005.00727), of one layer.

    As in `pkt_loss` each sample has a distribution over the batch, here by two kernels, `(cos + 1) / 2` and
    `1 / (1 + |x - y|)`; the loss is the Jeffreys divergence `sum (q - p)(log q - log p)` over all pairs, of both.

    The method matches several layers of a student and of a teacher of the same kind, and the weights of all but the
    last decay in training, so that the flow of information through the network is learned before its result. A network
    of sound or of single images has no layers that correspond to those of a video network, so what remains is the layer
    before the classifier.
    """
    losses = []
    for kernel in (_cosine_kernel, _student_t_kernel):
        q, p = (_conditional(kernel(features)) + _EPS for features in (teacher, student))
        losses.append(((q - p) * (q.log() - p.log())).sum())
    return torch.stack(losses).sum()


def representation_contrast_loss(scores: torch.Tensor, size: int) -> torch.Tensor:
    """Contrastive representation distillation (CRD, arXiv 1910.10699), from one anchor per sample.

    A critic tells the pair of one sample from N pairs of two: `h = exp(score) / (exp(score) + N / M)`; the loss is
    `-log h` of the one minus `log(1 - h)` of each of the others.

    Args:
        scores: Inner products of the projections over the temperature, minus the logarithm of the normaliser if there
            is one: the anchor with its own sample, then with N others `(n, 1 + N)`.
        size: Number of samples M of the training set.

    Returns:
        The loss of each sample `(n,)`.
    """
    logits = scores - math.log((scores.shape[1] - 1) / size)
    return softplus(-logits[:, 0]) + softplus(logits[:, 1:]).sum(dim=1)


def multiview_contrast_loss(scores: torch.Tensor) -> torch.Tensor:
    """Contrastive multiview coding (CMC, arXiv 1906.05849), from one anchor per sample.

    Args:
        scores: As in `representation_contrast_loss` `(n, 1 + N)`.

    Returns:
        `-log` of the softmax at the own sample, of each sample `(n,)`.
    """
    return cross_entropy(scores, torch.zeros_like(scores[:, 0], dtype=torch.int64), reduction="none")


def _cosines(features: torch.Tensor) -> torch.Tensor:
    unit = normalize(features, dim=1)
    return unit @ unit.T


def _cosine_kernel(features: torch.Tensor) -> torch.Tensor:
    return (_cosines(features) + 1) / 2


def _student_t_kernel(features: torch.Tensor) -> torch.Tensor:
    return 1 / (1 + _distances(features))


def _conditional(kernel: torch.Tensor) -> torch.Tensor:
    return kernel / kernel.sum(dim=1, keepdim=True)


def _distances(features: torch.Tensor) -> torch.Tensor:
    # Not by the matrix product: the difference of nearly equal squares would be noise for neighbours.
    return torch.cdist(features, features, compute_mode="donot_use_mm_for_euclid_dist")


def _relative_distances(features: torch.Tensor) -> torch.Tensor:
    distances = _distances(features)
    pairs = max(len(features) * (len(features) - 1), 1)
    return distances / (distances.sum() / pairs).clamp_min(_EPS)


def _angles(features: torch.Tensor) -> torch.Tensor:
    """Cosines of the angles at each sample between the directions to two others `(n, n, n)`."""
    directions = normalize(features[None] - features[:, None], dim=2)
    return directions @ directions.mT
