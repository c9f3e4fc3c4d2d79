"""TinyVIRAT-v2: tiny actions of surveillance videos, with any number of classes each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from avzoo.data.clips import DataError

from .classes import Classes, ClassList, same
from .media_set import Listed, MediaSet, gather

_SPLITS = ("train", "val")


def tinyvirat(
    root: Path,
    *,
    split: str = "train",
    classes: ClassList | None = None,
    allow_missing: float = 0.0,
) -> MediaSet:
    """A split of TinyVIRAT-v2 in its official layout.

    ``tiny_train_v2.json`` and ``tiny_val_v2.json`` are lists of clips (``path``, ``label``: class names),
    ``class_map.json`` numbers the classes, and clips lie at ``videos/SPLIT/PATH``.

    Args:
        root: Folder of the set.
        split: train or val; the classes of the test clips are not public.
        classes: Which classes to keep; clips with none of them are left out. None keeps all 26, by their numbers.
        allow_missing: Largest share of the listed files that may be absent.

    Raises:
        DataError: Something is missing, or a list is wrong or names an unknown class.
    """
    if split not in _SPLITS:
        raise DataError(f"TinyVIRAT has no split {split!r} whose classes are public; it has {', '.join(_SPLITS)}")
    source, numbered = root / f"tiny_{split}_v2.json", root / "class_map.json"
    numbers = _read(numbered)
    try:
        names = sorted(numbers, key=lambda name: int(numbers[name]))
    except (TypeError, ValueError) as error:
        raise DataError(f"{numbered} does not number the classes: {error}") from error
    known = Classes(names, classes, numbered, expected=26)
    spelt = set(map(same, names))
    content = _read(source)
    clips = content.get("tubes") if isinstance(content, dict) else content
    if not isinstance(clips, list):
        raise DataError(f"{source} is no list of clips")

    def entries() -> Iterator[Listed]:
        for clip in clips:
            try:
                name, labels = str(clip["path"]), [str(label) for label in clip["label"]]
            except (LookupError, TypeError) as error:
                raise DataError(f"{source} has a clip without path or label: {clip}") from error
            unknown = next((label for label in labels if same(label) not in spelt), None)
            if unknown is not None:
                raise DataError(f"{source}: class {unknown!r} of {name} is not in {numbered.name}")
            kept = tuple(number for label in labels if (number := known.number(label)) is not None)
            if kept:
                path = root / "videos" / split / name
                yield Listed(name, path if path.is_file() else None, kept)

    return gather(entries(), source, known.names, allow_missing)


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}") from error
