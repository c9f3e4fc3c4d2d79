from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike

from avzoo.evaluation.arrays import EvaluationError
from avzoo.evaluation.clip_values import ClipValues, Items
from avzoo.evaluation.parts import fold_numbers, held_out, learned_classes, require_fit

NAMES = ("bark", "rain", "saw")


def items(labels: ArrayLike) -> Items:
    labels = np.asarray(labels)
    return Items(tuple(f"{row}.wav" for row in range(len(labels))), labels, NAMES)


def clips(labels: ArrayLike, width: int = 2) -> ClipValues:
    rows = np.arange(len(np.asarray(labels)))
    return ClipValues(items(labels), np.ones((len(rows), width), np.float32), rows, 0 * rows, 0 * rows)


def test_every_class_gives_its_share() -> None:
    labels = np.repeat([0, 1, 2], [20, 10, 2])
    out = held_out(items(labels), 0.2, seed=1)
    assert np.bincount(labels[out]).tolist() == [4, 2, 1]
    assert (out == held_out(items(labels), 0.2, seed=1)).all()
    assert (out != held_out(items(labels), 0.2, seed=2)).any()
    assert np.bincount(labels[held_out(items(labels), 0.99, seed=1)]).tolist() == [19, 9, 1]


def test_folds_are_even_in_size_and_classes() -> None:
    labels = np.repeat([0, 1, 2], [10, 9, 6])
    numbers = fold_numbers(items(labels), 5, seed=0)
    assert np.bincount(numbers).tolist() == [5] * 5
    for label in range(3):
        counts = np.bincount(numbers[labels == label], minlength=5)
        assert counts.max() - counts.min() <= 1


def test_items_with_several_labels_are_dealt_as_they_are() -> None:
    several = items(np.ones((10, 3), bool))
    assert held_out(several, 0.2, 0).sum() == 2
    assert np.bincount(fold_numbers(several, 5, 0)).tolist() == [2] * 5


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (lambda: held_out(items([0, 0, 1]), 0.2, 0), "class rain has a single training item"),
        (lambda: fold_numbers(items([0, 0, 1, 1, 2]), 2, 0), "class saw has a single training item"),
        (lambda: fold_numbers(items([0, 0, 1, 1]), 5, 0), "4 training items cannot be parted in 5 folds"),
        (lambda: held_out(items(np.ones((1, 3), bool)), 0.5, 0), "the set has a single training item"),
        (lambda: learned_classes(items([1, 1])), "at least two classes, got only rain"),
        (lambda: learned_classes(items(np.zeros((2, 3), bool))), "got none"),
        (lambda: require_fit(clips([0, 1]), clips([0, 1], 3)), "have 2 dimensions, test features 3"),
        (lambda: require_fit(clips([0, 1]), clips(np.ones((2, 3), bool))), "labelled with the same classes"),
        (lambda: require_fit(clips([0, 0]), clips([0, 1])), "at least two classes"),
    ],
)
def test_what_cannot_be_learned_is_said(action: Any, message: Any) -> None:
    with pytest.raises(EvaluationError, match=message):
        action()


def test_a_class_that_is_only_tested_is_told() -> None:
    assert require_fit(clips([0, 1]), clips([0, 1])) == ()
    (warning,) = require_fit(clips([0, 1]), clips([0, 2]))
    assert "1 classes" in warning and "saw" in warning
