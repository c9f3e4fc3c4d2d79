"""The ResNet over spectrograms (basic blocks of arXiv 1512.03385), laid out mel x frames.

`configuration_spectrogram_resnet` lists what CrissCross and XDC have of their own.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn.functional import relu
from transformers.utils.output_capturing import capture_outputs

from .configuration_spectrogram_resnet import SpectrogramResNetConfig
from .convnet import ConvNetBlock, ConvNetEncoder, ConvNetOutput, ConvNetStage


def batch_norm(config: SpectrogramResNetConfig, planes: int) -> nn.BatchNorm2d:
    """Batch norm with the network's epsilon and momentum."""
    return nn.BatchNorm2d(planes, eps=config.batch_norm_eps, momentum=config.batch_norm_momentum)


def spectrogram_stem(config: SpectrogramResNetConfig) -> nn.Sequential:
    """The first layers, from `(B, 1, mel, frames)`: to a quarter of the resolution, or a plain convolution."""
    planes = config.embedding_size
    if config.stem == "plain":
        return nn.Sequential(nn.Conv2d(1, planes, 3, padding=1))
    return nn.Sequential(
        nn.Conv2d(1, planes, 7, stride=2, padding=3, bias=False),
        batch_norm(config, planes),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, stride=2, padding=1),
    )


class BasicBlock(ConvNetBlock):
    """Two 3x3 convolutions and a shortcut."""

    def __init__(self, config: SpectrogramResNetConfig, in_planes: int, out_planes: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_planes, out_planes, 3, stride=stride, padding=1, bias=False)
        self.norm1 = batch_norm(config, out_planes)
        self.conv2 = nn.Conv2d(out_planes, out_planes, 3, padding=1, bias=False)
        self.norm2 = batch_norm(config, out_planes)
        self.shortcut: nn.Module = nn.Identity()
        if in_planes != out_planes or stride != 1:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_planes, out_planes, 1, stride=stride, bias=False), batch_norm(config, out_planes)
            )

    def residual_block(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """Maps `(B, C, mel, frames)` to `(B, C', mel / stride, frames / stride)`."""
        shortcut = self.shortcut(hidden_states)
        hidden_states = self.conv2(relu(self.norm1(self.conv1(hidden_states)), inplace=True))
        return relu(self.norm2(hidden_states) + shortcut, inplace=True)


class SpectrogramResNetModel(ConvNetEncoder):
    """A ResNet audio encoder.

    A family's model subclasses it and sets `config_class` and `base_model_prefix`.

    Args:
        config: The variant.
    """

    config: SpectrogramResNetConfig
    config_class = SpectrogramResNetConfig
    main_input_name = "input_features"
    input_modalities = "audio"

    def __init__(self, config: SpectrogramResNetConfig) -> None:
        stages, in_planes = [], config.embedding_size
        for index, (planes, depth) in enumerate(zip(config.hidden_sizes, config.depths, strict=True)):
            first = BasicBlock(config, in_planes, planes, 2 if index or config.downsample_in_first_stage else 1)
            stages.append(ConvNetStage(first, *(BasicBlock(config, planes, planes, 1) for _ in range(depth - 1))))
            in_planes = planes
        super().__init__(config, spectrogram_stem(config), stages)

    @capture_outputs(tie_last_hidden_states=False)  # type: ignore[untyped-decorator]
    def forward(self, input_features: torch.Tensor, feature_pooling: str | None = None, **kwargs: Any) -> ConvNetOutput:
        """Encodes spectrograms.

        Args:
            input_features: Log-mels `(B, 1, mel, frames)` of any size.
            feature_pooling: Also return the `features` of this downstream protocol; see `config.feature_poolings`.
            kwargs: `output_hidden_states` and `return_dict`, as in transformers.

        Raises:
            ValueError: The input is no batch of log-mels, there is no such downstream protocol, or the final map is too
                small for it.
        """
        if input_features.ndim != 4 or input_features.shape[1] != 1:
            raise ValueError(f"expected log-mels (B, 1, mel, frames), got {tuple(input_features.shape)}")
        return self._encode(input_features, feature_pooling)
