"""VGGSound: ten-second clips of one class each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from avzoo.data.clips import DataError

from .classes import Classes, ClassList
from .files import YouTubeFiles, first_existing
from .media_set import Listed, MediaSet, gather
from .tables import csv_rows, seconds

_COLUMNS = ["video", "start", "label", "split"]
_CLIP = 10.0  # seconds


def vggsound(
    root: Path,
    *,
    split: str = "train",
    annotations: Path | None = None,
    classes: ClassList | None = None,
    trimmed: bool = True,
    allow_missing: float = 0.0,
) -> MediaSet:
    """A split of VGGSound: its table ``vggsound.csv`` (video, start in seconds, class, split), and the clips.

    Files are found anywhere below ``root`` by their names, ``ID_START`` as of the official copy, ``ID_START_END`` or
    ``ID``, in seconds or milliseconds.

    Args:
        root: Folder of the set.
        split: train or test.
        annotations: The table; by default ``vggsound.csv`` in ``root``.
        classes: Which classes to keep, and their order; None keeps all in alphabetical order.
        trimmed: Whether files hold the ten seconds that are meant; else these are cut out of whole videos.
        allow_missing: Largest share of the listed files that may be absent. Videos disappear from YouTube.

    Raises:
        DataError: Something is missing, or the table is wrong.
    """
    if split not in ("train", "test"):
        raise DataError(f"VGGSound has no split {split!r}; it has train and test")
    table = annotations or first_existing(root, ["vggsound.csv", "data/vggsound.csv"], "table vggsound.csv")
    rows = list(csv_rows(table, _COLUMNS, header=False))
    known = Classes(sorted({row["label"] for _, row in rows}), classes, table, expected=309)
    files = YouTubeFiles(root)

    def entries() -> Iterator[Listed]:
        for line, row in rows:
            if row["split"] not in ("train", "test"):
                raise DataError(f"line {line} of {table}: {row['split']!r} is neither train nor test")
            number, start = known.number(row["label"]), seconds(row, "start", table, line) or 0.0
            if number is None or row["split"] != split:
                continue
            cut = (None, None) if trimmed else (start, start + _CLIP)
            yield Listed(f"{row['video']}_{start:06.0f}", files.find(row["video"], start), (number,), *cut)

    return gather(entries(), table, known.names, allow_missing)
