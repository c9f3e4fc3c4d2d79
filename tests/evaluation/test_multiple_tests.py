"""Corrections that agree with their definitions, and letters that say what the pairs say."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from avzoo.evaluation.multiple_tests import holm, letters


def test_holm_steps_down() -> None:
    np.testing.assert_allclose(holm([0.04, 0.01, 0.03]), [0.06, 0.03, 0.06])
    np.testing.assert_allclose(holm([0.9, 0.5]), [1.0, 1.0])
    assert holm([]).shape == (0,)


def test_one_test_needs_no_correction() -> None:
    assert holm([0.02]).tolist() == [0.02]


def test_the_best_has_the_letter_a() -> None:
    assert letters(["x", "y"], [("y", "x")]) == {"x": "a", "y": "b"}
    assert letters(["x", "y", "z"], [("x", "z")]) == {"x": "a", "y": "ab", "z": "b"}
    assert set(letters(["x", "y", "z"], []).values()) == {"a"}


@pytest.mark.parametrize("seed", range(20))
def test_a_letter_is_shared_exactly_where_nothing_differs(seed: int) -> None:
    models = [str(n) for n in range(7)]
    pairs = list(combinations(models, 2))
    different = {
        pair for pair, drawn in zip(pairs, np.random.default_rng(seed).random(len(pairs)), strict=True) if drawn < 0.4
    }
    found = letters(models, different)
    assert all((set(found[one]).isdisjoint(found[other])) == ((one, other) in different) for one, other in pairs)
    assert all(found.values())
