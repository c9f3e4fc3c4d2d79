"""Finding the files of a set: by name below a folder, or by the video and times that a name tells."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from avzoo.data.clips import DataError
from avzoo.media import MEDIA_SUFFIXES

# The 11 characters that name a video of YouTube, then perhaps the start, or start and end, of a part of it. Prefixes
# are those of copies that avoid names starting with a dash.
_NAME = re.compile(r"(?:v_|Y)??(?P<video>[\w-]{11})(?:_(?P<start>\d+(?:\.\d+)?)(?:_(?P<end>\d+(?:\.\d+)?))?)?")


def media_files(root: Path) -> Iterator[Path]:
    """Every file below ``root`` whose name announces media, in the order of names.

    Raises:
        DataError: ``root`` is no folder.
    """
    if not root.is_dir():
        raise DataError(f"{root} is no folder")
    for folder, subfolders, names in os.walk(root, followlinks=True):
        subfolders.sort()
        yield from (Path(folder, name) for name in sorted(names) if Path(name).suffix.lower() in MEDIA_SUFFIXES)


def first_existing(root: Path, names: list[str], what: str) -> Path:
    """The first of ``names`` that is below ``root``.

    Raises:
        DataError: There is none.
    """
    for name in names:
        if (root / name).exists():
            return root / name
    raise DataError(f"{root} has no {what}; it was looked for at {', '.join(names)}")


class YouTubeFiles:
    """Files named after a video of YouTube: ``ID``, ``ID_START`` or ``ID_START_END``.

    Times are read as seconds or, where a thousand times as large, as milliseconds; leading zeros do not count.

    Args:
        root: Folder that is searched with its subfolders.
    """

    def __init__(self, root: Path) -> None:
        self._files: dict[str, list[tuple[float | None, float | None, Path]]] = {}
        for path in media_files(root):
            if match := _NAME.fullmatch(path.stem):
                start, end = (None if match[part] is None else float(match[part]) for part in ("start", "end"))
                self._files.setdefault(match["video"], []).append((start, end, path))

    def find(self, video: str, start: float, end: float | None = None) -> Path | None:
        """The file of a part of a video; None where there is none.

        Args:
            video: Its 11 characters.
            start: Seconds in the video.
            end: Seconds; None where the list does not say.
        """
        best: tuple[int, Path] | None = None
        for file_start, file_end, path in self._files.get(video, ()):
            if _fits(file_start, start) and (end is None or _fits(file_end, end)):
                told = sum(time is not None for time in (file_start, file_end))
                if best is None or told > best[0]:
                    best = (told, path)
        return None if best is None else best[1]


def _fits(told: float | None, asked: float) -> bool:
    return told is None or abs(told - asked) < 1 or (asked > 0 and abs(told - 1000 * asked) < 1000)
