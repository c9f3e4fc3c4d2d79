"""Sets without a layout of their own: a folder of media, one of classes, or a list."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from avzoo.data.clips import DataError
from avzoo.media import VIDEO_SUFFIXES

from .classes import Classes, ClassList
from .files import media_files
from .media_set import Listed, MediaItem, MediaSet, gather
from .tables import csv_rows, parquet_rows, span


def folder(root: Path) -> MediaSet:
    """Every video of a folder and its subfolders, in the order of names; without classes.

    Raises:
        DataError: There is none.
    """
    paths = sorted(path for path in media_files(root) if path.suffix.lower() in VIDEO_SUFFIXES)
    if not paths:
        raise DataError(f"no media files in {root}")
    return MediaSet(tuple(map(MediaItem, paths)))


def class_folders(root: Path, classes: ClassList | None = None, expected: int | None = None) -> MediaSet:
    """The media of a folder that has one subfolder per class, in the order of names.

    Args:
        root: The folder.
        classes: Which classes to keep, and their order; None keeps all in alphabetical order.
        expected: How many classes there must be if all are kept; None for any number.

    Raises:
        DataError: There are no media, or the classes are not those of the set.
    """
    folders = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    if classes is None and expected is None:
        folders = [path for path in folders if next(media_files(path), None) is not None]
    known = Classes([folder.name for folder in folders], classes, root, expected)
    if classes is None and len(known.names) < len(folders):
        raise DataError(f"{root} has folders whose names differ in nothing but case, spaces and marks; rename them")
    entries = (
        Listed(path.relative_to(root).as_posix(), path, (number,))
        for folder in folders
        if (number := known.number(folder.name)) is not None
        for path in media_files(folder)
    )
    return gather(entries, root, known.names)


def media_list(path: Path, *, classes: ClassList | None = None, allow_missing: float = 0.0) -> MediaSet:
    """The files that a list names.

    A CSV or Parquet file has the column ``path`` and may have ``label``, a class name or number, and ``start`` and
    ``end``, in seconds of the file. Any other file has one path per line. Paths are relative to the list.

    Args:
        path: The list.
        classes: Which classes to keep, and their order; None keeps all: numbers as they are, names sorted.
        allow_missing: Largest share of the files that may be absent.

    Raises:
        DataError: The list cannot be read or is wrong, or files are missing.
    """
    if not path.is_file():
        raise DataError(f"{path} is no file; a list is a text, CSV or Parquet file of paths")
    if path.suffix.lower() not in (".csv", ".parquet"):
        if classes is not None:
            raise DataError(f"{path} has no classes to choose from; a list with the column label has")
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError as error:
            raise DataError(f"{path} is no text, and its name does not end in .csv or .parquet") from error
        return gather((_listed(path, line) for line in lines if line.strip()), path, None, allow_missing)
    read = csv_rows if path.suffix.lower() == ".csv" else parquet_rows
    rows = list(read(path, ["path"] if classes is None else ["path", "label"]))
    labels = [row.get("label") for _, row in rows]
    numbers, names = _numbered(labels, classes, path)
    entries = []
    for (line, row), number in zip(rows, numbers, strict=True):
        if number is None and classes is not None:
            continue
        first, last = span(row, path, line)
        entries.append(_listed(path, str(row["path"]), () if number is None else (number,), first, last))
    return gather(entries, path, names, allow_missing)


def _listed(
    source: Path, name: str, labels: tuple[int, ...] = (), start: float | None = None, end: float | None = None
) -> Listed:
    file = source.parent / name
    return Listed(name, file if file.is_file() else None, labels, start, end)


def _numbered(
    labels: list[Any], classes: ClassList | None, path: Path
) -> tuple[list[int | None], list[str] | tuple[str, ...] | None]:
    """Class numbers of a column, and their names where it has names."""
    given = [label for label in labels if label not in (None, "")]
    if not given:
        return [None] * len(labels), None
    if len(given) < len(labels):
        raise DataError(f"{path} has a label for {len(given)} of {len(labels)} files; give all or none")
    texts = [str(label) for label in labels]
    if classes is None and all(text.isascii() and text.isdigit() for text in texts):
        return [int(text) for text in texts], None
    known = Classes(sorted(set(texts)), classes, path)
    return [known.number(text) for text in texts], list(known.names)
