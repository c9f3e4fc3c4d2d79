"""Predictions as one Parquet file, from which models are compared later."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from avzoo.extract.files import replacing

from .arrays import EvaluationError
from .clip_values import Items
from .protocol import Predictions

PREDICTIONS_FILE = "predictions.parquet"

SCHEMA = pa.schema(
    [
        ("modality", pa.string()),
        ("fold", pa.string()),
        ("part", pa.string()),
        ("item", pa.string()),
        ("content", pa.string()),
        ("labels", pa.list_(pa.int64())),
        ("scores", pa.list_(pa.float32())),
    ]
)
_PARTS = b"avzoo.parts"


class PartKey(NamedTuple):
    """Which predictions.

    Attributes:
        modality: Of which features.
        fold: Of which fold.
        part: ``test``, or ``target`` for the second set.
    """

    modality: str
    fold: str
    part: str


def write_predictions(path: Path, predictions: Mapping[PartKey, Predictions]) -> None:
    """Writes predictions, one row per item; the file appears whole or not at all."""
    parts = []
    tables = []
    for key, one in predictions.items():
        items, count = one.items, len(one.items)
        parts.append(key._asdict() | {"classes": items.class_names, "multilabel": items.multilabel, "items": count})
        labels = (
            [np.flatnonzero(row).tolist() for row in items.labels]
            if items.multilabel
            else items.labels[:, None].tolist()
        )
        columns: dict[str, Any] = {name: [value] * count for name, value in key._asdict().items()}
        columns |= {"item": items.names, "content": items.content or [None] * count}
        columns |= {"labels": labels, "scores": list(one.scores)}
        tables.append(pa.table({column.name: pa.array(columns[column.name], column.type) for column in SCHEMA}))
    table = pa.concat_tables(tables).replace_schema_metadata({_PARTS: json.dumps(parts).encode()})
    with replacing(path) as file:
        pq.write_table(table, file, compression="zstd")


def read_predictions(folder: Path) -> dict[PartKey, Predictions]:
    """The predictions of an evaluation, in the order in which they were written.

    Raises:
        EvaluationError: There are none.
    """
    path = folder / PREDICTIONS_FILE
    if not path.is_file():
        raise EvaluationError(f"{folder} holds no predictions: its protocol classifies nothing, or it is no evaluation")
    try:
        table = pq.read_table(path)
        parts = json.loads(table.schema.metadata[_PARTS])
    except (pa.ArrowException, KeyError, TypeError, ValueError) as error:
        raise EvaluationError(f"{path} is not as avzoo writes it: evaluate again") from error
    found, start = {}, 0
    for part in parts:
        rows = table.slice(start, part["items"])
        start += part["items"]
        scores = np.stack(rows["scores"].to_numpy()).astype(np.float32)
        content = rows["content"].to_pylist()
        names, classes = tuple(rows["item"].to_pylist()), tuple(part["classes"])
        items = Items(names, _labels(rows, part), classes, () if None in content else tuple(content))
        found[PartKey(part["modality"], part["fold"], part["part"])] = Predictions(items, scores)
    return found


def _labels(rows: pa.Table, part: Mapping[str, Any]) -> Any:
    labels = rows["labels"].to_pylist()
    if not part["multilabel"]:
        return np.array([label for (label,) in labels], np.int64)
    matrix = np.zeros((len(labels), len(part["classes"])), np.bool_)
    for row, classes in zip(matrix, labels, strict=True):
        row[classes] = True
    return matrix
