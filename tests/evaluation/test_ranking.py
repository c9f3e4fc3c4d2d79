from __future__ import annotations

import numpy as np
import pytest

from avzoo.evaluation import ranking
from avzoo.evaluation.arrays import EvaluationError
from avzoo.evaluation.ranking import TIE, Directions, Ranking, rank


def ranked(queries: np.ndarray, gallery: np.ndarray, relevant: np.ndarray, **options: bool) -> Ranking:
    return rank(
        Directions(queries, "queries"), Directions(gallery, "gallery"), lambda rows: relevant[rows].copy(), **options
    )


def by_hand(
    queries: np.ndarray, gallery: np.ndarray, relevant: np.ndarray, own: bool = False
) -> tuple[list[int], list[float]]:
    """Ranks and average precision one query at a time, in double precision."""
    ranks, precisions = [], []
    for number, query in enumerate(queries.astype(np.float64)):
        similarities = gallery.astype(np.float64) @ query
        similarities /= np.linalg.norm(gallery.astype(np.float64), axis=1) * np.linalg.norm(query)
        kept = np.arange(len(gallery)) != number if own else np.ones(len(gallery), bool)
        answers = np.sort(similarities[kept & relevant[number]])[::-1]
        others = similarities[kept & ~relevant[number]]
        before = [int((others >= answer - TIE).sum()) for answer in answers]
        ranks.append(1 + before[0] if len(answers) else 0)
        shares = [place / (place + other) for place, other in enumerate(before, 1)]
        precisions.append(float(np.mean(shares)) if shares else 0.0)
    return ranks, precisions


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("own", [False, True])
def test_ranks_are_those_of_double_precision(monkeypatch: pytest.MonkeyPatch, dtype: type, own: bool) -> None:
    monkeypatch.setattr(ranking, "_ENTRIES_AT_ONCE", 700)
    rng = np.random.default_rng(0)
    gallery: np.ndarray = rng.standard_normal((90, 24)).astype(dtype)
    queries = gallery if own else rng.standard_normal((40, 24)).astype(dtype)
    relevant = rng.random((len(queries), 90)) < 0.06
    relevant[3] = False
    found = ranked(queries, gallery, relevant, leave_out=own)
    ranks, precisions = by_hand(queries, gallery, relevant, own)
    assert found.first.tolist() == ranks
    assert found.precision == pytest.approx(precisions, abs=1e-12)
    assert found.answers[3] == 0 and found.first[3] == 0 and found.size == 90 - own


@pytest.mark.parametrize("crowded", [0.0, 1.0])
def test_what_single_precision_cannot_tell_apart_is_told_apart(monkeypatch: pytest.MonkeyPatch, crowded: float) -> None:
    monkeypatch.setattr(ranking, "_CROWDED", crowded)  # both ways of comparing again
    rng = np.random.default_rng(1)
    centre = rng.standard_normal(32)
    gallery = centre + 1e-7 * rng.standard_normal((300, 32))
    queries = centre + 1e-3 * rng.standard_normal((20, 32))
    relevant = np.zeros((20, 300), bool)
    relevant[np.arange(20), rng.integers(0, 300, 20)] = True
    rough = (queries.astype(np.float32) @ gallery.T.astype(np.float32)).argsort(axis=1)[:, ::-1]
    ranks, _ = by_hand(queries, gallery, relevant)
    assert ranked(queries, gallery, relevant).first.tolist() == ranks
    assert [int(np.flatnonzero(row[order])[0]) + 1 for row, order in zip(relevant, rough, strict=True)] != ranks


def test_ties_count_against_the_query_everywhere() -> None:
    # Three alike, one of them an answer, and one answer apart: ranks 3 and 4.
    gallery = np.array([[1.0, 0], [1, 0], [1, 0], [0, 1]])
    found = ranked(np.array([[1.0, 1e-3]]), gallery, np.array([[False, True, False, True]]))
    assert found.first.tolist() == [3]
    assert found.precision == pytest.approx([(1 / 3 + 2 / 4) / 2])


def test_vectors_without_direction_are_like_everything() -> None:
    found = ranked(np.zeros((1, 2)), np.eye(2), np.array([[True, False]]))
    assert found.first.tolist() == [2]


def test_average_precision_is_left_out_where_it_is_not_wanted() -> None:
    found = ranked(np.eye(2), np.eye(2), np.eye(2, dtype=bool), precision=False)
    assert found.first.tolist() == [1, 1] and not found.precision.any()


def test_extreme_lengths_do_not_overflow() -> None:
    large = np.array([[3e30, 4e30], [-1e30, 0]], np.float32)
    assert Directions(large, "features").unit[0] == pytest.approx([0.6, 0.8])


def test_bad_features_are_named() -> None:
    values = np.ones((5, 2))
    values[3] = np.inf
    with pytest.raises(EvaluationError, match="gallery holds NaN or infinite values in 1 rows, the first is 3"):
        Directions(values, "gallery")
    with pytest.raises(EvaluationError, match="2 dimensions, the gallery has 3"):
        ranked(np.ones((1, 2)), np.ones((1, 3)), np.ones((1, 1), bool))
