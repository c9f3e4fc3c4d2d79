"""The decoder of a masked autoencoder."""

from __future__ import annotations

import torch
from torch import nn
from transformers import initialization as init

from avzoo.models.vit import ViTLayer
from avzoo.pretraining.configuration_masked_decoder import MaskedDecoderConfig


class MaskedDecoder(nn.Module):
    """Fills the removed patches with a learned token, adds positions and predicts every patch; no final norm.

    Args:
        config: Size of the decoder.
        encoder_size: Width of the encoder's tokens.
        num_patches: Native patches N.
        patch_dim: Values of one patch.
    """

    def __init__(self, config: MaskedDecoderConfig, encoder_size: int, num_patches: int, patch_dim: int) -> None:
        super().__init__()
        self.config = config
        same = encoder_size == config.hidden_size
        self.input_projection = nn.Identity() if same else nn.Linear(encoder_size, config.hidden_size)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, config.hidden_size))
        self.position_embeddings = nn.Parameter(torch.zeros(1, 1 + num_patches, config.hidden_size))
        self.layers = nn.ModuleList([ViTLayer(config) for _ in range(config.num_hidden_layers)])
        self.output_projection = nn.Linear(config.hidden_size, patch_dim)

    def forward(self, latent: torch.Tensor, restore_indices: torch.Tensor) -> torch.Tensor:
        """Predicts all patches.

        Args:
            latent: Encoder tokens, class token first, then the visible patches `(B, 1 + K, D)`.
            restore_indices: Position of every patch in [visible, removed] `(B, N)`.

        Returns:
            `(B, N, patch_dim)` in natural order.
        """
        tokens = self.input_projection(latent)
        batch, visible, width = tokens.shape
        removed = restore_indices.shape[1] - (visible - 1)
        patches = torch.cat([tokens[:, 1:], self.mask_token.to(tokens.dtype).expand(batch, removed, -1)], dim=1)
        patches = patches.gather(1, restore_indices.unsqueeze(-1).expand(-1, -1, width))
        hidden_states = torch.cat([tokens[:, :1], patches], dim=1) + self.position_embeddings
        for layer in self.layers:
            hidden_states = layer(hidden_states)
        return self.output_projection(hidden_states)[:, 1:]

    def reset_parameters(self) -> None:
        """Official initialisation of what is not a layer: mask token normal, positions truncated normal."""
        init.normal_(self.mask_token, std=self.config.initializer_range)
        init.trunc_normal_(self.position_embeddings, std=self.config.initializer_range)
