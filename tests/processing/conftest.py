"""The frames that the original's video transforms were run on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch


@pytest.fixture(scope="session")
def video_preproc(parity: Callable[[str], Any]) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Frames uint8 ``(T, 3, H, W)`` of the reference case, and what the original made of them."""
    case = parity("xkd/video_preproc")
    config = case.config
    t, y, x, c = np.ogrid[: config["frames"], : config["height"], : config["width"], :3]
    board = (x // 16 + y // 16 + t + config["seed"]) % 2
    pixels = (3 * x + 5 * y * (c + 1) + 17 * t * (2 - c) + 40 * board) % 256
    return torch.from_numpy(pixels.astype(np.uint8)).permute(0, 3, 1, 2).contiguous(), case.expected
