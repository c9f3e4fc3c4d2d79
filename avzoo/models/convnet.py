"""What the ConvNet encoders share: outputs, pooling, initialisation, gradient checkpointing; and two of them joined."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import initialization as init
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_outputs import BaseModelOutputWithPoolingAndNoAttention
from transformers.utils.generic import ModelOutput

from .configuration_convnet import AudioVisualConfig, ConvNetConfig, FeaturePooling
from .safetensors_only import SafetensorsModel


@dataclass
class ConvNetOutput(BaseModelOutputWithPoolingAndNoAttention):
    """Output of one encoder.

    Attributes:
        last_hidden_state: Final feature map `(B, D, T', H', W')` of clips, `(B, D, mel', frames')` of spectrograms.
        pooler_output: Global pooling of it `(B, D)`.
        hidden_states: With `output_hidden_states`, the map after the stem and after every stage.
        features: With a `feature_pooling`, the flattened feature `(B, F)` of that downstream protocol.
    """

    features: torch.Tensor | None = None


@dataclass
class AudioVisualOutput(ModelOutput):
    """Output of a joint model; a modality that was not given is `None`.

    Attributes:
        video_embeds: Pooled video features `(B, D)`.
        audio_embeds: Pooled audio features `(B, D)`.
        video_model_output: Everything the video encoder returned.
        audio_model_output: Everything the audio encoder returned.
    """

    video_embeds: torch.Tensor | None = None
    audio_embeds: torch.Tensor | None = None
    video_model_output: ConvNetOutput | None = None
    audio_model_output: ConvNetOutput | None = None


def global_pool(hidden_states: torch.Tensor, pooling: str) -> torch.Tensor:
    """Average or maximum of a map `(B, D, ...)` over all but batch and channels: `(B, D)`."""
    axes = tuple(range(2, hidden_states.ndim))
    return hidden_states.amax(axes) if pooling == "max" else hidden_states.mean(axes)


def pool_features(hidden_states: torch.Tensor, pooling: FeaturePooling) -> torch.Tensor:
    """Max-pools a map `(B, D, ...)` as a downstream protocol does and flattens it to `(B, F)`, channels slowest.

    Raises:
        ValueError: The map is smaller than the kernel.
    """
    sizes = tuple(hidden_states.shape[2:])
    if pooling.adaptive:
        adaptive = nn.functional.adaptive_max_pool3d if len(sizes) == 3 else nn.functional.adaptive_max_pool2d
        pooled = adaptive(hidden_states, pooling.size)
    elif any(size < kernel for size, kernel in zip(sizes, pooling.size, strict=True)):
        raise ValueError(f"the feature map {sizes} is smaller than the pooling {pooling.size}; give a larger input")
    else:
        pool = nn.functional.max_pool3d if len(sizes) == 3 else nn.functional.max_pool2d
        pooled = pool(hidden_states, pooling.size, pooling.stride)
    return (nn.functional.normalize(pooled, dim=-1) if pooling.normalize else pooled).flatten(1)


@contextmanager
def _statistics_kept(module: nn.Module) -> Iterator[None]:
    """Batch norms normalise by the batch as before, and leave their running statistics alone."""
    norms = [m for m in module.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.track_running_stats]
    kept = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        norm.momentum, norm.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        for norm, (momentum, batches) in zip(norms, kept, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, batches


class ConvNetBlock(GradientCheckpointingLayer):
    """A residual block; subclasses define `residual_block`.

    With gradient checkpointing, backward runs a block a second time; its batch norms then count the batch only once.
    """

    def residual_block(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """Maps `(B, C, ...)` to `(B, C', ...)`."""
        raise NotImplementedError

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """Maps `(B, C, ...)` to `(B, C', ...)`."""
        # Inside a backward pass there is a graph task: this is how PyTorch's own FSDP tells a second run.
        if self.training and not torch.compiler.is_compiling() and torch._C._current_graph_task_id() != -1:
            with _statistics_kept(self):
                return self.residual_block(hidden_states)
        return self.residual_block(hidden_states)


class ConvNetStage(nn.Sequential):
    """The blocks of one resolution; `hidden_states` of the outputs are the results of stages."""


class ConvNetPreTrainedModel(SafetensorsModel):
    """Weight initialisation and capabilities shared by all ConvNets."""

    supports_gradient_checkpointing = True
    _no_split_modules = ["R2Plus1DBlock", "BasicBlock"]  # noqa: RUF012
    _can_record_outputs = {"hidden_states": ConvNetStage}  # noqa: RUF012

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """Initialisation of convolutions by the configuration; of all else as in transformers."""
        if not isinstance(module, nn.Conv2d | nn.Conv3d):
            super()._init_weights(module)
            return
        if self.config.conv_init == "kaiming_fan_out":
            init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        else:
            init.kaiming_uniform_(module.weight, a=math.sqrt(5))
        if module.bias is not None:
            init.zeros_(module.bias)


class ConvNetEncoder(ConvNetPreTrainedModel):
    """A stem and stages.

    Args:
        config: The encoder's configuration.
        stem: Maps the input to the map of the first stage.
        stages: One per entry of `config.hidden_sizes`.
    """

    config: ConvNetConfig

    def __init__(self, config: ConvNetConfig, stem: nn.Module, stages: Iterable[ConvNetStage]) -> None:
        super().__init__(config)
        self.stem = stem
        self.stages = nn.ModuleList(stages)
        self.post_init()

    def _encode(self, inputs: torch.Tensor, feature_pooling: str | None) -> ConvNetOutput:
        downstream = self.config.feature_pooling_of(feature_pooling or self.config.feature_pooling)
        hidden_states = self.stem(inputs.to(self.dtype))
        for stage in self.stages:
            hidden_states = stage(hidden_states)
        return ConvNetOutput(
            last_hidden_state=hidden_states,
            pooler_output=global_pool(hidden_states, self.config.pooling),
            features=None if downstream is None else pool_features(hidden_states, downstream),
        )


class AudioVisualModel(ConvNetPreTrainedModel):
    """A video and an audio encoder, which share nothing.

    Args:
        config: Both configurations.
        video_model: The video encoder.
        audio_model: The audio encoder.
    """

    main_input_name = "pixel_values_videos"
    input_modalities = ["video", "audio"]  # noqa: RUF012

    def __init__(self, config: AudioVisualConfig, video_model: ConvNetEncoder, audio_model: ConvNetEncoder) -> None:
        super().__init__(config)
        self.video_model = video_model
        self.audio_model = audio_model
        self.post_init()

    def forward(
        self,
        pixel_values_videos: torch.Tensor | None = None,
        input_features: torch.Tensor | None = None,
        return_dict: bool = True,
        **kwargs: Any,
    ) -> AudioVisualOutput | tuple[Any, ...]:
        """Encodes either modality or both.

        Args:
            pixel_values_videos: Normalised RGB clips `(B, T, C, H, W)`.
            input_features: Log-mels `(B, 1, mel, frames)`.
            return_dict: Whether to return an `AudioVisualOutput` instead of a tuple.
            kwargs: Passed to both encoders: `feature_pooling`, `output_hidden_states`.

        Raises:
            ValueError: Neither modality was given.
        """
        if pixel_values_videos is None and input_features is None:
            raise ValueError("give pixel_values_videos, input_features or both")
        video = None if pixel_values_videos is None else self.video_model(pixel_values_videos, **kwargs)
        audio = None if input_features is None else self.audio_model(input_features, **kwargs)
        output = AudioVisualOutput(
            video_embeds=None if video is None else video.pooler_output,
            audio_embeds=None if audio is None else audio.pooler_output,
            video_model_output=video,
            audio_model_output=audio,
        )
        return output if return_dict else output.to_tuple()
