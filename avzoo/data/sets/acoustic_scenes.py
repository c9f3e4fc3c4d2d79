"""DCASE2014: thirty-second recordings of ten acoustic scenes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from avzoo.data.clips import DataError

from .classes import Classes, ClassList, same
from .files import media_files
from .media_set import Listed, MediaSet, gather

#: The scenes, in alphabetical order.
SCENES = (
    "bus",
    "busystreet",
    "office",
    "openairmarket",
    "park",
    "quietstreet",
    "restaurant",
    "supermarket",
    "tube",
    "tubestation",
)
_FOLDERS = {"train": "scenes_stereo", "test": "scenes_stereo_testset"}
_NAME = re.compile(r"(?P<label>[a-z]+)\d{2}", re.IGNORECASE)


def dcase2014(
    root: Path,
    *,
    split: str = "train",
    classes: ClassList | None = None,
    allow_missing: float = 0.0,
) -> MediaSet:
    """The scenes of the challenge of 2013, which papers of self-supervision call DCASE2014.

    The public recordings are the training set and the private ones, released later, the test set: folders
    ``scenes_stereo`` and ``scenes_stereo_testset``, at any depth below ``root``, of files named ``SCENE`` and two
    digits.

    Args:
        root: Folder of the set.
        split: train or test.
        classes: Which scenes to keep, and their order; None keeps all in alphabetical order.
        allow_missing: Not used: there is no list.

    Raises:
        DataError: A folder is missing, or a file is named after no scene.
    """
    if split not in _FOLDERS:
        raise DataError(f"DCASE2014 has no split {split!r}; it has train and test")
    known = Classes(SCENES, classes, root)

    def entries() -> Iterator[Listed]:
        for path in media_files(root):
            # The archives hold a folder of their own name, and are often unpacked into another.
            inner = [part for part in path.relative_to(root).parts[:-1] if part in _FOLDERS.values()][-1:]
            if inner != [_FOLDERS[split]]:
                continue
            match = _NAME.fullmatch(path.stem)
            if match is None or same(match["label"]) not in SCENES:
                raise DataError(f"{path} is named after none of the scenes {', '.join(SCENES)}")
            if (number := known.number(match["label"])) is not None:
                yield Listed(path.name, path, (number,))

    listed = list(entries())
    if not listed:
        raise DataError(f"{root} has no recordings in a folder {_FOLDERS[split]}")
    return gather(listed, root, known.names, allow_missing)
