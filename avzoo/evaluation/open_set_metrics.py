"""Figures of open-set recognition as functions of arrays: from uncertainties of known and of unknown items.

None of these functions changes what it is given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from avzoo.extract.files import replacing

from .arrays import EvaluationError, as_labels


@dataclass(frozen=True)
class OpenSetCurve:
    """How well classes and "unknown" are told apart, the more unknown classes there are.

    Attributes:
        openness: ``1 - sqrt(2 K / (2 K + n))`` for ``n`` = 0 ... U unknown classes, in [0, 1).
        macro_f1: Mean over draws of ``n`` unknown classes of the mean F1 over the ``K`` classes and "unknown".
        deviation: Standard deviation over draws.
        weighted_mean: Mean of ``macro_f1``, weighted by openness.
    """

    openness: tuple[float, ...]
    macro_f1: tuple[float, ...]
    deviation: tuple[float, ...]
    weighted_mean: float

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> OpenSetCurve:
        """A curve as the details of an outcome keep it."""
        lists = {name: tuple(document[name]) for name in ("openness", "macro_f1", "deviation")}
        return cls(**lists, weighted_mean=document["weighted_mean"])


def uncertainty_threshold(train_uncertainty: ArrayLike, accepted: float = 0.95) -> float:
    """The uncertainty above which an item counts as unknown: that which a share of the training items do not exceed.

    The rule of DEAR and of the released code of OOD-VSSL: of the uncertainties in descending order, the element number
    ``N - int(accepted * N)``, from 1.

    Args:
        train_uncertainty: Of the items trained on, ``(N,)``.
        accepted: Share of them to accept, in (0, 1).
    """
    values = np.sort(_uncertainties(train_uncertainty, "train_uncertainty"))[::-1]
    if not 0 < accepted < 1:
        raise EvaluationError(f"accepted must lie between 0 and 1, got {accepted}")
    return float(values[len(values) - int(accepted * len(values)) - 1])


def rejection_rates(known: ArrayLike, unknown: ArrayLike, threshold: float) -> tuple[float, float]:
    """Shares of the known and of the unknown items whose uncertainty exceeds the threshold."""
    known, unknown = _uncertainties(known, "known"), _uncertainties(unknown, "unknown")
    return float((known > threshold).mean()), float((unknown > threshold).mean())


def thresholded_auc(known: ArrayLike, unknown: ArrayLike, threshold: float) -> float:
    """What DEAR and OOD-VSSL report as AUC: that of the decision at one threshold, ``(TPR + TNR) / 2``, in [0, 1].

    Args:
        known: Uncertainties of items of known classes, ``(N,)``.
        unknown: Uncertainties of items of unknown classes, ``(M,)``.
        threshold: Above which an item counts as unknown.
    """
    false, true = rejection_rates(known, unknown, threshold)
    return (true + 1 - false) / 2


def uncertainty_auc(known: ArrayLike, unknown: ArrayLike) -> float:
    """Area under the ROC curve over all thresholds: how often an unknown item is the more uncertain one, in [0, 1].

    Args:
        known: Uncertainties of items of known classes, ``(N,)``.
        unknown: Uncertainties of items of unknown classes, ``(M,)``.
    """
    known, unknown = np.sort(_uncertainties(known, "known")), _uncertainties(unknown, "unknown")
    # Of the pairs of a known and an unknown item: those in the right order, and half of those that are equal.
    ranks = np.searchsorted(known, unknown, "left") + np.searchsorted(known, unknown, "right")
    return float(ranks.mean() / (2 * len(known)))


def openness(known_classes: int, unknown_classes: int) -> float:
    """How open a test is: ``1 - sqrt(2 K / (2 K + n))``, in [0, 1)."""
    return 1 - float(np.sqrt(2 * known_classes / (2 * known_classes + unknown_classes)))


def open_macro_f1(
    known: Sequence[ArrayLike],
    unknown: Sequence[ArrayLike],
    known_classes: int,
    threshold: float,
    draws: int = 10,
    seed: int = 0,
) -> OpenSetCurve:
    """Macro-F1 over the known classes and "unknown", for every number of unknown classes.

    For every number ``n`` of unknown classes, ``draws`` sets of them are drawn. An item more uncertain than the
    threshold is said to be unknown. Classes that are neither true nor said of any item do not count.

    Args:
        known: Uncertainties, predicted classes and classes of the items of known classes, three of ``(N,)``.
        unknown: The same of the items of unknown classes, ``(M,)``; their classes are any numbers, only used to draw.
        known_classes: The number ``K`` of known classes; predictions are below.
        threshold: Above which an item counts as unknown.
        draws: Sets of classes drawn for every number of them.
        seed: Decides the draws (numpy's frozen ``RandomState``, as in the released code).

    Raises:
        EvaluationError: Arrays are empty or of different lengths.
    """
    known_said, known_true = _answers(known, "known", threshold, known_classes)
    unknown_said, unknown_true = _answers(unknown, "unknown", threshold, known_classes)
    classes = np.unique(unknown_true)
    random = np.random.RandomState(seed)
    means, deviations = [_macro_f1(known_said, known_true)], [0.0]
    for number in range(1, len(classes) + 1):
        values = []
        for _ in range(draws):
            chosen = np.isin(unknown_true, classes[random.choice(len(classes), number, replace=False)])
            said = np.concatenate([known_said, unknown_said[chosen]])
            truth = np.concatenate([known_true, np.full(int(chosen.sum()), known_classes)])
            values.append(_macro_f1(said, truth))
        means.append(float(np.mean(values)))
        deviations.append(float(np.std(values)))
    steps = [openness(known_classes, number) for number in range(len(classes) + 1)]
    return OpenSetCurve(tuple(steps), tuple(means), tuple(deviations), float(np.average(means, weights=steps)))


def draw_curves(curves: Mapping[str, OpenSetCurve], path: Path) -> None:
    """Draws macro-F1 against openness, with the deviation over draws, one line for each curve by name.

    Args:
        curves: The curves, by what is told of them in the legend.
        path: The picture to write; its ending says the format (``.png``, ``.svg``, ``.pdf``). It appears whole or not
            at all.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.add_subplot()
    for name, curve in curves.items():
        x, mean, deviation = (100 * np.array(values) for values in (curve.openness, curve.macro_f1, curve.deviation))
        (line,) = axes.plot(x, mean, label=name)
        axes.fill_between(x, mean - deviation, mean + deviation, color=line.get_color(), alpha=0.2, linewidth=0)
    axes.set_xlabel("openness (%)")
    axes.set_ylabel("open macro-F1 (%)")
    axes.legend()
    with replacing(path) as file:
        figure.savefig(file, format=path.suffix.removeprefix("."), dpi=150)


def _uncertainties(values: ArrayLike, name: str) -> NDArray[np.float64]:
    checked = np.asarray(values, np.float64)
    if checked.ndim != 1 or not checked.size or not np.isfinite(checked).all():
        raise EvaluationError(f"{name} must be finite uncertainties, one per item, got shape {checked.shape}")
    return checked


def _answers(
    items: Sequence[ArrayLike], name: str, threshold: float, known_classes: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """What is said of items, class ``known_classes`` for unknown, and their own classes."""
    values, predicted, labels = items
    checked = _uncertainties(values, name)
    said = as_labels(predicted, len(checked), f"predictions of {name} items")
    true = as_labels(labels, len(checked), f"classes of {name} items")
    return np.where(checked > threshold, known_classes, said).astype(np.int64), true.astype(np.int64)


def _macro_f1(said: NDArray[np.int64], truth: NDArray[np.int64]) -> float:
    size = max(int(said.max()), int(truth.max())) + 1
    both = np.bincount(said, minlength=size) + np.bincount(truth, minlength=size)
    right = np.bincount(truth[said == truth], minlength=size)
    return float((2 * right[both > 0] / both[both > 0]).mean())
