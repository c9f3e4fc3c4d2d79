"""The pre-norm transformer layer of the zoo's ViTs."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import nn
from transformers.activations import ACT2FN
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS


class ViTConfig(Protocol):
    """The fields of a configuration that a layer reads."""

    hidden_size: int
    num_attention_heads: int
    intermediate_size: int
    layer_norm_eps: float
    hidden_act: str
    qkv_bias: bool
    _attn_implementation: str


def eager_attention(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float,
    dropout: float = 0.0,
    **kwargs: Any,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Attention with explicit weights.

    Args:
        module: The calling module (part of the interface; not used).
        query: Queries `(B, heads, N, d)`.
        key: Keys `(B, heads, M, d)`.
        value: Values `(B, heads, M, d)`.
        attention_mask: Part of the interface; the zoo's ViTs attend everywhere and pass `None`.
        scaling: Factor on the scores.
        dropout: Part of the interface; the zoo's ViTs have none.
        kwargs: Part of the interface.

    Returns:
        The attended values `(B, N, heads, d)` and the weights `(B, heads, N, M)`.
    """
    weights = torch.softmax(query @ key.transpose(-1, -2) * scaling, dim=-1)
    return (weights @ value).transpose(1, 2).contiguous(), weights


class ViTAttention(nn.Module):
    """Multi-head self-attention with one projection for queries, keys and values."""

    def __init__(self, config: ViTConfig) -> None:
        super().__init__()
        self.config = config
        self.num_heads = config.num_attention_heads
        self.head_dim = config.hidden_size // config.num_attention_heads
        self.scaling = self.head_dim**-0.5
        self.is_causal = False
        self.qkv = nn.Linear(config.hidden_size, 3 * config.hidden_size, bias=config.qkv_bias)
        self.output = nn.Linear(config.hidden_size, config.hidden_size)

    def _split_heads(self, projected: torch.Tensor) -> tuple[torch.Tensor, ...]:
        batch, tokens, _ = projected.shape
        return projected.view(batch, tokens, -1, self.num_heads, self.head_dim).permute(2, 0, 3, 1, 4).unbind(0)

    def forward(self, hidden_states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Attends `(B, N, D)` to itself; returns it and, with `eager` attention, the weights `(B, heads, N, N)`."""
        query, key, value = self._split_heads(self.qkv(hidden_states))
        attend = ALL_ATTENTION_FUNCTIONS.get_interface(self.config._attn_implementation, eager_attention)
        attended, weights = attend(
            self, query, key, value, None, scaling=self.scaling, dropout=0.0, is_causal=self.is_causal
        )
        return self.output(attended.flatten(2)), weights

    def cls_attention(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """Attention weights of the class token alone, without the `(N, N)` map.

        Args:
            hidden_states: Input of this module `(B, N, D)`, class token first.

        Returns:
            Weights `(B, heads, N)` that sum to one over the tokens.
        """
        width = hidden_states.shape[-1]
        weight, bias = self.qkv.weight, self.qkv.bias
        (query,) = self._split_heads(
            nn.functional.linear(hidden_states[:, :1], weight[:width], None if bias is None else bias[:width])
        )
        keys = slice(width, 2 * width)
        (key,) = self._split_heads(
            nn.functional.linear(hidden_states, weight[keys], None if bias is None else bias[keys])
        )
        return torch.softmax(query @ key.transpose(-1, -2) * self.scaling, dim=-1).squeeze(2)


class ViTMLP(nn.Module):
    """Two linear layers with an activation between them."""

    def __init__(self, config: ViTConfig) -> None:
        super().__init__()
        self.fc1 = nn.Linear(config.hidden_size, config.intermediate_size)
        self.activation = ACT2FN[config.hidden_act]
        self.fc2 = nn.Linear(config.intermediate_size, config.hidden_size)

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """Maps `(B, N, D)` to `(B, N, D)`."""
        return self.fc2(self.activation(self.fc1(hidden_states)))


class ViTLayer(GradientCheckpointingLayer):
    """Attention and MLP, each on normalised input and added to it."""

    def __init__(self, config: ViTConfig) -> None:
        super().__init__()
        self.layernorm_before = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.attention = ViTAttention(config)
        self.layernorm_after = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.mlp = ViTMLP(config)

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """Maps `(B, N, D)` to `(B, N, D)`."""
        hidden_states = hidden_states + self.attention(self.layernorm_before(hidden_states))[0]
        return hidden_states + self.mlp(self.layernorm_after(hidden_states))

    def cls_attention(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """Attention weights `(B, heads, N)` of the class token in this layer, from the layer's input."""
        return self.attention.cls_attention(self.layernorm_before(hidden_states))
