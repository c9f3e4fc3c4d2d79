"""What a clip dataset is: a sized collection whose items are a pure function of an index and a seed."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Self, TypedDict

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import Dataset

from avzoo.data.windows import WindowSampler
from avzoo.errors import AvzooError


class DataError(AvzooError):
    """A dataset cannot be read or configured as asked; the message says why and what to do."""


class Decoded(TypedDict):
    """``frames`` uint8 ``(T, 3, H, W)`` in RGB, ``samples`` float32 ``(N,)`` mono in [-1, 1]; None if not wanted."""

    frames: torch.Tensor | None
    samples: torch.Tensor | None


class ClipSample(Decoded):
    """One decoded clip and what is known of it.

    ``label`` and ``audio_label``: class of the picture and, where the set tells it apart, of the sound; None without
    labels. ``index``: place in the dataset of the file that the clip comes from. Where one file stands in for another,
    label and index are its own.
    """

    label: int | None
    audio_label: int | None
    index: int


def item_seed(seed: int, epoch: int, index: int) -> int:
    """Seed of item ``index`` in pass ``epoch``: a well-mixed function of the three, in [0, 2^63).

    The numbers are hashed (numpy's ``SeedSequence``) so that neighbouring items and neighbouring runs draw unrelated
    streams, which ``seed + index`` would not give.
    """
    return int(np.random.SeedSequence((seed, epoch, index)).generate_state(1, np.uint64)[0] >> np.uint64(1))


class ClipDataset(Dataset[list[ClipSample]], ABC):
    """Clips with picture, sound or both. A subclass gives ``__len__`` and ``read``.

    ``dataset[i]`` reads item ``i`` with a seed that depends on the dataset's seed, the epoch and ``i``: every epoch
    sees other windows, and every run the same ones.

    Args:
        seed: seed of the dataset, at least 0.

    Attributes:
        labels: class of every item, int64 ``(N,)``; None without labels.
        audio_labels: class of every sound where it may be another, int64 ``(N,)``; None else.
        class_names: name of every class; None where the classes are numbers or missing.
        windows: draws the windows of an item.
    """

    labels: npt.NDArray[np.int64] | None = None
    audio_labels: npt.NDArray[np.int64] | None = None
    class_names: Sequence[str] | None = None
    windows: WindowSampler

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        # In shared memory, so that the workers of a persistent DataLoader see the epoch change.
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    @property
    def epoch(self) -> int:
        """The current pass over the data, from 0."""
        return int(self._epoch)

    def set_epoch(self, epoch: int) -> None:
        """Starts pass ``epoch``: later items draw other windows."""
        self._epoch.fill_(epoch)

    @abstractmethod
    def __len__(self) -> int:
        """Number of items."""

    @abstractmethod
    def read(self, index: int, seed: int) -> list[ClipSample]:
        """Item ``index``, one clip per window; where the windows are is a function of ``index`` and ``seed`` alone."""

    def with_windows(self, windows: WindowSampler) -> Self:
        """The same items, cut elsewhere. What is kept of whole files is shared with this dataset."""
        copied = copy.copy(self)
        copied.windows = windows
        return copied

    def sample(self, decoded: Decoded, index: int) -> ClipSample:
        """A clip of item ``index`` with its labels."""
        label = None if self.labels is None else int(self.labels[index])
        audio_label = None if self.audio_labels is None else int(self.audio_labels[index])
        return {**decoded, "label": label, "audio_label": audio_label, "index": index}

    def __getitem__(self, index: int) -> list[ClipSample]:
        """Item ``index`` of the current epoch.

        Raises:
            IndexError: ``index`` is outside the dataset.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"clip {index} of a dataset of {len(self)}")
        return self.read(index, item_seed(self.seed, self.epoch, index))
