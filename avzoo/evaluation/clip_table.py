"""Clip features on disk: Parquet parts of one row per clip, crop and modality, and what became of each item.

A part is of consecutive items. Its footer carries what became of them and the fingerprint of what it was made from, so
that one rename makes all three appear together.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from avzoo.extract.embeddings import Vectors
from avzoo.extract.files import replacing
from avzoo.extract.table import SCHEMA as WINDOW_SCHEMA

PARTS = "clips"
SETTINGS = "clips.json"
MANIFEST = "items.parquet"

#: The columns of `avzoo extract`, and which item, clip and crop a row is of.
SCHEMA = pa.schema(
    [
        *WINDOW_SCHEMA,
        ("item", pa.int64()),
        ("clip", pa.int64()),
        ("crop", pa.int64()),
        # The clip was changed at random before it was embedded.
        ("augmented", pa.bool_()),
    ]
)

_REPEATED = [field.name for field in SCHEMA if field.type == pa.string()]
_ROW_GROUP = 4096  # rows that are gathered before they are written
_FINGERPRINT = b"avzoo.fingerprint"
_ITEMS = b"avzoo.items"


def path_text(path: Path) -> str:
    """The absolute path as valid Unicode, as feature tables write it; undecodable bytes appear as escapes."""
    return os.fsencode(os.path.abspath(path)).decode("utf-8", "backslashreplace")


@dataclass(frozen=True)
class ItemRow:
    """What became of one item.

    Attributes:
        item: Its place in the set, from 0.
        path: Its file, absolute.
        start: Seconds at which it starts in the file; None for the start of the file.
        end: Seconds at which it ends; None for the end of the file.
        sha256: Hash of the file's content; None where it could not be read.
        status: ``ok``: its clips are there. ``skipped``: it has nothing that the encoder takes. ``failed``: it could
            not be decoded.
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


@dataclass(frozen=True, eq=False)
class ClipRows:
    """Rows of one modality.

    Attributes:
        item: Place in the set of the item of each row, int64 ``(n,)``.
        clip: Number of the clip in its item, int64 ``(n,)``.
        crop: Number of the crop, int64 ``(n,)``.
        start: Seconds in the file, float64 ``(n,)``.
        end: Seconds, float64 ``(n,)``.
        vectors: float32 ``(n, D)``.
    """

    item: NDArray[np.int64]
    clip: NDArray[np.int64]
    crop: NDArray[np.int64]
    start: NDArray[np.float64]
    end: NDArray[np.float64]
    vectors: Vectors

    def __len__(self) -> int:
        return len(self.item)


def write_part(
    path: Path,
    items: Iterable[tuple[ItemRow, Mapping[str, ClipRows]]],
    provenance: Mapping[str, Any],
    fingerprint: str,
) -> None:
    """Writes one part, complete or not at all.

    Args:
        path: Where to write.
        items: What became of each item, and its rows by modality; taken one at a time.
        provenance: Values of the columns that are equal in all rows: ``model``, ``revision``, ``processor_hash``,
            ``decoder``, ``zeros`` and ``augmented``.
        fingerprint: Of everything that the content depends on; see `read_items`.
    """
    done: list[ItemRow] = []
    gathered: list[pa.Table] = []
    with (
        replacing(path) as file,
        pq.ParquetWriter(file, SCHEMA, compression="zstd", use_dictionary=_REPEATED) as writer,
    ):
        for row, by_modality in items:
            done.append(row)
            gathered += [_table(row, modality, rows, provenance) for modality, rows in by_modality.items()]
            if sum(map(len, gathered)) >= _ROW_GROUP:
                writer.write_table(pa.concat_tables(gathered))
                gathered.clear()
        if gathered:
            writer.write_table(pa.concat_tables(gathered))
        footer = json.dumps([asdict(row) for row in done], separators=(",", ":")).encode()
        writer.add_key_value_metadata({_FINGERPRINT: fingerprint.encode(), _ITEMS: footer})


def _table(row: ItemRow, modality: str, rows: ClipRows, provenance: Mapping[str, Any]) -> pa.Table:
    count, dim = rows.vectors.shape
    offsets = np.arange(0, count * dim + 1, dim, dtype=np.int32)
    columns: dict[str, Any] = {
        "path": [row.path] * count,
        "sha256": [row.sha256] * count,
        "modality": [modality] * count,
        "embedding": pa.ListArray.from_arrays(offsets, np.ascontiguousarray(rows.vectors).ravel()),
    }
    columns |= {name: getattr(rows, name) for name in ("item", "clip", "crop", "start", "end")}
    columns |= {name: [value] * count for name, value in provenance.items()}
    return pa.table({field.name: pa.array(columns[field.name], field.type) for field in SCHEMA})


def read_items(path: Path, fingerprint: str) -> list[ItemRow] | None:
    """What became of the items of a finished part; None if it is not there or was made from something else."""
    if not path.is_file():
        return None
    try:
        metadata = pq.read_metadata(path).metadata or {}
    except (OSError, pa.ArrowException):  # damaged after it was written
        return None
    if metadata.get(_FINGERPRINT) != fingerprint.encode():
        return None
    return [ItemRow(**row) for row in json.loads(metadata[_ITEMS])]


def read_rows(parts: Sequence[Path]) -> dict[str, ClipRows]:
    """All rows of some parts by modality, in the order of the parts."""
    columns = ["modality", "item", "clip", "crop", "start", "end", "embedding"]
    table = pq.read_table(list(parts), columns=columns, schema=SCHEMA)
    modality = table.column("modality").to_numpy(zero_copy_only=False)
    found: dict[str, ClipRows] = {}
    for name in dict.fromkeys(modality):
        rows = table.filter(pa.array(modality == name))
        # Chunk by chunk: all values of a large table in one Arrow list would overflow its 32-bit offsets.
        flat = np.concatenate([chunk.flatten().to_numpy() for chunk in rows.column("embedding").chunks])
        values = {field.name: rows.column(field.name).to_numpy() for field in fields(ClipRows) if field.name in columns}
        found[name] = ClipRows(**values, vectors=flat.reshape(len(rows), -1))
    return found


def write_items(folder: Path, rows: Sequence[ItemRow]) -> None:
    """Writes what became of all items; its presence says that the folder is complete."""
    schema = pa.schema(
        [
            ("item", pa.int64()),
            ("path", pa.string()),
            ("start", pa.float64()),
            ("end", pa.float64()),
            ("sha256", pa.string()),
            ("status", pa.string()),
            ("reason", pa.string()),
            ("message", pa.string()),
            ("clips", pa.int64()),
        ]
    )
    with replacing(folder / MANIFEST) as file:
        pq.write_table(pa.Table.from_pylist([asdict(row) for row in rows], schema), file)
