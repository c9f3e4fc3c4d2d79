"""Sims4Action: everyday activities played in a video game."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from avzoo.data.clips import DataError

from .classes import Classes, ClassList, same
from .files import first_existing, media_files
from .media_set import Listed, MediaSet, gather
from .tables import csv_rows, text_lines

#: The activities, as their folders are named.
ACTIVITIES = (
    "Cook",
    "Drink",
    "Eat",
    "GetupSitdown",
    "Readbook",
    "Usecomputer",
    "Usephone",
    "Usetablet",
    "Walk",
    "WatchTV",
)
_SUBJECTS = {"train": {1, 2, 3, 5, 6}, "val": {7}, "test": {4, 8}}
_NAME = re.compile(r"[^_]*_S(?P<subject>\d).*")
_FPS = 30  # chunks of 90 frames last 3 s
_COLUMNS = ["Activity1", "VideoName", "frame_start", "frame_end"]


def sims4action(
    root: Path,
    *,
    split: str = "train",
    classes: ClassList | None = None,
    allow_missing: float = 0.0,
) -> MediaSet:
    """A split of Sims4Action: ``SimsSplitsChunks.csv``, and the videos, ``ACTIVITY/NAME`` anywhere below ``root``.

    The table divides videos into chunks of three seconds (``frame_start``, ``frame_end``), which are the items. Who is
    in a video, ``S7`` in ``Co_S7K1_fC8.avi``, decides its split: train 1, 2, 3, 5 and 6, val 7, test 4 and 8.

    Args:
        root: Folder of the set.
        split: train, val or test.
        classes: Which activities to keep, and their order; None keeps all ten in alphabetical order.
        allow_missing: Largest share of the listed files that may be absent.

    Raises:
        DataError: Something is missing; the table is wrong, or its split is not the subject's.
    """
    if split not in _SUBJECTS:
        raise DataError(f"Sims4Action has no split {split!r}; it has {', '.join(_SUBJECTS)}")
    table = first_existing(root, ["SimsSplitsChunks.csv"], "table of chunks")
    delimiter = ";" if any(";" in line for _, line in text_lines(table)[:1]) else ","
    known = Classes(ACTIVITIES, classes, table)
    files = {(same(path.parent.name), path.stem): path for path in media_files(root)}
    spelt = set(map(same, ACTIVITIES))

    def entries() -> Iterator[Listed]:
        for line, row in csv_rows(table, _COLUMNS, delimiter=delimiter):
            match, label = _NAME.fullmatch(row["VideoName"]), row["Activity1"]
            if match is None or same(label) not in spelt:
                raise DataError(f"line {line} of {table}: {row['VideoName']!r} is no video of {label!r}")
            told, subject = row.get("Split", split).strip().casefold(), int(match["subject"])
            if told in _SUBJECTS and told != split and subject in _SUBJECTS[split]:
                raise DataError(f"line {line} of {table}: subject {subject} is of {split}, and the table says {told}")
            number = known.number(label)
            if number is None or subject not in _SUBJECTS[split]:
                continue
            try:
                start, end = int(row["frame_start"]) / _FPS, int(row["frame_end"]) / _FPS
            except ValueError as error:
                raise DataError(f"line {line} of {table}: frames are no numbers") from error
            path = files.get((same(label), Path(row["VideoName"]).stem))
            yield Listed(f"{label}/{row['VideoName']}", path, (number,), start, end)

    return gather(entries(), table, known.names, allow_missing)
