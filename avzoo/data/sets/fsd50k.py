"""FSD50K: recordings with any number of 200 classes each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from avzoo.data.clips import DataError

from .classes import Classes, ClassList, same
from .files import first_existing, media_files
from .media_set import Listed, MediaSet, gather
from .tables import csv_rows

_TABLES = {"train": ("dev", "train"), "val": ("dev", "val"), "eval": ("eval", None)}


def fsd50k(
    root: Path,
    *,
    split: str = "train",
    classes: ClassList | None = None,
    allow_missing: float = 0.0,
) -> MediaSet:
    """A split of FSD50K in its official layout.

    ``FSD50K.ground_truth`` holds ``vocabulary.csv`` (number, class, MID; without header), ``dev.csv`` (``fname``,
    ``labels`` divided by commas, ``mids``, ``split``) and ``eval.csv`` (the same without ``split``); ``FNAME.wav`` lies
    in ``FSD50K.dev_audio`` or ``FSD50K.eval_audio``, or another folder whose name has ``dev_audio`` or ``eval_audio``.

    Args:
        root: Folder of the set.
        split: train and val, the official division of ``dev``, or eval.
        classes: Which classes to keep; recordings with none of them are left out. None keeps all, numbered as in the
            vocabulary.
        allow_missing: Largest share of the listed files that may be absent.

    Raises:
        DataError: Something is missing, or a table is wrong or names a class that is not in the vocabulary.
    """
    if split not in _TABLES:
        raise DataError(f"FSD50K has no split {split!r}; it has {', '.join(_TABLES)}")
    part, wanted = _TABLES[split]
    truth = first_existing(root, ["FSD50K.ground_truth", "ground_truth"], "ground truth")
    vocabulary, table = truth / "vocabulary.csv", truth / f"{part}.csv"
    names = [row["label"] for _, row in csv_rows(vocabulary, ["index", "label", "mid"], header=False)]
    known = Classes(names, classes, vocabulary, expected=200)
    spelt = set(map(same, names))
    folders = sorted(path for path in root.iterdir() if path.is_dir() and f"{part}_audio" in path.name)
    files = {path.stem: path for folder in folders for path in media_files(folder)}

    def entries() -> Iterator[Listed]:
        for line, row in csv_rows(table, ["fname", "labels", *(["split"] if wanted else [])]):
            if wanted and row["split"] not in ("train", "val"):
                raise DataError(f"line {line} of {table}: {row['split']!r} is neither train nor val")
            labels = row["labels"].split(",")
            unknown = next((label for label in labels if same(label) not in spelt), None)
            if unknown is not None:
                raise DataError(f"line {line} of {table}: class {unknown!r} is not in {vocabulary.name}")
            numbers = tuple(number for label in labels if (number := known.number(label)) is not None)
            if numbers and (wanted is None or row["split"] == wanted):
                yield Listed(row["fname"], files.get(row["fname"]), numbers)

    return gather(entries(), table, known.names, allow_missing)
