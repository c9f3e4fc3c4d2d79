"""ActorShift: animals that do what people do."""

from __future__ import annotations

from pathlib import Path

from avzoo.data.clips import DataError

from .classes import ClassList, read_classes
from .files import first_existing
from .kinetics import kinetics
from .listing import class_folders
from .media_set import MediaSet


def actorshift(
    root: Path,
    *,
    split: str = "train",
    classes: ClassList | None = None,
    allow_missing: float = 0.0,
) -> MediaSet:
    """A split of ActorShift: ``train.csv`` and ``val.csv``, or one folder per class in ``train`` and ``val``.

    The table has the columns of those of Kinetics, ``label, youtube_id, time_start, time_end``; files are found by
    their names, ``ID_START_END`` or ``ID``.

    Args:
        root: Folder of the set.
        split: train or val.
        classes: Which classes to keep, and their order; None keeps the seven in the order of the packaged list
            ``actorshift``.
        allow_missing: Largest share of the listed files that may be absent. Videos disappear from YouTube.

    Raises:
        DataError: Something is missing, or the table is wrong.
    """
    if split not in ("train", "val"):
        raise DataError(f"ActorShift has no split {split!r}; it has train and val")
    wanted = classes or read_classes("actorshift")
    source = first_existing(root, [f"{split}.csv", f"annotations/{split}.csv", split], f"table or folder {split}")
    if source.is_dir():
        return class_folders(source, wanted)
    return kinetics(root, split=split, annotations=source, classes=wanted, allow_missing=allow_missing)
