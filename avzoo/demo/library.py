"""What can be found: the moments of an index by number, so that the browser never names a file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from avzoo.errors import AvzooError
from avzoo.retrieval import Hit, Index


class UnknownMomentError(AvzooError):
    """A number that is no moment of the library."""


@dataclass(frozen=True)
class Moment:
    """A window of a file of the index.

    Attributes:
        number: Its number in the library.
        path: The file.
        sha256: Hash of the file's content when it was embedded.
        title: What to call the file on the page.
        start: Seconds from its beginning.
        end: Seconds.
        has_video: Whether its picture can be found.
        has_audio: Whether its sound can be found.
    """

    number: int
    path: str
    sha256: str
    title: str
    start: float
    end: float
    has_video: bool
    has_audio: bool


class Library:
    """The moments of an index, numbered from 0 in the order of files and time.

    Args:
        index: The index.
        titles: Names of files; the others are called by their path below the folder that holds them all.

    Attributes:
        index: The index.
    """

    def __init__(self, index: Index, titles: Mapping[str, str] | None = None) -> None:
        self.index = index
        found: dict[tuple[str, float], list[tuple[str, str, float]]] = {}
        for modality in ("video", "audio"):
            if modality in index.moments:
                rows = index.moments[modality]
                for path, sha256, start, end in zip(rows.path, rows.sha256, rows.start, rows.end, strict=True):
                    found.setdefault((path, float(start)), []).append((modality, sha256, float(end)))
        folder = _common_folder({path for path, _ in found})
        self._moments = [
            Moment(
                number=number,
                path=path,
                sha256=rows[0][1],
                title=(titles or {}).get(path) or os.path.relpath(path, folder),
                start=start,
                end=max(end for _, _, end in rows),
                has_video=any(modality == "video" for modality, _, _ in rows),
                has_audio=any(modality == "audio" for modality, _, _ in rows),
            )
            for number, ((path, start), rows) in enumerate(sorted(found.items()))
        ]
        self._numbers = {(moment.path, moment.start): moment.number for moment in self._moments}

    def __len__(self) -> int:
        return len(self._moments)

    def __iter__(self) -> Iterator[Moment]:
        return iter(self._moments)

    def moment(self, number: int) -> Moment:
        """The moment of a number.

        Raises:
            UnknownMomentError: There is none.
        """
        if not isinstance(number, int) or not 0 <= number < len(self):
            raise UnknownMomentError("this clip is not in the index; reload the page")
        return self._moments[number]

    def of(self, hit: Hit) -> Moment:
        """The moment that a search found."""
        return self._moments[self._numbers[hit.path, hit.start]]

    def samples(self, count: int) -> list[Moment]:
        """The first moments of at most ``count`` files, spread evenly over the library."""
        firsts = [moment for before, moment in zip([None, *self], self, strict=False) if _new_file(before, moment)]
        step = max(1, -(-len(firsts) // count))
        return firsts[::step]


def _new_file(before: Moment | None, moment: Moment) -> bool:
    return before is None or before.path != moment.path


def _common_folder(paths: set[str]) -> str:
    return os.path.commonpath([os.path.dirname(path) for path in paths]) if paths else os.sep
