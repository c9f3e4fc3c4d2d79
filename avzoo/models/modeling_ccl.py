"""The video student of CCL (Chen et al., CVPR 2021): the R(2+1)D trunk with the factored shortcuts of its code."""

from __future__ import annotations

from .classification import VideoClassifier
from .configuration_ccl import CCLVideoConfig
from .convnet import ConvNetPreTrainedModel
from .r2plus1d import R2Plus1DModel


class CCLVideoModel(R2Plus1DModel):
    """The CCL video student.

    `pooler_output` is the 512-d feature that CCL aligns with its teachers and that the paper retrieves with.

    Example:
        >>> import torch
        >>> from avzoo.models.configuration_ccl import CCLVideoConfig
        >>> model = CCLVideoModel(CCLVideoConfig.preset("nano")).eval()
        >>> model(torch.zeros(1, 8, 3, 64, 64)).pooler_output.shape
        torch.Size([1, 64])
    """

    config: CCLVideoConfig
    config_class = CCLVideoConfig
    base_model_prefix = "ccl"


class CCLForVideoClassification(VideoClassifier, ConvNetPreTrainedModel):
    """The CCL video student with a linear classifier."""

    config_class = CCLVideoConfig
    encoder_class = CCLVideoModel
    base_model_prefix = "ccl"
