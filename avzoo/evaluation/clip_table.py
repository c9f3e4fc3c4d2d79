"""Clip features on disk: Parquet parts of one row per clip, crop and modality, and what became of each item."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class ItemRow:
    """What became of one item.

    Attributes:
        item: Its place in the set, from 0.
        path: Its file, absolute.
        start: Seconds at which it starts in the file; None for the start of the file.
        end: Seconds at which it ends; None for the end of the file.
        sha256: Hash of the file's content; None where it could not be read.
        status: ``ok``: its clips are there. ``skipped``: it has nothing that the encoder takes. ``failed``: it could not
            be decoded.
        reason: Short code of why not; see `avzoo.media.errors.Reason`. ``no_rows`` where a feature table has none.
        message: The same as a sentence.
        clips: Its clips, crops not counted.
    """

    item: int
    path: str
    start: float | None
    end: float | None
    sha256: str | None
    status: Literal["ok", "skipped", "failed"]
    reason: str | None
    message: str | None
    clips: int
