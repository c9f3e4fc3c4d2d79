"""The index: unit vectors of moments, compared exactly by matrix multiplication."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, NonNegativeInt, PositiveInt, ValidationError

from avzoo.errors import AvzooError
from avzoo.extract.embeddings import Vectors, l2_normalize
from avzoo.extract.files import TEMPORARY, replacing, sync_folder
from avzoo.extract.table import FeatureTable

#: What can be searched. (``joint`` is for classifiers: its halves are searched better one by one.)
MODALITIES = ("video", "audio", "video_projection", "audio_projection")

_INFO = "index.json"
_MOMENTS = "moments.parquet"
_SCHEMA = pa.schema(
    [
        ("modality", pa.string()),
        ("path", pa.string()),
        ("sha256", pa.string()),
        ("start", pa.float64()),
        ("end", pa.float64()),
    ]
)
_BLOCK = 65_536  # rows that are compared at a time


class RetrievalError(AvzooError):
    """An index or a query cannot be used; the message says why and what to do."""


class Shape(BaseModel):
    """Rows and columns of the vectors of one modality."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    rows: NonNegativeInt
    dim: PositiveInt


class IndexInfo(BaseModel):
    """What an index was made of; the content of ``index.json``.

    Attributes:
        format: Version of the layout.
        model: Name of the checkpoint whose embeddings these are.
        revision: Its exact weights.
        processor_hash: Its processor settings.
        decoder: What decoded the files.
        window: Length of a moment in seconds.
        stride: Seconds between the starts of two moments of a file.
        shapes: Shape of the vectors of each modality.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    format: Literal["avzoo-index/1"] = "avzoo-index/1"
    model: str
    revision: str
    processor_hash: str
    decoder: Literal["pyav", "decord"]
    window: float
    stride: float
    shapes: dict[Literal["video", "audio", "video_projection", "audio_projection"], Shape]


@dataclass(frozen=True)
class Hit:
    """A moment that was found.

    Attributes:
        path: The file.
        start: Seconds from its beginning.
        end: Seconds.
        score: Cosine similarity with the query, in [-1, 1].
    """

    path: str
    start: float
    end: float
    score: float


@dataclass(frozen=True, eq=False)
class Moments:
    """Where each vector of a modality is from, ``(rows,)`` each."""

    path: npt.NDArray[np.object_]
    sha256: npt.NDArray[np.object_]
    start: npt.NDArray[np.float64]
    end: npt.NDArray[np.float64]


class Index:
    """Moments and their unit vectors, per modality.

    Attributes:
        info: What it was made of.
        vectors: float32 ``(rows, D)`` of length 1, for each modality.
        moments: Where they are from, row by row.
    """

    def __init__(self, info: IndexInfo, vectors: dict[str, Vectors], moments: dict[str, Moments]) -> None:
        self.info = info
        self.vectors = vectors
        self.moments = moments

    @classmethod
    def build(cls, table_dir: str | Path) -> Index:
        """Makes an index of a finished feature table.

        Rows whose input was zeros in place of a missing stream are left out: they show nothing of their file.

        Raises:
            TableError: The folder holds no table, or an unfinished one.
            RetrievalError: The table has no rows that can be searched.
        """
        table = FeatureTable(table_dir)
        vectors: dict[str, Vectors] = {}
        moments: dict[str, Moments] = {}
        for modality in (name for name in MODALITIES if name in table.modalities):
            rows = table.read(modality)
            real = ~rows.zeros
            if real.any():
                vectors[modality] = l2_normalize(rows.embedding[real])
                moments[modality] = Moments(rows.path[real], rows.sha256[real], rows.start[real], rows.end[real])
        if not vectors:
            raise RetrievalError(f"{table_dir} holds no embeddings to search")
        named = ("model", "revision", "processor_hash", "decoder", "window", "stride")
        shapes = {name: Shape(rows=len(array), dim=array.shape[1]) for name, array in vectors.items()}
        info = IndexInfo.model_validate({name: table.settings[name] for name in named} | {"shapes": shapes})
        return cls(info, vectors, moments)

    def save(self, folder: str | Path) -> None:
        """Writes the index: beside its place, then by a rename, so that it is there whole or not at all.

        Raises:
            RetrievalError: The folder holds something else.
        """
        folder = Path(folder).resolve()
        if folder.exists() and not _replaceable(folder):
            raise RetrievalError(f"{folder} is not an index and will not be replaced: give another --out")
        # One name for each, not one per process: what an interruption leaves is swept by the next save.
        made, old = (folder.with_name(f".{folder.name}.{ending}{TEMPORARY}") for ending in ("new", "old"))
        for leftover in (made, old):
            shutil.rmtree(leftover, ignore_errors=True)
        made.mkdir(parents=True)
        tables = []
        for modality, array in self.vectors.items():
            with replacing(made / f"{modality}.npy") as file:
                np.save(file, array, allow_pickle=False)
            columns = {"modality": [modality] * len(array), **vars(self.moments[modality])}
            tables.append(pa.table(columns, schema=_SCHEMA))
        with replacing(made / _MOMENTS) as file:
            pq.write_table(pa.concat_tables(tables), file, compression="zstd")
        with replacing(made / _INFO) as file:
            file.write(self.info.model_dump_json(indent=2).encode() + b"\n")
        if folder.exists():
            folder.rename(old)
        made.rename(folder)
        sync_folder(folder.parent)
        shutil.rmtree(old, ignore_errors=True)

    @classmethod
    def load(cls, folder: str | Path) -> Index:
        """Reads an index; vectors stay on disk until they are compared. Nothing in it is ever executed.

        Raises:
            RetrievalError: The folder holds no index, or one that does not fit its own description.
        """
        folder = Path(folder)
        if not (folder / _INFO).is_file():
            raise RetrievalError(f"{folder} holds no index: make one with `avzoo index`")
        try:
            info = IndexInfo.model_validate_json((folder / _INFO).read_bytes())
            table = pq.read_table(folder / _MOMENTS)
            if table.schema != _SCHEMA:
                raise ValueError(f"{_MOMENTS} has other columns")
            vectors: dict[str, Vectors] = {}
            moments: dict[str, Moments] = {}
            for modality, shape in info.shapes.items():
                vectors[modality] = np.load(folder / f"{modality}.npy", mmap_mode="r", allow_pickle=False)
                rows = table.filter(pa.compute.equal(table["modality"], modality))
                moments[modality] = Moments(*(rows[name].to_numpy() for name in _SCHEMA.names[1:]))
                found = (vectors[modality].dtype, vectors[modality].shape, len(rows))
                if found != (np.dtype(np.float32), (shape.rows, shape.dim), shape.rows):
                    raise ValueError(f"{modality}.npy is not what {_INFO} describes")
        except (OSError, EOFError, ValueError, ValidationError, pa.ArrowException) as error:
            reason = str(error).splitlines()[0]
            raise RetrievalError(f"the index in {folder} is damaged ({reason}): make it again") from error
        return cls(info, vectors, moments)

    def search(
        self, vector: npt.ArrayLike, modality: str, top_k: int = 10, exclude_sha256: str | None = None
    ) -> list[Hit]:
        """Finds the moments most similar to a query.

        Of moments of one file that overlap in time, as windows with a small stride do, only the best is an answer;
        moments that merely meet are answers of their own.

        Args:
            vector: The query, ``(D,)``; or several windows of it ``(Q, D)``, of which each moment is compared with all
                and scored by the most similar one.
            modality: What to search, one of `MODALITIES`.
            top_k: Number of answers, fewer where the index has fewer.
            exclude_sha256: Hash of a file whose moments are no answers.

        Returns:
            The answers, best first; equal scores in the order of the index.

        Raises:
            RetrievalError: The index lacks the modality, or the query has another dimension or no direction.
        """
        if modality not in self.vectors:
            raise RetrievalError(f"the index holds no {modality}, only {', '.join(self.vectors)}")
        if top_k < 1:
            raise RetrievalError(f"top_k must be at least 1, got {top_k}")
        queries = np.atleast_2d(np.asarray(vector, np.float32))
        dim = self.info.shapes[modality].dim  # type: ignore[index]  # checked above
        if (
            queries.ndim != 2
            or queries.shape[1] != dim
            or not np.isfinite(queries).all()
            or not queries.any(axis=1).all()
        ):
            raise RetrievalError(f"the query must be finite, non-zero vectors of {dim} numbers, got {queries.shape}")
        scores = self._scores(l2_normalize(queries), modality)
        moments = self.moments[modality]
        if exclude_sha256 is not None:
            scores[moments.sha256 == exclude_sha256] = -np.inf
        return _best(scores, moments, top_k)

    def _scores(self, queries: Vectors, modality: str) -> Vectors:
        """Similarity of each moment with the query window most like it, ``(rows,)``."""
        vectors = self.vectors[modality]
        scores = np.empty(len(vectors), np.float32)
        for first in range(0, len(vectors), _BLOCK):
            block = vectors[first : first + _BLOCK]
            scores[first : first + _BLOCK] = (block @ queries.T).max(axis=1)
        return scores


def _replaceable(folder: Path) -> bool:
    """Whether nothing but the files of an index would be lost, be it whole or half written."""
    own = {_INFO, _MOMENTS, *(f"{modality}.npy" for modality in MODALITIES)}
    return folder.is_dir() and all(
        entry.is_file() and (entry.name in own or entry.suffix == TEMPORARY) for entry in folder.iterdir()
    )


def _best(scores: Vectors, moments: Moments, top_k: int) -> list[Hit]:
    """The best moments that do not overlap in one file."""
    candidates = 4 * top_k
    while True:
        hits: list[Hit] = []
        rows = _largest(scores, candidates)
        for row in rows:
            hit = Hit(moments.path[row], float(moments.start[row]), float(moments.end[row]), float(scores[row]))
            if not any(hit.path == other.path and hit.start < other.end and other.start < hit.end for other in hits):
                hits.append(hit)
            if len(hits) == top_k:
                return hits
        if candidates >= len(scores):
            return hits
        candidates *= 4


def _largest(scores: Vectors, count: int) -> npt.NDArray[np.intp]:
    """Rows of the ``count`` largest scores and all that equal the last, best first; excluded ones are never there."""
    floor = np.partition(scores, -count)[-count] if count < len(scores) else -np.inf
    rows = np.flatnonzero((scores >= floor) & (scores > -np.inf))
    return rows[np.argsort(-scores[rows], kind="stable")]
