"""Reading a written split: decoded once, kept as bytes that DataLoader workers share."""

from __future__ import annotations

import csv
import json
import mmap
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from avzoo.data.clips import ClipDataset, ClipSample
from avzoo.media import ClipSpec, read_clip

from .spec import SyntheticError, SyntheticSpec
from .writing import LABELS_FILE, SPEC_FILE

_INT16_FULL_SCALE = 32_767  # what the decoder divides by: 16-bit samples survive the cache to the bit


class SyntheticDataset(ClipDataset):
    """The clips of ``root/split`` as `write_set` left them, from their mp4 files.

    Every item is the clip from its start, whatever the seed. What has been decoded stays in memory, 8 bits per colour
    and 16 per sample, for the first clips of the set, as many as ``cache_bytes`` hold. Worker processes that fork from
    this one share that memory.

    Attributes:
        spec: What the set was drawn from.
        paths: File of every clip.
        labels: Class of every clip (of its picture), int64 ``(N,)`` in 0 ... 15.
        audio_labels: Class of every sound, int64 ``(N,)``.
        rows: The row of every clip in ``labels.csv``.
    """

    def __init__(
        self,
        root: str | Path,
        split: str = "train",
        clip_spec: ClipSpec | None = None,
        cache_bytes: int = 2**30,
        seed: int = 0,
    ) -> None:
        """Opens a split.

        Args:
            root: Folder of the set.
            split: train, validation or test.
            clip_spec: Frame rate, number of frames and sample rate to decode to; None for the defaults.
            cache_bytes: Most bytes of decoded clips to keep; 0 decodes every time.
            seed: Accepted as by every clip dataset; whole clips leave nothing to choose.

        Raises:
            SyntheticError: The folder holds no complete split.
        """
        super().__init__(seed)
        self.folder = Path(root) / split
        self.clip_spec = clip_spec or ClipSpec()
        self.spec = _read_spec(self.folder)
        self.rows = _read_labels(self.folder)
        self.paths = [self.folder / row["path"] for row in self.rows]
        self.labels = np.array([int(row["label"]) for row in self.rows], np.int64)
        self.audio_labels = np.array([int(row["audio_label"]) for row in self.rows], np.int64)
        side = min(self.clip_spec.short_side or self.spec.size, self.spec.size)
        self._cache = _SharedCache(
            len(self.paths),
            (self.clip_spec.num_frames, 3, side, side),
            self.clip_spec.num_samples,
            cache_bytes,
        )

    def __len__(self) -> int:
        """Number of clips."""
        return len(self.paths)

    def read(self, index: int, seed: int) -> ClipSample:
        """Clip ``index`` from its start; the seed has nothing to decide.

        Raises:
            avzoo.media.MediaError: The file cannot be decoded.
        """
        cached = self._cache.get(index)
        if cached is not None:
            return cached
        clip = read_clip(self.paths[index], 0.0, self.clip_spec)
        if clip.frames is None or clip.samples is None:
            raise SyntheticError(f"{self.paths[index]} lacks picture or sound; write the set again")
        sample: ClipSample = {"frames": clip.frames, "samples": clip.samples}
        self._cache.put(index, sample)
        return sample


class _SharedCache:
    """The first items of a dataset in anonymous shared memory: pages exist once they are written.

    Not ``Tensor.share_memory_``: that draws on /dev/shm, which containers limit to a few megabytes.
    """

    def __init__(self, count: int, frames: tuple[int, int, int, int], samples: int, limit: int) -> None:
        self._layout = (count, frames, samples, limit)
        frame_bytes, sample_bytes = int(np.prod(frames)), 2 * samples
        self.capacity = min(count, max(limit, 0) // (1 + frame_bytes + sample_bytes))
        if self.capacity == 0:
            return
        memory = mmap.mmap(-1, self.capacity * (1 + frame_bytes + sample_bytes))
        self._samples = self._view(memory, np.int16, (self.capacity, samples), 0)
        self._frames = self._view(memory, np.uint8, (self.capacity, *frames), self.capacity * sample_bytes)
        self._filled = self._view(memory, np.uint8, (self.capacity,), self.capacity * (sample_bytes + frame_bytes))

    @staticmethod
    def _view(memory: mmap.mmap, dtype: type, shape: tuple[int, ...], offset: int) -> NDArray[Any]:
        return np.frombuffer(memory, dtype, int(np.prod(shape)), offset).reshape(shape)

    def get(self, index: int) -> ClipSample | None:
        if index >= self.capacity or not self._filled[index]:
            return None
        samples = torch.from_numpy(self._samples[index].astype(np.float32) / np.float32(_INT16_FULL_SCALE))
        return {"frames": torch.from_numpy(self._frames[index].copy()), "samples": samples}

    def put(self, index: int, sample: ClipSample) -> None:
        if index >= self.capacity:
            return
        self._frames[index] = sample["frames"].numpy()
        self._samples[index] = np.rint(sample["samples"].numpy() * _INT16_FULL_SCALE)
        self._filled[index] = 1  # last, so that another process never reads half an item

    def __getstate__(self) -> dict[str, Any]:
        # Processes that are started afresh cannot inherit the memory: they get an empty cache of their own.
        return {"layout": self._layout}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(*state["layout"])  # type: ignore[misc]


def _read_spec(folder: Path) -> SyntheticSpec:
    path = folder / SPEC_FILE
    if not path.is_file() or not (folder / LABELS_FILE).is_file():
        raise SyntheticError(f"{folder} holds no complete synthetic set; write one with write_set")
    try:
        return SyntheticSpec.model_validate(json.loads(path.read_text(encoding="utf-8"))["spec"])
    except (ValueError, KeyError, TypeError) as error:
        raise SyntheticError(f"{path} does not describe a synthetic set: {error}") from error


def _read_labels(folder: Path) -> list[dict[str, str]]:
    path = folder / LABELS_FILE
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows or not {"path", "label", "audio_label"} <= rows[0].keys():
        raise SyntheticError(f"{path} lists no clips; write the set again")
    return rows
