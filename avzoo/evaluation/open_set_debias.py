"""The debias head of DEAR: what a scene shows without motion shall not be what evidence rests on.

Bao et al. (2021); the head of the released code of OOD-VSSL, which no released configuration switches on. It learns
beside the evidential head and reaches nothing but the encoder, so that it has a meaning only where the encoder learns.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn

from avzoo.models.classification import EncoderForClassification
from avzoo.pretraining.probe import evaluating

from .arrays import EvaluationError
from .evidential import RELEASED, evidence
from .finetuning import Loss, Objective, Step

_FEWEST_FOR_DEPENDENCE = 4
_REPEATS = 4  # of a single frame: the frames of one tubelet


def gaussian_kernel(features: Tensor) -> Tensor:
    """Kernel ``exp(-||a - b||^2 / (2 D))`` between all rows of ``(N, D)``, ``(N, N)``."""
    return torch.exp(
        torch.cdist(features, features, compute_mode="donot_use_mm_for_euclid_dist").square() / -(2 * features.shape[1])
    )


def dependence(first: Tensor, second: Tensor, unbiased: bool = False) -> Tensor:
    """Hilbert-Schmidt independence criterion of two sets of features of the same items, 0 for independent ones.

    Args:
        first: ``(N, D)``.
        second: ``(N, E)``.
        unbiased: Whether to take the unbiased estimate (Song et al., 2012), which may be negative, in place of the
            biased one, in which DEAR centres each kernel over one axis.

    Returns:
        A scalar; 0 with fewer than 4 items.
    """
    count = len(first)
    if count < _FEWEST_FOR_DEPENDENCE:
        return first.new_zeros(())
    one, other = gaussian_kernel(first), gaussian_kernel(second)
    if not unbiased:
        one, other = one - one.mean(0, keepdim=True), other - other.mean(0, keepdim=True)
        return torch.trace(one @ other) / (count - 1) ** 2
    one, other = (kernel - torch.diag(torch.diag(kernel)) for kernel in (one, other))
    product = one @ other
    total = torch.trace(product) + one.sum() * other.sum() / ((count - 1) * (count - 2))
    return (total - 2 * product.sum() / (count - 2)) / (count * (count - 3))


def shuffled_frames(frames: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """The clips with their frames in one random order, all alike; ``(B, T, C, H, W)``."""
    return frames[:, torch.randperm(frames.shape[1], generator=generator).to(frames.device)]


def single_frames(frames: Tensor) -> Tensor:
    """Every frame of clips as a still clip: ``(B, T, C, H, W)`` gives ``(B * T, 4, C, H, W)``."""
    return frames.flatten(0, 1)[:, None].expand(-1, _REPEATS, -1, -1, -1)


class DebiasHead(nn.Module):
    """Three classifiers of a clip, of the clip with its frames shuffled, and of its single frames.

    Args:
        features: Width ``D`` of what the encoder gives.
        classes: Number of known classes.
        hidden: Width of the two hidden layers of each classifier.
        weight: Factor of all its losses.
    """

    def __init__(self, features: int, classes: int, hidden: int = 512, weight: float = 0.1) -> None:
        super().__init__()
        self.weight = weight
        self.clip, self.shuffled, self.still = (_classifier(features, hidden, classes) for _ in range(3))

    def forward(self, clip: Tensor, shuffled: Tensor, still: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """The losses of the head, to be added to the others.

        Args:
            clip: Features of clips, ``(B, D)``; only these carry gradients to the encoder.
            shuffled: Of the same clips with shuffled frames, ``(B, D)``.
            still: Of their single frames, averaged over the frames, ``(B, D)``.
            labels: Classes, int64 ``(B,)``.

        Returns:
            ``clip``, ``shuffled`` and ``still``, the evidential losses of the three classifiers, and ``shuffled
            dependence`` and ``still dependence``, minus how the evidence of the first depends on that of the other;
            scalars. The sign is that of the released code.
        """
        scores = {
            "clip": self.clip(clip),
            "shuffled": self.shuffled(shuffled.detach()),
            "still": self.still(still.detach()),
        }
        losses = {name: RELEASED(values, labels, 0, 1)["class"] for name, values in scores.items()}
        alphas = {name: evidence(values) + 1 for name, values in scores.items()}
        for name in ("shuffled", "still"):
            losses[f"{name} dependence"] = -dependence(alphas["clip"], alphas[name])
        return {name: self.weight * loss for name, loss in losses.items()}


class Debiased(Objective):
    """A loss of a finetuning run of video, with the debias head on top.

    The encoder sees clips with shuffled frames and single frames in evaluation mode: they teach it nothing, and leave
    no trace in the statistics of batch norms.

    Args:
        loss: The loss.
    """

    def __init__(self, loss: Loss) -> None:
        super().__init__()
        self.loss = loss

    def prepare(self, classifier: EncoderForClassification) -> None:
        """Makes the head."""
        self.head = DebiasHead(classifier.config.hidden_size, cast(int, classifier.num_labels))

    def forward(self, step: Step) -> Mapping[str, Tensor]:
        """The terms of the loss, and ``debias_...``, those of the head.

        Raises:
            EvaluationError: The batch is a single clip.
        """
        if len(step.inputs) < 2:
            raise EvaluationError("the debias head normalises over the clips of a batch: take two at once, at least")
        encoder = step.classifier.base_model
        with torch.no_grad(), evaluating(encoder):
            shuffled = _features(encoder, shuffled_frames(step.inputs))
            # As many at once as there are clips, so that a batch that can be trained on fits here as well.
            parts = [_features(encoder, part) for part in single_frames(step.inputs).split(len(step.inputs))]
            still = torch.cat(parts).unflatten(0, step.inputs.shape[:2]).mean(1)
        with torch.autocast(step.inputs.device.type, enabled=False):
            losses = self.head(step.features.float(), shuffled, still, step.targets.argmax(1))
        terms = {f"debias_{name.replace(' ', '_')}": value for name, value in losses.items()}
        return {**self.loss(step.logits, step.targets, step.progress), **terms}


def _features(encoder: nn.Module, clips: Tensor) -> Tensor:
    features: Tensor = encoder(clips, return_dict=True).pooler_output
    return features.float()


def _classifier(features: int, hidden: int, classes: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(features, hidden),
        nn.BatchNorm1d(hidden),
        nn.ReLU(),
        nn.Linear(hidden, hidden),
        nn.BatchNorm1d(hidden),
        nn.ReLU(),
        nn.Linear(hidden, classes),
    )
