from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from sklearn.metrics import cohen_kappa_score

from avzoo.evaluation.arrays import EvaluationError
from avzoo.evaluation.clip_values import Items
from avzoo.evaluation.predictions_file import PREDICTIONS_FILE, PartKey, write_predictions
from avzoo.evaluation.protocol import Predictions
from avzoo.evaluation.similarity import (
    decision_agreement,
    decision_kappa,
    decision_similarity,
    draw_similarity,
    stored_similarity,
)


def said(decisions: NDArray[np.int64], names: list[int] | None = None, classes: int = 6) -> Predictions:
    names = names or list(range(len(decisions)))
    items = Items(tuple(map(str, names)), np.zeros(len(names), np.int64), tuple(map(str, range(classes))))
    return Predictions(items, np.eye(classes, dtype=np.float32)[decisions])


@pytest.fixture
def two(parity: Callable[[str], Any]) -> tuple[NDArray[np.int64], NDArray[np.int64], float]:
    case = parity("vssl/definitional_metrics")

    def uniform(name: str) -> NDArray[np.float64]:
        return np.asarray(case.fill.seeded_uniform(f"vssl/sim/{name}", (200,)).numpy(), np.float64)

    first = np.floor(6 * uniform("a")).astype(np.int64)
    second = np.where(uniform("same") < 0.6, first, np.floor(6 * uniform("b"))).astype(np.int64)
    return first, second, case.spec["expected"]["decision_similarity"]


def test_agreement_is_that_of_the_thesis(two: tuple[NDArray[np.int64], NDArray[np.int64], float]) -> None:
    first, second, expected = two
    assert decision_agreement(first, second) == pytest.approx(expected, rel=1e-9)
    assert decision_kappa(first, second) == pytest.approx(cohen_kappa_score(first, second), rel=1e-9)


def test_models_that_name_one_class_most_of_the_time_agree_by_chance() -> None:
    rng = np.random.default_rng(0)
    first, second = (rng.random(5000) < 0.05).astype(int), (rng.random(5000) < 0.05).astype(int)
    assert decision_agreement(first, second) > 0.88
    assert abs(decision_kappa(first, second)) < 0.05
    assert decision_kappa(np.ones(4), np.ones(4)) == 1.0


def test_items_are_matched_by_name_and_the_picture_is_drawn(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    decisions, order = rng.integers(0, 6, 50), rng.permutation(50)
    other = rng.integers(0, 6, 50)
    made = decision_similarity(
        {"a": said(decisions), "shuffled a": said(decisions[order], list(order)), "b": said(other)}
    )
    assert made.agreement[0, 1] == made.kappa[0, 1] == 1.0
    assert made.agreement[0, 2] == made.agreement[2, 0] == made.agreement[1, 2] == (decisions == other).mean()
    assert made.as_json()["items"] == 50
    draw_similarity(made, tmp_path / "similarity.png", "ESC-10")
    with Image.open(tmp_path / "similarity.png") as picture:
        assert picture.width > picture.height


def test_decisions_of_stored_evaluations_are_compared_over_all_folds(tmp_path: Path) -> None:
    folds = {PartKey("video", fold, "test"): said(np.array([0, 1, 2])) for fold in "12"}
    other = {**folds, PartKey("video", "2", "test"): said(np.array([0, 1, 5]))}
    for name, predictions in (("a", folds), ("b", other)):
        (tmp_path / name).mkdir()
        write_predictions(tmp_path / name / PREDICTIONS_FILE, predictions)
    made = stored_similarity({"a": tmp_path / "a", "b": tmp_path / "b"}, "video")
    assert made.items == 6 and made.agreement[0, 1] == pytest.approx(5 / 6)
    with pytest.raises(EvaluationError, match="no predictions of the target items by video"):
        stored_similarity({"a": tmp_path / "a", "b": tmp_path / "b"}, "video", "target")


def test_other_items_are_not_compared() -> None:
    decisions = np.arange(5)
    with pytest.raises(EvaluationError, match="b and a were asked about other items"):
        decision_similarity({"a": said(decisions), "b": said(decisions, [0, 1, 2, 3, 9])})
    with pytest.raises(EvaluationError, match="at least two"):
        decision_similarity({"a": said(decisions)})
    with pytest.raises(EvaluationError, match="the same items"):
        decision_agreement(decisions, decisions[:3])
