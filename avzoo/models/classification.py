"""Classifiers: an encoder and a linear head on its feature, one implementation for all families."""

from __future__ import annotations

import copy
import math
from typing import Any, ClassVar, Self, cast

import torch
from torch import nn
from transformers import initialization as init
from transformers.modeling_outputs import SequenceClassifierOutput
from transformers.modeling_utils import PreTrainedModel
from transformers.utils.generic import can_return_tuple

from .configuration_encoder import EncoderConfig


class ClassifierLinear(nn.Linear):
    """Linear layer of a classifier; a class of its own because it is initialised unlike the encoder's."""

    def reset_classifier(self, initialization: str) -> None:
        """Initialises as `EncoderConfig.classifier_init` explains; leaves loaded weights alone."""
        if initialization == "orthogonal":
            init.orthogonal_(self.weight)
        elif initialization == "normal":
            init.normal_(self.weight, std=0.01)
        else:
            bound = self.in_features**-0.5
            init.kaiming_uniform_(self.weight, a=math.sqrt(5))
            init.uniform_(self.bias, -bound, bound)
            return
        init.zeros_(self.bias)


class ClassifierBatchNorm(nn.BatchNorm1d):
    """Batch norm of the feature; a class of its own for the same reason."""


class ClassificationHead(nn.Module):
    """Normalisation and dropout, where the configuration asks for them, and a linear layer."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.l2_normalize = config.classifier_norm == "l2"
        self.norm = ClassifierBatchNorm(config.hidden_size) if config.classifier_norm == "batch" else nn.Identity()
        self.dropout = nn.Dropout(config.classifier_dropout)
        self.linear = ClassifierLinear(config.hidden_size, cast(int, config.num_labels))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Maps features `(B, D)` to logits `(B, K)`."""
        if self.l2_normalize:
            features = nn.functional.normalize(features, dim=-1)
        return self.linear(self.dropout(self.norm(features)))


class EncoderForClassification(PreTrainedModel):
    """An encoder with a linear classifier on its `pooler_output`.

    A family derives from `VideoClassifier` or `AudioClassifier` and from its own base class, and names its
    `config_class` and `encoder_class`. The encoder is the attribute that the family's `base_model_prefix` names, so
    that a checkpoint of the encoder loads into the classifier and the other way round. The encoder of a joint model is
    taken with `from_encoder`.

    Attributes:
        encoder_class: The family's encoder.
    """

    encoder_class: ClassVar[type[PreTrainedModel]]
    new_weights: tuple[str, ...] = ("classifier.",)
    # The loss is a mean over the batch whatever its kind, which the trainer divides when it accumulates gradients.
    accepts_loss_kwargs = False
    _base_model_frozen = False

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__(config)
        self.num_labels = config.num_labels
        self.add_module(self.base_model_prefix, self.encoder_class(config))
        self.classifier = ClassificationHead(config)
        self.post_init()

    @classmethod
    def from_encoder(cls, encoder: PreTrainedModel, **fields: Any) -> Self:
        """A new classifier on an encoder that is in memory already, for example one of a joint model.

        Args:
            encoder: The encoder; its weights are copied.
            fields: Fields of its configuration that differ: `num_labels`, `classifier_dropout`, ...

        Raises:
            ValueError: The encoder is not of this family and modality.
        """
        if not isinstance(encoder, cls.encoder_class):
            raise ValueError(f"{cls.__name__} needs a {cls.encoder_class.__name__}, got a {type(encoder).__name__}")
        config = cast(EncoderConfig, copy.deepcopy(encoder.config))
        config.update(fields)
        model = cls(config)
        model.base_model.load_state_dict(encoder.state_dict())
        nn.Module.to(model, device=encoder.device, dtype=encoder.dtype)
        return model

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, ClassifierLinear):
            module.reset_classifier(self.config.classifier_init)
        elif isinstance(module, ClassifierBatchNorm):
            PreTrainedModel._init_weights(self, module)
        else:
            super()._init_weights(module)

    def freeze_base_model(self) -> None:
        """Trains the classifier alone (linear evaluation).

        The encoder gets no gradient and stays in evaluation mode through `train()`: its batch norms keep the
        statistics of pretraining.
        """
        self.base_model.requires_grad_(False)
        self._base_model_frozen = True
        self.train(self.training)

    def train(self, mode: bool = True) -> Self:
        """Sets training or evaluation mode; a frozen encoder stays in evaluation mode."""
        super().train(mode)
        if self._base_model_frozen:
            self.base_model.eval()
        return self

    def _classify(self, inputs: torch.Tensor, labels: torch.Tensor | None, **kwargs: Any) -> SequenceClassifierOutput:
        outputs = self.base_model(inputs, return_dict=True, **kwargs)
        logits = self.classifier(outputs.pooler_output)
        return SequenceClassifierOutput(
            loss=None if labels is None else self.loss_function(labels, logits, self.config),
            logits=logits,
            hidden_states=outputs.hidden_states,
            attentions=outputs.get("attentions"),
        )


class VideoClassifier(EncoderForClassification):
    """A video encoder with a linear classifier."""

    main_input_name = "pixel_values_videos"
    input_modalities = "video"

    @can_return_tuple  # type: ignore[untyped-decorator]
    def forward(
        self, pixel_values_videos: torch.Tensor, labels: torch.Tensor | None = None, **kwargs: Any
    ) -> SequenceClassifierOutput:
        """Classifies clips.

        Args:
            pixel_values_videos: Normalised RGB clips `(B, T, C, H, W)`, any that the encoder takes.
            labels: Class indices `(B,)`; zeros and ones `(B, K)` in floating point where several labels hold at once;
                or values `(B,)` or `(B, K)` to regress. `config.problem_type` says which; if it is not set, the
                first labels set it, as everywhere in transformers.
            kwargs: What the encoder takes besides (`output_hidden_states`, ...), and `return_dict`.

        Returns:
            The loss where labels were given, logits `(B, K)`, and what of the encoder was asked for.
        """
        return self._classify(pixel_values_videos, labels, **kwargs)


class AudioClassifier(EncoderForClassification):
    """An audio encoder with a linear classifier."""

    main_input_name = "input_features"
    input_modalities = "audio"

    @can_return_tuple  # type: ignore[untyped-decorator]
    def forward(
        self, input_features: torch.Tensor, labels: torch.Tensor | None = None, **kwargs: Any
    ) -> SequenceClassifierOutput:
        """Classifies spectrograms.

        Args:
            input_features: Log-mels `(B, 1, mel, frames)`, any that the encoder takes.
            labels: As for video.
            kwargs: What the encoder takes besides (`output_hidden_states`, ...), and `return_dict`.

        Returns:
            The loss where labels were given, logits `(B, K)`, and what of the encoder was asked for.
        """
        return self._classify(input_features, labels, **kwargs)
