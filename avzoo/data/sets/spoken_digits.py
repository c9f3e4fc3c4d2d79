"""FSDD, the Free Spoken Digit Dataset: who says which digit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from avzoo.data.clips import DataError

from .benchmark import Benchmark, names_of
from .classes import Classes, ClassList
from .files import media_files
from .media_set import Listed, MediaSet, gather

_NAME = re.compile(r"(?P<digit>\d)_(?P<speaker>[^_]+)_(?P<take>\d+)")
_TEST_TAKES = 5  # 0 to 4 are the official test set


def fsdd(name: str, root: Path) -> Benchmark:
    """FSDD: recordings ``DIGIT_SPEAKER_TAKE.wav`` anywhere below ``root``; label sets ``digit`` and ``speaker``.

    The official test set are takes 0 to 4, all others are learned from. A copy that has only those takes is divided
    into five folds instead, each of which tests one take.

    Raises:
        DataError: No file is named so.
    """
    found = [(path, match) for path in media_files(root) if (match := _NAME.fullmatch(path.stem))]
    if not found:
        raise DataError(f"{root} has no recordings named DIGIT_SPEAKER_TAKE, such as 7_jackson_32.wav")
    takes = sorted({int(match["take"]) for _, match in found})
    official = takes[-1] >= _TEST_TAKES
    folds = ("",) if official else names_of([take + 1 for take in takes])

    def read(part: str, fold: str, labels: str, classes: ClassList | None, allow_missing: float) -> MediaSet:
        names = sorted({match["speaker"] for _, match in found}) if labels == "speaker" else list("0123456789")
        known = Classes(names, classes, root)

        def entries() -> Iterator[Listed]:
            for path, match in found:
                take, number = int(match["take"]), known.number(match[labels])
                tested = take < _TEST_TAKES if official else take == int(fold) - 1
                if number is not None and tested == (part == "test"):
                    yield Listed(path.name, path, (number,))

        return gather(entries(), root, known.names)

    return Benchmark(name, root, folds, ("digit", "speaker"), False, ("train", "test"), ("audio",), read)
