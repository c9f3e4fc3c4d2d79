"""RareAct: unusual interactions, a verb applied to a noun; only for testing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from avzoo.data.clips import DataError

from .benchmark import Benchmark
from .classes import Classes, ClassList
from .files import first_existing, media_files
from .media_set import Listed, MediaSet, gather
from .tables import csv_rows, span

_COLUMNS = ["video_id", "start", "end", "class_id", "verb", "noun", "annotation"]
_POSITIVE = "1"


def rareact(name: str, root: Path) -> Benchmark:
    """RareAct: ``rareact.csv``, and whole videos named by their YouTube IDs, anywhere below ``root``.

    Items are the segments that are marked positive (annotation 1), cut out of their videos. Label sets are ``action``
    (classes ``verb noun``, numbered by ``class_id``), ``verb`` and ``noun`` (in alphabetical order).
    """

    def read(part: str, fold: str, labels: str, classes: ClassList | None, allow_missing: float) -> MediaSet:
        return _positives(root, labels, classes, allow_missing)

    return Benchmark(name, root, ("",), ("action", "verb", "noun"), False, ("test",), ("video", "audio"), read)


def _positives(root: Path, labels: str, classes: ClassList | None, allow_missing: float) -> MediaSet:
    table = first_existing(root, ["rareact.csv"], "table rareact.csv")
    rows = [(line, {**row, "action": f"{row['verb']} {row['noun']}"}) for line, row in csv_rows(table, _COLUMNS)]
    actions: dict[int, str] = {}
    for line, row in rows:
        if not row["class_id"].isdigit() or actions.setdefault(int(row["class_id"]), row["action"]) != row["action"]:
            raise DataError(f"line {line} of {table}: class {row['class_id']} is not {row['action']!r} elsewhere")
    if labels == "action":
        names = [actions[number] for number in sorted(actions)]
    else:
        names = sorted({row[labels] for _, row in rows})
    known = Classes(names, classes, table)
    files = {path.stem: path for path in media_files(root)}

    def entries() -> Iterator[Listed]:
        for line, row in rows:
            number = known.number(row[labels])
            if row["annotation"] == _POSITIVE and number is not None:
                start, end = span(row, table, line)
                yield Listed(f"{row['video_id']} from {start} s", files.get(row["video_id"]), (number,), start, end)

    return gather(entries(), table, known.names, allow_missing)
