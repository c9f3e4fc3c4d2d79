"""AudioSet: ten-second segments of videos with any number of classes each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from avzoo.data.clips import DataError

from .classes import Classes, ClassList
from .files import YouTubeFiles, first_existing
from .media_set import Listed, MediaSet, gather
from .tables import csv_rows, span

_TABLES = {
    "train": ("unbalanced_train", "balanced_train"),
    "unbalanced_train": ("unbalanced_train",),
    "balanced_train": ("balanced_train",),
    "eval": ("eval",),
}
_COLUMNS = ["YTID", "start_seconds", "end_seconds", "positive_labels"]


def audioset(
    root: Path,
    *,
    split: str = "train",
    annotations: Path | None = None,
    classes: ClassList | None = None,
    trimmed: bool = True,
    allow_missing: float = 0.0,
) -> MediaSet:
    """A split of AudioSet.

    The official tables (``SPLIT_segments.csv``, ``class_labels_indices.csv``) lie in ``root`` or ``root/csv``. Files
    are found anywhere below ``root`` by their names, ``ID_START_END``, ``ID_START`` or ``ID``, in seconds or
    milliseconds, also with a Y before them.

    Args:
        root: Folder of the set.
        split: train (both parts), unbalanced_train, balanced_train or eval.
        annotations: The table of segments, in place of the official one of the split.
        classes: Which classes to keep, by their display names; segments with none of them are left out. None keeps
            all, numbered as in ``class_labels_indices.csv``.
        trimmed: Whether files hold the segment alone; else it is cut out of the whole video.
        allow_missing: Largest share of the listed files that may be absent. Videos disappear from YouTube.

    Raises:
        DataError: Something is missing, or a table is wrong.
    """
    if split not in _TABLES:
        raise DataError(f"AudioSet has no split {split!r}; it has {', '.join(_TABLES)}")
    tables = [annotations] if annotations else [_official(root, f"{name}_segments.csv") for name in _TABLES[split]]
    names_table = _official(root, "class_labels_indices.csv")
    names = {row["mid"]: row["display_name"] for _, row in csv_rows(names_table, ["mid", "display_name"])}
    known = Classes(names.values(), classes, names_table)
    files = YouTubeFiles(root)

    def entries() -> Iterator[Listed]:
        for table in tables:
            for line, row in csv_rows(table, _COLUMNS, header=False):
                start, end = span(row, table, line, "start_seconds", "end_seconds")
                mids = row["positive_labels"].split(",")
                unknown = [mid for mid in mids if mid not in names]
                if unknown:
                    raise DataError(f"line {line} of {table}: {names_table.name} has no class {unknown[0]!r}")
                numbers = tuple(number for mid in mids if (number := known.number(names[mid])) is not None)
                if not numbers:
                    continue
                path = files.find(row["YTID"], start or 0.0, end)
                cut = (None, None) if trimmed else (start, end)
                yield Listed(f"{row['YTID']}_{start or 0:g}_{end or 0:g}", path, numbers, *cut)

    return gather(entries(), tables[0], known.names, allow_missing)


def _official(root: Path, name: str) -> Path:
    return first_existing(root, [name, f"csv/{name}"], f"table {name}")
