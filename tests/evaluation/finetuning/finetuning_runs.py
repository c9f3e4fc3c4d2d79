"""Small labelled clips that are easy to tell apart, small encoders, short runs."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch

import avzoo
from avzoo import (
    CrissCrossAudioConfig,
    CrissCrossAudioModel,
    CrissCrossFeatureExtractor,
    CrissCrossVideoConfig,
    CrissCrossVideoModel,
    CrissCrossVideoProcessor,
    XKDVideoConfig,
    XKDVideoModel,
    XKDVideoProcessor,
)
from avzoo.data.sets import MediaItem, MediaSet
from avzoo.evaluation.finetuning import FinetuneSettings
from avzoo.extract import Encoder
from avzoo.media import write_clip

FRAMES, SIDE, SAMPLES = 4, 32, 4_800


def write_set(root: Path, per_class: int = 4, sound: bool = False) -> MediaSet:
    """Noise on a green or a red ground, with a low or a high tone."""
    root.mkdir(parents=True)
    items = []
    for label in range(2):
        for number in range(per_class):
            generator = torch.Generator().manual_seed(100 * label + number)
            ground = torch.tensor([170, 20, 60] if label else [20, 170, 60])[:, None, None]
            frames = (torch.randint(0, 60, (FRAMES, 3, 40, 48), generator=generator) + ground).to(torch.uint8)
            time = torch.arange(SAMPLES) / 16_000
            tone = 0.5 * torch.sin(2 * math.pi * (300 + 1500 * label) * time + number)
            path = root / f"{label}-{number}.mp4"
            write_clip(path, frames, 8, tone if sound else None)
            items.append(MediaItem(path, (label,)))
    return MediaSet(tuple(items), ("green", "red"))


def encoder(folder: Path, family: str) -> Encoder:
    """A nano encoder with random weights, loaded from a folder."""
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"size": {"shortest_edge": SIDE}, "crop_size": {"height": SIDE, "width": SIDE}}
    model: Any
    processor: Any
    if family == "vit":
        model = XKDVideoModel(XKDVideoConfig.preset("nano", num_hidden_layers=1, num_frames=FRAMES, image_size=SIDE))
        processor = XKDVideoProcessor(num_frames=FRAMES, **sizes)
    elif family == "convnet":
        model = CrissCrossVideoModel(CrissCrossVideoConfig.preset("nano"))
        processor = CrissCrossVideoProcessor(num_frames=FRAMES, fps=8, **sizes)
    else:
        model = CrissCrossAudioModel(CrissCrossAudioConfig.preset("nano"))
        processor = CrissCrossFeatureExtractor(max_samples=SAMPLES)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return avzoo.load(folder, device="cpu")


def short(**fields: Any) -> FinetuneSettings:
    """A run of a few steps that learns the set above; no augmentation takes its colours away."""
    defaults: dict[str, Any] = {
        "epochs": 4,
        "batch_size": 4,
        "learning_rate": 3e-3,
        "warmup_epochs": 1,
        "dropout": 0.0,
        "cache_bytes": 2**22,
        "video": {"erase_probability": 0.25},
        "audio": {"volume": 0.1},
        "test": {"clips": 2},
    }
    return FinetuneSettings(**{**defaults, **fields})
