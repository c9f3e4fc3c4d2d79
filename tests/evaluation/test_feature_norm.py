from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from avzoo.evaluation.feature_norm import FeatureNorm, unit


def test_standardized_by_the_training_features(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("avzoo.evaluation.feature_norm._ROWS", 7)
    rng = np.random.default_rng(0)
    train = (rng.standard_normal((50, 3)) * [1, 100, 0] + [5, -3, 2]).astype(np.float32)
    norm = FeatureNorm.fit(train, "standardize")
    np.testing.assert_allclose(norm(train).mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(norm(train).std(axis=0), [1, 1, 0], atol=1e-5)
    np.testing.assert_allclose(norm(train[:1] + train.std(axis=0)), norm(train[:1]) + np.array([1, 1, 0]), atol=1e-4)
    assert norm(train).dtype == np.float32


def test_unit_length_and_nothing() -> None:
    values = np.array([[3, 4], [0, 0]], np.float32)
    np.testing.assert_allclose(FeatureNorm.fit(values, "l2")(values), np.array([[0.6, 0.8], [0, 0]]), rtol=1e-6)
    assert unit(values).dtype == np.float32
    assert FeatureNorm.fit(values, None)(values) is values


@pytest.mark.parametrize("kind", ["l2", "standardize", None])
def test_one_clip_is_normalised_as_among_others(kind: Any) -> None:
    values = np.random.default_rng(1).standard_normal((9, 4)).astype(np.float32)
    norm = FeatureNorm.fit(values, kind)
    np.testing.assert_allclose(norm(values[4:5]), norm(values)[4:5])
