"""Is the representation still alive? Three measures of collapse and the monitor that watches them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from transformers import TrainerCallback
from transformers.trainer_callback import ExportableState

logger = logging.getLogger(__name__)

_NETWORKS = ("student_video", "student_audio", "teacher_video", "teacher_audio")
_DISTILLED = (("teacher_video", "student_audio"), ("teacher_audio", "student_video"))

_ADVICE = {
    "gap": "teacher and student give the same distribution for every clip; lower the teacher temperature, raise the "
    "weight of the reconstruction or start the teacher momentum lower",
    "spread": "all clips get nearly the same features; lower the learning rate, lengthen the warm-up, or check that "
    "the clips differ and are decoded",
    "rank": "the features use very few directions; enlarge the batch, lower the weight decay or the learning rate",
}


def feature_spread(features: Tensor) -> Tensor:
    """Standard deviation over the batch relative to the features' own size: 0 constant, 1 centred.

    Args:
        features: ``(n, d)``.

    Returns:
        Scalar in [0, 1]: the root of the share of the mean square that is variance.
    """
    features = features.float()
    variance = features.var(dim=0, correction=0).mean()
    return (variance / features.square().mean().clamp_min(torch.finfo(torch.float32).tiny)).sqrt()


def effective_rank(features: Tensor) -> Tensor:
    """Exponential of the entropy of the singular values of the centred features (Roy and Vetterli 2007).

    Args:
        features: ``(n, d)``.

    Returns:
        Scalar between 0 (constant features) and ``min(n - 1, d)``.
    """
    features = features.float()
    centred = features - features.mean(dim=0)
    gram = centred @ centred.T if len(centred) <= centred.shape[1] else centred.T @ centred
    singular = torch.linalg.eigvalsh(gram).clamp_min(0).sqrt()
    singular = singular * (singular > torch.finfo(torch.float32).eps * features.norm())  # rounding has full rank
    share = singular / singular.sum().clamp_min(torch.finfo(torch.float32).tiny)
    return torch.special.entr(share).sum().exp() * (singular.sum() > 0)


def distribution_gap(teacher: Tensor, student: Tensor, temperature: float) -> Tensor:
    """Mean Kullback-Leibler divergence from the teacher's to the student's softmax, in nats.

    Args:
        teacher: head outputs ``(n, d)``.
        student: head outputs ``(views * n, d)``, view-major.
        temperature: divides both before the softmax.

    Returns:
        Scalar, at least 0. A value that stays at 0 means that both are the same constant (DINO, section 5.3).
    """
    target = torch.log_softmax(teacher.float() / temperature, dim=-1).repeat(len(student) // len(teacher), 1)
    guess = torch.log_softmax(student.float() / temperature, dim=-1)
    return (target.exp() * (target - guess)).sum(dim=-1).mean()


class CollapseMonitor(TrainerCallback, ExportableState):
    """Measures what the networks made of the last batch at every log and warns when it stays degenerate.

    A method hands over, under the names of the networks, projections that nothing normalises over the batch, else the
    encoder's features: behind a batch norm a collapse cannot be seen.

    Its counters are part of the checkpoint, so that a resumed run warns exactly when the uninterrupted one would.

    Args:
        min_gap: see :class:`AVTrainingArguments`, as are the others.
        min_spread: as above.
        min_rank: as above.
        temperature: as above.
        patience: as above.

    Attributes:
        thresholds: smallest healthy value of each kind of measure.
        below: consecutive logs for which each measure has been below its threshold.
        good_step: step of the newest checkpoint that was saved while all was well; None before there is one.
    """

    def __init__(
        self, min_gap: float, min_spread: float, min_rank: float, temperature: float = 0.1, patience: int = 3
    ) -> None:
        self.thresholds = {"gap": min_gap, "spread": min_spread, "rank": min_rank}
        self.temperature = temperature
        self.patience = patience
        self.below: dict[str, int] = {}
        self.good_step: int | None = None
        self._last: dict[str, Tensor] = {}

    @property
    def healthy(self) -> bool:
        """Whether no measure was below its threshold at the last log."""
        return not any(self.below.values())

    def observe(self, outputs: Mapping[str, Any]) -> None:
        """Keeps what the networks made in a forward pass; nothing is computed."""
        self._last = {name: outputs[name].detach() for name in _NETWORKS if outputs.get(name) is not None}

    @torch.no_grad()
    def measure(self) -> dict[str, Tensor]:
        """Scalars ``gap_*``, ``spread_*``, ``rank_*`` of the last batch; ``rank`` as a share of the possible one."""
        measures = {}
        for name, features in self._last.items():
            measures[f"spread_{name}"] = feature_spread(features)
            possible = max(1, min(len(features) - 1, features.shape[1]))
            measures[f"rank_{name}"] = effective_rank(features) / possible
        for teacher, student in _DISTILLED:
            alike = {self._last[name].shape[1] for name in (teacher, student) if name in self._last}
            if teacher in self._last and student in self._last and len(alike) == 1:
                gap = distribution_gap(self._last[teacher], self._last[student], self.temperature)
                measures[f"gap_{teacher}_{student}"] = gap
        return measures

    def judge(self, measures: Mapping[str, float], step: int) -> list[str]:
        """Counts the logs below each threshold.

        Returns:
            One warning, with advice, for every measure that has just been below for ``patience`` logs in a row.
        """
        warnings = []
        for name, value in measures.items():
            kind = name.split("_", 1)[0]
            self.below[name] = self.below.get(name, 0) + 1 if value < self.thresholds[kind] else 0
            if self.below[name] == self.patience:
                warnings.append(
                    f"Step {step}: {name} = {value:.3g} has been below {self.thresholds[kind]:g} for {self.patience} "
                    f"logs, a sign of collapse: {_ADVICE[kind]}."
                )
        return warnings

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps (transformers' ``ExportableState``)."""
        thresholds = {f"min_{kind}": value for kind, value in self.thresholds.items()}
        return {
            "args": {**thresholds, "temperature": self.temperature, "patience": self.patience},
            "attributes": {"below": self.below, "good_step": self.good_step},
        }
