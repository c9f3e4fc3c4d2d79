"""The protocol ``knn``: the class of an item from the training items or clips whose features are nearest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from .clip_values import ClipValues
from .feature_norm import unit
from .parts import learned_classes, require_fit
from .protocol import Fold, Outcome, Protocol, ProtocolSettings
from .scoring import classification_figures

_ELEMENTS = 2**24  # of similarities and votes that are held at a time: bounds memory, not the result


class KNNSettings(ProtocolSettings):
    """Settings of the nearest neighbours. The defaults are those of Wu et al. (arXiv 1805.01978), as DINO uses them.

    Attributes:
        k: Number of neighbours; all, where there are fewer.
        votes: ``weighted``: a neighbour counts ``exp(cosine / temperature)``. ``majority``: each counts one.
        temperature: Of the weighted votes.
        vectors: ``items``: one vector per item, the mean of its clips. ``clips``: every clip by itself looks among all
            training clips, and an item's scores are the mean of its clips'.
    """

    k: Annotated[int, Field(ge=1)] = 20
    votes: Literal["weighted", "majority"] = "weighted"
    temperature: Annotated[float, Field(gt=0)] = 0.07
    vectors: Literal["items", "clips"] = "items"


@dataclass(frozen=True, eq=False)
class NearestNeighbours:
    """What neighbours are looked for among.

    Attributes:
        settings: How they are looked for.
        gallery: Unit vectors, float32 ``(G, D)``.
        labels: Their classes, zeros and ones, float32 ``(G, K)``.
        multilabel: Whether they may have several.
    """

    settings: KNNSettings
    gallery: Tensor
    labels: Tensor
    multilabel: bool

    def scores(self, clips: ClipValues) -> ClipValues:
        """Every class's share of the votes, ``(n, K)``; with several labels less one half, so that 0 is in doubt.

        With ``vectors="items"`` there is one row per item.
        """
        clips = _vectors(clips, self.settings)
        queries = torch.from_numpy(unit(clips.values))
        blocks = queries.split(max(1, _ELEMENTS // max(len(self.gallery), self.settings.k * self.labels.shape[1])))
        shares = torch.cat([self._votes(block) for block in blocks])
        return clips.with_values(shares - 0.5 if self.multilabel else shares)

    def _votes(self, queries: Tensor) -> Tensor:
        cosine, index = (queries @ self.gallery.T).topk(min(self.settings.k, len(self.gallery)), dim=1)
        if self.settings.votes == "weighted":
            weights = torch.softmax(cosine.double() / self.settings.temperature, 1).float()
        else:
            weights = torch.full_like(cosine, 1 / cosine.shape[1])
        return torch.bmm(weights[:, None], self.labels[index])[:, 0]


def fit_knn(train: ClipValues, settings: KNNSettings) -> NearestNeighbours:
    """Keeps the training vectors.

    Args:
        train: Clips to look among.
        settings: How.

    Raises:
        EvaluationError: Fewer than two classes.
    """
    learned_classes(train.items)
    train = _vectors(train, settings)
    labels = torch.from_numpy(train.items.one_hot[train.item]).float()
    return NearestNeighbours(settings, torch.from_numpy(unit(train.values)), labels, train.items.multilabel)


def _vectors(clips: ClipValues, settings: KNNSettings) -> ClipValues:
    if settings.vectors == "clips":
        return clips
    rows, first = np.arange(len(clips.items)), np.zeros(len(clips.items), np.int64)
    return ClipValues(clips.items, clips.item_means(), rows, first, first)


def _run(fold: Fold, modality: str, settings: KNNSettings) -> Outcome:
    train, test = fold.train[modality], fold.test[modality]
    warnings = require_fit(train, test)
    model = fit_knn(train, settings)
    figures, predictions = classification_figures(model.scores(test))
    if settings.vectors == "items":  # there are no clips then
        figures = {name: figure for name, figure in figures.items() if not name.startswith("clip ")}
    if settings.k > len(model.gallery):
        warnings += (f"all {len(model.gallery)} training vectors vote: there are no {settings.k}",)
    return Outcome(figures, predictions, details={"vectors": len(model.gallery)}, warnings=warnings)


KNN = Protocol(
    "knn",
    "the classes of the nearest training features by cosine, weighted or counted",
    KNNSettings,
    _run,
)
