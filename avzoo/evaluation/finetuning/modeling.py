"""A classifier as what `AVTrainer` trains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.utils.generic import ModelOutput

from avzoo.evaluation.layer_decay import layer_decay_groups
from avzoo.models.classification import EncoderForClassification
from avzoo.pretraining.arguments import AVTrainingArguments
from avzoo.pretraining.modeling import AVPreTrainedModel, Network
from avzoo.pretraining.optim import ParameterGroup
from avzoo.pretraining.progress import TrainingProgress

from .classifier import has_linear_head
from .objective import Loss, Objective, OfLogits, Step


class FinetuningConfig(PreTrainedConfig):
    """Names the training checkpoints; what is published is the classifier."""

    model_type = "avzoo_finetuning"


@dataclass
class FinetuningOutput(ModelOutput):
    """Output of a training step.

    Attributes:
        loss: Scalar.
        losses: Its terms.
        logits: ``(B, K)``.
    """

    loss: Tensor | None = None
    losses: dict[str, Tensor] | None = None
    logits: Tensor | None = None


class ForFinetuning(AVPreTrainedModel):
    """Trains a classifier, its layers at rates that fall towards the input.

    Args:
        classifier: An encoder and its head; trained in place.
        loss: What is minimised; an objective is prepared here.
        layer_decay: See `layer_decay_groups`.
    """

    config_class = FinetuningConfig

    def __init__(self, classifier: EncoderForClassification, loss: Loss | Objective, layer_decay: float = 1.0) -> None:
        super().__init__(FinetuningConfig())
        self.classifier = classifier
        self.main_input_name = classifier.main_input_name
        self.objective = loss if isinstance(loss, Objective) else OfLogits(loss)
        self.objective.prepare(classifier)
        self.layer_decay = layer_decay
        self.progress = TrainingProgress(0, 1, 1)
        self.post_init()

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """Nothing: the classifier comes initialised."""

    def begin_step(self, progress: TrainingProgress) -> None:
        """Notes where the run stands, for losses that change with it."""
        self.progress = progress

    def parameter_groups(self, arguments: AVTrainingArguments) -> list[ParameterGroup]:
        """See `layer_decay_groups`."""
        return layer_decay_groups(self, self.classifier.base_model, self.layer_decay)

    def encoder(self, network: Network = "student") -> PreTrainedModel:
        """What is published: the classifier, or the encoder alone where its head is not the linear one."""
        return (
            self.classifier if has_linear_head(self.classifier) else cast(PreTrainedModel, self.classifier.base_model)
        )

    def forward(self, targets: Tensor, **batch: Any) -> FinetuningOutput:
        """Classifies a batch.

        Args:
            targets: float ``(B, K)``.
            batch: The input of the classifier, under its name; what else a batch holds is not used.
        """
        inputs = batch[self.main_input_name]
        features = self.classifier.base_model(inputs, return_dict=True).pooler_output
        logits = self.classifier.classifier(features)
        terms = dict(self.objective(Step(self.classifier, inputs, features, logits, targets, self.progress)))
        return FinetuningOutput(torch.stack(list(terms.values())).sum(), terms, logits)
