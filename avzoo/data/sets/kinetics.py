"""Kinetics400 and Kinetics700, and the part of the former that is Kinetics-Sound."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from avzoo.data.clips import DataError

from .classes import Classes, ClassList, read_classes
from .files import YouTubeFiles
from .listing import class_folders
from .media_set import Listed, MediaSet, gather
from .tables import csv_rows, span

_SPELLINGS = {"train": ("train",), "val": ("val", "validate", "validation"), "test": ("test",)}


def kinetics(
    root: Path,
    *,
    split: str = "train",
    annotations: Path | None = None,
    classes: ClassList | None = None,
    num_classes: int = 400,
    trimmed: bool = True,
    allow_missing: float = 0.0,
) -> MediaSet:
    """A split of Kinetics.

    With the official table (``label, youtube_id, time_start, time_end, split``), files are found by their names,
    ``ID_START_END`` as of the official copies or ``ID``, anywhere below ``root/split``, or below ``root`` where there
    is no such folder. Without it, ``root/split`` has one folder per class.

    Args:
        root: Folder of the set.
        split: train, val or test.
        annotations: The table; by default one in ``root`` or ``root/annotations`` whose name ends with the split.
        classes: Which classes to keep, and their order; None keeps all in alphabetical order.
        num_classes: How many there are if all are kept.
        trimmed: Whether files hold the ten seconds that are meant; else these are cut out of whole videos.
        allow_missing: Largest share of the listed files that may be absent. Videos disappear from YouTube.

    Raises:
        DataError: Something is missing, or the classes are not those of the set.
    """
    if split not in _SPELLINGS:
        raise DataError(f"Kinetics has no split {split!r}; it has {', '.join(_SPELLINGS)}")
    part = next((root / name for name in _SPELLINGS[split] if (root / name).is_dir()), None)
    table = annotations or _table(root, split)
    if table is None:
        if part is None:
            raise DataError(f"{root} has neither a folder {split} nor a table of its files, {split}.csv")
        return class_folders(part, classes, num_classes)
    rows = list(csv_rows(table, ["youtube_id", "time_start", "time_end"]))
    labelled = bool(rows) and "label" in rows[0][1]
    if classes is not None and not labelled:
        raise DataError(f"{table} has no column 'label' to choose classes by")
    names = sorted({row["label"] for _, row in rows}) if labelled else []
    known = Classes(names, classes, table, num_classes) if labelled else None
    files = YouTubeFiles(part or root)

    def entries() -> Iterator[Listed]:
        for line, row in rows:
            start, end = span(row, table, line, "time_start", "time_end")
            number = None if known is None else known.number(row["label"])
            if number is None and known is not None:
                continue
            name = f"{row['youtube_id']}_{start or 0:06.0f}_{end or 0:06.0f}"
            path = files.find(row["youtube_id"], start or 0.0, end)
            cut = (None, None) if trimmed else (start, end)
            yield Listed(name, path, () if number is None else (number,), *cut)

    return gather(entries(), table, None if known is None else known.names, allow_missing)


def kinetics_sound(
    root: Path,
    *,
    split: str = "train",
    annotations: Path | None = None,
    classes: ClassList | None = None,
    trimmed: bool = True,
    allow_missing: float = 0.0,
) -> MediaSet:
    """The classes of Kinetics400 that are to be seen and heard, from a copy of Kinetics400; see `kinetics`.

    Args:
        root: Folder of Kinetics400, or of these classes alone.
        split: train, val or test.
        annotations: The table of Kinetics400.
        classes: Another version of the list than the packaged ``kinetics_sound``.
        trimmed: Whether files hold the ten seconds that are meant.
        allow_missing: Largest share of the listed files that may be absent.
    """
    return kinetics(
        root,
        split=split,
        annotations=annotations,
        classes=classes or read_classes("kinetics_sound"),
        trimmed=trimmed,
        allow_missing=allow_missing,
    )


def _table(root: Path, split: str) -> Path | None:
    ending = re.compile(rf"(.*[^a-z])?({'|'.join(_SPELLINGS[split])})", re.IGNORECASE)
    found = [
        path
        for folder in (root, root / "annotations")
        for path in sorted(folder.glob("*.csv"))
        if ending.fullmatch(path.stem)
    ]
    if len(found) > 1:
        raise DataError(f"{found[0]} and {found[1]} could both be the table of {split}; say which with annotations")
    return found[0] if found else None
