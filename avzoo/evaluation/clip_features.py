"""The features of the clips of a labelled set: computed once into a folder, read by every protocol."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Literal

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from avzoo.data.sets import MediaItem, MediaSet
from avzoo.extract import Encoder, FeatureTable, Progress
from avzoo.extract.files import alone_in, replacing
from avzoo.extract.forward import ForwardPool
from avzoo.extract.lanes import FINISHED, Event, cores, run_lanes
from avzoo.extract.manifest import ManifestRow
from avzoo.extract.table import Features
from avzoo.extract.workers import DecodeWorker

from .arrays import EvaluationError
from .clip_decoding import decode_planned
from .clip_embedding import ItemEncoder
from .clip_encoder import PlannedEncoder
from .clip_plan import ClipPlan
from .clip_set import ClipFeatures as ClipFeatures
from .clip_table import (
    MANIFEST,
    PARTS,
    SETTINGS,
    ClipRows,
    ItemRow,
    path_text,
    read_items,
    read_rows,
    write_items,
    write_part,
)

_FORMAT = 1
_NAMED = 3  # items that a message names

#: Items of one part: enough to fill batches, few enough that many parts keep many lanes busy.
_MAX_GROUP = 64
_MIN_GROUPS = 16


def clip_features(
    encoder: Encoder,
    media: MediaSet,
    plan: ClipPlan,
    folder: str | Path,
    *,
    root: str | Path,
    multilabel: bool = False,
    batch_size: int = 8,
    workers: int | None = None,
    timeout: float = 120.0,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> ClipFeatures:
    """Embeds the clips of a set into a folder, or reads what an earlier call with the same arguments left there.

    The folder receives ``clips/part-NNNNN.parquet`` (see `clip_table.SCHEMA`), ``items.parquet`` with one row per item
    (see `ItemRow`), written last, and ``clips.json``, how they were made. Run again, it goes on where it was
    interrupted; what is there already costs nothing but reading it, and files that changed since cost their part.
    Labels are not stored: other label sets of the same items use the same folder. A bad file costs its items, which are
    among the ``problems`` then.

    Args:
        encoder: What embeds them; its checkpoint tells what its weights are.
        media: The items. Their places decide what is drawn for each: for folds of one set, embed all items once and
            take the folds with `ClipFeatures.of`.
        plan: Which clips of every item.
        folder: Where to; made if it is not there.
        root: Folder of the set, by which items are named.
        multilabel: Whether an item may have several classes.
        batch_size: Clips, counting crops, per forward pass.
        workers: Decode processes; by default one per CPU core.
        timeout: Seconds that reading the clips of an item may take before it is given up.
        on_progress: Called before the first item, and after each forward pass and each item; not called where all is
            there already.

    Raises:
        EvaluationError: The folder holds something else or is in use, or no item could be embedded.
        EncoderError: The encoder has no such pooling, or the processors leave open how long a clip is.
    """
    folder, fed = Path(folder), PlannedEncoder(encoder, plan)
    if not media.items:
        raise EvaluationError("there are no items to embed")
    identity = _identity(fed, media, Path(root))
    parts = _parts(media, folder / PARTS, identity)
    if not (folder / MANIFEST).is_file() or any(read_items(part.path, part.fingerprint) is None for part in parts):
        _embed(fed, parts, folder, identity, batch_size, workers, timeout, on_progress)
    done = {part.path: read_items(part.path, part.fingerprint) for part in parts}
    items = [row for rows in done.values() for row in rows or ()]
    problems = tuple(row for row in items if row.status != "ok")
    if len(problems) == len(items):
        causes = "; ".join(f"{row.path} {row.message}" for row in problems[:_NAMED])
        raise EvaluationError(f"none of the {len(items)} items could be embedded: {causes}")
    content = tuple(row.sha256 or "" for row in items)
    return ClipFeatures(media, Path(root), read_rows(list(done)), content, problems, multilabel)


def from_feature_table(
    table: FeatureTable, media: MediaSet, *, root: str | Path, multilabel: bool = False
) -> ClipFeatures:
    """The features of a set from what `avzoo extract` wrote: every window of an item is a clip of it.

    Rows belong to an item by their file's absolute path; where an item is a span of its file, those whose middle lies
    in it. Rows of zeros in place of a missing stream are left out. Items without rows are among the ``problems``.

    Args:
        table: The table, of all files of the set or more.
        media: The items.
        root: Folder of the set, by which items are named.
        multilabel: Whether an item may have several classes.

    Raises:
        EvaluationError: The table holds rows of several models, or none of any item.
    """
    provenance = ["model", "revision", "processor_hash"]
    models = pq.read_table(table.parts, columns=provenance).group_by(provenance).aggregate([]).to_pylist()
    if len(models) > 1:
        named = ", ".join(f"{one['model']} at {one['revision']}" for one in models[:_NAMED])
        raise EvaluationError(f"{table.folder} holds rows of {len(models)} models ({named}): extract them apart")
    found: dict[str, ClipRows] = {}
    content = [""] * len(media.items)
    for modality in table.modalities:
        if modality == "joint":  # is made of the other two, as for the clips of a plan
            continue
        features = table.read(modality)
        places = _places(features, media)
        rows, counts = np.concatenate(places), [len(one) for one in places]
        if len(rows):
            found[modality] = ClipRows(
                item=np.repeat(np.arange(len(places)), counts),
                clip=np.concatenate([np.arange(count) for count in counts]),
                crop=np.zeros(len(rows), np.int64),
                start=features.start[rows],
                end=features.end[rows],
                vectors=features.embedding[rows],
            )
        for index, one in enumerate(places):
            content[index] = features.sha256[one[0]] if len(one) else content[index]
    present = {int(index) for rows in found.values() for index in np.unique(rows.item)}
    if not present:
        raise EvaluationError(f"{table.folder} has no rows of any of the {len(media.items)} items: extract their files")
    told = {row.path: row for row in table.manifest}
    problems = tuple(
        _without_rows(index, item, told.get(path_text(item.path)))
        for index, item in enumerate(media.items)
        if index not in present
    )
    return ClipFeatures(media, Path(root), found, tuple(content), problems, multilabel)


def _places(features: Features, media: MediaSet) -> list[NDArray[np.int64]]:
    """The rows of every item, in the order of time, but those whose input was made up for a missing stream."""
    paths, inverse = np.unique(features.path.astype(str), return_inverse=True)
    order = np.lexsort((features.start, inverse))
    bounds = np.searchsorted(inverse[order], np.arange(len(paths) + 1))
    rows_of = {path: order[bounds[index] : bounds[index + 1]] for index, path in enumerate(paths.tolist())}
    middle = (features.start + features.end) / 2
    places = []
    for item in media.items:
        rows = rows_of.get(path_text(item.path), np.empty(0, np.int64))
        end = np.inf if item.end is None else item.end
        places.append(rows[~features.zeros[rows] & (middle[rows] >= (item.start or 0.0)) & (middle[rows] < end)])
    return places


def _without_rows(index: int, item: MediaItem, told: ManifestRow | None) -> ItemRow:
    message = "is not in the feature table"
    if told is not None:
        message = told.message or "has no window whose middle lies in the item"
    status: Literal["skipped", "failed"] = "skipped" if told is not None and told.status == "skipped" else "failed"
    return ItemRow(index, path_text(item.path), item.start, item.end, None, status, "no_rows", message, 0)


@dataclass(frozen=True)
class _Part:
    """Consecutive items and where their clips are kept."""

    path: Path
    items: tuple[tuple[int, MediaItem], ...]
    fingerprint: str


def _identity(encoder: PlannedEncoder, media: MediaSet, root: Path) -> dict[str, Any]:
    """What the clips are of, but for the content of the files; batches and devices change nothing that is meant."""
    items = json.dumps(media.item_names(root))
    return {
        "format": _FORMAT,
        "plan": encoder.plan.model_dump(mode="json"),
        "revision": encoder.checkpoint.revision,
        "processor_hash": encoder.processor_hash,
        "dtype": str(encoder.dtype).removeprefix("torch."),
        "items": len(media.items),
        "items_sha256": hashlib.sha256(items.encode()).hexdigest(),
    }


def _parts(media: MediaSet, folder: Path, identity: dict[str, Any]) -> list[_Part]:
    size = min(_MAX_GROUP, -(-len(media.items) // _MIN_GROUPS))
    parts = []
    for number, first in enumerate(range(0, len(media.items), size)):
        members = tuple(enumerate(media.items[first : first + size], first))
        basis = json.dumps([identity, [[path_text(item.path), *_state(item.path)] for _, item in members]])
        fingerprint = hashlib.sha256(basis.encode()).hexdigest()
        parts.append(_Part(folder / f"part-{number:05}.parquet", members, fingerprint))
    return parts


def _state(path: Path) -> tuple[int, int]:
    """Size and time of the last change of a file; zeros where there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return 0, 0
    return status.st_size, status.st_mtime_ns


