"""What scores say about known and unknown classes: threshold, rejection, and the figures of both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from avzoo.data.view_config import Count

from .arrays import EvaluationError
from .clip_values import ClipValues
from .evidential import Evidence, EvidentialLoss, expected_probabilities, uncertainty
from .open_set_metrics import (
    OpenSetCurve,
    draw_curves,
    open_macro_f1,
    rejection_rates,
    thresholded_auc,
    uncertainty_auc,
    uncertainty_threshold,
)
from .protocol import Findings, Outcome, Predictions, ProtocolSettings
from .scoring import classification_figures, probabilities

#: How clips become an item: the mean of their scores; or, as the released code of OOD-VSSL also has it and its authors
#: advise against, the mean of their softmax (``probability``) or of their expected probabilities (``evidence``), which
#: is taken for scores then.
ItemAverage = Literal["score", "probability", "evidence"]


class OpenSetMeasure(ProtocolSettings):
    """What is learned and how unknown classes are told.

    Attributes:
        method: ``edl``: evidence with the negative log of the marginal likelihood, which every released configuration
            of OOD-VSSL trains. ``dear``: DEAR, which the thesis names: the AvU term besides, and its debias head
            where the encoder learns, for it reaches nothing else. ``softmax``: cross entropy, the baseline.
        loss: Another evidential loss in place of that of the method.
        softmax_uncertainty: Uncertainty of the baseline: 1 less the highest probability, or the entropy as a share of
            the highest possible.
        average: How clips become an item.
        accepted: Share of the training items that the threshold accepts.
        draws: Draws of unknown classes for every number of them.
    """

    method: Literal["edl", "dear", "softmax"] = "edl"
    loss: EvidentialLoss | None = None
    softmax_uncertainty: Literal["max_probability", "entropy"] = "max_probability"
    average: ItemAverage = "score"
    accepted: Annotated[float, Field(gt=0, lt=1)] = 0.95
    draws: Count = 10

    @property
    def evidential(self) -> EvidentialLoss | None:
        """The evidential loss; None for the baseline.

        Raises:
            EvaluationError: The baseline is asked for with an evidential loss.
        """
        if self.method == "softmax":
            if self.loss is not None:
                raise EvaluationError("loss is for evidential methods: leave it out, or method=softmax")
            return None
        return self.loss or EvidentialLoss(avu=self.method == "dear")


def item_scores(clips: ClipValues, average: ItemAverage = "score", evidence: Evidence = "exp") -> NDArray[np.float32]:
    """Scores of items out of those of their clips, ``(N, K)``."""
    if average == "probability":
        clips = clips.with_values(probabilities(clips.values))
    elif average == "evidence":
        clips = clips.with_values(expected_probabilities(torch.from_numpy(clips.values), evidence).numpy())
    return clips.item_means()


def item_uncertainty(scores: NDArray[np.float32], measure: OpenSetMeasure) -> NDArray[np.float64]:
    """How uncertain the classes of items are, in [0, 1], float64 ``(N,)``."""
    loss = measure.evidential
    if loss is not None:
        return np.asarray(uncertainty(torch.from_numpy(scores).double(), loss.evidence).numpy(), np.float64)
    log_shares = torch.from_numpy(scores).double().log_softmax(1)
    if measure.softmax_uncertainty == "max_probability":
        return np.asarray(1 - log_shares.exp().max(1).values.numpy(), np.float64)
    entropy = -(log_shares.exp() * log_shares).sum(1) / np.log(scores.shape[1])
    return np.asarray(entropy.numpy(), np.float64)


def open_set_outcome(
    train: ClipValues,
    test: ClipValues,
    unknown: ClipValues,
    measure: OpenSetMeasure,
    details: dict[str, Any],
    warnings: tuple[str, ...] = (),
) -> Outcome:
    """Figures out of scores of the known classes.

    Args:
        train: Scores of the training clips, ``(n, K)``: what decides the threshold.
        test: Of test clips of the known classes.
        unknown: Of clips of unknown classes.
        measure: How.
        details: Anything else worth keeping.
        warnings: Sentences that a reader of the figures must see.

    Returns:
        ``top-1`` ... of the test items among the known classes, nothing rejected; ``ROC AUC``, over all thresholds;
        ``threshold AUC``, which the papers call AUC, (TPR + TNR) / 2 at the one threshold; ``known accepted`` and
        ``unknown rejected``, the two shares; ``open macro-F1``, weighted by openness. The details have the curve.
    """
    loss = measure.evidential
    kind: Evidence = "exp" if loss is None else loss.evidence
    scores = [item_scores(clips, measure.average, kind) for clips in (train, test, unknown)]
    doubt = [item_uncertainty(values, measure) for values in scores]
    threshold = uncertainty_threshold(doubt[0], measure.accepted)
    curve = open_macro_f1(
        (doubt[1], scores[1].argmax(1), np.asarray(test.items.labels)),
        (doubt[2], scores[2].argmax(1), np.asarray(unknown.items.labels)),
        len(test.items.class_names),
        threshold,
        measure.draws,
        measure.seed,
    )
    false, true = rejection_rates(doubt[1], doubt[2], threshold)
    figures, _ = classification_figures(test, "score" if measure.average == "score" else "probability")
    figures["ROC AUC"] = uncertainty_auc(doubt[1], doubt[2])
    figures["threshold AUC"] = thresholded_auc(doubt[1], doubt[2], threshold)
    figures |= {"known accepted": 1 - false, "unknown rejected": true, "open macro-F1": curve.weighted_mean}
    if measure.average != "score":
        warnings += (f"average={measure.average} takes probabilities for scores, which the authors advise against",)
    return Outcome(
        figures,
        Predictions(test.items, _shares(scores[1], loss)),
        details={"threshold": threshold, "unknown classes": len(unknown.items.class_names)}
        | details
        | {"curve": _rounded(curve)},
        warnings=warnings,
    )


def write_curves(found: Findings, folder: Path) -> None:
    """Draws the curves of all folds into ``openness-MODALITY.png``."""
    curves = {
        f"{found.modality}, fold {fold}" if fold else found.modality: OpenSetCurve.of(outcome.details["curve"])
        for fold, outcome in found.outcomes.items()
    }
    draw_curves(curves, folder / f"openness-{found.modality}.png")


def threshold_auc_of(train: ClipValues, test: ClipValues, unknown: ClipValues, measure: OpenSetMeasure) -> float:
    """What the papers call AUC, of scores as of `open_set_outcome`."""
    loss = measure.evidential
    kind: Evidence = "exp" if loss is None else loss.evidence
    doubt = [item_uncertainty(item_scores(part, measure.average, kind), measure) for part in (train, test, unknown)]
    return thresholded_auc(doubt[1], doubt[2], uncertainty_threshold(doubt[0], measure.accepted))


def objective(measure: OpenSetMeasure) -> Callable[[torch.Tensor, torch.Tensor, float, int], torch.Tensor]:
    """What a head is trained with: from scores ``(B, K)``, classes, epoch and epochs to a scalar."""
    loss = measure.evidential
    if loss is None:
        return lambda scores, labels, epoch, epochs: torch.nn.functional.cross_entropy(scores, labels)
    return lambda scores, labels, epoch, epochs: torch.stack([*loss(scores, labels, epoch, epochs).values()]).sum()


def _shares(scores: NDArray[np.float32], loss: EvidentialLoss | None) -> NDArray[np.float32]:
    if loss is None:
        return probabilities(scores)
    return np.asarray(expected_probabilities(torch.from_numpy(scores), loss.evidence).numpy(), np.float32)


def _rounded(curve: OpenSetCurve) -> dict[str, Any]:
    return {
        name: [round(entry, 6) for entry in value] if isinstance(value, tuple) else round(value, 6)
        for name, value in asdict(curve).items()
    }
