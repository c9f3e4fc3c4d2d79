"""Cutout: a random box of a clip is put out (arXiv 1708.04552)."""

from __future__ import annotations

from typing import Literal

import torch

from avzoo.data.augment_video import Box
from avzoo.data.draws import integer

#: ``released``: the pixels of the box are multiplied by the mean of the clip's first frame, as the released CrissCross
#: code does. ``intended``: they are replaced by it.
CutoutMode = Literal["released", "intended"]


def draw_cutout_box(height: int, width: int, max_size: int, generator: torch.Generator) -> Box:
    """Draws the box: a side L of 1 ... ``max_size`` pixels, L // 2 to either side of a centre anywhere in the image.

    What lies outside the image is cut off; L = 1 gives an empty box.
    """
    half = integer(1, max_size, generator) // 2
    row, column = integer(0, height - 1, generator), integer(0, width - 1, generator)
    top, left = max(row - half, 0), max(column - half, 0)
    return Box(top, left, min(row + half, height) - top, min(column + half, width) - left)


def cutout_(frames: torch.Tensor, box: Box, mode: CutoutMode = "released") -> torch.Tensor:
    """Puts ``box`` out in every frame, in place.

    Args:
        frames: normalised float frames ``(T, 3, H, W)``; the mean that takes part is that of the first.
        box: the box, alike in all frames.
        mode: see `CutoutMode`.
    """
    mean = frames[0].mean()
    part = frames[..., box.top : box.top + box.height, box.left : box.left + box.width]
    if mode == "released":
        part.mul_(mean)
    else:
        part.copy_(mean)
    return frames
