"""Metrics as functions of arrays: retrieval within and across modalities, and the rank of a feature space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arrays import EvaluationError, as_features, as_labels

_TIE = 1e-12  # cosine similarities this close are equal: rounding must not break a tie
_ROWS_AT_ONCE = 1024  # queries compared in one matrix product: bounds memory, not the result


@dataclass(frozen=True)
class RetrievalScores:
    """How well queries find their targets.

    Attributes:
        recall: Share of queries in [0, 1] with a target among the ``k`` nearest, by ``k``.
        median_rank: Median over queries of the rank of the nearest target, from 1.
        chance: Recall that a random order would give, by ``k``.
        num_queries: Queries counted.
    """

    recall: dict[int, float]
    median_rank: float
    chance: dict[int, float]
    num_queries: int


def target_ranks(queries: ArrayLike, gallery: ArrayLike, relevant: ArrayLike) -> NDArray[np.int64]:
    """Rank of the nearest relevant gallery item of every query, by cosine similarity.

    A tie counts against the query: an irrelevant item as similar as the best relevant one ranks before it. Collapsed
    features, all alike, therefore score worst and not best.

    Args:
        queries: ``(Q, D)``.
        gallery: ``(G, D)``.
        relevant: bool ``(Q, G)``, which gallery items answer which query.

    Returns:
        Ranks from 1, int64 ``(Q,)``.

    Raises:
        EvaluationError: The shapes do not fit, values are not finite, or a query has nothing relevant.
    """
    queries, gallery = _unit(as_features(queries, "queries")), _unit(as_features(gallery, "gallery"))
    if queries.shape[1] != gallery.shape[1]:
        raise EvaluationError(f"queries have {queries.shape[1]} dimensions, the gallery has {gallery.shape[1]}")
    relevant = np.asarray(relevant)
    if relevant.dtype != np.bool_ or relevant.shape != (len(queries), len(gallery)):
        raise EvaluationError(f"relevant must be bool {(len(queries), len(gallery))}, got {relevant.shape}")
    lost = np.flatnonzero(~relevant.any(axis=1))
    if len(lost):
        raise EvaluationError(f"{len(lost)} queries have nothing relevant in the gallery, the first is {lost[0]}")
    return np.concatenate(
        [
            _ranks(queries[start : start + _ROWS_AT_ONCE] @ gallery.T, relevant[start : start + _ROWS_AT_ONCE])
            for start in range(0, len(queries), _ROWS_AT_ONCE)
        ]
    )


def recall_at_k(
    queries: ArrayLike, gallery: ArrayLike, targets: ArrayLike, ks: Sequence[int] = (1, 5, 10)
) -> dict[int, float]:
    """Share of queries whose target is among the ``k`` nearest gallery items by cosine similarity.

    Args:
        queries: ``(Q, D)``.
        gallery: ``(G, D)``.
        targets: Row of the gallery that answers each query, int ``(Q,)``.
        ks: Numbers of neighbours, each at least 1.

    Returns:
        Recall in [0, 1] by ``k``. Ties count against the query (`target_ranks`).

    Raises:
        EvaluationError: The shapes do not fit, a target lies outside the gallery, or values are not finite.
    """
    queries, gallery = as_features(queries, "queries"), as_features(gallery, "gallery")
    targets = as_labels(targets, len(queries), "targets")
    if targets.dtype.kind not in "iu" or targets.min() < 0 or targets.max() >= len(gallery):
        raise EvaluationError(f"targets must be rows of the gallery, 0 ... {len(gallery) - 1}")
    return _recall(target_ranks(queries, gallery, targets[:, None] == np.arange(len(gallery))), ks)


def class_retrieval(features: ArrayLike, labels: ArrayLike, ks: Sequence[int] = (1, 5, 10)) -> RetrievalScores:
    """Retrieval within one modality: every item looks for another of its class among all the others.

    Args:
        features: ``(N, D)``.
        labels: ``(N,)``; items alone in their class stay in the gallery and ask nothing.
        ks: Numbers of neighbours.

    Raises:
        EvaluationError: No class has two items, the shapes do not fit, or values are not finite.
    """
    features = as_features(features)
    labels = as_labels(labels, len(features))
    same = labels[:, None] == labels[None, :]
    asking = np.flatnonzero(same.sum(axis=1) > 1)
    if not len(asking):
        raise EvaluationError("retrieval by class needs a class with at least two items")
    others = ~np.eye(len(labels), dtype=bool)[asking]
    # The item itself leaves the gallery: each row is compressed to the N - 1 others.
    similarities = _unit(features)[asking] @ _unit(features).T
    similarities = similarities[others].reshape(len(asking), -1)
    relevant = same[asking][others].reshape(len(asking), -1)
    return _scores(_ranks(similarities, relevant), relevant, ks)


def cross_modal_retrieval(
    queries: ArrayLike, gallery: ArrayLike, labels: ArrayLike | None = None, ks: Sequence[int] = (1, 5, 10)
) -> RetrievalScores:
    """Retrieval across modalities: row ``i`` of one modality looks for row ``i``, or its class, in the other.

    Args:
        queries: Features of one modality, ``(N, D)``.
        gallery: Features of the other for the same ``N`` clips in the same order, in the same space.
        labels: None for retrieval of the instance; ``(N,)`` for retrieval of any item of the class.
        ks: Numbers of neighbours.

    Raises:
        EvaluationError: The shapes do not fit, or values are not finite.
    """
    queries, gallery = as_features(queries, "queries"), as_features(gallery, "gallery")
    if queries.shape != gallery.shape:
        raise EvaluationError(f"both modalities need the same clips and space, got {queries.shape} and {gallery.shape}")
    if labels is None:
        relevant = np.eye(len(queries), dtype=bool)
    else:
        labels = as_labels(labels, len(queries))
        relevant = labels[:, None] == labels[None, :]
    return _scores(target_ranks(queries, gallery, relevant), relevant, ks)


def effective_rank(features: ArrayLike) -> float:
    """Number of directions the features really use: the exponential of the entropy of their spectrum.

    Roy and Vetterli, "The effective rank" (2007), of the features less their mean.

    Args:
        features: ``(N, D)``.

    Returns:
        Between 1 and ``min(N - 1, D)``; 0 where all rows are equal.

    Raises:
        EvaluationError: Empty, not two-dimensional or not finite.
    """
    features = as_features(features)
    centred = features - features.mean(axis=0)
    values = np.linalg.svd(centred, compute_uv=False)
    # What is left of equal rows after rounding is not a direction.
    values = values[values > np.abs(features).max() * max(features.shape) * np.finfo(np.float64).eps]
    if not len(values):
        return 0.0
    share = values / values.sum()
    return float(np.exp(-(share * np.log(share)).sum()))


def _unit(features: NDArray[np.float64]) -> NDArray[np.float64]:
    norms = np.linalg.norm(features, axis=1, keepdims=True)
    return features / np.maximum(norms, np.finfo(np.float64).tiny)


def _ranks(similarities: NDArray[np.float64], relevant: NDArray[np.bool_]) -> NDArray[np.int64]:
    best = np.where(relevant, similarities, -np.inf).max(axis=1, keepdims=True)
    return 1 + ((similarities >= best - _TIE) & ~relevant).sum(axis=1)


def _recall(ranks: NDArray[np.int64], ks: Sequence[int]) -> dict[int, float]:
    if not ks or min(ks) < 1:
        raise EvaluationError(f"ks must be numbers of at least 1, got {tuple(ks)}")
    return {k: float((ranks <= k).mean()) for k in ks}


def _scores(ranks: NDArray[np.int64], relevant: NDArray[np.bool_], ks: Sequence[int]) -> RetrievalScores:
    chance = {k: float(_chance(relevant.sum(axis=1), relevant.shape[1], k).mean()) for k in ks}
    return RetrievalScores(_recall(ranks, ks), float(np.median(ranks)), chance, len(ranks))


def _chance(targets: NDArray[np.int64], gallery: int, k: int) -> NDArray[np.float64]:
    """Probability that a random draw of ``k`` items without replacement holds one of the targets."""
    drawn = np.arange(min(k, gallery))
    missed = np.clip((gallery - targets[:, None] - drawn) / (gallery - drawn), 0, 1)
    return 1 - missed.prod(axis=1)
