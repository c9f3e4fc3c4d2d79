"""CharadesEgo: the same actions filmed by a third person and by the one who acts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from avzoo.data.clips import DataError

from .classes import Classes, ClassList
from .files import first_existing, media_files
from .media_set import Listed, MediaSet, gather
from .tables import Row, csv_rows, text_lines

_VIEWS = {"third": ("only3rd", "no"), "first": ("only1st", "yes")}
_ACTION = re.compile(r"(?P<code>c\d{3}) (?P<start>\d+(\.\d+)?) (?P<end>\d+(\.\d+)?)")
_CLASS = re.compile(r"(?P<code>c\d{3}) (?P<name>.+)")


def charades_ego(
    root: Path,
    *,
    split: str = "train",
    view: str = "third",
    segments: bool = False,
    classes: ClassList | None = None,
    allow_missing: float = 0.0,
) -> MediaSet:
    """A split of CharadesEgo in its official layout.

    In ``CharadesEgo``, or ``root``, lie ``CharadesEgo_v1_SPLIT_only3rd.csv`` and ``..._only1st.csv``, or
    ``CharadesEgo_v1_SPLIT.csv`` whose column ``egocentric`` tells them apart, and ``Charades_v1_classes.txt``. Videos
    are named ``ID``, or ``IDEGO`` for those of the first person, which is part of their ID.

    Args:
        root: Folder of the set.
        split: train or test.
        view: third or first person.
        segments: Whether each marked action is an item of one class, cut out of its video; else each video is one,
            with all its classes. Videos without actions are left out.
        classes: Which classes to keep, and their order; None keeps all 157, in the order of the official list.
        allow_missing: Largest share of the listed files that may be absent.

    Raises:
        DataError: Something is missing, or a table is wrong.
    """
    if split not in ("train", "test") or view not in _VIEWS:
        raise DataError(f"CharadesEgo has no split {split!r} of view {view!r}; train and test of third and first")
    lists = first_existing(root, ["CharadesEgo", "."], "lists")
    name, egocentric = _VIEWS[view]
    tables = [f"CharadesEgo_v1_{split}_{name}.csv", f"CharadesEgo_v1_{split}.csv"]
    table = first_existing(lists, tables, f"table of {split}")
    mixed = table.name == tables[1]
    names = _classes(first_existing(lists, ["Charades_v1_classes.txt", "CharadesEgo_v1_classes.txt"], "class list"))
    known = Classes(names.values(), classes, table, expected=157)
    files = {path.stem: path for path in media_files(root)}

    def entries() -> Iterator[Listed]:
        for line, row in csv_rows(table, ["id", "actions", *(["egocentric"] if mixed else [])]):
            if mixed and row["egocentric"].casefold() != egocentric:
                continue
            marks = list(_actions(row, table, line, names, known))
            path = files.get(row["id"])
            if segments:
                yield from (Listed(row["id"], path, (number,), start, end) for number, start, end in marks)
            elif marks:
                yield Listed(row["id"], path, tuple(sorted({number for number, _, _ in marks})))

    return gather(entries(), table, known.names, allow_missing)


def _classes(path: Path) -> dict[str, str]:
    """Class names by code."""
    names = {}
    for number, line in text_lines(path):
        match = _CLASS.fullmatch(line)
        if match is None:
            raise DataError(f"line {number} of {path} is no code and class: {line}")
        names[match["code"]] = match["name"]
    return names


def _actions(
    row: Row, table: Path, line: int, names: dict[str, str], known: Classes
) -> Iterator[tuple[int, float, float]]:
    """Class, start and end of the marked actions that are kept; those that end before they start are skipped."""
    for action in filter(None, map(str.strip, row["actions"].split(";"))):
        match = _ACTION.fullmatch(action)
        if match is None or match["code"] not in names:
            raise DataError(f"line {line} of {table}: {action!r} is no known class with start and end in seconds")
        number, start, end = known.number(names[match["code"]]), float(match["start"]), float(match["end"])
        if number is not None and start < end:
            yield number, start, end
