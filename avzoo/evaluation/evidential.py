"""Evidential classification: scores as evidence for classes, and how little of it there is as uncertainty.

Sensoy et al., "Evidential Deep Learning to Quantify Classification Uncertainty" (2018), and Bao et al., "Evidential
Deep Learning for Open Set Action Recognition" (DEAR, 2021), as the released code of OOD-VSSL computes them. The
evidence ``e`` of the K classes makes a Dirichlet distribution ``alpha = e + 1`` of strength ``S = sum(alpha)``;
``alpha / S`` is the expected probability and ``K / S``, in (0, 1], the uncertainty.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

#: How a score becomes evidence. ``exp`` clamps the score to [-10, 10] first.
Evidence = Literal["exp", "relu", "softplus"]

#: What is lost where the evidence is not for the true class. ``log`` and ``digamma`` are the negative log of the
#: marginal likelihood and the expected cross-entropy; ``mse`` the expected squared error; ``cross_entropy`` the
#: logarithm of the expected probability with the variance of ``mse``, which the released code never uses without KL.
EvidentialTerm = Literal["log", "digamma", "mse", "cross_entropy"]

#: How the coefficient of KL and AvU grows with the epoch.
Annealing = Literal["exp", "step"]

_LARGEST_SCORE = 10.0
_TINY = 1e-10  # inside the logarithms of AvU
_FIRST_COEFFICIENT = 0.01
_EPOCHS_OF_STEPS = 10


@dataclass(frozen=True)
class EvidentialLoss:
    """Which terms the loss has.

    Attributes:
        evidence: How a score becomes evidence.
        term: What is lost for evidence that is not for the true class.
        kl: Whether evidence for wrong classes is drawn towards none (always so with ``cross_entropy``).
        avu: Whether accuracy is calibrated against uncertainty (AvU).
        annealing: How the coefficient of both grows.
    """

    evidence: Evidence = "exp"
    term: EvidentialTerm = "log"
    kl: bool = False
    avu: bool = False
    annealing: Annealing = "exp"

    def __call__(self, scores: Tensor, labels: Tensor, epoch: float, epochs: int) -> dict[str, Tensor]:
        """The terms of the loss, each a mean over the batch; the loss is their sum.

        Args:
            scores: Outputs of the network, ``(B, K)``.
            labels: Classes, int64 ``(B,)``.
            epoch: Epochs done, from 0.
            epochs: Epochs of the whole run.

        Returns:
            ``class``, and where asked for ``variance``, ``kl`` and ``avu``; scalars.
        """
        alpha = evidence(scores, self.evidence) + 1
        truth = functional.one_hot(labels, scores.shape[1]).to(scores.dtype)
        coefficient = annealing_coefficient(self.annealing, epoch, epochs)
        terms = {name: values.mean() for name, values in _class_terms(alpha, truth, self.term).items()}
        if self.kl or self.term == "cross_entropy":
            terms["kl"] = coefficient * wrong_evidence_divergence(alpha, truth).mean()
        if self.avu:
            terms["avu"] = accuracy_against_uncertainty(alpha, labels, coefficient).mean()
        return terms


#: What every released configuration of OOD-VSSL trains with.
RELEASED = EvidentialLoss()

#: What DEAR, which the thesis names, trains with; the debias head (`avzoo.evaluation.open_set_debias`) comes on top
#: where the encoder learns.
DEAR = EvidentialLoss(avu=True)


def evidence(scores: Tensor, kind: Evidence = "exp") -> Tensor:
    """Evidence for classes, at least 0, of the shape of ``scores``."""
    if kind == "exp":
        return scores.clamp(-_LARGEST_SCORE, _LARGEST_SCORE).exp()
    return functional.relu(scores) if kind == "relu" else functional.softplus(scores)


def expected_probabilities(scores: Tensor, kind: Evidence = "exp") -> Tensor:
    """Mean of the Dirichlet distribution over classes, ``(..., K)``, which sums to 1."""
    alpha = evidence(scores, kind) + 1
    return alpha / alpha.sum(-1, keepdim=True)


def uncertainty(scores: Tensor, kind: Evidence = "exp") -> Tensor:
    """Share of the Dirichlet distribution's strength that is no evidence, ``K / S``, in (0, 1], ``(...)``."""
    return scores.shape[-1] / (evidence(scores, kind) + 1).sum(-1)


def annealing_coefficient(annealing: Annealing, epoch: float, epochs: int) -> float:
    """Weight of KL and AvU: ``exp`` grows from 0.01 to 1 over the run, ``step`` by a tenth an epoch up to 1."""
    if annealing == "step":
        return min(1.0, epoch / _EPOCHS_OF_STEPS)
    return _FIRST_COEFFICIENT * math.exp(-math.log(_FIRST_COEFFICIENT) * epoch / epochs)


def wrong_evidence_divergence(alpha: Tensor, truth: Tensor) -> Tensor:
    """KL divergence to the uniform Dirichlet distribution once the evidence for the true class is removed.

    Args:
        alpha: Parameters of the Dirichlet distribution, ``(B, K)``.
        truth: Classes, one-hot ``(B, K)``.

    Returns:
        At least 0, ``(B,)``; 0 where no wrong class has evidence.
    """
    wrong = (alpha - 1) * (1 - truth) + 1
    total, classes = wrong.sum(1), wrong.shape[1]
    normalisation = torch.lgamma(total) - math.lgamma(classes) - torch.lgamma(wrong).sum(1)
    return normalisation + ((wrong - 1) * (torch.digamma(wrong) - torch.digamma(total)[:, None])).sum(1)


def accuracy_against_uncertainty(alpha: Tensor, labels: Tensor, coefficient: float) -> Tensor:
    """The AvU term of DEAR: right answers shall be certain, wrong ones uncertain.

    Args:
        alpha: Parameters of the Dirichlet distribution, ``(B, K)``.
        labels: Classes, int64 ``(B,)``.
        coefficient: Weight of right answers, in [0, 1]; wrong ones have the rest.

    Returns:
        At least 0, ``(B,)``.
    """
    strength = alpha.sum(1)
    confidence, answer = (alpha / strength[:, None]).max(1)
    doubt = alpha.shape[1] / strength
    right = -confidence * (1 - doubt + _TINY).log()
    wrong = -(1 - confidence) * (doubt + _TINY).log()
    return torch.where(answer == labels, coefficient * right, (1 - coefficient) * wrong)


def _class_terms(alpha: Tensor, truth: Tensor, term: EvidentialTerm) -> dict[str, Tensor]:
    strength = alpha.sum(1, keepdim=True)
    variance = (alpha * (strength - alpha) / (strength * strength * (strength + 1))).sum(1)
    if term == "digamma":
        return {"class": (truth * (torch.digamma(strength) - torch.digamma(alpha))).sum(1)}
    if term == "mse":
        return {"class": (truth - alpha / strength).square().sum(1), "variance": variance}
    likelihood = (truth * (strength.log() - alpha.log())).sum(1)
    # The expected probability's logarithm is the same number as that of the marginal likelihood.
    return {"class": likelihood, "variance": variance} if term == "cross_entropy" else {"class": likelihood}
