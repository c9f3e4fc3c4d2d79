"""XDC encoders (arXiv 1911.12667): R(2+1)D-18 over clips, a ResNet over spectrograms, and the two joined.

The video's `hidden_states` are, in the official names, `stem`, `layer1`, `layer2`, `layer3` and `layer4`.
"""

from __future__ import annotations

from .classification import AudioClassifier, VideoClassifier
from .configuration_xdc import XDCAudioConfig, XDCConfig, XDCVideoConfig
from .convnet import AudioVisualModel, ConvNetPreTrainedModel
from .r2plus1d import R2Plus1DModel
from .spectrogram_resnet import SpectrogramResNetModel


class XDCVideoModel(R2Plus1DModel):
    """The XDC video encoder.

    Example:
        >>> import torch
        >>> from avzoo.models.configuration_xdc import XDCVideoConfig
        >>> model = XDCVideoModel(XDCVideoConfig.preset("nano")).eval()
        >>> model(torch.zeros(1, 8, 3, 64, 64)).pooler_output.shape
        torch.Size([1, 64])
    """

    config: XDCVideoConfig
    config_class = XDCVideoConfig
    base_model_prefix = "xdc"


class XDCAudioModel(SpectrogramResNetModel):
    """The XDC audio encoder; the paper leaves the network open and this one is our choice (see `XDCAudioConfig`).

    Example:
        >>> import torch
        >>> from avzoo.models.configuration_xdc import XDCAudioConfig
        >>> model = XDCAudioModel(XDCAudioConfig.preset("nano")).eval()
        >>> model(torch.zeros(1, 1, 40, 100)).pooler_output.shape
        torch.Size([1, 64])
    """

    config: XDCAudioConfig
    config_class = XDCAudioConfig
    base_model_prefix = "xdc"


class XDCModel(AudioVisualModel):
    """Both XDC encoders.

    Example:
        >>> import torch
        >>> from avzoo.models.configuration_xdc import XDCConfig
        >>> model = XDCModel(XDCConfig.preset("nano")).eval()
        >>> outputs = model(torch.zeros(1, 8, 3, 64, 64), torch.zeros(1, 1, 40, 100))
        >>> outputs.video_embeds.shape, outputs.audio_embeds.shape
        (torch.Size([1, 64]), torch.Size([1, 64]))
    """

    config: XDCConfig
    config_class = XDCConfig
    base_model_prefix = "xdc"

    def __init__(self, config: XDCConfig) -> None:
        super().__init__(config, XDCVideoModel(config.video_config), XDCAudioModel(config.audio_config))


class XDCForVideoClassification(VideoClassifier, ConvNetPreTrainedModel):
    """The XDC video encoder with a linear classifier."""

    config_class = XDCVideoConfig
    encoder_class = XDCVideoModel
    base_model_prefix = "xdc"


class XDCForAudioClassification(AudioClassifier, ConvNetPreTrainedModel):
    """The XDC audio encoder with a linear classifier."""

    config_class = XDCAudioConfig
    encoder_class = XDCAudioModel
    base_model_prefix = "xdc"
