from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import normalized_mutual_info_score

from avzoo.evaluation.arrays import EvaluationError
from avzoo.evaluation.clip_values import ClipValues, Items
from avzoo.evaluation.clustering import (
    CLUSTERING,
    ClusteringSettings,
    ClusterRow,
    agreement,
    cluster_rows,
)
from avzoo.evaluation.protocol import Fold, Outcome

CLASSES = ("dog", "rain", "siren")
CENTRES = np.array([[0.0, 0], [10, 0], [0, 10]])


def blobs(count: int, per_item: int = 1, seed: int = 0, spread: float = 0.5, start: int = 0) -> ClipValues:
    """Items of three classes in turn, each class around a point."""
    labels = np.arange(count) % 3
    item = np.repeat(np.arange(count), per_item)
    noise = spread * np.random.default_rng(seed).standard_normal((len(item), 2))
    items = Items(tuple(f"{start + number}.mp4" for number in range(count)), labels, CLASSES)
    clip = np.tile(np.arange(per_item), count)
    return ClipValues(items, (CENTRES[labels[item]] + noise).astype(np.float32), item, clip, np.zeros_like(clip))


def outcome(test: ClipValues, train: ClipValues | None = None, **settings: Any) -> Outcome:
    fold = Fold("", {} if train is None else {"audio": train}, {"audio": test})
    return CLUSTERING.run(fold, "audio", ClusteringSettings.model_validate({"restarts": 3} | settings))


def test_agreement_by_hand() -> None:
    # Clusters 0: a a b, 1: b b, 2: c. Each matched to its majority.
    found = agreement([0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 1, 2])
    assert found.accuracy == pytest.approx(5 / 6) and found.purity == pytest.approx(5 / 6)
    assert found.matched.tolist() == [0, 1, 2]
    # Pairs together in both: 1 + 1 of 4 and 4, of 15: (2 - 16/15) / (4 - 16/15).
    assert found.ari == pytest.approx((2 - 16 / 15) / (4 - 16 / 15))


def test_a_class_has_one_cluster_and_a_cluster_one_class() -> None:
    # Two pure clusters of one class: purity is blind to it, accuracy is not.
    found = agreement([0, 0, 1, 1, 2], [0, 0, 0, 0, 1])
    assert found.purity == 1 and found.accuracy == pytest.approx(3 / 5)
    assert sorted(found.matched.tolist()) == [-1, 0, 1]
    # Two clusters with the same majority are matched so that most are right.
    assert agreement([0, 0, 0, 1, 1, 1], [0, 0, 1, 0, 0, 1]).accuracy == 0.5


def test_accuracy_is_that_of_the_reference(parity: Any) -> None:
    case = parity("vssl/definitional_metrics")
    first = np.floor(6 * case.fill.seeded_uniform("vssl/sim/a", (200,)).numpy()).astype(int)
    other = np.floor(6 * case.fill.seeded_uniform("vssl/sim/b", (200,)).numpy()).astype(int)
    second = np.where(case.fill.seeded_uniform("vssl/sim/same", (200,)).numpy() < 0.6, first, other)
    found = agreement(first, (5 * second + 3) % 6)
    assert found.accuracy == pytest.approx(case.spec["expected"]["hungarian_cluster_accuracy"], rel=1e-9)


def test_nmi_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    clusters, labels = rng.integers(0, 4, 80), rng.integers(0, 7, 80)
    assert agreement(clusters, labels).nmi == pytest.approx(normalized_mutual_info_score(labels, clusters))


def test_classes_that_lie_apart_are_found() -> None:
    found = outcome(blobs(30))
    assert found.figures == {
        "accuracy": 1,
        "NMI": pytest.approx(1),
        "ARI": 1,
        "purity": 1,
        "largest class": pytest.approx(1 / 3),
    }
    assert found.details["k"] == 3 and "choices made here" in found.details["choices"]
    assert found.predictions is not None
    assert np.array_equal(found.predictions.scores.argmax(axis=1), found.predictions.items.labels)
    json.dumps(dict(found.details))


def test_the_best_of_all_starts_counts() -> None:
    found = outcome(blobs(60, spread=4), restarts=8, k=9)
    assert len(found.details["inertias"]) == 8
    assert found.details["inertia"] == min(found.details["inertias"]) < max(found.details["inertias"])
    assert outcome(blobs(60, spread=4), restarts=8, k=9).details == found.details
    assert found.predictions is None  # nine clusters are not three classes
    assert found.item_figures is not None
    assert found.item_figures.values["accuracy"].mean() == pytest.approx(found.figures["accuracy"])


def test_clips_and_both_parts_can_be_clustered() -> None:
    train = blobs(9, per_item=2, seed=1, start=100)
    found = outcome(blobs(12, per_item=3), train, level="clips", part="both")
    assert found.details["points"] == 12 * 3 + 9 * 2 and found.predictions is None
    sizes = sorted(row["size"] for row in found.details["clusters"])
    assert sizes == [18, 18, 18]
    nearest = found.details["clusters"][0]["nearest"]
    assert len(nearest) == len(set(nearest)) == 7  # items of a class in both parts, each named once
    assert outcome(blobs(12), blobs(9, start=100), part="train").details["points"] == 9


def test_directions_count_where_lengths_are_taken_off() -> None:
    angles = np.deg2rad(np.array([0, 90, 200])[np.arange(12) % 3] + np.arange(12) / 4)
    lengths = np.geomspace(1, 1000, 12)[:, None]
    test = blobs(12).with_values(lengths * np.stack([np.cos(angles), np.sin(angles)], axis=1))
    assert outcome(test, unit=True).figures["accuracy"] == 1
    assert outcome(test).figures["accuracy"] < 1


def test_rows_tell_the_purest_first() -> None:
    points = np.array([[0.0, 0], [0.2, 0], [0.1, 0], [5, 5], [5, 5.2], [9, 0]], np.float32)
    items = Items(("a", "b", "c", "d", "e", "f"), np.array([0, 0, 1, 2, 2, 1]), CLASSES)
    centres = np.array([[0.09, 0], [9, 0], [5, 5], [70, 70]], np.float32)
    rows = cluster_rows(points, np.array([0, 0, 0, 2, 2, 1]), centres, items)
    assert rows == [
        ClusterRow(2, 2, 1.0, (("siren", 1.0),), ("d", "e")),
        ClusterRow(1, 1, 1.0, (("rain", 1.0),), ("f",)),
        ClusterRow(0, 3, 2 / 3, (("dog", 2 / 3), ("rain", 1 / 3)), ("c", "a", "b")),
    ]


def test_rows_come_back_from_the_details() -> None:
    details = json.loads(json.dumps(dict(outcome(blobs(30)).details)))
    rows = [ClusterRow.of(row) for row in details["clusters"]]
    assert all(isinstance(row.concepts[0], tuple) and isinstance(row.nearest, tuple) for row in rows)


def test_what_cannot_be_clustered_is_named() -> None:
    with pytest.raises(EvaluationError, match="9 items cannot be parted in 10 clusters"):
        outcome(blobs(9), k=10)
    with pytest.raises(EvaluationError, match="no audio of the train part"):
        outcome(blobs(9), part="train")
    several = Items(("a",), np.array([[True, True, False]]), CLASSES)
    one = np.zeros(1, np.int64)
    with pytest.raises(EvaluationError, match="have several"):
        outcome(ClipValues(several, np.ones((1, 2), np.float32), one, one, one))
    with pytest.raises(EvaluationError, match="a cluster and a class"):
        agreement([0, 1], [0])
