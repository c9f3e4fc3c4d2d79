"""Mimetics: actions of Kinetics that are mimed, out of their context; only for testing."""

from __future__ import annotations

from pathlib import Path

from avzoo.data.clips import DataError

from .classes import ClassList, read_classes
from .kinetics import kinetics
from .listing import class_folders
from .media_set import MediaSet


def mimetics(
    root: Path,
    *,
    split: str = "test",
    classes: ClassList | None = None,
    allow_missing: float = 0.0,
    num_classes: int = 50,
) -> MediaSet:
    """Mimetics: ``mimetics_v1.0.csv``, a table as of Kinetics, and files ``ID_START_END`` anywhere below ``root``.

    Without the table, ``root`` or ``root/data`` has one folder per class.

    Args:
        root: Folder of the set.
        split: test; there is no other.
        classes: Which classes to keep, and their order; None keeps those of ``num_classes``.
        allow_missing: Largest share of the listed files that may be absent. Videos disappear from YouTube.
        num_classes: 50, or 10 for the classes of Mimetics10.

    Raises:
        DataError: Something is missing, or the table is wrong.
    """
    if split != "test":
        raise DataError(f"Mimetics has no split {split!r}; all of it is for testing")
    wanted = classes or read_classes(f"mimetics{num_classes}")
    tables = [path for folder in (root, root / "annotations") for path in sorted(folder.glob("mimetics*.csv"))]
    if tables:
        return kinetics(root, split="test", annotations=tables[0], classes=wanted, allow_missing=allow_missing)
    return class_folders(root / "data" if (root / "data").is_dir() else root, wanted)
