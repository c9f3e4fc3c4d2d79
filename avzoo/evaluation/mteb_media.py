"""Rows of the embedding benchmark's datasets as clips, decoded here from the files that the datasets store."""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from avzoo.data.clips import item_seed
from avzoo.extract.workers import Durations
from avzoo.media import Clip, ClipSpec, Limits, MediaError

from .arrays import EvaluationError
from .clip_decoding import decode_planned
from .clip_plan import ClipPlan

_FLOAT = 3  # format tag of a WAV file of floating point samples


@dataclass(frozen=True)
class ItemClips:
    """The clips of one item.

    Attributes:
        clips: The clips, their crops one after the other.
        weights: How often each of them counts.
    """

    clips: tuple[Clip, ...]
    weights: tuple[int, ...]


@dataclass(frozen=True)
class RowDecoder:
    """Collates rows of a dataset to clips; runs in the workers of a data loader.

    Attributes:
        plan: Which clips.
        specs: What the clips of every column hold.
        image_size: Height and width of the crops in pixels.
        audio_tick: Seconds between two frames of a spectrogram.
    """

    plan: ClipPlan
    specs: Mapping[str, ClipSpec]
    image_size: int
    audio_tick: float

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, ItemClips]]:
        """The clips of every row, by column.

        Raises:
            EvaluationError: An item cannot be read.
        """
        return [{column: self._clips(row[column], column) for column in self.specs} for row in rows]

    def _clips(self, value: Any, column: str) -> ItemClips:
        clips: list[Clip] = []
        weights: list[int] = []
        try:
            with media_file(value, column) as path:
                for got in decode_planned(
                    path,
                    self.specs[column],
                    Limits(),
                    plan=self.plan.model_dump(mode="json"),
                    start=None,
                    end=None,
                    seed=item_seed(self.plan.seed, 0, 0),
                    image_size=self.image_size,
                    audio_tick=self.audio_tick,
                ):
                    if isinstance(got, Durations):
                        continue
                    if got.frames is None and got.samples is None:  # equal to the clip that starts there
                        weights = [
                            weight + (clip.start == got.start) for clip, weight in zip(clips, weights, strict=True)
                        ]
                    else:
                        clips.append(got)
                        weights.append(1)
        except MediaError as error:
            raise EvaluationError(
                f"an item of the benchmark cannot be embedded: its {column} {error.detail}"
            ) from error
        return ItemClips(tuple(clips), tuple(weights))


def undecoded(dataset: Any, columns: Sequence[str]) -> Any:
    """The same dataset giving the files of its media columns instead of what would decode them.

    Args:
        dataset: A `datasets.Dataset`, or any sequence of rows.
        columns: Its media columns.
    """
    features = getattr(dataset, "features", None) or {}
    for column in columns:
        feature: Any = features.get(column)
        if getattr(feature, "decode", False):
            dataset = dataset.cast_column(column, type(feature)(decode=False))
    return dataset


@contextmanager
def media_file(value: Any, column: str) -> Iterator[str]:
    """What a row holds, as a file.

    Args:
        value: ``{"bytes": ..., "path": ...}`` as an undecoded column gives it, or ``{"array": ..., "sampling_rate":
            ...}`` with samples ``(N,)`` or ``(channels, N)``.
        column: Its column, for messages.

    Raises:
        EvaluationError: It is neither.
    """
    content, path = None, None
    if isinstance(value, Mapping) and "array" in value:
        content = wav(np.asarray(value["array"], np.float32), int(value["sampling_rate"]))
    elif isinstance(value, Mapping):
        content, path = value.get("bytes"), value.get("path")
    if content is None and path is None:
        raise EvaluationError(
            f"the column {column} holds {type(value).__name__}: make it one of datasets.Audio or datasets.Video, or of "
            "array and sampling_rate"
        )
    if content is None:
        yield str(path)
        return
    with tempfile.TemporaryDirectory(prefix="avzoo-") as folder:
        file = Path(folder) / "item"
        file.write_bytes(content)
        yield str(file)


def wav(samples: np.ndarray[Any, np.dtype[np.float32]], sample_rate: int) -> bytes:
    """A WAV file of samples ``(N,)`` or ``(channels, N)`` as they are, 32-bit floating point."""
    channels = np.atleast_2d(samples)
    data = channels.T.astype("<f4").tobytes()
    width = 4 * len(channels)
    fmt = struct.pack("<4sIHHIIHH", b"fmt ", 16, _FLOAT, len(channels), sample_rate, sample_rate * width, width, 32)
    body = b"WAVE" + fmt + struct.pack("<4sI", b"data", len(data)) + data
    return struct.pack("<4sI", b"RIFF", len(body)) + body
