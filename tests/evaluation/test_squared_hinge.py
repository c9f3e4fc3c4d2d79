from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.svm import LinearSVC

from avzoo.evaluation import squared_hinge
from avzoo.evaluation.squared_hinge import SquaredHinge

COSTS = (1e-3, 1e-1, 10.0)


def problem(
    count: int, width: int, classes: int = 4, seed: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.int64], torch.Tensor]:
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    centres = rng.standard_normal((classes, width))
    values = centres[labels] + 1.5 * rng.standard_normal((count, width)) * np.linspace(0.1, 2, width) + 0.5
    return values.astype(np.float32), labels, torch.from_numpy(labels[:, None] == np.arange(classes))


def liblinear(values: NDArray[np.float32], labels: NDArray[np.int64], cost: float) -> NDArray[np.float64]:
    model = LinearSVC(C=cost, tol=1e-10, max_iter=1_000_000, random_state=0).fit(values, labels)
    return np.vstack([model.coef_.T, model.intercept_])


# More clips than dimensions, fewer, and so few dimensions that most clips are inside the margin.
@pytest.mark.parametrize(("count", "width"), [(240, 20), (60, 90), (400, 3)])
def test_the_solution_is_that_of_liblinear(count: Any, width: Any) -> None:
    values, labels, positive = problem(count, width)
    solver, start = SquaredHinge(torch.from_numpy(values)), None
    for cost in COSTS:
        solution = solver.solve(positive, cost, start, tolerance=1e-8)
        assert solution.converged
        np.testing.assert_allclose(solution.weights, liblinear(values, labels, cost), rtol=1e-4, atol=1e-5)
        start = solution.weights


@pytest.mark.parametrize("name", ["_EIGEN_SIZE", "_SCORE_ELEMENTS", "_BLOCK_ELEMENTS", "_SINGLE_ITERATIONS"])
@pytest.mark.parametrize(("count", "width"), [(240, 20), (20, 40)])
def test_no_bound_on_time_or_memory_changes_the_solution(
    monkeypatch: pytest.MonkeyPatch, name: Any, count: Any, width: Any
) -> None:
    values, _, positive = problem(count, width)
    usual = SquaredHinge(torch.from_numpy(values)).solve(positive, 0.1, tolerance=1e-6)
    monkeypatch.setattr(squared_hinge, name, 30 if name.endswith("ELEMENTS") else 0)
    bound = SquaredHinge(torch.from_numpy(values)).solve(positive, 0.1, tolerance=1e-6)
    assert bound.converged
    torch.testing.assert_close(bound.weights, usual.weights, rtol=1e-4, atol=1e-5)


def test_the_steps_of_every_kind_agree() -> None:
    values, _, _ = problem(300, 12)
    solver = SquaredHinge(torch.from_numpy(values))
    rng = torch.Generator().manual_seed(0)
    gradient = torch.randn(13, 4, generator=rng, dtype=torch.float64)
    inside = torch.rand(300, 4, generator=rng) < torch.tensor([0.02, 0.03, 0.5, 1.0])
    systems = [solver._extended(column.nonzero()[:, 0]) for column in inside.T]
    for column, rows in enumerate(systems):
        curvature = torch.eye(13, dtype=torch.float64) + 2 * 0.1 * rows.T @ rows
        expected = -torch.linalg.solve(curvature, gradient[:, column])
        chosen = inside[:, column].nonzero()[:, 0]
        torch.testing.assert_close(solver._exact(gradient[:, column], chosen, 0.1), expected)
        one, its = gradient[:, column : column + 1], inside[:, column : column + 1].double()
        step, reached = solver._conjugate(one, its, 0.1, torch.tensor([50.0]))
        assert reached.all()
        torch.testing.assert_close(step[:, 0], expected, rtol=0.3, atol=0.1)
        _, reached = solver._conjugate(one, its, 0.1, torch.tensor([0.0]))
        assert len(reached) == 1


def test_the_distance_to_the_solution_is_bounded() -> None:
    values, _, positive = problem(200, 8)
    solver = SquaredHinge(torch.from_numpy(values))
    exact = solver.solve(positive, 1.0, tolerance=1e-12).weights
    rough = solver.solve(positive, 1.0, max_iterations=2)
    assert not rough.converged and rough.iterations == 2
    apart = (rough.weights - exact).norm(dim=0)
    assert (apart > 1e-6).any()
    assert (apart <= rough.distance).all()


def test_features_without_any_difference_are_solved() -> None:
    positive = torch.arange(10)[:, None] % 2 == torch.arange(2)
    solution = SquaredHinge(torch.zeros(10, 3)).solve(positive, 1.0)
    assert solution.converged
    assert not solution.weights.any()
