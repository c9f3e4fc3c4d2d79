"""CNN14 (PANNs, arXiv 1912.10211): the convolutional audio network whose embeddings are CCL's sound teacher."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers import initialization as init
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.utils.output_capturing import OutputRecorder, capture_outputs

from .classification import AudioClassifier
from .configuration_cnn14 import CNN14Config
from .safetensors_only import SafetensorsModel


class CNN14Block(nn.Module):
    """Two 3 x 3 convolutions, each with batch norm and ReLU, then 2 x 2 average pooling unless it is the last block."""

    def __init__(self, in_channels: int, out_channels: int, eps: float, pool: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(out_channels, eps=eps)
        self.conv2 = nn.Conv2d(out_channels, out_channels, kernel_size=3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(out_channels, eps=eps)
        self.pool = nn.AvgPool2d(2) if pool else nn.Identity()

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """Feature map `(B, C, mel, frames)` to `(B, C', mel / 2, frames / 2)`, rounded down."""
        # The kernels of the released weights are (frames, mel). Between blocks the two views cancel: nothing is copied.
        hidden_states = hidden_states.transpose(2, 3)
        hidden_states = functional.relu(self.norm1(self.conv1(hidden_states)))
        hidden_states = functional.relu(self.norm2(self.conv2(hidden_states)))
        return self.pool(hidden_states).transpose(2, 3)


class CNN14PreTrainedModel(SafetensorsModel):
    """Weight initialisation and capabilities of CNN14."""

    base_model_prefix = "cnn14"
    _no_split_modules = ["CNN14Block"]  # noqa: RUF012
    _can_record_outputs = {  # noqa: RUF012
        "hidden_states": OutputRecorder(CNN14Block, capture_initial_hidden_state=False)
    }

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """The released initialisation; `init` leaves loaded weights alone."""
        if isinstance(module, nn.Conv2d | nn.Linear):
            init.xavier_uniform_(module.weight)
            if module.bias is not None:
                init.zeros_(module.bias)
        else:
            super()._init_weights(module)


class CNN14Model(CNN14PreTrainedModel):
    """CNN14 up to its embedding.

    Its input are log-mels in decibels as they are, 10 log10 of the mel power, for a batch norm over the mel bands is
    part of the network. The released weights expect 32 kHz mono, a window of 1024 samples every 320, and 64 bands from
    50 to 14000 Hz. The embedding follows a ReLU: it is never negative and mostly zero.

    Example:
        >>> import torch
        >>> from avzoo.models.configuration_cnn14 import CNN14Config
        >>> model = CNN14Model(CNN14Config(block_channels=[4, 8], hidden_size=16)).eval()
        >>> model(torch.zeros(1, 1, 64, 100)).pooler_output.shape
        torch.Size([1, 16])
    """

    config: CNN14Config
    config_class = CNN14Config
    main_input_name = "input_features"
    input_modalities = "audio"

    def __init__(self, config: CNN14Config) -> None:
        super().__init__(config)
        widths = config.block_channels
        self.input_norm = nn.BatchNorm2d(config.num_mel_bins, eps=config.batch_norm_eps)
        self.blocks = nn.ModuleList(
            CNN14Block(before, after, config.batch_norm_eps, pool=index < len(widths) - 1)
            for index, (before, after) in enumerate(zip([1, *widths[:-1]], widths, strict=True))
        )
        self.block_dropout = nn.Dropout(config.block_dropout)
        self.pooled_dropout = nn.Dropout(config.pooled_dropout)
        self.projection = nn.Linear(widths[-1], config.hidden_size)
        self.post_init()

    @capture_outputs(tie_last_hidden_states=False)  # type: ignore[untyped-decorator]
    def forward(self, input_features: torch.Tensor, **kwargs: Any) -> BaseModelOutputWithPooling:
        """Encodes spectrograms.

        Args:
            input_features: Log-mels in decibels `(B, 1, mel, frames)`; any number of frames from 32 on (for six
                blocks).
            kwargs: `output_hidden_states` and `return_dict`, as in transformers.

        Returns:
            `last_hidden_state`: final feature map `(B, C, mel, frames)`; `pooler_output`: the embedding `(B, D)`, never
            negative; `hidden_states`: the feature map after each block.

        Raises:
            ValueError: The mel bands are not the native ones, or the frames are too few.
        """
        mel, downsampling = self.config.num_mel_bins, self.config.downsampling
        if input_features.ndim != 4 or input_features.shape[1:3] != (1, mel):
            raise ValueError(f"expected log-mels (B, 1, {mel}, frames), got {tuple(input_features.shape)}")
        if input_features.shape[3] < downsampling:
            raise ValueError(f"expected at least {downsampling} frames, got {input_features.shape[3]}")
        hidden_states = input_features.to(self.projection.weight.dtype)
        hidden_states = self.input_norm(hidden_states.transpose(1, 2)).transpose(1, 2)
        for block in self.blocks:
            hidden_states = self.block_dropout(block(hidden_states))
        frames = hidden_states.mean(dim=2)
        pooled = self.pooled_dropout(frames.amax(dim=-1) + frames.mean(dim=-1))
        # In training the released code also drops half of the embedding that it hands out, not of the one that its own
        # classifier sees; a head that wants dropout brings it.
        embedding = functional.relu(self.projection(pooled))
        return BaseModelOutputWithPooling(last_hidden_state=hidden_states, pooler_output=embedding)


class CNN14ForAudioClassification(AudioClassifier, CNN14PreTrainedModel):
    """CNN14 with a linear classifier; with `num_labels=527` and a sigmoid on the logits, the released tagger."""

    config_class = CNN14Config
    encoder_class = CNN14Model
