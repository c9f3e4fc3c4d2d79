"""ActivityNet: untrimmed videos in which activities are marked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from avzoo.data.clips import DataError

from .classes import Classes, ClassList
from .files import first_existing, media_files
from .media_set import Listed, MediaSet, gather

_SUBSETS = {"train": "training", "val": "validation", "test": "testing"}


def activitynet(
    root: Path,
    *,
    split: str = "train",
    annotations: Path | None = None,
    classes: ClassList | None = None,
    segments: bool = True,
    allow_missing: float = 0.0,
) -> MediaSet:
    """A split of ActivityNet: its JSON file, and the videos ``v_ID`` or ``ID`` anywhere below ``root``.

    Args:
        root: Folder of the set.
        split: train, val or test, whose videos have no classes.
        annotations: The JSON file; by default ``activity_net.v1-3.min.json`` in ``root``.
        classes: Which classes to keep, and their order; None keeps all in alphabetical order.
        segments: Whether each marked activity is an item, cut out of its video; else each video is one, of the class
            that is marked first.
        allow_missing: Largest share of the listed files that may be absent. Videos disappear from YouTube.

    Raises:
        DataError: Something is missing, or the JSON file is wrong.
    """
    if split not in _SUBSETS:
        raise DataError(f"ActivityNet has no split {split!r}; it has {', '.join(_SUBSETS)}")
    names = ["activity_net.v1-3.min.json", "activity_net.v1-2.min.json", "activity_net.json"]
    source = annotations or first_existing(root, names, "annotations")
    videos = _database(source)
    labels = {label for video in videos.values() for label, _, _ in video["marks"]}
    known = Classes(sorted(labels), classes, source, expected=None)
    files = {path.stem.removeprefix("v_"): path for path in media_files(root)}

    def entries() -> Iterator[Listed]:
        for name, video in videos.items():
            if video["subset"] != _SUBSETS[split]:
                continue
            path = files.get(name.removeprefix("v_"))
            if split == "test" and classes is None:
                yield Listed(name, path)
            for label, start, end in video["marks"] if segments else video["marks"][:1]:
                if (number := known.number(label)) is not None:
                    yield Listed(name, path, (number,), *((start, end) if segments else (None, None)))

    return gather(entries(), source, known.names, allow_missing)


def _database(source: Path) -> dict[str, dict[str, Any]]:
    """Subset and marks (class, start, end) of every video."""
    try:
        database = json.loads(source.read_text(encoding="utf-8"))["database"]
        return {
            name: {
                "subset": str(video["subset"]),
                "marks": [
                    (str(mark["label"]), float(mark["segment"][0]), float(mark["segment"][1]))
                    for mark in video["annotations"]
                ],
            }
            for name, video in database.items()
        }
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise DataError(f"{source} is no list of ActivityNet: {type(error).__name__} {error}") from error
