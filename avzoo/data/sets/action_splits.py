"""UCF101 and HMDB51: folders of classes, and three official divisions into training and test."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from avzoo.data.clips import DataError

from .classes import Classes, ClassList, same
from .files import first_existing, media_files
from .media_set import Listed, MediaSet, gather
from .tables import text_lines

_UCF_LINE = re.compile(r"(?P<label>[^/]+)/(?P<file>\S+)(\s+\d+)?")
_HMDB_LINE = re.compile(r"(?P<file>.+?)\s+(?P<use>[012])")
_HMDB_USE = {"train": "1", "test": "2", "all": "012"}


def ucf101(
    root: Path,
    *,
    split: str = "train",
    fold: int = 1,
    annotations: Path | None = None,
    classes: ClassList | None = None,
    allow_missing: float = 0.0,
) -> MediaSet:
    """UCF101 in its official layout: one folder per class below ``root``, and the lists of ``ucfTrainTestlist``.

    Files are found by class and name whatever the case and the ending: copies spell a folder ``HandstandPushups`` and
    its files ``v_HandStandPushups``, and re-encode the videos.

    Args:
        root: Folder of the set.
        split: train or test.
        fold: Official division, 1, 2 or 3.
        annotations: Folder of the lists; by default ``ucfTrainTestlist`` in ``root``, or ``root``.
        classes: Which classes to keep, and their order (``ucf51`` for UCF51); None keeps all, numbered from 0 in the
            order of ``classInd.txt``.
        allow_missing: Largest share of the listed files that may be absent.

    Raises:
        DataError: Something is missing, or a list is wrong.
    """
    _check(split, fold)
    name = f"{split}list{fold:02d}.txt"
    lists = annotations or first_existing(root, [f"ucfTrainTestlist/{name}", name], f"list {name}").parent
    index = lists / "classInd.txt"
    known = Classes([line.split(maxsplit=1)[-1] for _, line in text_lines(index)], classes, index, expected=101)
    spelt = {same(line.split(maxsplit=1)[-1]) for _, line in text_lines(index)}
    files = _by_class(root)

    def entries() -> Iterator[Listed]:
        for number, line in text_lines(lists / name):
            match = _UCF_LINE.fullmatch(line)
            if match is None or same(match["label"]) not in spelt:
                raise DataError(f"line {number} of {lists / name} names no video of a class of {index.name}: {line}")
            label = known.number(match["label"])
            if label is not None:
                yield Listed(line, files.get((same(match["label"]), Path(match["file"]).stem.casefold())), (label,))

    return gather(entries(), lists / name, known.names, allow_missing)


def hmdb51(
    root: Path,
    *,
    split: str = "train",
    fold: int = 1,
    annotations: Path | None = None,
    classes: ClassList | None = None,
    allow_missing: float = 0.0,
) -> MediaSet:
    """HMDB51 in its official layout: one folder per class below ``root``, and the lists of the 70/30 divisions.

    Args:
        root: Folder of the set.
        split: train, test or all; all has the videos too that a division leaves out, about a quarter of the set.
        fold: Official division, 1, 2 or 3.
        annotations: Folder of the lists ``CLASS_test_splitFOLD.txt``; by default ``testTrainMulti_7030_splits``,
            ``test_train_splits/testTrainMulti_7030_splits`` or ``splits`` in ``root``, or ``root``.
        classes: Which classes to keep, and their order; None keeps all in alphabetical order.
        allow_missing: Largest share of the listed files that may be absent.

    Raises:
        DataError: Something is missing, or a list is wrong.
    """
    _check(split, fold, tuple(_HMDB_USE))
    official = "testTrainMulti_7030_splits"
    folders = [official, f"test_train_splits/{official}", "splits", "."]
    ending = f"_test_split{fold}.txt"
    candidates = [annotations] if annotations else [root / folder for folder in folders]
    lists = next((found for folder in candidates if (found := sorted(folder.glob(f"*{ending}")))), [])
    if not lists:
        raise DataError(f"{root} has no lists CLASS{ending}; they were looked for in {', '.join(map(str, candidates))}")
    labels = {path: path.name.removesuffix(ending) for path in lists}
    known = Classes(labels.values(), classes, lists[0].parent, expected=51)
    files = _by_class(root)

    def entries() -> Iterator[Listed]:
        for path, label in labels.items():
            number = known.number(label)
            for line_number, line in text_lines(path) if number is not None else ():
                match = _HMDB_LINE.fullmatch(line)
                if match is None:
                    raise DataError(f"line {line_number} of {path} is no name with 0, 1 or 2: {line}")
                if match["use"] in _HMDB_USE[split]:
                    file = files.get((same(label), Path(match["file"]).stem.casefold()))
                    yield Listed(f"{label}/{match['file']}", file, () if number is None else (number,))

    return gather(entries(), lists[0].parent, known.names, allow_missing)


def _check(split: str, fold: int, splits: tuple[str, ...] = ("train", "test")) -> None:
    if split not in splits or fold not in (1, 2, 3):
        known = " and ".join(splits)
        raise DataError(f"there is no split {split!r} of division {fold}; splits are {known}, divisions 1 to 3")


def _by_class(root: Path) -> dict[tuple[str, str], Path]:
    """Files by class folder and name, without what copies differ in."""
    return {(same(path.parent.name), path.stem.casefold()): path for path in media_files(root)}
