"""Small clips of one colour each, and a nano encoder of them, for runs that finetune on some and test on others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

import avzoo
from avzoo import XKDVideoConfig, XKDVideoModel, XKDVideoProcessor
from avzoo.data.sets import MediaItem, MediaSet
from avzoo.extract import Encoder
from avzoo.media import write_clip

FRAMES, SIDE = 4, 32
COLOURS = {"green": (20, 170, 60), "red": (170, 20, 60), "blue": (10, 20, 200)}

#: Settings of a run of a few steps that learns to tell colours apart.
SHORT: dict[str, Any] = {
    "epochs": 3,
    "batch_size": 3,
    "learning_rate": 3e-3,
    "warmup_epochs": 1,
    "dropout": 0.0,
    "cache_bytes": 2**22,
    "test": {"clips": 2},
    "target_classes": "new",
}


def pixels(colour: str, number: int) -> torch.Tensor:
    noise = torch.randint(0, 55, (FRAMES, 3, 40, 48), generator=torch.Generator().manual_seed(number))
    return (noise + torch.tensor(COLOURS[colour])[:, None, None]).to(torch.uint8)


def pixels_of(path: Path) -> torch.Tensor:
    """What `write_set` wrote there, without decoding it."""
    colour, number = path.stem.split("-")
    return pixels(colour, int(number))


def write_set(root: Path, colours: tuple[str, ...], count: int = 3) -> MediaSet:
    root.mkdir()
    items = []
    for label, colour in enumerate(colours):
        for number in range(count):
            path = root / f"{colour}-{number}.mp4"
            write_clip(path, pixels(colour, number), 8)
            items.append(MediaItem(path, (label,)))
    return MediaSet(tuple(items), colours)


def nano_encoder(folder: Path) -> Encoder:
    torch.manual_seed(0)
    config = XKDVideoConfig.preset("nano", num_hidden_layers=1, num_frames=FRAMES, image_size=SIDE)
    XKDVideoModel(config).save_pretrained(folder)
    sizes: dict[str, Any] = {"size": {"shortest_edge": SIDE}, "crop_size": {"height": SIDE, "width": SIDE}}
    XKDVideoProcessor(num_frames=FRAMES, **sizes).save_pretrained(folder)
    return avzoo.load(folder, device="cpu")
