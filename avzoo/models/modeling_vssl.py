"""The video encoder that six self-supervised methods and supervised training were compared on: one ViT over cuboids."""

from __future__ import annotations

import torch

from .classification import VideoClassifier
from .configuration_vssl import VSSLConfig
from .vit_encoder import VideoViT, ViTPreTrainedModel


class VSSLPreTrainedModel(ViTPreTrainedModel):
    """What the video-SSL models have in common."""

    base_model_prefix = "vssl"


class VSSLModel(VideoViT, VSSLPreTrainedModel):
    """The video-SSL encoder, v-SimCLR to v-Supervised.

    Example:
        >>> import torch
        >>> from avzoo.models.configuration_vssl import VSSLConfig
        >>> model = VSSLModel(VSSLConfig.preset("nano"))
        >>> model(torch.zeros(1, 16, 3, 64, 64)).pooler_output.shape
        torch.Size([1, 64])
    """

    config: VSSLConfig
    config_class = VSSLConfig

    def _pool(self, hidden_states: torch.Tensor) -> torch.Tensor:
        return hidden_states[:, 0] if self.config.pooling == "cls" else super()._pool(hidden_states)


class VSSLForVideoClassification(VideoClassifier, VSSLPreTrainedModel):
    """The video-SSL encoder with a linear classifier."""

    config_class = VSSLConfig
    encoder_class = VSSLModel
