"""Reading a written split: decoded once, kept as bytes that DataLoader workers share."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt

from avzoo.data.cache import ClipCache
from avzoo.data.clips import ClipDataset, ClipSample
from avzoo.data.reading import cut, read_whole
from avzoo.data.windows import SharedWindow, Span, Streams, WindowSampler
from avzoo.media import ClipSpec

from .spec import CLASS_NAMES, SyntheticError, SyntheticSpec
from .writing import LABELS_FILE, SPEC_FILE


class SyntheticDataset(ClipDataset):
    """The clips of ``root/split`` as `write_set` left them, from their mp4 files.

    A file is decoded once, as a whole, and stays in memory, 8 bits per colour and 16 per sample, for as many as
    ``cache_bytes`` hold (`ClipCache`); windows are cut from it. Worker processes that fork from this one share that
    memory. A window as long as the clips of the set, the default, is the clip from its start, whatever the seed.

    Attributes:
        spec: What the set was drawn from.
        paths: File of every clip.
        labels: Class of every clip (of its picture), int64 ``(N,)`` in 0 ... 15.
        audio_labels: Class of every sound, int64 ``(N,)``.
        class_names: Names of the 16 classes.
        rows: The row of every clip in ``labels.csv``.
    """

    labels: npt.NDArray[np.int64]
    audio_labels: npt.NDArray[np.int64]

    def __init__(
        self,
        root: str | Path,
        split: str = "train",
        clip_spec: ClipSpec | None = None,
        cache_bytes: int = 2**30,
        seed: int = 0,
        windows: WindowSampler | None = None,
    ) -> None:
        """Opens a split.

        Args:
            root: Folder of the set.
            split: train, validation or test.
            clip_spec: Rates to decode to and which modalities; its length is that of the default windows.
            cache_bytes: Most bytes of decoded clips to keep; 0 decodes every time.
            seed: Seed of the dataset; windows as long as a clip leave nothing to choose.
            windows: Draws the windows; one `SharedWindow` of the length of ``clip_spec`` by default.

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
        self.class_names = CLASS_NAMES
        self.windows = windows or SharedWindow(self.clip_spec.window)
        whole = Span(0.0, float(self.spec.duration))
        self._streams = Streams(whole if self.clip_spec.video else None, whole if self.clip_spec.audio else None)
        self._cache = ClipCache(len(self.paths), cache_bytes)

    def __len__(self) -> int:
        """Number of clips."""
        return len(self.paths)

    def read(self, index: int, seed: int) -> list[ClipSample]:
        """The windows of clip ``index``.

        Raises:
            avzoo.media.MediaError: The file cannot be decoded.
            DataError: It lacks picture or sound.
        """
        windows = self.windows(self._streams, np.random.default_rng(seed))
        whole = self._cache.get(index)
        if whole is None:
            seconds = max(self.spec.duration, self.clip_spec.window)
            whole = read_whole(self.paths[index], seconds, self.clip_spec)
            self._cache.put(index, whole)
        return [self.sample(clip, index) for clip in cut(whole, windows, self._streams, self.clip_spec)]


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
