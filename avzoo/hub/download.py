"""Released files by HTTPS: interrupted ones go on where they stopped, and nothing unchecked gets its final name."""

from __future__ import annotations

import ipaddress
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from avzoo.checkpoints.hashes import sha256_of
from avzoo.errors import AvzooError

MAX_BYTES = 8 * 2**30
ATTEMPTS = 3  # in a row without a byte of progress
TIMEOUT = 60.0  # seconds without an answer
_CHUNK = 2**20
_NOT_THERE = 416  # the server has nothing from the byte on that was asked for

Progress = Callable[[int, int | None], None]  # bytes had, bytes in all where known


class DownloadError(AvzooError):
    """A file cannot be had, or is not what it should be; the message says whether trying again helps."""


def cache_folder() -> Path:
    """Where downloads are kept: ``$XDG_CACHE_HOME/avzoo/official``, by default ``~/.cache/avzoo/official``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute() / "avzoo" / "official"


def download(
    url: str,
    folder: Path,
    sha256_prefix: str | None = None,
    max_bytes: int = MAX_BYTES,
    on_progress: Progress | None = None,
) -> Path:
    """Downloads a file, or takes the one that an earlier call left.

    What has arrived is kept as ``NAME.part``; the next call goes on from there if the server still has the same file.

    Args:
        url: ``https://...``; ``http`` on loopback addresses only. Redirects are held to the same.
        folder: Where to put it, under the last part of the address.
        sha256_prefix: The first hexadecimal digits of its SHA-256, or all of them; None where they are not known.
        max_bytes: The most that is downloaded.
        on_progress: Called with the bytes there are and, where the server tells, the bytes of the whole file.

    Returns:
        The file.

    Raises:
        DownloadError: The address is refused, the server does not give the file, the file is not what its checksum
            says, or it is larger than the limit; nothing is under the final name then.
    """
    if not _is_safe(url):
        raise DownloadError(f"{url} is refused: files are downloaded by https only")
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / Path(urlsplit(url).path).name
    with _sole_download(folder):
        if not (target.is_file() and _matches(target, sha256_prefix)):
            _complete(url, target, sha256_prefix, max_bytes, on_progress)
    return target


@contextmanager
def _sole_download(folder: Path) -> Iterator[None]:
    """Keeps other processes from downloading to the same folder; they wait."""
    try:
        import fcntl
    except ImportError:  # not on this system, where nobody waits
        yield
        return
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _complete(url: str, target: Path, sha256_prefix: str | None, max_bytes: int, on_progress: Progress | None) -> None:
    """Fetches what is missing of a file, checks it, and gives it its name."""
    part = _Part(target.with_name(f"{target.name}.part"))
    failures = 0
    while True:
        before = part.size
        try:
            _fetch(url, part, max_bytes, on_progress, ends_unseen=sha256_prefix is not None)
            break
        except (URLError, HTTPException, OSError) as error:
            code = error.code if isinstance(error, HTTPError) else None
            if code == _NOT_THERE:  # nothing is missing of what arrived, or the file has become shorter
                part.discard()
            elif code is not None and code < 500:
                raise DownloadError(f"{url} cannot be had: the server answers {error}") from error
            failures = failures + 1 if part.size == before or code is not None else 1
            if failures >= ATTEMPTS:
                raise DownloadError(
                    f"{url} broke off after {part.size} bytes ({error}); run it again to go on from there"
                ) from error
    if not _matches(part.path, sha256_prefix):
        digest = sha256_of(part.path)
        part.discard()
        raise DownloadError(
            f"{url} is not the released file: its SHA-256 begins with {digest[: len(sha256_prefix or '')]}, "
            f"not {sha256_prefix}; it was discarded, run it again to download it anew"
        )
    part.become(target)


class _Part:
    """What has arrived of a file, and the version of the file that it belongs to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._tag = path.with_name(f"{path.name}.etag")

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    @property
    def version(self) -> str | None:
        """The server's name for the version; without it, nothing is resumed."""
        return self._tag.read_text(encoding="utf-8") if self._tag.exists() else None

    def restart(self, version: str | None) -> None:
        self.discard()
        if version is not None:
            self._tag.write_text(version, encoding="utf-8")

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)
        self._tag.unlink(missing_ok=True)

    def become(self, target: Path) -> None:
        with self.path.open("rb") as file:
            os.fsync(file.fileno())
        self.path.replace(target)
        self._tag.unlink(missing_ok=True)


def _fetch(url: str, part: _Part, max_bytes: int, on_progress: Progress | None, ends_unseen: bool) -> None:
    """Asks for what is missing of a file and appends it.

    Args:
        url: The address.
        part: What there is of the file.
        max_bytes: The most that it may have.
        on_progress: As in `download`.
        ends_unseen: Whether an answer may leave it open where it ends, since a checksum tells.

    Raises:
        DownloadError: The file is too large for the limit or the disk, or it cannot be told whether it is whole.
        OSError: The connection broke off; what arrived is kept.
    """
    start, version = part.size, part.version
    headers = {"User-Agent": "avzoo", "Accept-Encoding": "identity"}
    if start and version:
        headers |= {"Range": f"bytes={start}-", "If-Range": version}
    opener = build_opener(_SafeRedirects)
    # The address was checked, and its redirects are.
    with opener.open(Request(url, headers=headers), timeout=TIMEOUT) as answer:  # noqa: S310
        length = answer.headers.get("Content-Length")
        if not (answer.status == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {start}-")):
            start = 0
            part.restart(_strong(answer.headers.get("ETag")))
        total = start + int(length) if length and length.isdigit() else None
        if total is None and not ends_unseen and answer.headers.get("Transfer-Encoding", "").lower() != "chunked":
            raise DownloadError(
                f"{url} is refused: its server does not say how long the file is and no checksum is known, so a "
                "broken one would not be noticed; download it by other means and give the file"
            )
        if max(total or 0, start) > max_bytes:
            raise DownloadError(f"{url} has {total} bytes; at most {max_bytes} are downloaded")
        if total and total - start > shutil.disk_usage(part.path.parent).free:
            raise DownloadError(f"the disk of {part.path.parent} has no room for the {total} bytes of {url}")
        with part.path.open("ab") as file:
            had = start
            while chunk := answer.read(_CHUNK):
                had += len(chunk)
                if had > max_bytes:
                    raise DownloadError(f"{url} has more than the {max_bytes} bytes that are downloaded at most")
                file.write(chunk)
                if on_progress is not None:
                    on_progress(had, total)
    if total is not None and had < total:
        raise OSError(f"{total - had} bytes are missing")


def _strong(tag: str | None) -> str | None:
    """The tag, if it promises the same bytes."""
    return None if tag is None or tag.startswith("W/") else tag


def _matches(path: Path, sha256_prefix: str | None) -> bool:
    return sha256_prefix is None or sha256_of(path).startswith(sha256_prefix)


class _SafeRedirects(HTTPRedirectHandler):
    """Follows redirects to addresses that could have been asked for."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> Request | None:
        if not _is_safe(newurl, from_loopback=_is_loopback(urlsplit(req.full_url).hostname or "")):
            raise DownloadError(f"{req.full_url} is refused: it leads to {newurl}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _is_safe(url: str, from_loopback: bool = True) -> bool:
    """Whether a file may come from there; what a server elsewhere says of this machine is not followed."""
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and from_loopback and _is_loopback(parts.hostname or ""))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
