"""ESC-50 and ESC-10: recordings of sounds in five official folds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from avzoo.data.clips import DataError

from .classes import Classes, ClassList, same
from .files import media_files
from .media_set import Listed, MediaSet, gather
from .tables import csv_rows

_FOLDS = ("1", "2", "3", "4", "5")
_COLUMNS = ["filename", "fold", "target", "category", "esc10"]
_CLASS_FOLDER = re.compile(r"\d{3} - (?P<label>.+)")
_FOLD_NAME = re.compile(r"(?P<fold>[1-5])-.+")


def esc50(
    root: Path,
    *,
    split: str = "train",
    fold: int = 1,
    classes: ClassList | None = None,
    allow_missing: float = 0.0,
    esc10: bool = False,
) -> MediaSet:
    """ESC-50 in its official layout: ``meta/esc50.csv`` and the recordings that it names, anywhere below ``root``.

    Args:
        root: Folder of the set.
        split: train, the four other folds, or test, this fold.
        fold: The fold that is tested, 1 to 5.
        classes: Which classes to keep, and their order; None keeps all, numbered by the column ``target``.
        allow_missing: Largest share of the listed files that may be absent.
        esc10: Whether only what belongs to ESC-10 is meant.

    Raises:
        DataError: Something is missing; the table is wrong, or disagrees with the names of the files.
    """
    _check(split, fold)
    table = root / "meta" / "esc50.csv"
    rows = [(line, row) for line, row in csv_rows(table, _COLUMNS) if not esc10 or row["esc10"].casefold() == "true"]
    targets: dict[str, str] = {}
    for line, row in rows:
        if targets.setdefault(row["target"], row["category"]) != row["category"] or not row["target"].isdigit():
            raise DataError(
                f"line {line} of {table}: class {row['category']!r} is not what {row['target']!r} was before"
            )
    names = [targets[target] for target in sorted(targets, key=int)]
    known = Classes(names, classes, table, expected=10 if esc10 else 50)
    files = {path.stem: path for path in media_files(root)}

    def entries() -> Iterator[Listed]:
        for line, row in rows:
            told = _FOLD_NAME.fullmatch(row["filename"])
            if row["fold"] not in _FOLDS or (told is not None and told["fold"] != row["fold"]):
                raise DataError(f"line {line} of {table}: {row['filename']} is not of fold {row['fold']!r}")
            number = known.number(row["category"])
            if number is not None and (row["fold"] == str(fold)) == (split == "test"):
                yield Listed(row["filename"], files.get(Path(row["filename"]).stem), (number,))

    return gather(entries(), table, known.names, allow_missing)


def esc10(
    root: Path,
    *,
    split: str = "train",
    fold: int = 1,
    classes: ClassList | None = None,
    allow_missing: float = 0.0,
) -> MediaSet:
    """ESC-10: the part of ESC-50 (`esc50`), or its own release: ``NNN - Class name/FOLD-NAME.ogg``.

    Where a table ``meta.csv`` lies beside the folders of the release (``file, fold, category``), it has to say what the
    names say.

    Args:
        root: Folder of ESC-50 or of the release of ESC-10.
        split: train, the four other folds, or test, this fold.
        fold: The fold that is tested, 1 to 5.
        classes: Which classes to keep, and their order; None keeps all, numbered as their folders.
        allow_missing: Largest share of the files listed in a table that may be absent.

    Raises:
        DataError: Something is missing, or a table disagrees with the names of the files.
    """
    if (root / "meta" / "esc50.csv").is_file():
        return esc50(root, split=split, fold=fold, classes=classes, allow_missing=allow_missing, esc10=True)
    _check(split, fold)
    labels = {}
    for folder in sorted(root.iterdir()):
        if folder.is_dir() and (match := _CLASS_FOLDER.fullmatch(folder.name)):
            labels[folder] = match["label"]
    if not labels:
        raise DataError(f"{root} has neither meta/esc50.csv nor folders of classes, such as '001 - Dog bark'")
    known = Classes(labels.values(), classes, root, expected=10)
    listed = _meta(root, labels)

    def entries() -> Iterator[Listed]:
        for name, (path, label) in listed.items():
            match = _FOLD_NAME.fullmatch(Path(name).name)
            if match is None:
                raise DataError(f"{root / name}: the name does not start with the number of a fold, 1 to 5")
            number = known.number(label)
            if number is not None and (match["fold"] == str(fold)) == (split == "test"):
                yield Listed(name, path, (number,))

    return gather(entries(), root, known.names, allow_missing)


def _meta(root: Path, labels: dict[Path, str]) -> dict[str, tuple[Path | None, str]]:
    """File and class of every recording of the release, by its path; checked against a table, where there is one."""
    found = {path.relative_to(root).as_posix(): path for folder in labels for path in media_files(folder)}
    table = root / "meta.csv"
    if not table.is_file():
        return {name: (path, labels[path.parent]) for name, path in found.items()}
    folders: dict[str, str] = {}
    listed: dict[str, tuple[Path | None, str]] = {}
    for line, row in csv_rows(table, ["file", "fold", "category"]):
        name, folder = row["file"], Path(row["file"]).parent
        if not Path(name).name.startswith(f"{row['fold']}-"):
            raise DataError(f"line {line} of {table}: {name} is not of fold {row['fold']!r}")
        if root / folder not in labels:
            raise DataError(f"line {line} of {table}: {name} is in no folder of a class")
        if same(folders.setdefault(str(folder), row["category"])) != same(row["category"]):
            raise DataError(
                f"line {line} of {table}: {name} is of class {row['category']!r}, and others of its folder are of "
                f"{folders[str(folder)]!r}"
            )
        listed[name] = (found.get(name), labels[root / folder])
    unlisted = [name for name in found if name not in listed]
    if unlisted:
        raise DataError(f"{table} does not list {len(unlisted)} files that are there, the first is {unlisted[0]}")
    return listed


def _check(split: str, fold: int) -> None:
    if split not in ("train", "test") or str(fold) not in _FOLDS:
        raise DataError(f"there is no split {split!r} of fold {fold}; splits are train and test, folds 1 to 5")
