"""The terms of CCL put together: which of them the student and the composition modules learn by, with which weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch

from avzoo.pretraining.configuration_ccl_pretraining import CCLPreTrainingConfig, Modality
from avzoo.pretraining.objectives_ccl import instance_nce, mean_cross_entropy, multi_class_nce, symmetric_divergence

Terms = dict[str, torch.Tensor]


class Student(NamedTuple):
    """What the student makes of a batch.

    Attributes:
        features: Its features `(n, D)`.
        logits: Its scores of the classes `(n, K)`.
        labels: The classes `(n,)`.
    """

    features: torch.Tensor
    logits: torch.Tensor
    labels: torch.Tensor

    def detach(self) -> Student:
        """The same as constants."""
        return Student(self.features.detach(), self.logits.detach(), self.labels)


class Composed(NamedTuple):
    """What a composition module makes of a batch.

    Attributes:
        embedding: The composed embedding `(n, D)`.
        logits: Its scores of the classes `(n, K)`.
    """

    embedding: torch.Tensor
    logits: torch.Tensor


class Teaching(NamedTuple):
    """What one teacher says of a batch.

    Attributes:
        teacher: Its embedding, without gradient `(n, D)`.
        composed: That composed with the student's feature; None without composition.
        own: The same composed with the feature as a constant, whose gradient reaches the composition module and not
            the student; None where the two have one objective.
    """

    teacher: torch.Tensor
    composed: Composed | None = None
    own: Composed | None = None


def has_embedding(teacher: torch.Tensor) -> torch.Tensor:
    """Which samples have an embedding, bool `(n,)`: those whose values do not add up to zero (released code)."""
    return teacher.sum(dim=1) != 0


def compositional_losses(
    config: CCLPreTrainingConfig, student: Student, teachings: Mapping[Modality, Teaching]
) -> tuple[Terms, torch.Tensor]:
    """The terms of CCL, and the loss whose gradient is that of the configured ``routing``.

    With ``separate`` the loss is the sum of the student's objective and of those of the composition modules, to which
    the student is a constant. One backward pass then gives what the released code gets by three: to the student the
    gradient of its own objective, to a composition module that of both. With ``joint`` it is the paper's one objective.

    Samples without sound are left out of what concerns it.

    Args:
        config: Weights and switches.
        student: What the student makes of the batch.
        teachings: What each teacher says of the same samples.

    Returns:
        Named scalars: every weighted term, and the objectives ``student``, ``audio_composition`` and
        ``image_composition`` that they add up to; and the loss.
    """
    terms = {"cross_entropy": mean_cross_entropy(student.logits, student.labels)}
    objective = terms["cross_entropy"]
    compositions = []
    weight = config.modality_weight if len(teachings) > 1 else 1.0
    for modality, teaching in teachings.items():
        batch = student
        if modality == "audio":
            batch, teaching = _present(student, teaching)
        taught = _student_terms(config, modality, batch, teaching.teacher, teaching.composed)
        terms |= {f"{modality}_{name}": value for name, value in taught.items()}
        objective = objective + weight * _sum(taught)
        if teaching.composed is not None:
            learned = _composition_terms(config, modality, batch, teaching)
            new = (name for name in ("teacher", "cross_entropy") if name in learned)  # the others are equal
            terms |= {f"{modality}_composition_{name}": learned[name] for name in new}
            compositions.append(_sum(learned))
            terms[f"{modality}_composition"] = compositions[-1]
    terms["student"] = objective
    return terms, torch.stack([objective, *compositions]).sum()


def _student_terms(
    config: CCLPreTrainingConfig, modality: Modality, batch: Student, teacher: torch.Tensor, composed: Composed | None
) -> Terms:
    """What the student is told by one teacher."""
    terms = {}
    if config.contrast != "none":
        terms["teacher"] = _contrast(config, modality, batch.features, teacher, batch.labels)
        if composed is not None:
            terms["composed"] = _contrast(config, modality, batch.features, composed.embedding, batch.labels)
    if composed is not None and config.divergence:
        terms["divergence"] = symmetric_divergence(batch.logits, composed.logits)
    return terms


def _composition_terms(config: CCLPreTrainingConfig, modality: Modality, batch: Student, teaching: Teaching) -> Terms:
    """What a composition module learns by; where it has an objective of its own, by the student's terms once more."""
    composed, terms = teaching.composed, {}
    if teaching.own is not None:
        composed = teaching.own
        terms = _student_terms(config, modality, batch.detach(), teaching.teacher, composed)
        terms.pop("teacher", None)  # in which it has no part
    if composed is None:
        raise ValueError("there is no composition module")
    if config.contrast != "none" and config.composed_to_teacher:
        terms["teacher"] = _contrast(config, modality, composed.embedding, teaching.teacher, batch.labels)
    return terms | {"cross_entropy": mean_cross_entropy(composed.logits, batch.labels)}


def _contrast(
    config: CCLPreTrainingConfig,
    modality: Modality,
    anchors: torch.Tensor,
    targets: torch.Tensor,
    labels: torch.Tensor,
) -> torch.Tensor:
    """The weighted contrast of two kinds of features, in one direction or in both."""
    temperature = config.audio_temperature if modality == "audio" else config.image_temperature
    pairs = [(anchors, targets), (targets, anchors)][: 2 if config.contrast_directions == "both" else 1]
    values = [
        multi_class_nce(first, second, labels, temperature)
        if config.contrast == "class"
        else instance_nce(first, second, temperature)
        for first, second in pairs
    ]
    return config.contrast_weight * torch.stack(values).sum()


def _present(student: Student, teaching: Teaching) -> tuple[Student, Teaching]:
    """The samples that have an embedding."""
    rows = has_embedding(teaching.teacher)
    composed, own = (
        None if each is None else Composed(each.embedding[rows], each.logits[rows])
        for each in (teaching.composed, teaching.own)
    )
    return Student(*(values[rows] for values in student)), Teaching(teaching.teacher[rows], composed, own)


def _sum(terms: Terms) -> torch.Tensor:
    return torch.stack(list(terms.values())).sum()
