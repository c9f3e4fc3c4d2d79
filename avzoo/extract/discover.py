"""Which files a run is about: folders searched, everything in one order, what cannot be read named."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from avzoo.checkpoints.hashes import sha256_of
from avzoo.errors import AvzooError
from avzoo.media import MEDIA_SUFFIXES


class InputError(AvzooError):
    """A path that was given does not exist or cannot be searched."""


@dataclass(frozen=True)
class InputFile:
    """One file of a run.

    Attributes:
        path: Absolute path, symbolic links not resolved.
        size: Bytes; None where there is no regular file behind the path.
        modified: Time of the last change in nanoseconds; None likewise.
        problem: Why there is no regular file to read, as half a sentence; None for a regular file.
        expected: Whether it should be media, by its ending or because the caller named it, so that it is a failure (a
            broken video) and not merely skipped (a readme, a subtitle) if it is not.
    """

    path: str
    size: int | None
    modified: int | None
    problem: str | None
    expected: bool

    @property
    def text(self) -> str:
        """The path as valid Unicode, for tables and messages; undecodable bytes appear as escapes."""
        return os.fsencode(self.path).decode("utf-8", "backslashreplace")

    def sha256(self) -> str:
        """Hash of the content, read in constant memory."""
        return sha256_of(Path(self.path))


def discover(paths: Iterable[str | os.PathLike[str]], exclude: Path) -> list[InputFile]:
    """Lists the files behind paths, each once, sorted by the bytes of their absolute paths.

    Folders are searched to any depth. Names that begin with a dot are left out, and so is everything below
    ``exclude``, the run's own output. A symbolic link to a file counts as that file under the link's name; one to a
    folder is followed only where the caller named it, so that a search cannot leave its folder or run in circles.
    A folder deeper down that cannot be listed appears itself, with that problem.

    Raises:
        InputError: A given path does not exist, or is a folder that cannot be listed.
    """
    found: dict[str, InputFile] = {}
    for given in paths:
        path = os.path.abspath(os.fspath(given))
        if not os.path.lexists(path):
            raise InputError(f"there is no file or folder {os.fspath(given)}")
        if os.path.isdir(path):
            for file in _search(path, os.path.abspath(exclude)):
                found.setdefault(file.path, file)
        else:
            found[path] = _inspect(path, named=True)
    return sorted(found.values(), key=lambda file: os.fsencode(file.path))


def _search(folder: str, exclude: str) -> Iterator[InputFile]:
    unlisted: list[OSError] = []
    for parent, folders, files in os.walk(folder, onerror=unlisted.append):
        paths = {name: os.path.join(parent, name) for name in folders}
        folders[:] = [name for name, path in paths.items() if not name.startswith(".") and path != exclude]
        links = [name for name in folders if os.path.islink(paths[name])]
        for name in [*files, *links]:
            if not name.startswith("."):
                yield _inspect(os.path.join(parent, name), named=False)
    for error in unlisted:
        if error.filename == folder:
            raise InputError(f"the folder {folder} cannot be listed: {error.strerror}")
        yield InputFile(
            error.filename, None, None, f"is a folder that cannot be listed ({error.strerror})", expected=True
        )


def _inspect(path: str, named: bool) -> InputFile:
    expected = named or os.path.splitext(path)[1].lower() in MEDIA_SUFFIXES
    try:
        status = os.stat(path)
    except OSError as error:
        link = os.path.islink(path)
        problem = "is a symbolic link to nothing" if link else f"cannot be read ({error.strerror})"
        return InputFile(path, None, None, problem, expected=True)
    if stat.S_ISREG(status.st_mode):
        return InputFile(path, status.st_size, status.st_mtime_ns, None, expected)
    if stat.S_ISDIR(status.st_mode):
        problem = "is a symbolic link to a folder; name that folder to search it"
        return InputFile(path, None, None, problem, expected=False)
    return InputFile(path, None, None, "is no regular file", expected=True)
