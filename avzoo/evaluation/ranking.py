"""Where the items that answer a query stand among those of a gallery, by cosine similarity.

The product of all queries and all items is taken in single precision, block by block, and what rounding could decide is
computed again in double precision: the ranks are those of double precision, at about the cost of single.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arrays import EvaluationError

#: Rows of queries -> which of the gallery's items answer each of them, bool ``(rows, G)``.
Relevance = Callable[[slice], NDArray[np.bool_]]

TIE = 1e-12  # similarities this close are equal: rounding must not break a tie
_PRECISION_TIE = 1e-6  # the same in single precision
_ENTRIES_AT_ONCE = 2**23  # similarities that are held at once: bounds memory, not the result
_PAIRS_AT_ONCE = 2**13  # pairs that are compared again at once
_NOWHERE = -2.0  # less than any similarity
_CROWDED = 1 / 16  # share of a block's pairs from which comparing all of them again is faster


@dataclass(frozen=True, eq=False)
class Ranking:
    """How a gallery is ordered for each of ``Q`` queries.

    Attributes:
        first: Rank of the nearest item that answers, from 1; 0 where none does, int64 ``(Q,)``.
        precision: Average precision: mean over the items that answer of the share of answers among those that rank at
            least as high; 0 where none does, float64 ``(Q,)``. Without being asked for, all 0.
        answers: Number of items that answer, int64 ``(Q,)``.
        size: Items that each query was compared with.
    """

    first: NDArray[np.int64]
    precision: NDArray[np.float64]
    answers: NDArray[np.int64]
    size: int


class Directions:
    """Vectors of which only the direction counts; a vector of zeros is as similar to everything.

    Args:
        values: ``(N, D)``, single or double precision.
        name: What to call them in messages.

    Attributes:
        unit: Rows scaled to length 1, float32 ``(N, D)``.

    Raises:
        EvaluationError: Not two-dimensional, empty, or not finite.
    """

    def __init__(self, values: ArrayLike, name: str) -> None:
        array = np.asarray(values)
        self._values: NDArray[np.floating] = array if array.dtype == np.float32 else array.astype(np.float64)
        if array.ndim != 2 or not array.size:
            raise EvaluationError(f"{name} must be a non-empty (N, D) array, got shape {array.shape}")
        self._lengths = np.empty((len(array), 1))
        self.unit: NDArray[np.float32] = np.empty(array.shape, np.float32)
        rows = max(1, _ENTRIES_AT_ONCE // array.shape[1])
        broken = np.zeros(len(array), bool)
        for start in range(0, len(array), rows):
            block = self._values[start : start + rows].astype(np.float64)
            broken[start : start + rows] = wrong = ~np.isfinite(block).all(axis=1)
            block[wrong] = 0
            lengths = np.linalg.norm(block, axis=1, keepdims=True)
            self._lengths[start : start + rows] = np.maximum(lengths, np.finfo(np.float64).tiny)
            self.unit[start : start + rows] = block / self._lengths[start : start + rows]
        if broken.any():
            first = int(np.argmax(broken))
            raise EvaluationError(f"{name} holds NaN or infinite values in {broken.sum()} rows, the first is {first}")

    def __len__(self) -> int:
        return len(self.unit)

    @property
    def width(self) -> int:
        """``D``."""
        return int(self.unit.shape[1])

    def exact(self, rows: NDArray[np.intp] | slice) -> NDArray[np.float64]:
        """Some rows scaled to length 1, float64."""
        return np.asarray(self._values[rows] / self._lengths[rows], np.float64)


def rank(
    queries: Directions, gallery: Directions, relevance: Relevance, *, leave_out: bool = False, precision: bool = True
) -> Ranking:
    """Ranks a gallery for every query.

    A tie counts against the query: an item that is no answer ranks before an answer as similar. Memory is bounded by
    the queries and the gallery themselves, not by their product.

    Args:
        queries: ``Q`` of them.
        gallery: ``G`` items.
        relevance: Which items answer which query.
        leave_out: The queries are the gallery, and each looks among the others.
        precision: Whether average precision is wanted, which takes about as long as the rest. Similarities that differ
            by less than 1e-6 are equal to it.

    Raises:
        EvaluationError: Queries and gallery have different dimensions.
    """
    if queries.width != gallery.width:
        raise EvaluationError(f"queries have {queries.width} dimensions, the gallery has {gallery.width}")
    first = np.zeros(len(queries), np.int64)
    answers = np.zeros(len(queries), np.int64)
    precisions = np.zeros(len(queries))
    rows = max(1, _ENTRIES_AT_ONCE // len(gallery))
    held = np.empty((min(rows, len(queries)), len(gallery)), np.float32)
    for start in range(0, len(queries), rows):
        block = slice(start, min(start + rows, len(queries)))
        count = block.stop - start
        similarities = np.matmul(queries.unit[block], gallery.unit.T, out=held[:count])
        relevant = relevance(block)
        if leave_out:
            own = (np.arange(count), np.arange(start, block.stop))
            similarities[own] = _NOWHERE
            relevant[own] = False
        answers[block] = relevant.sum(axis=1)
        # Those of each row, one row after the other: far fewer than all.
        answering = similarities.ravel()[np.flatnonzero(relevant)]
        ends = answers[block].cumsum()
        first[block] = _first(queries, gallery, block, similarities, relevant, answering, ends)
        if precision:
            of_rows = np.split(answering, ends[:-1])
            precisions[block] = [_average_precision(*row) for row in zip(similarities, of_rows, strict=True)]
    return Ranking(first, precisions, answers, len(gallery) - leave_out)


def _first(
    queries: Directions,
    gallery: Directions,
    block: slice,
    similarities: NDArray[np.float32],
    relevant: NDArray[np.bool_],
    answering: NDArray[np.float32],
    ends: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Rank of the best answer in every row; 0 without one."""
    starts = np.r_[0, ends[:-1]]
    some = ends > starts
    best = np.full((len(ends), 1), np.inf, np.float32)  # without an answer nothing is near it
    if some.any():
        best[some, 0] = np.maximum.reduceat(answering, starts[some])
    # How far rounding can move two similarities against each other: a sum of D products of rounded factors, twice.
    margin = np.float32(2 * (queries.width + 3) * 2.0**-24)
    reached = similarities >= best - margin
    above = similarities > best + margin
    row, item = np.divmod(np.flatnonzero(reached & ~above), len(gallery))
    exact = _similarities(queries, gallery, block, row, item)
    right = relevant[row, item]
    best_exact = np.full(len(ends), -np.inf)
    np.maximum.at(best_exact, row[right], exact[right])
    before = ~right & (exact >= best_exact[row] - TIE)
    return some * (1 + above.sum(axis=1) + np.bincount(row[before], minlength=len(ends)))


