"""The problem of a linear SVM with squared hinge, one class against the rest, solved for all classes at once.

For every class, over its weights ``w`` and intercept ``b``, both of which are regularised::

    1/2 (|w|^2 + b^2) + C sum_i max(0, 1 - y_i (w x_i + b))^2

This is what `sklearn.svm.LinearSVC` minimises with its defaults. It is strongly convex and has one solution, which
liblinear looks for class by class, in products of one vector. Here the classes share every product of matrices, the
curvature of the features, whose eigenvectors precondition each of them, and the way from one ``C`` to the next.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

_BLOCK_ELEMENTS = 2**23  # of the features that are taken at a time
_SCORE_ELEMENTS = 2**24  # of scores of clips by classes that are held at a time: 128 MiB in double precision
_EIGEN_SIZE = 4096  # up to which size eigenvectors pay
_SINGLE_ITERATIONS = 10  # of Newton's method before directions are looked for in double precision
_FORCING = 0.1  # what a direction may miss, relative
_MAX_CG = 500
_MAX_SEARCH = 30
_TINY = 1e-300


@dataclass(frozen=True, eq=False)
class Solution:
    """Classifiers.

    Attributes:
        weights: One column per class, the intercept in the last row, float64 ``(D + 1, K)``.
        distance: How far the weights of every class are from the exact solution at most, float64 ``(K,)``: the norm of
            the gradient, for the curvature is nowhere below 1. The score of a clip ``x`` differs from the exact one by
            at most this times the length of ``(x, 1)``.
        iterations: Steps of Newton's method of the class that took most.
        converged: Whether every class met the tolerance.
    """

    weights: Tensor
    distance: Tensor
    iterations: int
    converged: bool


class SquaredHinge:
    """The features of a problem, and what of them serves every class and every cost.

    Memory beside the features: one block of 64 MiB, about ten arrays of scores of 128 MiB, and the eigenvectors,
    ``8 (D + 1)^2`` bytes.

    Args:
        features: float32 or float64 ``(n, D)``; not copied.
    """

    def __init__(self, features: Tensor) -> None:
        #: Where the features span fewer directions than they have dimensions, they are written in an orthonormal basis
        #: of these, ``(D, n)``: the solution lies in their span.
        self.basis: Tensor | None = None
        if len(features) < features.shape[1] and len(features) <= _EIGEN_SIZE:
            self.basis, triangle = torch.linalg.qr(features.double().T)
            features = triangle.T.contiguous()
        self.features = features
        self._rows = max(1, _BLOCK_ELEMENTS // features.shape[1])
        self._rotation, self._curvature = self._spectrum()

    def solve(
        self,
        positive: Tensor,
        cost: float,
        start: Tensor | None = None,
        tolerance: float = 1e-4,
        max_iterations: int = 1000,
    ) -> Solution:
        """Solves for every class.

        Args:
            positive: Which clips are of which class, bool ``(n, K)``.
            cost: ``C``, above 0.
            start: Weights to start from, ``(D + 1, K)``, for example of a neighbouring cost; None for zeros.
            tolerance: As `LinearSVC` has it: the gradient shrinks to this times the share of the rarer of the two
                sides, relative to that at zero.
            max_iterations: Steps of Newton's method at most.
        """
        if start is None:
            start = torch.zeros(self._dimensions, positive.shape[1], dtype=torch.float64, device=positive.device)
        elif self.basis is not None:
            start = torch.cat([self.basis.T @ start[:-1], start[-1:]])
        at_a_time = max(1, _SCORE_ELEMENTS // len(positive))
        parts = [
            self._solve(classes, cost, weights.clone(), tolerance, max_iterations)
            for classes, weights in zip(positive.split(at_a_time, 1), start.split(at_a_time, 1), strict=True)
        ]
        weights = torch.cat([part.weights for part in parts], 1)
        if self.basis is not None:
            weights = torch.cat([self.basis @ weights[:-1], weights[-1:]])
        return Solution(
            weights,
            torch.cat([part.distance for part in parts]),
            max(part.iterations for part in parts),
            all(part.converged for part in parts),
        )

    @property
    def _dimensions(self) -> int:
        return self.features.shape[1] + 1

    def _solve(self, positive: Tensor, cost: float, weights: Tensor, tolerance: float, limit: int) -> Solution:
        """Newton's method with the curvature of the clips inside the margin, and an exact search along each step."""
        signs = positive.double().mul_(2).sub_(1)
        rarer = torch.minimum(positive.sum(0), (~positive).sum(0)).clamp(min=1)
        target = tolerance * rarer / len(signs) * (2 * cost * self._back(signs)).norm(dim=0)
        scores = self._forward(weights)
        distance = torch.zeros_like(target)
        left = torch.arange(len(target), device=target.device)  # the classes not yet solved
        iteration = 0
        while True:
            sign, score = signs[:, left], scores[:, left]
            inside = sign * score < 1
            gradient = weights[:, left] + 2 * cost * self._back((score - sign).mul_(inside))
            distance[left] = gradient.norm(dim=0)
            missed = distance[left] > target[left]
            if iteration == limit or not missed.any():
                return Solution(weights, distance, iteration, not bool(missed.any()))
            left, sign, score, inside = left[missed], sign[:, missed], score[:, missed], inside[:, missed]
            single = iteration < _SINGLE_ITERATIONS
            step = self._direction(gradient[:, missed], inside, cost, torch.float32 if single else torch.float64)
            along = self._forward(step)
            length = _search(weights[:, left], step, score, along, sign, cost)
            weights[:, left] += length * step
            scores[:, left] = score + length * along
            iteration += 1

    def _direction(self, gradient: Tensor, inside: Tensor, cost: float, dtype: torch.dtype) -> Tensor:
        """Newton's steps, by conjugate gradients or exact, whichever is faster.

        An iteration goes over all clips, an exact step over those inside the margin of one class alone; the fewer these
        are, the more iterations there are.
        """
        counts = inside.sum(0).double()
        size = counts.clamp(max=self._dimensions)
        # Iterations that take the time of an exact step.
        worth = counts * size / len(inside) + size**3 / (3 * len(inside) * self._dimensions)
        worth[size > _EIGEN_SIZE] = _MAX_CG
        exact = (counts**2 * size < len(inside) ** 2) & (size <= _EIGEN_SIZE)
        step = torch.empty_like(gradient)
        columns = (~exact).nonzero()[:, 0]
        if len(columns):
            part, reached = self._conjugate(gradient[:, columns], inside[:, columns].to(dtype), cost, worth[columns])
            step[:, columns] = part
            exact[columns] = ~reached & (size[columns] <= _EIGEN_SIZE)
        for column in exact.nonzero()[:, 0]:
            step[:, column] = self._exact(gradient[:, column], inside[:, column].nonzero()[:, 0], cost)
        return step

    def _exact(self, gradient: Tensor, inside: Tensor, cost: float) -> Tensor:
        """The step of one class, ``(D + 1,)``, from the clips inside its margin."""
        if len(inside) < self._dimensions:  # from their products with each other (Woodbury)
            rows = self._extended(inside)
            products = rows @ rows.T
            products.diagonal().add_(1 / (2 * cost))
            return rows.T @ torch.linalg.solve(products, rows @ gradient) - gradient
        curvature = torch.eye(self._dimensions, dtype=gradient.dtype, device=gradient.device)
        for part in inside.split(self._rows):
            rows = self._extended(part)
            curvature.addmm_(rows.T, rows, alpha=2 * cost)
        return torch.linalg.solve(curvature, -gradient)

    def _extended(self, clips: Tensor) -> Tensor:
        rows = self.features[clips].double()
        return torch.cat([rows, rows.new_ones(len(rows), 1)], 1)

    def _conjugate(self, gradient: Tensor, inside: Tensor, cost: float, worth: Tensor) -> tuple[Tensor, Tensor]:
        """Steps by conjugate gradients, and which of them are near enough after the iterations that they are worth.

        One system per class, preconditioned by the curvature of all clips; of it, every class is taken to have the
        share that its clips inside the margin are of all.
        """
        scale = 1 / (1 + 2 * cost * self._curvature[:, None] * inside.mean(0).double())
        step = torch.zeros_like(gradient)
        residual = -gradient
        conditioned = self._precondition(residual, scale)
        direction = conditioned.clone()
        size = (residual * conditioned).sum(0)
        goal = _FORCING**2 * size
        reached = torch.zeros_like(size, dtype=torch.bool)
        for iteration in range(1, _MAX_CG + 1):
            product = direction + 2 * cost * self._around(direction, inside)
            # Of a class that is solved already, both are 0.
            length = size / (direction * product).sum(0).clamp(min=_TINY)
            step += length * direction
            residual -= length * product
            conditioned = self._precondition(residual, scale)
            previous, size = size, (residual * conditioned).sum(0)
            reached = size <= goal
            if bool((reached | (iteration >= worth)).all()):
                break
            direction = conditioned + size / previous.clamp(min=_TINY) * direction
        return step, reached

    def _precondition(self, values: Tensor, scale: Tensor) -> Tensor:
        if self._rotation is None:
            return scale * values
        return self._rotation @ (scale * (self._rotation.T @ values))

    def _spectrum(self) -> tuple[Tensor | None, Tensor]:
        """Eigenvectors and eigenvalues of ``X^T X``, the intercept included; its diagonal where it is too large."""
        size = self._dimensions
        values = self.features.new_zeros(size, dtype=torch.float64)
        values[-1] = len(self.features)
        if size > _EIGEN_SIZE + 1:
            for rows in self.features.split(self._rows):
                values[:-1] += rows.double().square().sum(0)
            return None, values
        gram = torch.diag(values)
        for rows in self.features.split(self._rows):
            rows = rows.double()
            gram[:-1, :-1].addmm_(rows.T, rows)
            gram[-1, :-1] += rows.sum(0)
        gram[:-1, -1] = gram[-1, :-1]
        eigenvalues, vectors = torch.linalg.eigh(gram)
        return vectors, eigenvalues.clamp(min=0)

    def _forward(self, weights: Tensor) -> Tensor:
        """Scores ``(n, K)``."""
        scores = weights.new_empty(len(self.features), weights.shape[1])
        for rows, out in zip(self.features.split(self._rows), scores.split(self._rows), strict=True):
            torch.addmm(weights[-1], rows.to(weights.dtype), weights[:-1], out=out)
        return scores

    def _back(self, values: Tensor) -> Tensor:
        """The features' product with one value per clip and class ``(n, K)``: ``(D + 1, K)``."""
        total = values.new_zeros(self._dimensions, values.shape[1])
        for rows, part in zip(self.features.split(self._rows), values.split(self._rows), strict=True):
            total[:-1].addmm_(rows.to(values.dtype).T, part)
        total[-1] = values.sum(0)
        return total

    def _around(self, weights: Tensor, inside: Tensor) -> Tensor:
        """``_back`` of ``_forward`` where clips are inside the margin, in the precision of ``inside``."""
        weights, dtype = weights.to(inside.dtype), weights.dtype
        total = torch.zeros_like(weights)
        for rows, mask in zip(self.features.split(self._rows), inside.split(self._rows), strict=True):
            rows = rows.to(inside.dtype)
            part = torch.addmm(weights[-1], rows, weights[:-1]).mul_(mask)
            total[:-1].addmm_(rows.T, part)
            total[-1] += part.sum(0)
        return total.to(dtype)


