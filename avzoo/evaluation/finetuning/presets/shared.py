"""What the presets of several papers have in common."""

from __future__ import annotations

from typing import Any

Values = dict[str, Any]
Presets = dict[str, Values]

MIX: Values = {"mixup": 0.6, "cutmix": 0.5}

#: RandAugment, a crop without antialiasing, flip, erasing.
STRONG: Values = {
    "rand_augment": "rand-m7-n4-mstd0.5-inc1",
    "crop_area": (0.2, 0.766),
    "antialias": False,
    "erase_probability": 0.25,
}