def _similarities(
    queries: Directions, gallery: Directions, block: slice, row: NDArray[np.intp], item: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Similarities of pairs, of a row of the block and an item each, in double precision."""
    unit = queries.exact(block)
    found = np.empty(len(row))
    if len(row) <= _CROWDED * len(unit) * len(gallery):
        for start in range(0, len(row), _PAIRS_AT_ONCE):
            pairs = slice(start, start + _PAIRS_AT_ONCE)
            np.einsum("pd,pd->p", unit[row[pairs]], gallery.exact(item[pairs]), out=found[pairs])
        return found
    # Features that are nearly alike are all near each other.
    for start in range(0, len(gallery), _PAIRS_AT_ONCE):
        inside = (item >= start) & (item < start + _PAIRS_AT_ONCE)
        products = unit @ gallery.exact(slice(start, start + _PAIRS_AT_ONCE)).T
        found[inside] = products[row[inside], item[inside] - start]
    return found


def _average_precision(similarities: NDArray[np.float32], answering: NDArray[np.float32]) -> float:
    """Average precision of one order of all items, among them the answers; 0 without an answer."""
    if not len(answering):
        return 0.0
    answers = np.sort(answering)
    lowest = answers - np.float32(_PRECISION_TIE)
    at_least = _counts(similarities, lowest)
    others = at_least - (len(answers) - np.searchsorted(answers, lowest))
    places = np.arange(len(answers), 0, -1)
    return float((places / (places + others)).mean())


def _counts(values: NDArray[np.float32], levels: NDArray[np.float32]) -> NDArray[np.int64]:
    """How many values are at least as high as each level.

    Values are counted by bins, and only those that share one with a level are compared with it: several times faster
    than sorting them all.
    """
    count = len(values)  # of bins between _NOWHERE and 2: the mean bin has one value, or few
    scale = np.float32(count / 4)
    bins, own = (((side - np.float32(_NOWHERE)) * scale).astype(np.intp) for side in (values, levels))
    shared = np.zeros(count, bool)
    shared[own] = True
    apart = np.where(shared, 0, np.bincount(bins, minlength=count))
    above = apart[::-1].cumsum()[::-1]
    near = np.sort(values[shared[bins]])
    return above[own] + len(near) - np.searchsorted(near, levels)


def class_similarities(
    queries: Directions, gallery: Directions, labels: NDArray[np.generic], classes: int, *, leave_out: bool = False
) -> NDArray[np.float32]:
    """Similarity of every query with the nearest item of each class.

    Args:
        queries: ``Q`` of them.
        gallery: ``G`` items.
        labels: Class of every item, int ``(G,)``.
        classes: Number ``K`` of classes.
        leave_out: The queries are the gallery, and each looks among the others.

    Returns:
        ``(Q, K)`` in [-1, 1]; -1 for classes without items.
    """
    order = np.argsort(labels, kind="stable")
    place = np.argsort(order)
    present, starts = np.unique(labels[order], return_index=True)
    items = gallery.unit[order].T
    nearest = np.full((len(queries), classes), -1, np.float32)
    rows = max(1, _ENTRIES_AT_ONCE // len(gallery))
    for start in range(0, len(queries), rows):
        similarities = queries.unit[start : start + rows] @ items
        if leave_out:
            similarities[np.arange(len(similarities)), place[start : start + rows]] = -1
        nearest[start : start + rows, present] = np.maximum.reduceat(similarities, starts, axis=1)
    return nearest
