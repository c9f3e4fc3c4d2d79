"""The manifest: what became of each input file, one row per file."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq

from avzoo.extract.files import replacing

Status = Literal["ok", "skipped", "failed"]

MANIFEST = "manifest.parquet"

SCHEMA = pa.schema(
    [
        ("path", pa.string()),
        ("sha256", pa.string()),
        ("bytes", pa.int64()),
        ("status", pa.string()),
        ("reason", pa.string()),
        ("message", pa.string()),
        ("duration", pa.float64()),
        ("video_duration", pa.float64()),
        ("audio_duration", pa.float64()),
        ("windows", pa.int64()),
        ("missing", pa.string()),
    ]
)


@dataclass(frozen=True)
class ManifestRow:
    """What became of one input file.

    Attributes:
        path: The file, absolute.
        sha256: Hash of its content; None where it could not be read.
        bytes: Its size; None likewise.
        status: ``ok``: its windows are in the feature table. ``skipped``: there was nothing to embed (no media, or
            the stream the model needs is missing and the policy is to skip). ``failed``: it could not be decoded to its
            end. Of a file that is damaged (``decode_failed``) or cut short (``truncated``) the windows before that are
            in the table; of one that failed otherwise none are.
        reason: Short code of why it was skipped or failed, or which stream an ``ok`` file lacks (``no_audio``,
            ``no_video``).
        message: The same as a sentence.
        duration: Length of the file in seconds, as its header tells.
        video_duration: Length of the video stream in seconds; None without one.
        audio_duration: Length of the audio stream in seconds; None without one.
        windows: Windows in the table.
        missing: The policy for missing streams that the run followed: ``skip``, ``zeros`` or ``error``.
    """

    path: str
    sha256: str | None
    bytes: int | None
    status: Status
    reason: str | None
    message: str | None
    duration: float | None
    video_duration: float | None
    audio_duration: float | None
    windows: int
    missing: str


def to_json(rows: Iterable[ManifestRow]) -> bytes:
    """Rows as compact JSON, the form in which a part of the table carries them."""
    return json.dumps([asdict(row) for row in rows], separators=(",", ":")).encode()


def from_json(text: bytes) -> list[ManifestRow]:
    """The rows that `to_json` wrote."""
    return [ManifestRow(**fields) for fields in json.loads(text)]


def write_manifest(folder: Path, rows: Iterable[ManifestRow]) -> None:
    """Writes ``manifest.parquet`` into a table's folder; its presence says that the table is complete."""
    with replacing(folder / MANIFEST) as file:
        pq.write_table(pa.Table.from_pylist([asdict(row) for row in rows], SCHEMA), file)


def read_manifest(folder: Path) -> list[ManifestRow]:
    """The rows of a complete table, in the order of the files."""
    return [ManifestRow(**fields) for fields in pq.read_table(folder / MANIFEST, schema=SCHEMA).to_pylist()]