def _embed(
    encoder: PlannedEncoder,
    parts: list[_Part],
    folder: Path,
    identity: dict[str, Any],
    batch_size: int,
    workers: int | None,
    timeout: float,
    on_progress: Callable[[Progress], None],
) -> None:
    """Makes the parts that are not there yet, then what says that all are."""
    notes = {"model": encoder.checkpoint.name, "device": encoder.device.type, "batch_size": batch_size}
    with _claimed(folder, identity, notes):
        pending = [part for part in parts if read_items(part.path, part.fingerprint) is None]
        (folder / MANIFEST).unlink(missing_ok=True)
        total = sum(len(part.items) for part in parts)
        provenance = {
            "model": notes["model"],
            "revision": identity["revision"],
            "processor_hash": identity["processor_hash"],
            "decoder": encoder.clip_spec().decoder,
            "zeros": False,
            "augmented": encoder.plan.augmented,
        }
        events: SimpleQueue[Event] = SimpleQueue()
        processes = [
            DecodeWorker(batch_size, timeout, decode_planned) for _ in range(min(workers or cores(), len(pending)))
        ]
        with ForwardPool(encoder, cores(), on_windows=events.put) as forward:
            items = ItemEncoder(encoder, forward, batch_size)

            def write(part: _Part, worker: DecodeWorker) -> None:
                def announced() -> Iterator[tuple[ItemRow, dict[str, ClipRows]]]:
                    for row, rows in items.embed(part.items, worker):
                        events.put(FINISHED)
                        yield row, rows

                write_part(part.path, announced(), provenance, part.fingerprint)

            done = total - sum(len(part.items) for part in pending)
            run_lanes(pending, write, processes, events, on_progress, Progress(done, total, 0))
        write_items(folder, [row for part in parts for row in read_items(part.path, part.fingerprint) or ()])


