"""Configurations of the XDC encoders (arXiv 1911.12667) and of the joint audio-visual model."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Literal

from huggingface_hub.dataclasses import strict

from .configuration_convnet import AudioVisualConfig, FeaturePooling
from .configuration_r2plus1d import R2Plus1DConfig
from .configuration_spectrogram_resnet import SpectrogramResNetConfig


@strict
class XDCVideoConfig(R2Plus1DConfig):
    """Configuration of the XDC video encoder, an R(2+1)D-18.

    The defaults are the released encoder, 33,165,639 parameters; `R2Plus1DConfig` has all fields. It is not the
    `r2plus1d_18` of torchvision: the second convolution of the first block of the last three stages has 288, 576 and
    1152 planes in its middle, not 230, 460 and 921, and every epsilon is 1e-3.

    Args:
        batch_norm_momentum: 0.9 as released. The number is Caffe2's, where it weighs the old statistics; in PyTorch it
            weighs the new batch, and statistics hardly average. For finetuning 0.1 is the sane value.
        stem_mid_planes: 45; the rule of the other convolutions would give 83.
        classifier_init: `normal`, that of torchvision's video networks, which the released code builds on.
    """

    model_type = "xdc_video"

    stem_mid_planes: int | None = 45
    mid_planes: Literal["out", "matched"] = "matched"
    batch_norm_eps: float = 1e-3
    batch_norm_momentum: float = 0.9
    conv_init: Literal["pytorch", "kaiming_fan_out"] = "kaiming_fan_out"
    num_frames: int = 32
    image_size: int = 224
    classifier_init: Literal["orthogonal", "normal", "uniform"] = "normal"


@strict
class XDCAudioConfig(SpectrogramResNetConfig):
    """Configuration of the XDC audio encoder over 40 x 100 log-mels; **the network is our choice**.

    The paper says ResNet-18 and leaves stem and strides open, and no audio weights were released. The default is the
    audio network of the same group's VMZ code, turned from time x mel to mel x time: a plain 3x3 convolution, a stage
    of three blocks with 32 planes, then the four stages of a ResNet-18; every stage halves the resolution, and the
    final pooling is a maximum. `preset("torchvision")` is the ResNet-18 of torchvision with one input channel instead.
    `SpectrogramResNetConfig` has all fields.

    The downstream pooling `linear` is the flattened final map (paper, linear SVM on `conv_5`): 4096 features.
    """

    model_type = "xdc_audio"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
        {
            "nano": MappingProxyType(
                {"embedding_size": 8, "hidden_sizes": (8, 8, 16, 32, 64), "depths": (1, 1, 1, 1, 1)}
            ),
            "base": MappingProxyType({}),
            "torchvision": MappingProxyType(
                {
                    "stem": "pooled",
                    "embedding_size": 64,
                    "hidden_sizes": (64, 128, 256, 512),
                    "depths": (2, 2, 2, 2),
                    "downsample_in_first_stage": False,
                    "pooling": "average",
                    "batch_norm_eps": 1e-5,
                }
            ),
        }
    )
    feature_poolings: ClassVar[Mapping[str, FeaturePooling]] = MappingProxyType({"linear": FeaturePooling((1, 1))})

    stem: Literal["pooled", "plain"] = "plain"
    embedding_size: int = 16
    hidden_sizes: list[int] | tuple[int, ...] = (32, 64, 128, 256, 512)
    depths: list[int] | tuple[int, ...] = (3, 2, 2, 2, 2)
    downsample_in_first_stage: bool = True
    pooling: Literal["average", "max"] = "max"
    batch_norm_eps: float = 1e-3
    num_mel_bins: int = 40
    max_length: int = 100
    classifier_init: Literal["orthogonal", "normal", "uniform"] = "normal"


@strict
class XDCConfig(AudioVisualConfig):
    """Configuration of both XDC encoders.

    Args:
        video_config: The video encoder.
        audio_config: The audio encoder.
    """

    model_type = "xdc"
    sub_configs_defaults: ClassVar[dict[str, Any]] = {"video_config": XDCVideoConfig, "audio_config": XDCAudioConfig}
