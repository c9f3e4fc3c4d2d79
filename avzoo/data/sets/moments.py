"""Moments in Time: three-second videos of one action each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from avzoo.data.clips import DataError

from .classes import Classes, ClassList, same
from .files import first_existing
from .media_set import Listed, MediaSet, gather
from .tables import csv_rows

_SPLITS = {"train": ("trainingSet.csv", "training"), "val": ("validationSet.csv", "validation")}


def moments_in_time(
    root: Path,
    *,
    split: str = "train",
    classes: ClassList | None = None,
    allow_missing: float = 0.0,
    num_classes: int = 305,
) -> MediaSet:
    """A split of Moments in Time in its official layout.

    ``trainingSet.csv`` and ``validationSet.csv`` (file, class, votes for and against; no header),
    ``moments_categories.txt`` (class, number), and videos ``training/CLASS/NAME.mp4``, ``validation/CLASS/NAME.mp4``.

    Args:
        root: Folder of the set.
        split: train or val.
        classes: Which classes to keep, and their order; None keeps all by their numbers.
        allow_missing: Largest share of the listed files that may be absent.
        num_classes: How many there are if all are kept: 305 in version 2, 339 in version 1.

    Raises:
        DataError: Something is missing; a table is wrong, or disagrees with the folders.
    """
    if split not in _SPLITS:
        raise DataError(f"Moments in Time has no split {split!r}; it has train and val")
    name, folder = _SPLITS[split]
    table = first_existing(root, [name], f"table {name}")
    categories = first_existing(root, ["moments_categories.txt"], "class list moments_categories.txt")
    numbered = {}
    for line, row in csv_rows(categories, ["label", "number"], header=False):
        if not row["number"].isdigit():
            raise DataError(f"line {line} of {categories}: {row['number']!r} is no number of a class")
        numbered[row["label"]] = int(row["number"])
    known = Classes(sorted(numbered, key=lambda label: numbered[label]), classes, categories, num_classes)
    spelt = set(map(same, numbered))

    def entries() -> Iterator[Listed]:
        for line, row in csv_rows(table, ["file", "label"], header=False):
            if same(row["label"]) not in spelt:
                raise DataError(f"line {line} of {table}: class {row['label']!r} is not in {categories.name}")
            if same(Path(row["file"]).parent.name) != same(row["label"]):
                raise DataError(f"line {line} of {table}: {row['file']} is not in the folder of {row['label']!r}")
            number = known.number(row["label"])
            if number is not None:
                path = root / folder / row["file"]
                yield Listed(row["file"], path if path.is_file() else None, (number,))

    return gather(entries(), table, known.names, allow_missing)
