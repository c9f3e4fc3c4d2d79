"""Random erasing (arXiv 1708.04896): a random box of a clip becomes noise."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from avzoo.data.augment_video import Box
from avzoo.data.draws import integer, uniform

_AREA = (0.02, 1 / 3)  # of the frame
_LOG_ASPECT = math.log(0.3)
_TRIES = 10


def draw_erased_box(height: int, width: int, generator: torch.Generator) -> Box | None:
    """Draws the box: 2 % to a third of the frame, height / width log-uniform in [0.3, 1 / 0.3], as in timm.

    Args:
        height: Height of the frames in pixels.
        width: Width of the frames in pixels.
        generator: Source of randomness.

    Returns:
        The box; None where ten draws gave none that is smaller than the frame both ways.
    """
    for _ in range(_TRIES):
        area = uniform(*_AREA, generator) * height * width
        aspect = math.exp(uniform(_LOG_ASPECT, -_LOG_ASPECT, generator))
        rows, columns = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if rows < height and columns < width:
            return Box(integer(0, height - rows, generator), integer(0, width - columns, generator), rows, columns)
    return None


def erase_(frames: Tensor, box: Box, generator: torch.Generator) -> Tensor:
    """Fills ``box`` of normalised frames ``(T, 3, H, W)`` with normal noise, another number for every value, in place.

    The box is the same in all frames.
    """
    part = frames[..., box.top : box.top + box.height, box.left : box.left + box.width]
    part.copy_(torch.randn(part.shape, generator=generator))
    return frames
