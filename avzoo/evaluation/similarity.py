"""Decision similarity: how often two models say the same of the same items, right or wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arrays import EvaluationError
from .clip_values import Items
from .predictions_file import read_predictions
from .protocol import Predictions


@dataclass(frozen=True, eq=False)
class Similarity:
    """How alike models decide.

    Attributes:
        models: The ``M`` models.
        agreement: Share of items of which two models say the same, in [0, 1], float64 ``(M, M)``, symmetric.
        kappa: What is left of it without chance, at most 1 and 0 at chance, float64 ``(M, M)``, symmetric.
        items: Items compared.
    """

    models: tuple[str, ...]
    agreement: NDArray[np.float64]
    kappa: NDArray[np.float64]
    items: int

    def as_json(self) -> dict[str, object]:
        """The same as JSON types."""
        return {
            "models": list(self.models),
            "items": self.items,
            "agreement": self.agreement.tolist(),
            "kappa": self.kappa.tolist(),
        }


def decision_agreement(first: ArrayLike, second: ArrayLike) -> float:
    """Share of items of which two models say the same class, right or wrong (thesis, chapter 3), in [0, 1].

    Args:
        first: Predicted class of every item, int ``(N,)``.
        second: The same of the other model.

    Raises:
        EvaluationError: There is nothing to compare, or the items differ in number.
    """
    first, second = _decisions(first, second)
    return float((first == second).mean())


def decision_kappa(first: ArrayLike, second: ArrayLike) -> float:
    """Cohen's kappa of two models' decisions: agreement beyond that of models which name classes as often by chance.

    Agreement of accurate models is high whatever they have in common, and so is that of models which name one class
    most of the time. Kappa takes away the second; compare models of like accuracy for the first. Not in the thesis.

    Args:
        first: Predicted class of every item, int ``(N,)``.
        second: The same of the other model.

    Returns:
        At most 1; 0 at chance; 1 where both say one and the same class of everything.

    Raises:
        EvaluationError: There is nothing to compare, or the items differ in number.
    """
    first, second = _decisions(first, second)
    size = int(max(first.max(), second.max())) + 1
    chance = float(np.bincount(first, minlength=size) @ np.bincount(second, minlength=size)) / len(first) ** 2
    observed = float((first == second).mean())
    return 1.0 if chance == 1.0 else (observed - chance) / (1 - chance)


def decision_similarity(predictions: Mapping[str, Predictions]) -> Similarity:
    """Compares the decisions of models, the class of the highest score of each.

    Args:
        predictions: What each model said, by its name; of the same items, in any order.

    Raises:
        EvaluationError: There are fewer than two models, or they were asked about other items or classes.
    """
    if len(predictions) < 2:
        raise EvaluationError("decision similarity compares models: give the predictions of at least two")
    (reference, first), *others = predictions.items()
    decisions = [first.scores.argmax(axis=1)]
    place = {name: row for row, name in enumerate(first.items.names)}
    for model, its in others:
        if its.items.class_names != first.items.class_names or place.keys() != set(its.items.names):
            raise EvaluationError(
                f"{model} and {reference} were asked about other items or classes: evaluate both on the same set"
            )
        rows = np.array([place[name] for name in its.items.names])
        decided = np.empty(len(rows), np.int64)
        decided[rows] = its.scores.argmax(axis=1)
        decisions.append(decided)
    pairs = [[(a, b) for b in decisions] for a in decisions]
    return Similarity(
        models=tuple(predictions),
        agreement=np.array([[decision_agreement(a, b) for a, b in row] for row in pairs]),
        kappa=np.array([[decision_kappa(a, b) for a, b in row] for row in pairs]),
        items=len(decisions[0]),
    )


def stored_similarity(
    evaluations: Mapping[str, Path], modality: str, part: Literal["test", "target"] = "test"
) -> Similarity:
    """Compares the decisions that evaluations have kept, of all their folds together.

    Args:
        evaluations: The folder that each evaluation was written into, by the name of its model.
        modality: Of which features.
        part: The test items, or those of the second set.

    Raises:
        EvaluationError: A folder holds no such predictions, or they are of other items, classes or folds.
    """
    return decision_similarity({model: _stored(folder, modality, part) for model, folder in evaluations.items()})


def draw_similarity(similarity: Similarity, path: Path, title: str = "") -> None:
    """Draws the lower triangles of agreement and kappa, as numbers on colour, into a picture file."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    count = len(similarity.models)
    side = max(3.0, 0.55 * count + 1.8)
    figure = Figure(figsize=(2 * side, side), dpi=120, layout="constrained")
    figure.suptitle(f"{title}, {similarity.items:,} items".removeprefix(", "))
    named = (("same decision (share)", similarity.agreement), ("beyond chance (kappa)", similarity.kappa))
    for axes, (label, values) in zip(figure.subplots(1, 2), named, strict=True):
        shown = np.ma.masked_array(values, np.triu(np.ones_like(values, bool), 1))
        axes.imshow(shown, cmap="viridis", vmin=0, vmax=1)
        for row, column in zip(*np.tril_indices(count), strict=True):
            colour = "black" if values[row, column] > 0.6 else "white"
            axes.text(column, row, f"{values[row, column]:.2f}", ha="center", va="center", color=colour, fontsize=8)
        axes.set_title(label, fontsize=9)
        axes.set_xticks(range(count), similarity.models, rotation=45, ha="right", fontsize=8)
        axes.set_yticks(range(count), similarity.models, fontsize=8)
        axes.spines[:].set_visible(False)
    FigureCanvasAgg(figure).print_figure(path)


def _stored(folder: Path, modality: str, part: str) -> Predictions:
    """The predictions of all folds as one; an item is another in every fold."""
    found = {
        key.fold: one for key, one in read_predictions(folder).items() if (key.modality, key.part) == (modality, part)
    }
    if not found:
        raise EvaluationError(f"{folder} has no predictions of the {part} items by {modality}")
    items = Items(
        names=tuple(f"{fold}/{name}" for fold, one in found.items() for name in one.items.names),
        labels=np.concatenate([one.items.labels for one in found.values()]),
        class_names=next(iter(found.values())).items.class_names,
    )
    return Predictions(items, np.concatenate([one.scores for one in found.values()]))


def _decisions(first: ArrayLike, second: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    one, other = np.asarray(first, np.int64), np.asarray(second, np.int64)
    if one.ndim != 1 or one.shape != other.shape or not len(one):
        raise EvaluationError(f"decisions must be of the same items, (N,) each, got {one.shape} and {other.shape}")
    return one, other
