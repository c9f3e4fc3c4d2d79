"""The arrays that metrics and protocols take, checked."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avzoo.errors import AvzooError


class EvaluationError(AvzooError):
    """Features or labels from which the asked figure cannot be computed."""


def as_features(values: ArrayLike, name: str = "features") -> NDArray[np.float64]:
    """Checks an array of features.

    Returns:
        The features as float64 ``(N, D)``.

    Raises:
        EvaluationError: Not two-dimensional, empty, or not finite.
    """
    features = np.asarray(values, np.float64)
    if features.ndim != 2 or not features.size:
        raise EvaluationError(f"{name} must be a non-empty (N, D) array, got shape {features.shape}")
    finite = np.isfinite(features).all(axis=1)
    if not finite.all():
        row = int(np.argmin(finite))
        raise EvaluationError(f"{name} holds NaN or infinite values in {int((~finite).sum())} rows, the first is {row}")
    return features


def as_labels(values: ArrayLike, count: int, name: str = "labels") -> NDArray[np.generic]:
    """Checks an array of labels, ``(count,)`` of integers or strings.

    Raises:
        EvaluationError: The number of labels differs from ``count``, or they are no labels.
    """
    labels = np.asarray(values)
    if labels.shape != (count,):
        raise EvaluationError(f"{name} must have one entry per feature, ({count},), got shape {labels.shape}")
    if labels.dtype.kind not in "iubUS":
        raise EvaluationError(f"{name} must be integers or strings, got {labels.dtype}")
    return labels
