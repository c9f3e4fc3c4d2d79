"""A person's own labelled files as a benchmark: a folder of classes, or a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from avzoo.data.clips import DataError

from .benchmark import PARTS, Benchmark, check_disjoint, names_of, one_label_set
from .classes import Classes, ClassList, same
from .files import media_files
from .holding_out import deal, hold_out
from .listing import class_folders
from .media_set import Listed, MediaItem, MediaSet, gather
from .tables import csv_rows, span

_SPELLINGS = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}
_BOTH = ("video", "audio")
_LABEL = "label"


def folder_benchmark(name: str, root: Path, folds: int | None = None) -> Benchmark:
    """A folder with one subfolder per class, or with ``train``, ``test`` and perhaps ``validation`` that are such.

    Without these, a fifth of each class is for testing, at least one file: those whose SHA-256 of the path below
    ``root`` comes first. With ``folds``, files are dealt into so many in that order, and each is tested once.

    Args:
        name: Name of the benchmark.
        root: The folder.
        folds: Number of folds, at least 2; None for one division.

    Raises:
        DataError: There are no subfolders with media; there is a test folder without a training folder; or folds are
            asked for of what is divided.
    """
    if not root.is_dir():
        raise DataError(f"{root} is no folder of classes")
    _check_folds(folds)
    divided = {_SPELLINGS[path.name.lower()]: path for path in root.iterdir() if path.name.lower() in _SPELLINGS}
    if "test" not in divided:
        return _divided_here(name, root, folds)
    if "train" not in divided or folds is not None:
        raise DataError(f"{root} has a folder {divided['test'].name}: it needs one of training, and cannot have folds")

    def read(part: str, fold: str, classes: ClassList | None, allow_missing: float) -> MediaSet:
        media = {each: class_folders(path) for each, path in divided.items()}
        known = media["train"].class_names or ()
        for each, found in media.items():
            unknown = [name for name in found.class_names or () if same(name) not in set(map(same, known))]
            if unknown:
                raise DataError(f"{divided[each]} has class {unknown[0]!r}, which {divided['train']} has not")
        wanted = classes or ClassList(str(divided["train"]), tuple(known), "")
        return _of_known_classes(media[part], wanted)

    return Benchmark(
        name,
        root,
        ("",),
        ("class",),
        False,
        tuple(part for part in PARTS if part in divided),
        _BOTH,
        one_label_set(read),
    )


def _of_known_classes(media: MediaSet, wanted: ClassList) -> MediaSet:
    """The items of a part in the numbering of all parts; it may lack classes."""
    numbers = {same(name): number for number, name in enumerate(wanted.names)}
    names = media.class_names or ()
    items = [
        replace(item, labels=(numbers[same(names[item.labels[0]])],))
        for item in media.items
        if same(names[item.labels[0]]) in numbers
    ]
    return MediaSet(tuple(items), wanted.names, media.missing)


def _divided_here(name: str, root: Path, folds: int | None) -> Benchmark:
    def read(part: str, fold: str, classes: ClassList | None, allow_missing: float) -> MediaSet:
        media = class_folders(root)
        names = media.item_names(root)
        strata = [item.labels[0] for item in media.items]
        tested = hold_out(names, strata) if folds is None else deal(names, strata, folds) == int(fold) - 1
        items = [item for item, test in zip(media.items, tested, strict=True) if test == (part == "test")]
        kept = MediaSet(tuple(items), media.class_names)
        return kept if classes is None else _of_known_classes(kept, classes)

    loose = [path for path in media_files(root) if path.parent == root]
    if loose:
        raise DataError(f"{loose[0]} is in no folder of a class; one folder per class is needed")
    return Benchmark(name, root, _fold_names(folds), ("class",), False, ("train", "test"), _BOTH, one_label_set(read))


@dataclass(frozen=True)
class _Row:
    """A row; whether its file is there is seen when a part is read."""

    listed: Listed
    name: str
    labels: Mapping[str, tuple[str, ...]]
    part: str | None
    fold: str | None


def csv_benchmark(name: str, table: Path, folds: int | None = None) -> Benchmark:
    """A table of files: columns ``path`` and ``label``, and perhaps ``split``, ``fold``, ``start`` and ``end``.

    Paths are relative to the table, times in seconds. Labels are names or numbers; where a row has several, divided by
    ``;``, the set is a multi-label one. Columns ``label_NAME`` are further label sets. ``split`` says train, validation
    or test; or ``fold`` says in which fold a row is tested, and all other rows are learned from. With neither, rows are
    divided as `folder_benchmark` divides files, by the first label set, all parts of one file together.

    Args:
        name: Name of the benchmark.
        table: The table.
        folds: Number of folds, at least 2, of a table without these columns; None for one division.

    Raises:
        DataError: The table is wrong; a file is in two parts; or it has both split and fold.
    """
    _check_folds(folds)
    rows, label_sets = _rows(table)
    parts, fold_names = _division(rows, table, folds)
    _check_leakage(rows, table)
    multilabel = any(len(labels) > 1 for row in rows for labels in row.labels.values())

    def read(part: str, fold: str, labels: str, classes: ClassList | None, allow_missing: float) -> MediaSet:
        column = [row.labels[labels] for row in rows]
        texts = {text for texts in column for text in texts}
        numeric = all(text.isascii() and text.isdigit() for text in texts)
        names = sorted(texts, key=int) if numeric else sorted(texts)
        known = Classes(names, classes, table)
        if len(known.names) < len(names) and classes is None:
            raise DataError(
                f"{table} spells one class in several ways: {len(names)} names of {len(known.names)} classes"
            )
        listed = []
        for row, texts_of_row in zip(rows, column, strict=True):
            numbers = tuple(number for text in texts_of_row if (number := known.number(text)) is not None)
            if numbers and (row.part or ("test" if row.fold == fold else "train")) == part:
                file = table.parent / row.name
                listed.append(replace(row.listed, path=file if file.is_file() else None, labels=numbers))
        return gather(listed, table, known.names, allow_missing)

    return Benchmark(name, table.parent, fold_names, label_sets, multilabel, parts, _BOTH, read)


def _rows(table: Path) -> tuple[list[_Row], tuple[str, ...]]:
    if not table.is_file():
        raise DataError(f"{table} is no table of files")
    rows: list[_Row] = []
    label_sets: tuple[str, ...] = ()
    for line, row in csv_rows(table, ["path"]):
        columns = [column for column in row if column == _LABEL or column.startswith(f"{_LABEL}_")]
        names = tuple("class" if column == _LABEL else column.removeprefix(f"{_LABEL}_") for column in columns)
        label_sets = label_sets or names
        if names != label_sets:
            raise DataError(f"line {line} of {table} is incomplete: {','.join(row.values())}")
        if not columns:
            raise DataError(f"{table} has no column 'label'; its columns are {', '.join(row)}")
        labels = {
            name: tuple(dict.fromkeys(text.strip() for text in row[column].split(";") if text.strip()))
            for name, column in zip(label_sets, columns, strict=True)
        }
        bare = next((name for name, texts in labels.items() if not texts), None)
        if bare is not None:
            raise DataError(f"line {line} of {table} has no label ({bare})")
        part = row.get("split", "").strip().lower() or None
        if part is not None and part not in _SPELLINGS:
            raise DataError(f"line {line} of {table}: split {part!r} is none of train, validation, test")
        start, end = span(row, table, line)
        listed = Listed(row["path"], None, (), start, end)
        fold = row.get("fold", "").strip() or None
        rows.append(_Row(listed, Path(row["path"]).as_posix(), labels, _SPELLINGS[part] if part else None, fold))
    if not rows:
        raise DataError(f"{table} lists no files")
    return rows, label_sets


def _division(rows: list[_Row], table: Path, folds: int | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Parts and folds of a table; rows of a table that tells neither get them here."""
    told = {what: sum(getattr(row, what) is not None for row in rows) for what in ("part", "fold")}
    for what, column in (("part", "split"), ("fold", "fold")):
        if 0 < told[what] < len(rows):
            raise DataError(f"{table} has a {column} in {told[what]} of {len(rows)} rows; give all or none")
    if told["part"] and told["fold"]:
        raise DataError(f"{table} has both columns split and fold; what is meant? Leave one out")
    if folds is not None and any(told.values()):
        raise DataError(f"{table} says itself how it is divided; folds are for a table without split and fold")
    if told["part"]:
        return tuple(part for part in PARTS if any(row.part == part for row in rows)), ("",)
    if told["fold"]:
        given = {row.fold for row in rows if row.fold is not None}
        numeric = all(fold.isdigit() for fold in given)
        return ("train", "test"), tuple(sorted(given, key=int) if numeric else sorted(given))
    names, strata = [row.name for row in rows], [next(iter(row.labels.values())) for row in rows]
    if folds is None:
        held = hold_out(names, strata)
        rows[:] = [replace(row, part="test" if test else "train") for row, test in zip(rows, held, strict=True)]
        return ("train", "test"), ("",)
    dealt = deal(names, strata, folds)
    rows[:] = [replace(row, fold=str(fold + 1)) for row, fold in zip(rows, dealt, strict=True)]
    return ("train", "test"), _fold_names(folds)


def _check_leakage(rows: list[_Row], table: Path) -> None:
    """Refuses rows of different parts, or folds, that are of the same time of one file, whether or not it is there."""
    divided: dict[str, list[MediaItem]] = {}
    for row in rows:
        item = MediaItem(Path(row.name), (), row.listed.start, row.listed.end)
        divided.setdefault(row.part or f"fold {row.fold}", []).append(item)
    check_disjoint({part: MediaSet(tuple(items)) for part, items in divided.items()}, str(table))


def _fold_names(folds: int | None) -> tuple[str, ...]:
    return ("",) if folds is None else names_of(range(1, folds + 1))


def _check_folds(folds: int | None) -> None:
    if folds is not None and folds < 2:
        raise DataError(f"{folds} folds are none; give 2 or more")
