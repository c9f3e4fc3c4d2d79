"""Reading a written split: decoded once, kept as bytes that DataLoader workers share."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np

from avzoo.data.cache import ClipCache
from avzoo.data.clips import ClipDataset, ClipSample
from avzoo.media import ClipSpec, read_clip

from .spec import SyntheticError, SyntheticSpec
from .writing import LABELS_FILE, SPEC_FILE


class SyntheticDataset(ClipDataset):
    """The clips of ``root/split`` as `write_set` left them, from their mp4 files.

    Every item is the clip from its start, whatever the seed. What has been decoded stays in memory, 8 bits per colour
    and 16 per sample, for as many clips as ``cache_bytes`` hold (`ClipCache`). Worker processes that fork from
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
        self._cache = ClipCache(len(self.paths), cache_bytes)

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
