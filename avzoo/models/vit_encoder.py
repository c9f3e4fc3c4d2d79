"""Transformer encoders over patches: what the zoo's ViTs share, and the video encoder that several families are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import nn
from transformers import initialization as init
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.utils.output_capturing import capture_outputs

from .configuration_vit import VideoViTConfig, ViTEncoderConfig
from .patches import interpolate_positions, patchify_video
from .safetensors_only import SafetensorsModel
from .vit import ViTAttention, ViTLayer


@dataclass
class ViTEncoderOutput(BaseModelOutputWithPooling):
    """Output of one encoder.

    Attributes:
        last_hidden_state: Tokens after the final norm `(B, 1 + N, D)`, class token first.
        pooler_output: The feature `(B, D)`, the mean over the patch tokens unless the configuration says otherwise.
        hidden_states: With `output_hidden_states`, the input of each layer and the output of the last.
        attentions: With `output_attentions`, the weights of each layer `(B, heads, 1 + N, 1 + N)`.
        cls_attention: With `output_cls_attention`, the last layer's weights of the class token `(B, heads, 1 + N)`.
    """

    cls_attention: torch.Tensor | None = None


class ViTEmbeddings(nn.Module):
    """Patch projection, class token and learned positions."""

    def __init__(self, config: ViTEncoderConfig) -> None:
        super().__init__()
        tokens = 1
        for size in config.grid_size:
            tokens *= size
        self.projection = nn.Linear(config.patch_dim, config.hidden_size)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, config.hidden_size))
        self.position_embeddings = nn.Parameter(torch.zeros(1, 1 + tokens, config.hidden_size))

    def forward(
        self, patches: torch.Tensor, positions: torch.Tensor, keep_indices: torch.Tensor | None
    ) -> torch.Tensor:
        """Embeds patches.

        Args:
            patches: Flattened patches `(B, N, patch_dim)`.
            positions: Position table of this grid `(1, 1 + N, D)`.
            keep_indices: Patches to keep, in the order to keep them `(B, K)`; `None` keeps all.

        Returns:
            `(B, 1 + K, D)`, class token first.
        """
        dtype = self.projection.weight.dtype
        positions = positions.to(dtype)
        patch_positions = positions[:, 1:]
        if keep_indices is not None:
            # Dropping patches before they are projected saves the projection of most of them.
            patches = _select(patches, keep_indices)
            patch_positions = _select(patch_positions.expand(len(patches), -1, -1), keep_indices)
        tokens = self.projection(patches.to(dtype)) + patch_positions
        cls_token = (self.cls_token + positions[:, :1]).to(tokens.dtype).expand(tokens.shape[0], -1, -1)
        return torch.cat([cls_token, tokens], dim=1)


def _select(tokens: torch.Tensor, indices: torch.Tensor) -> torch.Tensor:
    """Tokens `(B, N, C)` at indices `(B, K)`: `(B, K, C)`."""
    return tokens.gather(1, indices.unsqueeze(-1).expand(-1, -1, tokens.shape[-1]))


class ViTPreTrainedModel(SafetensorsModel):
    """Weight initialisation and capabilities shared by all ViTs of the zoo."""

    supports_gradient_checkpointing = True
    _no_split_modules = ["ViTEmbeddings", "ViTLayer"]  # noqa: RUF012
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _supports_attention_backend = True
    _can_record_outputs = {"hidden_states": ViTLayer, "attentions": ViTAttention}  # noqa: RUF012

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """Official initialisation; `init` leaves loaded weights alone."""
        if isinstance(module, nn.Linear):
            init.xavier_uniform_(module.weight)
            if module.bias is not None:
                init.zeros_(module.bias)
        elif isinstance(module, nn.LayerNorm):
            init.ones_(module.weight)
            init.zeros_(module.bias)
        elif isinstance(module, ViTEmbeddings):
            init.normal_(module.cls_token, std=self.config.initializer_range)
            init.trunc_normal_(module.position_embeddings, std=self.config.initializer_range)


class ViTEncoder(ViTPreTrainedModel):
    """What an encoder does once its input is cut into patches."""

    def __init__(self, config: ViTEncoderConfig) -> None:
        super().__init__(config)
        self.embeddings = ViTEmbeddings(config)
        self.layers = nn.ModuleList([ViTLayer(config) for _ in range(config.num_hidden_layers)])
        self.layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        """The patch projection."""
        return self.embeddings.projection

    def _pool(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """The feature `(B, D)` of the final tokens `(B, 1 + N, D)`."""
        return hidden_states[:, 1:].mean(dim=1)

    def encode_tokens(self, hidden_states: torch.Tensor, output_cls_attention: bool = False) -> ViTEncoderOutput:
        """What follows the embeddings: layers, final norm and pooling.

        Args:
            hidden_states: Embedded tokens `(B, 1 + N, D)`, class token first.
            output_cls_attention: Also return the last layer's attention of the class token.
        """
        for layer in self.layers[:-1]:
            hidden_states = layer(hidden_states)
        last = cast(ViTLayer, self.layers[-1])
        cls_attention = last.cls_attention(hidden_states) if output_cls_attention else None
        hidden_states = self.layernorm(last(hidden_states))
        return ViTEncoderOutput(
            last_hidden_state=hidden_states,
            pooler_output=self._pool(hidden_states),
            cls_attention=cls_attention,
        )


class VideoViT(ViTEncoder):
    """A ViT over cuboids of video, the encoder of every family that names it."""

    config: VideoViTConfig
    main_input_name = "pixel_values_videos"
    input_modalities = "video"

    def position_embeddings(self, frames: int, height: int, width: int) -> torch.Tensor:
        """Position table for clips of this size `(1, 1 + N, D)`, interpolated unless the size is the native one.

        As in the original code the table is used as it is where the number of patches is the native one and the
        frames are square; otherwise it is resampled (trilinear).
        """
        config = self.config
        native = config.grid_size
        wanted = (frames // config.tubelet_size, height // config.patch_size, width // config.patch_size)
        table = self.embeddings.position_embeddings
        if wanted[0] * wanted[1] * wanted[2] == table.shape[1] - 1 and height == width:
            return table
        return interpolate_positions(table, native, wanted, mode="trilinear")

    @capture_outputs(tie_last_hidden_states=False)  # type: ignore[untyped-decorator]
    def forward(
        self,
        pixel_values_videos: torch.Tensor,
        keep_indices: torch.Tensor | None = None,
        output_cls_attention: bool = False,
        **kwargs: Any,
    ) -> ViTEncoderOutput:
        """Encodes clips.

        Args:
            pixel_values_videos: Normalised RGB clips `(B, T, C, H, W)`; any multiple of the patch.
            keep_indices: Patches to encode, in this order `(B, K)`; `None` encodes all (masked autoencoding passes
                the visible ones).
            output_cls_attention: Also return the last layer's attention of the class token.
            kwargs: `output_attentions`, `output_hidden_states` and `return_dict`, as in transformers.

        Raises:
            ValueError: The size is not a multiple of the patch.
        """
        return self.encode_tokens(self.embed(pixel_values_videos, keep_indices), output_cls_attention)

    def embed(self, pixel_values_videos: torch.Tensor, keep_indices: torch.Tensor | None = None) -> torch.Tensor:
        """Cuts clips into patches and embeds them, the first half of `forward`; `encode_tokens` is the second.

        Args:
            pixel_values_videos: As in `forward`.
            keep_indices: As in `forward`.

        Returns:
            `(B, 1 + N, D)`, class token first.

        Raises:
            ValueError: The size is not a multiple of the patch.
        """
        patches = patchify_video(pixel_values_videos, self.config.tubelet_size, self.config.patch_size)
        frames, height, width = (pixel_values_videos.shape[axis] for axis in (1, 3, 4))
        return self.embeddings(patches, self.position_embeddings(frames, height, width), keep_indices)
