"""Clips and a view pipeline joined: what a pretraining DataLoader iterates over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.utils.data import Dataset, default_collate

from avzoo.data.clips import ClipDataset, item_seed
from avzoo.data.views import ViewPipeline


class PretrainingDataset(Dataset[dict[str, Any]]):
    """The views of every clip, new ones in every epoch, the same ones in every run.

    Everything random about item ``i`` in epoch ``e`` (the window, the augmentations, the mask noise) follows from the
    seed ``item_seed(seed, e, i)``: not from the worker, the batch, or how often the run was interrupted.

    Args:
        clips: the clips; their own seed and epoch play no part.
        views: what is made of each clip.
        seed: seed of the run, at least 0.
    """

    def __init__(self, clips: ClipDataset, views: ViewPipeline, seed: int = 0) -> None:
        self.clips = clips
        self.views = views
        self.seed = seed
        # In shared memory, so that the workers of a persistent DataLoader see the epoch change.
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    @property
    def epoch(self) -> int:
        """The current pass over the data, from 0."""
        return int(self._epoch)

    def set_epoch(self, epoch: int) -> None:
        """Starts pass ``epoch``."""
        self._epoch.fill_(epoch)

    def __len__(self) -> int:
        """Number of clips."""
        return len(self.clips)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """The views of clip ``index`` (see `Views`) and ``clip_seed``, the seed they follow from.

        Raises:
            IndexError: ``index`` is outside the dataset.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"clip {index} of a dataset of {len(self)}")
        seed = item_seed(self.seed, self.epoch, index)
        clip = self.clips.read(index, seed)
        return {**self.views(clip["frames"], clip["samples"], seed), "clip_seed": seed}


def collate(items: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
    """Stacks items into a batch: every tensor gains a leading axis, ``clip_seed`` becomes int64 ``(B,)``."""
    return default_collate(list(items))
