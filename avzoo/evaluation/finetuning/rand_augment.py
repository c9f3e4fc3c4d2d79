"""RandAugment (arXiv 1909.13719) on clips: some operations drawn for a clip, each alike in all of its frames.

The operations, their strengths and how policies are written are those of timm, with which the papers finetuned; the
pixels are those of torchvision, which follow PIL's.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as F

from avzoo.data.draws import chance, integer

_FILL = [128.0, 128.0, 128.0]
_HIGHEST = 10.0  # magnitude
_SETTING = re.compile(r"(mstd|mmax|inc|m|n|p)(\d+(?:\.\d+)?)")


@dataclass(frozen=True)
class RandAugmentPolicy:
    """What is drawn.

    Attributes:
        magnitude: Mean strength, in [0, 10].
        deviation: Standard deviation of the strength, which is drawn for each operation.
        count: Operations per clip, drawn with replacement.
        probability: Probability that a drawn operation is applied.
    """

    magnitude: float = 10.0
    deviation: float = 0.0
    count: int = 2
    probability: float = 0.5

    @classmethod
    def parse(cls, text: str) -> Self:
        """A policy from what timm writes, for example ``rand-m7-n4-mstd0.5-inc1``.

        Only the set of operations that grow stronger with the magnitude (``inc1``) is there, which is what the papers
        used.

        Raises:
            ValueError: The text is no such policy.
        """
        kind, *parts = text.split("-")
        found = [_SETTING.fullmatch(part) for part in parts]
        values = {match[1]: float(match[2]) for match in found if match}
        if kind != "rand" or len(values) != len(parts) or "mmax" in values or values.get("inc") != 1:
            raise ValueError(f"{text!r} is no RandAugment policy; one is rand-m7-n4-mstd0.5-inc1, with inc1 always")
        magnitude, probability = values.get("m", _HIGHEST), values.get("p", 0.5)
        if magnitude > _HIGHEST or probability > 1:
            raise ValueError(f"{text!r}: m is at most 10 and p at most 1")
        return cls(magnitude, values.get("mstd", 0.0), int(values.get("n", 2)), probability)


def _warped(frames: Tensor, shear: Sequence[float] = (0.0, 0.0), translate: Sequence[float] = (0.0, 0.0)) -> Tensor:
    # Around the upper left corner, as PIL transforms.
    degrees = [math.degrees(math.atan(part)) for part in shear]
    return F.affine(frames, 0.0, list(translate), 1.0, degrees, InterpolationMode.BILINEAR, _FILL, [0.0, 0.0])


def _posterized(frames: Tensor, level: float) -> Tensor:
    return frames & (0xFF << (4 + int(level * 4)) & 0xFF)


def _solarized(frames: Tensor, level: float) -> Tensor:
    threshold = 256 - min(256, int(level * 256))
    return torch.where(frames.to(torch.int16) < threshold, frames, 255 - frames)  # 256 is no uint8


def _brightened(frames: Tensor, level: float) -> Tensor:
    added = torch.clamp(frames.to(torch.int16) + min(128, int(level * 110)), max=255).to(torch.uint8)
    return torch.where(frames < 128, added, frames)


def _factor(level: float) -> float:
    return max(0.1, 1.0 + level * 0.9)


#: What each operation makes of frames uint8 ``(T, 3, H, W)`` at a level in [-1, 1].
OPERATIONS: dict[str, Callable[[Tensor, float], Tensor]] = {
    "auto contrast": lambda frames, level: F.autocontrast(frames),
    "equalize": lambda frames, level: F.equalize(frames),
    "invert": lambda frames, level: 255 - frames,
    "rotate": lambda frames, level: F.rotate(frames, level * 30, InterpolationMode.BILINEAR, fill=_FILL),
    "posterize": _posterized,
    "solarize": _solarized,
    "solarize add": _brightened,
    "color": lambda frames, level: F.adjust_saturation(frames, _factor(level)),
    "contrast": lambda frames, level: F.adjust_contrast(frames, _factor(level)),
    "brightness": lambda frames, level: F.adjust_brightness(frames, _factor(level)),
    "sharpness": lambda frames, level: F.adjust_sharpness(frames, _factor(level)),
    "shear x": lambda frames, level: _warped(frames, shear=(level * 0.3, 0.0)),
    "shear y": lambda frames, level: _warped(frames, shear=(0.0, level * 0.3)),
    "translate x": lambda frames, level: _warped(frames, translate=(-level * 0.45 * frames.shape[-1], 0.0)),
    "translate y": lambda frames, level: _warped(frames, translate=(0.0, -level * 0.45 * frames.shape[-2])),
}
_NAMES = tuple(OPERATIONS)
# The others change in one direction only.
_SIGNED = frozenset(_NAMES) - {"auto contrast", "equalize", "invert", "posterize", "solarize", "solarize add"}


def rand_augment(frames: Tensor, policy: RandAugmentPolicy, generator: torch.Generator) -> Tensor:
    """Applies drawn operations to a clip, one after the other.

    Args:
        frames: uint8 ``(T, 3, H, W)``, RGB.
        policy: What is drawn.
        generator: Source of randomness.

    Returns:
        uint8 ``(T, 3, H, W)``; what has come from outside the frames is grey.
    """
    for _ in range(policy.count):
        name = _NAMES[integer(0, len(_NAMES) - 1, generator)]
        applied = chance(policy.probability, generator)
        magnitude = policy.magnitude + policy.deviation * torch.randn((), generator=generator).item()
        negative = chance(0.5, generator) and name in _SIGNED
        if applied:
            level = min(max(magnitude, 0.0), _HIGHEST) / _HIGHEST
            frames = OPERATIONS[name](frames, -level if negative else level)
    return frames
