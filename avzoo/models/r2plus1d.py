"""The R(2+1)D trunk: residual blocks of 3-D convolutions factored into a spatial and a temporal one (arXiv 1711.11248).

`configuration_r2plus1d` lists what CrissCross, XDC and CCL have of their own.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn.functional import conv2d, relu
from transformers.utils.output_capturing import capture_outputs

from .configuration_r2plus1d import R2Plus1DConfig
from .convnet import ConvNetBlock, ConvNetEncoder, ConvNetOutput, ConvNetStage


def batch_norm(config: R2Plus1DConfig, planes: int) -> nn.BatchNorm3d:
    """Batch norm with the network's epsilon and momentum."""
    return nn.BatchNorm3d(planes, eps=config.batch_norm_eps, momentum=config.batch_norm_momentum)


def mid_planes(config: R2Plus1DConfig, in_planes: int, out_planes: int, kernel: tuple[int, int, int]) -> int:
    """Planes between the two halves of a factored convolution.

    `matched` makes both halves together as large as the full convolution: floor(t h w i o / (h w i + t o)), always from
    the planes of the convolution itself (torchvision uses those of the first convolution of a block for both).
    """
    if config.mid_planes == "out":
        return out_planes
    time, height, width = kernel
    area = height * width
    return (time * area * in_planes * out_planes) // (area * in_planes + time * out_planes)


