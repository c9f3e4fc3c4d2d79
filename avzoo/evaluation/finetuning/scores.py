"""Scores of a classifier for the clips of a set."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers.modeling_outputs import BaseModelOutputWithPooling

from avzoo.data.sets import MediaSet
from avzoo.evaluation.clip_features import clip_features
from avzoo.evaluation.clip_plan import ClipPlan
from avzoo.evaluation.clip_values import ClipValues
from avzoo.extract import Checkpoint, Encoder, resolve

from .classifier import Classifier


class _Logits(nn.Module):
    """A classifier that gives its logits for a feature, so that they are computed as features are."""

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.classifier = classifier.model
        self.config = classifier.model.config

    @property
    def device(self) -> torch.device:
        return self.classifier.device

    @property
    def dtype(self) -> torch.dtype:
        return self.classifier.dtype

    def forward(self, **inputs: Tensor) -> BaseModelOutputWithPooling:
        return BaseModelOutputWithPooling(pooler_output=self.classifier(**inputs).logits)


def clip_scores(
    classifier: Classifier,
    media: MediaSet,
    plan: ClipPlan,
    folder: Path | None = None,
    *,
    batch_size: int = 8,
    workers: int | None = None,
) -> ClipValues:
    """The logits of every class for the clips and crops of a set.

    Args:
        classifier: What classifies them.
        media: The items; their classes need not be those of the classifier.
        plan: Which clips of every item.
        folder: Where they are kept and read from again; None keeps them nowhere.
        batch_size: Clips per forward pass.
        workers: Decode processes; by default one per CPU core.

    Returns:
        Logits ``(n, K)``; items that gave no clips are not among its items.

    Raises:
        EvaluationError: No item could be classified.
    """
    with tempfile.TemporaryDirectory() as place:
        root = os.path.commonpath([path.parent.absolute() for path in media.paths])
        found = clip_features(
            as_encoder(classifier),
            media,
            plan,
            folder or place,
            root=root,
            multilabel=classifier.multilabel or any(len(item.labels) != 1 for item in media.items),
            batch_size=batch_size,
            workers=workers,
        )
        return found.values[classifier.modality]


def part_scores(
    classifier: Classifier, parts: Mapping[str, tuple[MediaSet, ClipPlan]], folder: Path
) -> tuple[dict[str, ClipValues], tuple[str, ...]]:
    """The logits of the parts of a set, and what a reader must know of the items that gave none.

    Args:
        classifier: What classifies them.
        parts: The items of every part and which clips of them, by its name.
        folder: Where they are kept, each part in the folder of its name.

    Returns:
        Scores by part, as `clip_scores`, and warnings.

    Raises:
        EvaluationError: No item of a part could be classified.
    """
    scores = {name: clip_scores(classifier, media, plan, folder / name) for name, (media, plan) in parts.items()}
    return scores, tuple(told for name, (media, _) in parts.items() for told in unread(name, media, scores[name]))


def unread(part: str, media: MediaSet, values: ClipValues) -> tuple[str, ...]:
    """A warning where items of a part gave no clips.

    Args:
        part: What the part is called.
        media: Its items.
        values: What their clips gave.
    """
    lost = len(media.items) - len(values.items)
    return (f"{lost} of {len(media.items)} {part} items gave no clips and are left out",) if lost else ()


def as_encoder(classifier: Classifier) -> Encoder:
    """An encoder whose feature are the logits of a classifier."""
    unsaved = Checkpoint("a classifier in training", Path(os.devnull), "")
    checkpoint = unsaved if classifier.folder is None else resolve(classifier.folder)
    parts: dict[str, Any] = {"video": None, "audio": None, classifier.modality: classifier.processor}
    return Encoder(checkpoint, _Logits(classifier), parts["video"], parts["audio"])
