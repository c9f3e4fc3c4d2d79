"""The projector of DINO."""

from __future__ import annotations

import torch
from torch import nn

from avzoo.models.projection_head import ProjectionLinear, WeightNormLinear


class DINOHead(nn.Module):
    """Three linear layers, L2 normalisation and a weight-normed layer onto the prototypes; no other normalisation.

    Args:
        in_features: Width of the encoder, D.
        hidden_size: Width of the two hidden layers.
        bottleneck_size: Width before the last layer.
        out_features: Prototypes P.
    """

    def __init__(self, in_features: int, hidden_size: int, bottleneck_size: int, out_features: int) -> None:
        super().__init__()
        self.fc1 = ProjectionLinear(in_features, hidden_size)
        self.fc2 = ProjectionLinear(hidden_size, hidden_size)
        self.fc3 = ProjectionLinear(hidden_size, bottleneck_size)
        self.last_layer = WeightNormLinear(bottleneck_size, out_features)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Maps features `(n, D)` to similarities with the prototypes `(n, P)`."""
        hidden = nn.functional.gelu(self.fc1(features))
        hidden = nn.functional.gelu(self.fc2(hidden))
        return self.last_layer(nn.functional.normalize(self.fc3(hidden), dim=-1))
