from __future__ import annotations

import numpy as np
import pytest
from feature_clips import clusters, feature_clips
from sklearn.neighbors import KNeighborsClassifier

from avzoo.evaluation.arrays import EvaluationError
from avzoo.evaluation.knn import KNN, KNNSettings, fit_knn
from avzoo.evaluation.protocol import Fold


def test_majority_is_that_of_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("avzoo.evaluation.knn._ELEMENTS", 500)
    train, test = clusters(90, 0, spread=1.5), clusters(40, 1, spread=1.5)
    shares = fit_knn(train, KNNSettings(k=7, votes="majority")).scores(test).values
    peer = KNeighborsClassifier(7, metric="cosine", algorithm="brute").fit(train.values, train.labels)
    np.testing.assert_allclose(shares, peer.predict_proba(test.values), atol=1e-6)


def test_weights_fall_with_the_distance_as_the_temperature_says() -> None:
    angles = np.radians([0, 20, 30])
    train = feature_clips([0, 1, 1], np.stack([np.cos(angles), np.sin(angles)], 1))
    query = feature_clips([0, 1], [[5.0, 0.0], [0.1, 0.0]])
    for temperature in (0.01, 0.07, 1.0):
        shares = fit_knn(train, KNNSettings(temperature=temperature)).scores(query).values
        powers = np.exp((np.cos(angles) - 1) / temperature)
        np.testing.assert_allclose(shares[0], [powers[0], powers[1:].sum()] / powers.sum(), rtol=1e-4, atol=1e-9)
        np.testing.assert_allclose(shares[1], shares[0], rtol=1e-4)  # length does not matter
    assert fit_knn(train, KNNSettings(temperature=0.01)).scores(query).values.argmax(1).tolist() == [0, 0]
    assert fit_knn(train, KNNSettings(votes="majority")).scores(query).values.argmax(1).tolist() == [1, 1]


def test_clips_look_among_clips_items_among_items() -> None:
    train, test = clusters(60, 0, spread=1.5, clips=4), clusters(30, 1, spread=1.5, clips=3)
    fold = Fold("", {"x": train}, {"x": test})
    items, clips = (KNN.run(fold, "x", KNNSettings(vectors=vectors)) for vectors in ("items", "clips"))
    assert (items.details["vectors"], clips.details["vectors"]) == (60, 240)
    assert "clip top-1" in clips.figures and "clip top-1" not in items.figures
    assert min(items.figures["top-1"], clips.figures["top-1"]) > clips.figures["clip top-1"]
    with_few = KNN.run(Fold("", {"x": clusters(9, 0)}, {"x": clusters(9, 1)}), "x", KNNSettings())
    assert "all 9 training vectors" in with_few.warnings[0]


def test_several_labels_are_voted_for_one_by_one() -> None:
    train, test = clusters(200, 0, several=True, spread=0.3), clusters(60, 1, several=True, spread=0.3)
    outcome = KNN.run(Fold("", {"x": train}, {"x": test}), "x", KNNSettings(k=5))
    assert outcome.figures["mAP"] > 0.8
    assert outcome.figures["sample F1"] > 0.7  # what half of the votes name is predicted


def test_one_class_is_refused() -> None:
    with pytest.raises(EvaluationError, match="at least two classes"):
        fit_knn(feature_clips([0, 0], np.eye(2)), KNNSettings())
