"""The objectives of video self-supervision, as functions of tensors without state.

SimCLR, MoCo v3, BYOL and SimSiam as the released code computes them (OOD-VSSL, commit 29624ac). DINO is
`objectives.distillation_loss`, masked autoencoding `objectives.masked_reconstruction_loss`.

The contrastive objectives compare the samples of one process with those of all: what is gathered from the other
processes is an argument, and so is where the own samples stand in it. The mean over the processes is the loss of the
whole batch.
"""

from __future__ import annotations

import torch
from torch.nn.functional import cosine_similarity, cross_entropy


def nt_xent_loss(
    embeddings: torch.Tensor, candidates: torch.Tensor, temperature: float, offset: int = 0
) -> torch.Tensor:
    """Each embedding against the other view of its clip, among all embeddings but itself (SimCLR, Eq. 1).

    Args:
        embeddings: Unit vectors of the two views `(2, n, d)`.
        candidates: Those of all processes `(2, N, d)`; gradients have to flow through them too.
        temperature: Divides the similarities.
        offset: Where the own samples begin among the N.

    Returns:
        The mean over the 2 n embeddings of the cross-entropy, positives in the denominator.
    """
    count, total = embeddings.shape[1], candidates.shape[1]
    similarities = embeddings.flatten(0, 1) @ candidates.flatten(0, 1).T / temperature
    samples = torch.arange(offset, offset + count, device=embeddings.device)
    own, other = torch.cat([samples, total + samples]), torch.cat([total + samples, samples])
    itself = torch.zeros_like(similarities, dtype=torch.bool).scatter_(1, own[:, None], True)
    return cross_entropy(similarities.masked_fill(itself, -torch.inf), other)


def momentum_contrast_loss(
    queries: torch.Tensor, keys: torch.Tensor, temperature: float, offset: int = 0
) -> torch.Tensor:
    """Each query against the keys of all clips, in one direction (MoCo v3, section 3.1).

    Args:
        queries: Predictions of one view, unit vectors `(n, d)`.
        keys: Targets of the other view of all processes, unit vectors without gradient `(N, d)`.
        temperature: Divides the similarities.
        offset: Where the own samples begin among the N.

    Returns:
        The mean cross-entropy times twice the temperature.
    """
    labels = torch.arange(offset, offset + len(queries), device=queries.device)
    return 2 * temperature * cross_entropy(queries @ keys.T / temperature, labels)


def negative_cosine(predictions: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Minus the mean cosine similarity, in [-1, 1] (SimSiam, Eq. 1; BYOL up to an affine map).

    Args:
        predictions: Predictions of one view `(n, d)`.
        targets: Targets of the other view, without gradient `(n, d)`.
    """
    return -cosine_similarity(predictions, targets, dim=-1).mean()
