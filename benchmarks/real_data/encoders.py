"""The encoders that are measured: those with trained weights, and random weights in folders of their own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModel, AutoProcessor

import avzoo
from avzoo.checkpoints.contents import CONFIG_FILE
from avzoo.extract import resolve

TRAINED = "xkd-nano-synth"

#: The picture of the small encoders of other families, in pixels: the size of their ``nano`` presets.
_SIDE: dict[str, Any] = {"size": {"shortest_edge": 64}, "crop_size": {"height": 64, "width": 64}}


@dataclass(frozen=True)
class Made:
    """How a small encoder of a family is made.

    Attributes:
        config: Of the model.
        processor: What is saved beside it.
        modalities: What it takes.
    """

    config: Callable[[], Any]
    processor: Callable[[], Any]
    modalities: tuple[str, ...]


_BOTH = ("video", "audio")

#: Random weights by the name of their row. The first is of the architecture of the trained encoder.
RANDOM: dict[str, Made] = {
    "random xkd": Made(
        lambda: AutoConfig.from_pretrained(resolve(TRAINED).folder),
        lambda: AutoProcessor.from_pretrained(resolve(TRAINED).folder),
        _BOTH,
    ),
    "random crisscross": Made(
        lambda: avzoo.CrissCrossConfig.preset("nano"),
        lambda: avzoo.CrissCrossProcessor(video_processor=avzoo.CrissCrossVideoProcessor(**_SIDE)),
        _BOTH,
    ),
    "random xdc": Made(
        lambda: avzoo.XDCConfig.preset("nano"),
        lambda: avzoo.XDCProcessor(video_processor=avzoo.XDCVideoProcessor(**_SIDE)),
        _BOTH,
    ),
    "random ccl": Made(
        lambda: avzoo.CCLVideoConfig.preset("nano"), lambda: avzoo.CCLVideoProcessor(**_SIDE), ("video",)
    ),
    "random vssl": Made(lambda: avzoo.VSSLConfig.preset("nano"), lambda: avzoo.VSSLVideoProcessor(**_SIDE), ("video",)),
}


def checkpoint(model: str, seed: int, root: Path) -> str:
    """What `avzoo.load` takes for an encoder; random weights are written first, where they are not there.

    Args:
        model: The packaged name, or a key of `RANDOM`.
        seed: Of random weights.
        root: Folder of all that is made here.
    """
    if model not in RANDOM:
        return model
    folder = root / "encoders" / f"{model.replace(' ', '-')}-{seed}"
    if not (folder / CONFIG_FILE).is_file():
        made = RANDOM[model]
        made.processor().save_pretrained(folder)
        torch.manual_seed(seed)
        AutoModel.from_config(made.config()).save_pretrained(folder)
    return str(folder)


def modalities_of(model: str) -> tuple[str, ...]:
    """What an encoder takes."""
    return RANDOM[model].modalities if model in RANDOM else _BOTH