def _search(weights: Tensor, step: Tensor, score: Tensor, along: Tensor, sign: Tensor, cost: float) -> Tensor:
    """Lengths ``(K,)`` that minimise the objectives along their steps.

    The slope along a step is piecewise linear and rises: Newton's method on it, kept between lengths known to be too
    short and too long.
    """
    slope_of_norm, curvature_of_norm = (weights * step).sum(0), step.square().sum(0)
    length = torch.ones_like(slope_of_norm)
    low, high = torch.zeros_like(length), torch.full_like(length, torch.inf)
    for _ in range(_MAX_SEARCH):
        reached = score + length * along
        moving = torch.where(sign * reached < 1, along, 0.0)
        slope = slope_of_norm + length * curvature_of_norm + 2 * cost * ((reached - sign) * moving).sum(0)
        curvature = curvature_of_norm + 2 * cost * moving.square().sum(0)
        low, high = torch.where(slope <= 0, length, low), torch.where(slope >= 0, length, high)
        trial = length - slope / curvature
        halved = torch.where(high.isinf(), 2 * length, (low + high) / 2)
        trial = torch.where((trial < low) | (trial > high), halved, trial)
        settled = (trial - length).abs() <= 1e-6 * length
        length = trial
        if bool(settled.all()):
            break
    return length
