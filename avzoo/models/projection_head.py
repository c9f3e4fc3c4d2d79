"""The projector of XKD, from an encoder's feature to the space in which modalities agree."""

from __future__ import annotations

import torch
from torch import nn
from transformers import initialization as init


class WeightNormLinear(nn.Module):
    """Linear layer without bias whose rows have a direction that is learned and a gain that is fixed at one."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        # A buffer and not a frozen parameter: loading a checkpoint makes every parameter trainable again.
        self.register_buffer("weight_g", torch.ones(out_features, 1))
        self.weight_v = nn.Parameter(torch.ones(out_features, in_features))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Maps `(B, in)` to `(B, out)`."""
        weight = self.weight_v * (self.weight_g / self.weight_v.norm(dim=1, keepdim=True))
        return nn.functional.linear(features, weight)

    def reset_projection(self) -> None:
        """Directions as a default `nn.Linear`, gains one."""
        bound = self.weight_v.shape[1] ** -0.5
        init.uniform_(self.weight_v, -bound, bound)
        init.ones_(self.get_buffer("weight_g"))


class ProjectionLinear(nn.Linear):
    """Linear layer of a projector; a class of its own because it is initialised unlike the encoder's."""

    def reset_projection(self) -> None:
        """Official initialisation: weights truncated normal with standard deviation 0.02, biases zero."""
        init.trunc_normal_(self.weight, std=0.02)
        init.zeros_(self.bias)


class ProjectionHead(nn.Module):
    """Three linear layers, L2 normalisation, a weight-normed layer and a normalisation without gain.

    The official preset `2048-gelu-3-256-8192-norm3`. Both hidden layers are normalised by *one* layer norm, since the
    original code registers one module object twice; its gradients and averages are those of a single module.

    Args:
        in_features: Width of the encoder, D.
        hidden_size: Width of the two hidden layers.
        bottleneck_size: Width before the last layer.
        out_features: Outputs P.
        layer_norm_eps: Of every normalisation.
    """

    def __init__(
        self, in_features: int, hidden_size: int, bottleneck_size: int, out_features: int, layer_norm_eps: float
    ) -> None:
        super().__init__()
        self.fc1 = ProjectionLinear(in_features, hidden_size)
        self.fc2 = ProjectionLinear(hidden_size, hidden_size)
        self.fc3 = ProjectionLinear(hidden_size, bottleneck_size)
        self.norm = nn.LayerNorm(hidden_size, eps=layer_norm_eps)
        self.last_layer = WeightNormLinear(bottleneck_size, out_features)
        self.layer_norm_eps = layer_norm_eps

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Maps features `(B, D)` to projections `(B, P)` of zero mean and unit variance each."""
        hidden = nn.functional.gelu(self.norm(self.fc1(features)))
        hidden = nn.functional.gelu(self.norm(self.fc2(hidden)))
        projections = self.last_layer(nn.functional.normalize(self.fc3(hidden), dim=-1))
        return nn.functional.layer_norm(projections, projections.shape[-1:], eps=self.layer_norm_eps)
