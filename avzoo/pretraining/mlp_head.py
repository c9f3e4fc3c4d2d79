"""Projectors and predictors of the joint-embedding methods: linear layers with batch norm between them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from torch import nn
from transformers import initialization as init


class HeadLinear(nn.Linear):
    """Linear layer of a head; a class of its own because it is initialised unlike an encoder's."""

    def reset_head(self) -> None:
        """PyTorch's own initialisation of linear layers, by the generator that transformers uses."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = self.in_features**-0.5
            init.uniform_(self.bias, -bound, bound)


class MLPHead(nn.Sequential):
    """Linear layers `(B, sizes[0])` to `(B, sizes[-1])`, each but the last followed by batch norm and ReLU.

    Args:
        sizes: Width of the input, of every hidden layer and of the output.
        last_norm: Whether an affine batch norm follows the last layer too.
    """

    def __init__(self, sizes: Sequence[int], last_norm: bool = False) -> None:
        layers = []
        for index, (inputs, outputs) in enumerate(itertools.pairwise(sizes)):
            last = index == len(sizes) - 2
            norm = [nn.BatchNorm1d(outputs)] if last_norm or not last else []
            activation = [] if last else [nn.ReLU(inplace=True)]
            layers.append(nn.Sequential(HeadLinear(inputs, outputs), *norm, *activation))
        super().__init__(*layers)
