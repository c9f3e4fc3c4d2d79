"""What a finetuning run minimises, and what it trains beside the classifier for that."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from avzoo.models.classification import EncoderForClassification
from avzoo.pretraining.progress import TrainingProgress

#: The named terms of the loss of a batch, scalars whose sum is minimised, from logits ``(B, K)``, targets float
#: ``(B, K)`` (shares of classes; with several labels, how far each holds) and where the run stands.
Loss = Callable[[Tensor, Tensor, TrainingProgress], Mapping[str, Tensor]]


@dataclass(frozen=True, eq=False)
class Step:
    """A batch that was classified.

    Attributes:
        classifier: What classified it.
        inputs: What it was given.
        features: Features ``(B, D)`` of the encoder.
        logits: ``(B, K)``.
        targets: float ``(B, K)``, as of `Loss`.
        progress: Where the run stands.
    """

    classifier: EncoderForClassification
    inputs: Tensor
    features: Tensor
    logits: Tensor
    targets: Tensor
    progress: TrainingProgress


class Objective(nn.Module):
    """What is minimised where logits and targets are not all that it takes.

    Its modules are trained with the classifier at the whole learning rate and are in the checkpoints that a run resumes
    from; nobody needs them afterwards, and they are not published.
    """

    def prepare(self, classifier: EncoderForClassification) -> None:
        """Makes the modules that are trained, once, before training; draws from torch's global generator."""

    def forward(self, step: Step) -> Mapping[str, Tensor]:
        """The named terms of the loss of a batch, scalars whose sum is minimised."""
        raise NotImplementedError


class OfLogits(Objective):
    """A loss of logits and targets as an objective; trains nothing.

    Args:
        loss: The loss.
    """

    def __init__(self, loss: Loss) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, step: Step) -> Mapping[str, Tensor]:
        """Its terms."""
        return self.loss(step.logits, step.targets, step.progress)
