"""Figures of classification against the reference outputs, scikit-learn and cases done by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from avzoo.evaluation.arrays import EvaluationError
from avzoo.evaluation.clip_values import ClipValues, Items
from avzoo.evaluation.protocol import Predictions
from avzoo.evaluation.scoring import (
    average_precision,
    balanced_accuracy,
    classification_figures,
    confusion,
    hits,
    multilabel_figures,
    per_class,
    probabilities,
    sample_figures,
)


def clips(values: Any, item: Any, labels: Any, clip: Any = None, crop: Any = None) -> ClipValues:
    values, labels = np.asarray(values, np.float32), np.asarray(labels)
    classes = tuple("abcdefgh"[: values.shape[1]])
    items = Items(tuple(f"item {n}" for n in range(len(labels))), labels, classes)
    zeros = np.zeros(len(values), np.int64)
    clip = np.arange(len(values)) if clip is None else np.asarray(clip)
    return ClipValues(items, values, np.asarray(item), clip, zeros if crop is None else np.asarray(crop))


def test_mean_average_precision_is_that_of_the_original(parity: Callable[[str], Any]) -> None:
    case = parity("xkd/fsd50k_map")
    noise, labels = case.inputs["scores"].numpy(), case.inputs["target_noise"].numpy() < case.config["threshold"]
    labels[:, -1] = False
    scores = probabilities(noise + 1.5 * labels, multilabel=True)
    figures = multilabel_figures(scores, labels)
    assert figures.mean_ap == pytest.approx(case.spec["scalars"]["mean_ap"], rel=1e-7)
    assert figures.mean_auc == pytest.approx(case.spec["scalars"]["mean_auc"], rel=1e-7)
    assert figures.weighted_ap == pytest.approx(case.spec["scalars"]["mean_wap"], rel=1e-7)
    np.testing.assert_allclose(figures.average_precision, case.expected["all_aps"], rtol=1e-5)


def test_sample_f1_is_that_of_the_original(parity: Callable[[str], Any]) -> None:
    case = parity("vssl/multilabel_sample_f1")
    labels = case.fill.seeded_uniform("vssl/tiny/gt", (25, 14)).numpy() < 0.2
    labels[:, 0] = True
    figures, expected = sample_figures(case.inputs["prob"].numpy() > 0.5, labels), case.spec["expected"]
    assert figures.f1 == pytest.approx(expected["f1"], rel=1e-9)
    assert figures.precision == pytest.approx(expected["precision"], rel=1e-9)
    assert figures.recall == pytest.approx(expected["recall"], rel=1e-9)
    assert figures.subset_accuracy == expected["acc"]


def test_average_precision_of_tied_and_repeated_items_is_that_of_scikit_learn() -> None:
    from sklearn.metrics import average_precision_score

    rng = np.random.default_rng(0)
    scores, positive = rng.integers(0, 5, 40) / 4, rng.random(40) < 0.3
    weights = rng.integers(0, 4, (3, 40))
    expected = np.array([average_precision_score(positive, scores, sample_weight=row) for row in weights], float)
    np.testing.assert_allclose(average_precision(scores, positive, weights), expected, rtol=1e-12)


def test_items_average_their_clips_and_clips_their_crops() -> None:
    # Item 0 is of class 0: one clip says so strongly, the crops of the other cancel in favour of class 1.
    values = [[5, 0], [0, 1], [0.5, 0], [0, 1]]
    figures, predictions = classification_figures(clips(values, [0, 0, 0, 1], [0, 1], [0, 1, 1, 0], [0, 0, 1, 0]))
    assert figures["clip top-1"] == pytest.approx(2 / 3)
    assert figures["top-1"] == 1.0
    assert predictions.scores == pytest.approx(np.array([[5.5 / 3, 1 / 3], [0, 1]]))


def test_what_is_averaged_can_decide() -> None:
    # One clip is very sure of class 0, two lean to class 1: scores follow the first, probabilities the two.
    values = [[20, 0], [0, 3], [0, 3]]
    assert classification_figures(clips(values, [0, 0, 0], [0]))[0]["top-1"] == 1.0
    assert classification_figures(clips(values, [0, 0, 0], [0]), "probability")[0]["top-1"] == 0.0


def test_top_5_needs_more_than_five_classes() -> None:
    few, many = np.eye(5, dtype=np.float32), np.eye(6, dtype=np.float32)
    assert "top-5" not in classification_figures(clips(few, np.arange(5), np.arange(5)))[0]
    # Class 5 comes last of equals everywhere but where it is meant.
    figures, _ = classification_figures(clips(np.roll(many, 1, axis=0), np.arange(6), np.arange(6)))
    assert figures["top-1"] == 0.0
    assert figures["top-5"] == pytest.approx(5 / 6)


def test_equal_scores_are_no_better_than_a_constant_guess() -> None:
    labels = np.array([0, 1, 2, 2])
    assert hits(np.zeros((4, 3)), labels, 1).tolist() == [True, False, False, False]
    assert balanced_accuracy(np.zeros((4, 3)), labels) == pytest.approx(1 / 3)


def test_per_class_figures_and_confusion_agree() -> None:
    items = Items(("1", "2", "3", "4"), np.array([0, 0, 1, 1]), ("a", "b", "c"))
    said = Predictions(items, np.eye(3, dtype=np.float32)[[0, 1, 1, 1]])
    assert confusion(said).tolist() == [[1, 1, 0], [0, 2, 0], [0, 0, 0]]
    a, b, c = per_class(said)
    assert (a.items, a.recall, a.precision) == (2, 0.5, 1.0)
    assert b.recall == 1.0
    assert b.precision == pytest.approx(2 / 3)
    assert (c.items, c.recall, c.precision) == (0, None, None)


def test_several_labels() -> None:
    labels = np.array([[1, 1], [0, 1]], bool)
    figures, predictions = classification_figures(clips([[2, 1], [1, 3]], [0, 1], labels), "probability")
    assert figures["mAP"] == figures["clip mAP"] == 1.0
    # Both labels are said of both: of the second, one too many.
    assert figures["sample F1"] == pytest.approx((1 + 2 / 3) / 2)
    assert figures["subset accuracy"] == 0.5
    first, second = per_class(predictions)
    assert (first.items, first.average_precision, first.recall) == (1, 1.0, None)
    assert (second.items, second.average_precision) == (2, 1.0)
    with pytest.raises(EvaluationError, match="no confusion"):
        confusion(predictions)


def test_scores_of_other_classes_are_refused() -> None:
    scores = clips([[1, 0]], [0], [0])
    with pytest.raises(EvaluationError, match="3 scores per clip do not fit 2 classes"):
        classification_figures(scores.with_values(np.zeros((1, 3))))
    with pytest.raises(EvaluationError, match="no item has any"):
        multilabel_figures(np.zeros((2, 2)), np.zeros((2, 2), bool))