@contextmanager
def _claimed(folder: Path, identity: dict[str, Any], notes: dict[str, Any]) -> Iterator[None]:
    """Makes the folder, keeps other calls out of it, and notes what it is of and how it was first made."""
    try:
        (folder / PARTS).mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise EvaluationError(f"{folder} is not a folder: give another one for the features") from None
    try:
        with alone_in(folder):
            if (folder / SETTINGS).exists():
                _check(folder, identity)
            elif any((folder / PARTS).iterdir()):
                raise EvaluationError(f"{folder / PARTS} holds files that are no clip features: give another folder")
            else:
                with replacing(folder / SETTINGS) as file:
                    file.write(json.dumps(identity | notes, indent=2).encode() + b"\n")
            yield
    except BlockingIOError:
        raise EvaluationError(f"another process is writing into {folder}: wait for it or give another folder") from None


def _check(folder: Path, identity: dict[str, Any]) -> None:
    """Refuses a folder that holds the clips of something else."""
    try:
        found = json.loads((folder / SETTINGS).read_bytes())
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise EvaluationError(f"{folder / SETTINGS} is damaged: give another folder for the features")
    changed = [name for name in identity if found.get(name) != identity[name]]
    if changed:
        raise EvaluationError(
            f"{folder} holds features of something else (another {', '.join(changed)}): give another folder"
        )
