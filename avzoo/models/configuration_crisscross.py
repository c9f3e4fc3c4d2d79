"""Configurations of the CrissCross encoders (arXiv 2111.05329) and of the joint audio-visual model."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Literal

from huggingface_hub.dataclasses import strict

from .configuration_convnet import AudioVisualConfig, FeaturePooling
from .configuration_r2plus1d import R2Plus1DConfig
from .configuration_spectrogram_resnet import SpectrogramResNetConfig


@strict
class CrissCrossVideoConfig(R2Plus1DConfig):
    """Configuration of the CrissCross video encoder, the R(2+1)D network of AVID.

    The defaults are the released encoder, 15,379,136 parameters; `R2Plus1DConfig` has all fields. Downstream poolings
    of the final map (`conv5x`, 512 x 1 x 7 x 7 for 8 frames of 224 x 224):

    - `linear`: maximum over 4 x 4 cells, stride 4 as PyTorch's default: 512 features (paper, linear SVM);
    - `linear_adaptive`: maximum over cells to 1 x 4 x 4: 8192 features, as AVID did;
    - `fusion`: maximum over 2 x 2 cells: 2048 features of 112 x 112 pixels (paper, late fusion).

    Args:
        pooling: `average` in pretraining; the official code finetunes with `max`.
        depth: 18 was released.
    """

    model_type = "crisscross_video"
    feature_poolings: ClassVar[Mapping[str, FeaturePooling]] = MappingProxyType(
        {
            "linear": FeaturePooling((1, 4, 4)),
            "linear_adaptive": FeaturePooling((1, 4, 4), adaptive=True),
            "fusion": FeaturePooling((1, 2, 2)),
        }
    )

    norm_after_addition: bool = True
    shortcut: Literal["conv", "conv_norm", "factored"] = "conv"


@strict
class CrissCrossAudioConfig(SpectrogramResNetConfig):
    """Configuration of the CrissCross audio encoder, a ResNet-18 with one input channel.

    The defaults are the released encoder, 11,170,240 parameters; `SpectrogramResNetConfig` has all fields. Downstream
    poolings of the final map (`conv5x`, 512 x 3 x 7 for 80 x 200 log-mels):

    - `linear`: maximum over three frames, stride two: 4608 features for 2 s, 10752 for 5 s (paper, linear SVM);
    - `linear_released`: the same, then L2-normalised along time as the released wrapper does;
    - `fusion`: maximum over four frames (paper, late fusion).
    """

    model_type = "crisscross_audio"
    feature_poolings: ClassVar[Mapping[str, FeaturePooling]] = MappingProxyType(
        {
            "linear": FeaturePooling((1, 3), stride=(1, 2)),
            "linear_released": FeaturePooling((1, 3), stride=(1, 2), normalize=True),
            "fusion": FeaturePooling((1, 4)),
        }
    )


@strict
class CrissCrossConfig(AudioVisualConfig):
    """Configuration of both CrissCross encoders.

    Args:
        video_config: The video encoder.
        audio_config: The audio encoder.
    """

    model_type = "crisscross"
    sub_configs_defaults: ClassVar[dict[str, Any]] = {
        "video_config": CrissCrossVideoConfig,
        "audio_config": CrissCrossAudioConfig,
    }
