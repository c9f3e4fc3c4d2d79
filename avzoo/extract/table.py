"""The feature table: Parquet parts of one row per window and modality.

A part holds the windows of a fixed group of files. Its footer carries the manifest rows of those files and the
fingerprint of what it was made from, so that one rename makes all three appear together.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from avzoo.errors import AvzooError
from avzoo.extract.embeddings import MODALITIES, Embeddings, Vectors
from avzoo.extract.files import replacing
from avzoo.extract.manifest import MANIFEST, ManifestRow, from_json, read_manifest, to_json

SETTINGS = "extraction.json"
PARTS = "features"

SCHEMA = pa.schema(
    [
        ("path", pa.string()),
        ("sha256", pa.string()),
        ("modality", pa.string()),
        ("start", pa.float64()),
        ("end", pa.float64()),
        ("embedding", pa.list_(pa.float32())),
        ("model", pa.string()),
        ("revision", pa.string()),
        ("processor_hash", pa.string()),
        ("decoder", pa.string()),
        # The input of this row was zeros in place of a missing stream (the policy "zeros").
        ("zeros", pa.bool_()),
    ]
)

_REPEATED = [field.name for field in SCHEMA if field.type == pa.string()]
_ROW_GROUP = 4096  # rows that are gathered before they are written
_FINGERPRINT = b"avzoo.fingerprint"
_MANIFEST = b"avzoo.manifest"


class TableError(AvzooError):
    """A folder holds no feature table that can be used; the message says why and what to do."""


def write_part(
    path: Path,
    files: Iterable[tuple[ManifestRow, Embeddings | None]],
    provenance: Mapping[str, str],
    fingerprint: str,
) -> None:
    """Writes one part, complete or not at all. Equal input gives equal bytes under the same build of pyarrow.

    Rows are in the order of the files; within a file by modality, then by time.

    Args:
        path: Where to write.
        files: What became of each file, and its embeddings; taken one at a time.
        provenance: Values of the columns ``model``, ``revision``, ``processor_hash`` and ``decoder``.
        fingerprint: Of everything that the content depends on; see `read_part`.
    """
    manifest: list[ManifestRow] = []
    gathered: list[pa.Table] = []
    with (
        replacing(path) as file,
        pq.ParquetWriter(file, SCHEMA, compression="zstd", use_dictionary=_REPEATED) as writer,
    ):
        for row, embeddings in files:
            manifest.append(row)
            if embeddings is not None:
                gathered.append(_rows(row, embeddings, provenance))
                if sum(map(len, gathered)) >= _ROW_GROUP:
                    writer.write_table(pa.concat_tables(gathered))
                    gathered.clear()
        if gathered:
            writer.write_table(pa.concat_tables(gathered))
        writer.add_key_value_metadata({_FINGERPRINT: fingerprint.encode(), _MANIFEST: to_json(manifest)})


def _rows(row: ManifestRow, embeddings: Embeddings, provenance: Mapping[str, str]) -> pa.Table:
    tables = []
    for modality, times, vectors, zeros in embeddings.rows():
        count, dim = vectors.shape
        columns: dict[str, Any] = {
            "path": [row.path] * count,
            "sha256": [row.sha256] * count,
            "modality": [modality] * count,
            "start": times[:, 0],
            "end": times[:, 1],
            "embedding": pa.ListArray.from_arrays(np.arange(0, count * dim + 1, dim, dtype=np.int32), vectors.ravel()),
            "zeros": zeros,
        }
        columns |= {name: [value] * count for name, value in provenance.items()}
        tables.append(pa.table({field.name: pa.array(columns[field.name], field.type) for field in SCHEMA}))
    return pa.concat_tables(tables) if tables else SCHEMA.empty_table()


def read_part(path: Path, fingerprint: str) -> list[ManifestRow] | None:
    """The manifest rows of a finished part; None if it is not there or was made from something else."""
    if not path.is_file():
        return None
    try:
        metadata = pq.read_metadata(path).metadata or {}
    except (OSError, pa.ArrowException):  # damaged after it was written
        return None
    if metadata.get(_FINGERPRINT) != fingerprint.encode():
        return None
    return from_json(metadata[_MANIFEST])


@dataclass(frozen=True, eq=False)
class Features:
    """The rows of one modality of a table.

    Attributes:
        path: The file of each row, ``(n,)`` strings.
        sha256: The hash of its content, ``(n,)`` strings.
        start: Seconds, ``(n,)`` float64.
        end: Seconds, ``(n,)`` float64.
        embedding: ``(n, D)`` float32.
        zeros: Where the input was zeros in place of a missing stream, ``(n,)`` bool.
    """

    path: npt.NDArray[np.object_]
    sha256: npt.NDArray[np.object_]
    start: npt.NDArray[np.float64]
    end: npt.NDArray[np.float64]
    embedding: Vectors
    zeros: npt.NDArray[np.bool_]


class FeatureTable:
    """A finished feature table, read.

    Args:
        folder: What was given to `extract` as ``out``.

    Attributes:
        folder: The same.
        settings: How it was made: ``model``, ``revision``, ``processor_hash``, ``decoder``, ``window`` and ``stride``
            in seconds, ``missing``, ``batch_size``, ``dtype``, ``device``.

    Raises:
        TableError: The folder holds no table, or one whose extraction did not finish.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        if not (self.folder / SETTINGS).is_file():
            raise TableError(f"{folder} holds no feature table: make one with `avzoo extract`")
        if not (self.folder / MANIFEST).is_file():
            raise TableError(f"the extraction into {folder} did not finish: run the same `avzoo extract` again")
        self.settings: dict[str, Any] = read_settings(self.folder)["settings"]

    @cached_property
    def manifest(self) -> list[ManifestRow]:
        """What became of each input file, in order."""
        return read_manifest(self.folder)

    @property
    def parts(self) -> list[Path]:
        """The Parquet files, in order."""
        return sorted((self.folder / PARTS).glob("part-*.parquet"))

    @cached_property
    def modalities(self) -> list[str]:
        """Those of `MODALITIES` that have rows."""
        found = pq.read_table(self.parts, columns=["modality"]).column("modality").unique().to_pylist()
        return [modality for modality in MODALITIES if modality in found]

    def read(self, modality: str) -> Features:
        """All rows of one modality, in the order of the table.

        Raises:
            TableError: There are none.
        """
        if modality not in self.modalities:
            raise TableError(f"{self.folder} holds no {modality} embeddings, only {', '.join(self.modalities)}")
        columns = ["path", "sha256", "start", "end", "embedding", "zeros"]
        rows = pq.read_table(self.parts, columns=columns, filters=[("modality", "=", modality)])
        values = {name: rows.column(name).to_numpy() for name in columns if name != "embedding"}
        # Chunk by chunk: all values of a large table in one Arrow list would overflow its 32-bit offsets.
        flat = np.concatenate([chunk.flatten().to_numpy() for chunk in rows.column("embedding").chunks])
        return Features(**values, embedding=flat.reshape(len(rows), -1))


def read_settings(folder: Path) -> dict[str, Any]:
    """What `extract` noted about a table before it began.

    Raises:
        TableError: The note is not one that `extract` wrote.
    """
    try:
        note = json.loads((folder / SETTINGS).read_bytes())
        if isinstance(note["settings"], dict) and isinstance(note["inputs"], list):
            return dict(note)
    except (ValueError, KeyError, TypeError):
        pass
    raise TableError(f"{folder / SETTINGS} is damaged: extract into another folder")
