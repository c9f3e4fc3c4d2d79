"""What is done to features before a classifier sees them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

#: ``l2``: unit length; ``standardize``: mean 0 and deviation 1 of every dimension of the training clips.
Norm = Literal["l2", "standardize"]

_ROWS = 8192  # taken at a time: bounds memory, not the result


@dataclass(frozen=True, eq=False)
class FeatureNorm:
    """A normalisation with what it learned from the training clips; `fit` makes it.

    Attributes:
        kind: Which; None changes nothing.
        mean: float64 ``(D,)``.
        scale: float64 ``(D,)``; 1 where all training clips are alike.
    """

    kind: Norm | None
    mean: NDArray[np.float64]
    scale: NDArray[np.float64]

    @classmethod
    def fit(cls, values: NDArray[np.float32], kind: Norm | None) -> FeatureNorm:
        """Learns from training features ``(n, D)``."""
        if kind != "standardize":
            return cls(kind, np.zeros(values.shape[1]), np.ones(values.shape[1]))
        mean = values.mean(axis=0, dtype=np.float64)
        blocks = (values[start : start + _ROWS] - mean for start in range(0, len(values), _ROWS))
        deviation = np.sqrt(sum(np.square(block).sum(axis=0) for block in blocks) / len(values))
        return cls(kind, mean, np.where(deviation > 1e-6 * np.abs(mean).max(initial=1e-6), deviation, 1.0))

    def __call__(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """The features, ``(n, D)``, normalised; the same array where nothing is done."""
        if self.kind is None:
            return values
        if self.kind == "l2":
            return unit(values)
        return ((values - self.mean) / self.scale).astype(np.float32)


def unit(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows ``(n, D)`` divided by their length; zeros stay zeros."""
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    made: NDArray[np.float32] = (values / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    return made
