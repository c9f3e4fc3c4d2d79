"""How well a video fits a class that is told by its name: the scorer of the zero-shot protocol."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize


class TextEncoder(nn.Module):
    """Meaning of a class to its place beside videos, at unit length: two layers.

    Args:
        embedding: Width of the word vectors.
        hidden: Width of the hidden layer.
        output: Width of what comes out.
    """

    def __init__(self, embedding: int = 300, hidden: int = 1024, output: int = 768) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(embedding, hidden), nn.ReLU(), nn.Linear(hidden, output))

    def forward(self, classes: Tensor) -> Tensor:
        """Embeddings of classes, ``(K, E)``, to ``(K, output)``."""
        return normalize(self.layers(classes), dim=-1)


class ZeroShotScorer(nn.Module):
    """Scores every pair of a video and a class: both are brought into one space, multiplied, and judged.

    The model of the released code of OOD-VSSL without its video encoder, under the same names.

    Args:
        features: Width of the features of videos.
        embedding: Width of the word vectors.
        text: Width of what the text encoder gives.
        joint: Width of the common space.
        hidden: Width of the hidden layer of the judge.
        dropout: Dropout there.
    """

    def __init__(
        self,
        features: int = 768,
        embedding: int = 300,
        text: int = 768,
        joint: int = 1024,
        hidden: int = 512,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.text_encoder = TextEncoder(embedding, joint, text)
        self.v_to_joint = nn.Linear(features, joint)
        self.t_to_joint = nn.Linear(text, joint)
        self.classifier = nn.Sequential(nn.Linear(joint, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, 1))

    def forward(self, features: Tensor, classes: Tensor) -> Tensor:
        """Scores, softmax of which over the classes are probabilities.

        Args:
            features: Of videos, ``(B, D)``.
            classes: Embeddings of classes, at unit length, ``(K, E)``.

        Returns:
            ``(B, K)``. Memory grows with ``B * K`` times the width of the common space.
        """
        video = normalize(self.v_to_joint(features), dim=-1)
        text = normalize(self.t_to_joint(self.text_encoder(classes)), dim=-1)
        scores: Tensor = self.classifier(video[:, None] * text[None]).squeeze(-1)
        return scores


@torch.no_grad()
def zero_shot_scores(scorer: ZeroShotScorer, features: Tensor, classes: Tensor, pairs: int = 1 << 16) -> Tensor:
    """Scores of many features, on the CPU, ``(N, K)``; at most some ``pairs`` of video and class at once."""
    device = next(scorer.parameters()).device
    classes = classes.to(device)
    rows = max(1, pairs // len(classes))
    return torch.cat([scorer(part.to(device), classes).float().cpu() for part in features.split(rows)])
