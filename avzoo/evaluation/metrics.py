"""Metrics as functions of arrays: retrieval within and across modalities, and the rank of a feature space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arrays import EvaluationError, as_features, as_labels
from .ranking import Directions, Ranking, Relevance, rank

#: Numbers of neighbours where none are given.
KS = (1, 5, 10)


@dataclass(frozen=True, eq=False)
class RetrievalScores:
    """How well queries find their targets.

    Attributes:
        recall: Share of queries in [0, 1] with a target among the ``k`` nearest, by ``k``.
        median_rank: Median over queries of the rank of the nearest target, from 1.
        mean_ap: Mean average precision over all targets of each query, mAP, in [0, 1].
        chance: Recall that a random order would give, by ``k``.
        chance_ap: Mean average precision of a random order.
        num_queries: Queries counted: those with a target in the gallery.
        gallery: Items that each was compared with.
        ranks: Rank of the nearest target of every query, from 1; 0 for those that are not counted, int64 ``(Q,)``.
        precision: Average precision of every query; 0 for those that are not counted, float64 ``(Q,)``.
    """

    recall: dict[int, float]
    median_rank: float
    mean_ap: float
    chance: dict[int, float]
    chance_ap: float
    num_queries: int
    gallery: int
    ranks: NDArray[np.int64]
    precision: NDArray[np.float64]


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
    asked, among = Directions(queries, "queries"), Directions(gallery, "gallery")
    matrix = np.asarray(relevant)
    if matrix.dtype != np.bool_ or matrix.shape != (len(asked), len(among)):
        raise EvaluationError(f"relevant must be bool {(len(asked), len(among))}, got {matrix.shape}")
    lost = np.flatnonzero(~matrix.any(axis=1))
    if len(lost):
        raise EvaluationError(f"{len(lost)} queries have nothing relevant in the gallery, the first is {lost[0]}")
    return rank(asked, among, lambda rows: matrix[rows], precision=False).first


def recall_at_k(queries: ArrayLike, gallery: ArrayLike, targets: ArrayLike, ks: Sequence[int] = KS) -> dict[int, float]:
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
    asked, among = Directions(queries, "queries"), Directions(gallery, "gallery")
    rows = as_labels(targets, len(asked), "targets")
    if rows.dtype.kind not in "iu" or rows.min() < 0 or rows.max() >= len(among):
        raise EvaluationError(f"targets must be rows of the gallery, 0 ... {len(among) - 1}")
    ranking = rank(asked, among, _same(rows, np.arange(len(among))), precision=False)
    return _recall(ranking.first, ks)


def class_retrieval(
    features: ArrayLike,
    labels: ArrayLike,
    ks: Sequence[int] = KS,
    *,
    gallery: ArrayLike | None = None,
    gallery_labels: ArrayLike | None = None,
) -> RetrievalScores:
    """Retrieval by class: every item looks for one of its class, in another set or among all others of its own.

    Query = test and gallery = train, any of the ``k`` nearest of the query's class: the retrieval of CrissCross and
    CCL.

    Args:
        features: The queries, ``(N, D)``.
        labels: ``(N,)``, or bool ``(N, K)`` where items have several classes, of which sharing one is enough. Items
            whose class has no other item in the gallery ask nothing.
        ks: Numbers of neighbours.
        gallery: Features of the other set, ``(G, D)``; by default each query looks among the other queries.
        gallery_labels: Its labels, of the same kind.

    Raises:
        EvaluationError: No query has an item of its class, the shapes do not fit, or values are not finite.
    """
    queries = Directions(features, "features")
    if gallery is None:
        relevance = _of_class(labels, labels, len(queries), len(queries))
        ranking = rank(queries, queries, relevance, leave_out=True)
        lacking = "retrieval by class needs a class with at least two items"
    else:
        among = Directions(gallery, "gallery")
        relevance = _of_class(labels, gallery_labels, len(queries), len(among))
        ranking = rank(queries, among, relevance)
        lacking = "the gallery has no item of any class of the queries: check that both have the same classes"
    if not ranking.answers.any():
        raise EvaluationError(lacking)
    return _scores(ranking, ks)


def cross_modal_retrieval(
    queries: ArrayLike, gallery: ArrayLike, labels: ArrayLike | None = None, ks: Sequence[int] = KS
) -> RetrievalScores:
    """Retrieval across modalities: row ``i`` of one modality looks for row ``i``, or its class, in the other.

    Args:
        queries: Features of one modality, ``(N, D)``.
        gallery: Features of the other for the same ``N`` clips in the same order, in the same space.
        labels: None for retrieval of the instance; ``(N,)`` or bool ``(N, K)`` for retrieval of any item of the class.
        ks: Numbers of neighbours.

    Raises:
        EvaluationError: The shapes do not fit, or values are not finite.
    """
    asked, among = Directions(queries, "queries"), Directions(gallery, "gallery")
    if asked.unit.shape != among.unit.shape:
        raise EvaluationError(
            f"both modalities need the same clips and space, got {asked.unit.shape} and {among.unit.shape}"
        )
    count = len(asked)
    names = np.arange(count) if labels is None else labels
    return _scores(rank(asked, among, _of_class(names, names, count, count)), ks)


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


def _of_class(labels: ArrayLike, gallery_labels: ArrayLike | None, count: int, size: int) -> Relevance:
    """Which items share a class with which queries."""
    asked, among = np.asarray(labels), np.asarray(gallery_labels)
    if asked.dtype == np.bool_ and asked.ndim == 2:
        if among.dtype != np.bool_ or asked.shape[1:] != among.shape[1:] or (len(asked), len(among)) != (count, size):
            raise EvaluationError(
                f"labels of the same classes are needed for each of {count} queries and {size} items, got "
                f"{asked.shape} and {among.shape}"
            )
        left, right = asked.astype(np.float32), among.astype(np.float32)
        return lambda rows: left[rows] @ right.T > 0
    return _same(as_labels(asked, count), as_labels(among, size, "labels of the gallery"))


def _same(labels: NDArray[np.generic], gallery_labels: NDArray[np.generic]) -> Relevance:
    # As numbers: strings are slow to compare.
    numbers = np.unique(np.concatenate([labels, gallery_labels]), return_inverse=True)[1].astype(np.int32)
    asked, among = numbers[: len(labels), None], numbers[len(labels) :]
    return lambda rows: asked[rows] == among


def _recall(ranks: NDArray[np.int64], ks: Sequence[int]) -> dict[int, float]:
    if not ks or min(ks) < 1:
        raise EvaluationError(f"ks must be numbers of at least 1, got {tuple(ks)}")
    return {k: float((ranks <= k).mean()) for k in ks}


def _scores(ranking: Ranking, ks: Sequence[int]) -> RetrievalScores:
    counted = ranking.answers > 0
    first, answers = ranking.first[counted], ranking.answers[counted]
    return RetrievalScores(
        recall=_recall(first, ks),
        median_rank=float(np.median(first)),
        mean_ap=float(ranking.precision[counted].mean()),
        chance={k: float(_chance(answers, ranking.size, k).mean()) for k in ks},
        chance_ap=float(_chance_ap(answers, ranking.size).mean()),
        num_queries=len(first),
        gallery=ranking.size,
        ranks=ranking.first,
        precision=ranking.precision,
    )


def _chance(targets: NDArray[np.int64], gallery: int, k: int) -> NDArray[np.float64]:
    """Probability that a random draw of ``k`` items without replacement holds one of the targets."""
    drawn = np.arange(min(k, gallery))
    missed = np.clip((gallery - targets[:, None] - drawn) / (gallery - drawn), 0, 1)
    return 1 - missed.prod(axis=1)


def _chance_ap(targets: NDArray[np.int64], gallery: int) -> NDArray[np.float64]:
    """Expected average precision of a random order.

    The item at rank ``r`` is a target with probability ``targets / gallery``; each of the ``r - 1`` before it then is
    one with probability ``(targets - 1) / (gallery - 1)``. Summed over the ranks, with the harmonic number of them.
    """
    harmonic = (1 / np.arange(1, gallery + 1)).sum()
    return (harmonic + (targets - 1) / max(gallery - 1, 1) * (gallery - harmonic)) / gallery
