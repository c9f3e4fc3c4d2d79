"""CrissCross encoders (arXiv 2111.05329): R(2+1)D over clips, ResNet-18 over spectrograms, and the two joined.

`hidden_states` are, in the official names, `conv1`, `conv2x`, `conv3x`, `conv4x` and `conv5x`, for both modalities.
"""

from __future__ import annotations

from .classification import AudioClassifier, VideoClassifier
from .configuration_crisscross import CrissCrossAudioConfig, CrissCrossConfig, CrissCrossVideoConfig
from .convnet import AudioVisualModel, ConvNetPreTrainedModel
from .r2plus1d import R2Plus1DModel
from .spectrogram_resnet import SpectrogramResNetModel


class CrissCrossVideoModel(R2Plus1DModel):
    """The CrissCross video encoder.

    Example:
        >>> import torch
        >>> from avzoo.models.configuration_crisscross import CrissCrossVideoConfig
        >>> model = CrissCrossVideoModel(CrissCrossVideoConfig.preset("nano")).eval()
        >>> model(torch.zeros(1, 8, 3, 64, 64)).pooler_output.shape
        torch.Size([1, 64])
    """

    config: CrissCrossVideoConfig
    config_class = CrissCrossVideoConfig
    base_model_prefix = "crisscross"


class CrissCrossAudioModel(SpectrogramResNetModel):
    """The CrissCross audio encoder.

    Example:
        >>> import torch
        >>> from avzoo.models.configuration_crisscross import CrissCrossAudioConfig
        >>> model = CrissCrossAudioModel(CrissCrossAudioConfig.preset("nano")).eval()
        >>> model(torch.zeros(1, 1, 80, 100)).pooler_output.shape
        torch.Size([1, 64])
    """

    config: CrissCrossAudioConfig
    config_class = CrissCrossAudioConfig
    base_model_prefix = "crisscross"


class CrissCrossModel(AudioVisualModel):
    """Both CrissCross encoders.

    Example:
        >>> import torch
        >>> from avzoo.models.configuration_crisscross import CrissCrossConfig
        >>> model = CrissCrossModel(CrissCrossConfig.preset("nano")).eval()
        >>> outputs = model(torch.zeros(1, 8, 3, 64, 64), torch.zeros(1, 1, 80, 100))
        >>> outputs.video_embeds.shape, outputs.audio_embeds.shape
        (torch.Size([1, 64]), torch.Size([1, 64]))
    """

    config: CrissCrossConfig
    config_class = CrissCrossConfig
    base_model_prefix = "crisscross"

    def __init__(self, config: CrissCrossConfig) -> None:
        super().__init__(config, CrissCrossVideoModel(config.video_config), CrissCrossAudioModel(config.audio_config))


class CrissCrossForVideoClassification(VideoClassifier, ConvNetPreTrainedModel):
    """The CrissCross video encoder with a linear classifier."""

    config_class = CrissCrossVideoConfig
    encoder_class = CrissCrossVideoModel
    base_model_prefix = "crisscross"


class CrissCrossForAudioClassification(AudioClassifier, ConvNetPreTrainedModel):
    """The CrissCross audio encoder with a linear classifier."""

    config_class = CrissCrossAudioConfig
    encoder_class = CrissCrossAudioModel
    base_model_prefix = "crisscross"
