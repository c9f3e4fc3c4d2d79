from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from avzoo.evaluation.arrays import EvaluationError
from avzoo.evaluation.clip_values import ClipValues, Items
from avzoo.evaluation.open_set_metrics import (
    OpenSetCurve,
    draw_curves,
    open_macro_f1,
    openness,
    rejection_rates,
    thresholded_auc,
    uncertainty_auc,
    uncertainty_threshold,
)
from avzoo.evaluation.open_set_outcome import ItemAverage, OpenSetMeasure, item_scores, item_uncertainty

AVERAGES: dict[str, ItemAverage] = {"score": "score", "prob": "probability", "evidence": "evidence"}


def uniform(reference: Any, name: str, count: int) -> np.ndarray:
    return reference.fill.seeded_uniform(f"vssl/open/{name}", (count,)).numpy()


def test_figures_are_those_of_the_original(parity: Any) -> None:
    reference = parity("vssl/open_set_metrics")
    expected, config = reference.spec["expected"], reference.config
    known = 0.6 * uniform(reference, "ind_unc", 160).astype(np.float64)
    unknown = 0.2 + 0.7 * uniform(reference, "ood_unc", 90).astype(np.float64)
    train = 0.6 * uniform(reference, "train_unc", 311).astype(np.float64)
    label = np.arange(160) % 8
    said = np.where(uniform(reference, "ind_wrong", 160) < 0.25, (label + 1) % 8, label)
    unknown_said = np.floor(8 * uniform(reference, "ood_pred", 90)).astype(int)
    threshold = uncertainty_threshold(train)
    assert threshold == pytest.approx(expected["threshold"], rel=1e-6)
    assert 100 * thresholded_auc(known, unknown, threshold) == pytest.approx(expected["auc_binarised"], rel=1e-6)
    continuous = expected["extra_auc_continuous_uncertainty_percent(not official)"]
    assert 100 * uncertainty_auc(known, unknown) == pytest.approx(continuous, rel=1e-6)
    arrays = (known, said, label), (unknown, unknown_said, np.arange(90) % 5)
    before = [array.copy() for part in arrays for array in part]
    seed = config["numpy_global_seed_before_call"]
    curve = open_macro_f1(*arrays, config["known_classes"], threshold, config["num_rand"], seed)
    assert 100 * np.array(curve.openness) == pytest.approx(expected["openness"], rel=1e-6)
    assert curve.macro_f1 == pytest.approx(expected["macro_f1"], rel=1e-6)
    assert curve.deviation == pytest.approx(expected["macro_f1_std"], rel=1e-4, abs=1e-7)
    assert 100 * curve.weighted_mean == pytest.approx(expected["open_macro_f1_weighted_mean_percent"], rel=1e-6)
    after = [array for part in arrays for array in part]
    assert all(np.array_equal(one, other) for one, other in zip(before, after, strict=True))


def test_clips_are_averaged_as_in_the_original(parity: Any) -> None:
    reference = parity("vssl/open_set_clip_average")
    items = Items(tuple("abcdef"), np.zeros(6, np.int64), tuple("01234"))
    number = np.arange(24)
    clips = ClipValues(items, reference.inputs["logits"].numpy(), number // 4, number % 4, np.zeros(24, np.int64))
    for average, expected in reference.spec["expected"].items():
        scores = item_scores(clips, AVERAGES[average])
        assert item_uncertainty(scores, OpenSetMeasure()) == pytest.approx(expected["uncertainty"], rel=1e-4)
        assert scores.argmax(1).tolist() == expected["prediction"]


def test_the_threshold_accepts_the_share_it_says() -> None:
    values = np.random.default_rng(0).permutation(np.arange(1.0, 101))
    assert uncertainty_threshold(values) == 96
    assert uncertainty_threshold(values, 0.5) == 51
    assert uncertainty_threshold([0.3]) == 0.3


def test_the_two_aucs_differ_where_one_threshold_does_not_fit() -> None:
    known, unknown = [0.1, 0.2, 0.3], [0.4, 0.5, 0.6]
    assert uncertainty_auc(known, unknown) == 1
    assert thresholded_auc(known, unknown, 0.35) == 1
    assert thresholded_auc(known, unknown, 0.55) == pytest.approx(2 / 3)
    assert rejection_rates(known, unknown, 0.55) == pytest.approx((0, 1 / 3))
    assert uncertainty_auc(known, known) == 0.5


def test_openness_of_the_official_pairs() -> None:
    assert 100 * openness(400, 22) == pytest.approx(1.35, abs=0.01)
    assert 100 * openness(400, 31) == pytest.approx(1.88, abs=0.01)
    assert openness(5, 0) == 0


def test_rejecting_what_is_unknown_raises_the_open_f1(tmp_path: Path) -> None:
    label = np.arange(40) % 4
    known = (np.full(40, 0.1), label, label)
    unknown_label = np.arange(30) % 3
    told = open_macro_f1(known, (np.full(30, 0.9), unknown_label, unknown_label), 4, 0.5)
    missed = open_macro_f1(known, (np.full(30, 0.2), unknown_label, unknown_label), 4, 0.5)
    assert told.macro_f1 == (1, 1, 1, 1)
    assert told.weighted_mean == 1
    assert missed.macro_f1[0] == 1
    assert list(missed.macro_f1) == sorted(missed.macro_f1, reverse=True)
    assert missed.weighted_mean < 0.8
    assert OpenSetCurve.of(json.loads(json.dumps(asdict(told)))) == told
    draw_curves({"rejects": told, "does not": missed}, tmp_path / "curve.png")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("values", "message"),
    [([], "finite uncertainties"), ([0.1, np.nan], "finite uncertainties"), ([[0.1]], r"got shape \(1, 1\)")],
)
def test_uncertainties_that_are_none_are_named(values: Any, message: str) -> None:
    with pytest.raises(EvaluationError, match=message):
        uncertainty_auc([0.2], values)


def test_softmax_uncertainty_is_named() -> None:
    scores = np.array([[0, 0, 0], [9, 0, 0]], np.float32)
    highest = item_uncertainty(scores, OpenSetMeasure(method="softmax"))
    entropy = item_uncertainty(scores, OpenSetMeasure(method="softmax", softmax_uncertainty="entropy"))
    assert highest == pytest.approx([2 / 3, 0], abs=1e-3)
    assert entropy == pytest.approx([1, 0], abs=5e-3)