class TemporalConv3d(nn.Conv3d):
    """A convolution `(k, 1, 1)` over time, computed as a 2-D one over time x pixels, which is the same sum.

    On one CPU thread PyTorch has no other fast kernel for this shape, and the slow one loses channels-last memory.
    """

    def __init__(self, in_planes: int, out_planes: int, size: int, stride: int) -> None:
        padding = (size // 2, 0, 0)
        super().__init__(in_planes, out_planes, (size, 1, 1), (stride, 1, 1), padding, bias=False)

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """Maps `(B, C, T, H, W)` to `(B, C', T / stride, H, W)`."""
        size, stride = self.kernel_size[0], self.stride[0]
        flat = conv2d(hidden_states.flatten(3), self.weight.squeeze(4), stride=(stride, 1), padding=(size // 2, 0))
        return flat.unflatten(3, hidden_states.shape[3:])


class FactoredConv3d(nn.Module):
    """A 3-D convolution as a spatial one, batch norm, ReLU and a temporal one; no biases.

    Args:
        config: Rule of the planes in the middle, batch norm.
        in_planes: Planes of the input.
        out_planes: Planes of the output.
        kernel: Odd sizes over time, height and width; the input is padded to keep them.
        stride: Strides over time, height and width.
        planes: Planes in the middle; `None` follows the rule.
    """

    def __init__(
        self,
        config: R2Plus1DConfig,
        in_planes: int,
        out_planes: int,
        kernel: tuple[int, int, int] = (3, 3, 3),
        stride: tuple[int, int, int] = (1, 1, 1),
        planes: int | None = None,
    ) -> None:
        super().__init__()
        planes = planes or mid_planes(config, in_planes, out_planes, kernel)
        time, height, width = kernel
        self.spatial = nn.Conv3d(
            in_planes,
            planes,
            (1, height, width),
            stride=(1, *stride[1:]),
            padding=(0, height // 2, width // 2),
            bias=False,
        )
        self.norm = batch_norm(config, planes)
        self.temporal = TemporalConv3d(planes, out_planes, time, stride[0])

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """Maps `(B, C, T, H, W)` to `(B, C', T', H', W')`."""
        return self.temporal(relu(self.norm(self.spatial(hidden_states)), inplace=True))


class R2Plus1DStem(nn.Module):
    """The first convolution, 3x7x7 with stride 2 in space: whole and followed by max-pooling, or factored."""

    def __init__(self, config: R2Plus1DConfig) -> None:
        super().__init__()
        planes, kernel, stride = config.hidden_sizes[0], (3, 7, 7), (1, 2, 2)
        self.conv: nn.Module
        self.pool: nn.Module
        if config.stem_mid_planes is None:
            self.conv = nn.Conv3d(3, planes, kernel, stride=stride, padding=(1, 3, 3), bias=False)
            self.pool = nn.MaxPool3d((1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1))
        else:
            self.conv = FactoredConv3d(config, 3, planes, kernel, stride, planes=config.stem_mid_planes)
            self.pool = nn.Identity()
        self.norm = batch_norm(config, planes)

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        """Maps `(B, 3, T, H, W)` to `(B, C, T, H / 2, W / 2)`, pooled to a quarter where there is pooling."""
        return self.pool(relu(self.norm(self.conv(clips)), inplace=True))


class R2Plus1DBlock(ConvNetBlock):
    """Two factored convolutions and a shortcut."""

    def __init__(self, config: R2Plus1DConfig, in_planes: int, out_planes: int, stride: int) -> None:
        super().__init__()
        strides = (stride, stride, stride)
        self.norm_after_addition = config.norm_after_addition
        self.conv1 = FactoredConv3d(config, in_planes, out_planes, stride=strides)
        self.norm1 = batch_norm(config, out_planes)
        self.conv2 = FactoredConv3d(config, out_planes, out_planes)
        self.norm2 = batch_norm(config, out_planes)
        same = in_planes == out_planes and stride == 1
        self.shortcut = nn.Identity() if same else self._shortcut(config, in_planes, out_planes, strides)

    @staticmethod
    def _shortcut(
        config: R2Plus1DConfig, in_planes: int, out_planes: int, stride: tuple[int, int, int]
    ) -> nn.Sequential:
        if config.shortcut == "factored":
            conv: nn.Module = FactoredConv3d(config, in_planes, out_planes, kernel=(1, 1, 1), stride=stride)
        else:
            conv = nn.Conv3d(in_planes, out_planes, 1, stride=stride, bias=False)
        return nn.Sequential(conv) if config.shortcut == "conv" else nn.Sequential(conv, batch_norm(config, out_planes))

    def residual_block(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """Maps `(B, C, T, H, W)` to `(B, C', T / stride, H / stride, W / stride)`."""
        shortcut = self.shortcut(hidden_states)
        hidden_states = self.conv2(relu(self.norm1(self.conv1(hidden_states)), inplace=True))
        if self.norm_after_addition:
            hidden_states = self.norm2(hidden_states + shortcut)
        else:
            hidden_states = self.norm2(hidden_states) + shortcut
        return relu(hidden_states, inplace=True)


class R2Plus1DModel(ConvNetEncoder):
    """An R(2+1)D video encoder.

    A family's model subclasses it and sets `config_class` and `base_model_prefix`.

    Args:
        config: The variant.
    """

    config: R2Plus1DConfig
    config_class = R2Plus1DConfig
    main_input_name = "pixel_values_videos"
    input_modalities = "video"

    def __init__(self, config: R2Plus1DConfig) -> None:
        stages, in_planes = [], config.hidden_sizes[0]
        for index, (planes, depth) in enumerate(zip(config.hidden_sizes, config.depths, strict=True)):
            first = R2Plus1DBlock(config, in_planes, planes, stride=1 if index == 0 else 2)
            stages.append(ConvNetStage(first, *(R2Plus1DBlock(config, planes, planes, 1) for _ in range(depth - 1))))
            in_planes = planes
        super().__init__(config, R2Plus1DStem(config), stages)

    @capture_outputs(tie_last_hidden_states=False)  # type: ignore[untyped-decorator]
    def forward(
        self, pixel_values_videos: torch.Tensor, feature_pooling: str | None = None, **kwargs: Any
    ) -> ConvNetOutput:
        """Encodes clips.

        Args:
            pixel_values_videos: Normalised RGB clips `(B, T, C, H, W)` of any size.
            feature_pooling: Also return the `features` of this downstream protocol; see `config.feature_poolings`.
            kwargs: `output_hidden_states` and `return_dict`, as in transformers.

        Raises:
            ValueError: The input is no batch of clips, there is no such downstream protocol, or the final map is too
                small for it.
        """
        if pixel_values_videos.ndim != 5 or pixel_values_videos.shape[2] != 3:
            raise ValueError(f"expected clips (B, T, 3, H, W), got {tuple(pixel_values_videos.shape)}")
        return self._encode(pixel_values_videos.transpose(1, 2), feature_pooling)
