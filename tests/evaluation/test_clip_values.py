"""What protocols are given is whole: labels are of the classes, every item has clips, no value is NaN."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from avzoo.evaluation.arrays import EvaluationError
from avzoo.evaluation.clip_values import ClipValues, Items

ITEMS = Items(("a", "b"), np.array([0, 1]), ("cat", "dog"))


def clips(values: Any, item: Any) -> ClipValues:
    zeros = np.zeros(len(item), np.int64)
    return ClipValues(ITEMS, np.asarray(values, np.float32), np.asarray(item), zeros, zeros)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_features_that_are_no_numbers_are_named_by_their_item(bad: float) -> None:
    with pytest.raises(EvaluationError, match="1 clips have NaN or infinite values; the first is of b"):
        clips([[1, 2], [1, bad]], [0, 1])


def test_items_without_clips_and_values_without_clips() -> None:
    with pytest.raises(EvaluationError, match="1 items have no clips, the first is b"):
        clips([[1, 2]], [0])
    with pytest.raises(EvaluationError, match=r"clips need values \(n, D\)"):
        clips([1, 2], [0, 1])


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.array([0, 2]), "numbers of the 2 classes, from 0"),
        (np.array([0]), r"one per item, \(2,\), got \(1,\)"),
        (np.zeros((2, 3), bool), r"must be \(2, 2\), got \(2, 3\)"),
    ],
)
def test_labels_that_are_not_of_the_classes(labels: Any, message: str) -> None:
    with pytest.raises(EvaluationError, match=message):
        Items(("a", "b"), labels, ("cat", "dog"))


def test_items_are_the_mean_of_their_clips() -> None:
    assert clips([[1, 2], [4, 4], [3, 0]], [0, 1, 0]).item_means().tolist() == [[2, 1], [4, 4]]
