"""The admission gate: what a file must be before any decoder sees it.

A demuxer that is left to guess takes a text playlist under the name of a video and opens the files it lists. So the
container is decided here, by its first bytes, and the demuxers that may open the file follow from it.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from .errors import MediaError

_HEAD = 1024  # bytes looked at
_PLAYLISTS = (b"#EXTM3U", b"ffconcat", b"[playlist]", b"<?xml", b"<MPD", b"<asx", b"<smil")


@dataclass(frozen=True)
class Container:
    """A kind of file.

    Attributes:
        name: Its common name.
        demuxers: The FFmpeg demuxers that may open it, comma-separated.
    """

    name: str
    demuxers: str


MP4 = Container("mp4", "mov")  # also QuickTime, 3GP, M4A
MATROSKA = Container("matroska", "matroska")  # also WebM
AVI = Container("avi", "avi")
WAV = Container("wav", "wav")
OGG = Container("ogg", "ogg")
FLAC = Container("flac", "flac")
MP3 = Container("mp3", "mp3")
ADTS = Container("aac", "aac")
TAGGED = Container("mp3", "mp3,aac,flac")  # an ID3 tag; what follows is for the demuxers to tell
MPEG_TS = Container("mpegts", "mpegts")
MPEG_PS = Container("mpeg", "mpeg")
ASF = Container("asf", "asf")
FLV = Container("flv", "flv")
GIF = Container("gif", "gif")

_SIGNATURES: tuple[tuple[int, bytes, Container], ...] = (
    (4, b"ftyp", MP4),
    (4, b"moov", MP4),  # QuickTime before file types
    (4, b"mdat", MP4),
    (4, b"wide", MP4),
    (0, b"\x1aE\xdf\xa3", MATROSKA),
    (8, b"AVI ", AVI),
    (8, b"WAVE", WAV),
    (0, b"OggS", OGG),
    (0, b"fLaC", FLAC),
    (0, b"ID3", TAGGED),
    (0, b"\x00\x00\x01\xba", MPEG_PS),
    (0, b"0&\xb2u\x8ef\xcf\x11", ASF),
    (0, b"FLV\x01", FLV),
    (0, b"GIF8", GIF),
)


def admit(path: str | os.PathLike[str]) -> Container:
    """Admits a local regular file whose first bytes are those of a known container.

    Args:
        path: A path, never a URL. A symbolic link to a regular file is followed.

    Returns:
        The kind of container.

    Raises:
        MediaError: ``not_a_file``, ``empty``, ``playlist`` or ``not_media``.
    """
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            raise MediaError("not_a_file", path, f"is {_kind(status.st_mode)}; give a media file")
        with open(path, "rb") as file:
            head = file.read(_HEAD)
    except FileNotFoundError as error:
        link = Path(path).is_symlink()
        detail = "is a link whose target is missing" if link else "no such file; give the path of a local media file"
        raise MediaError("not_a_file", path, detail) from error
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        raise MediaError("not_a_file", path, f"cannot be read ({error})") from error
    if not head:
        raise MediaError("empty", path, "the file is empty")
    container = identify(head)
    if container is None:
        if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(_PLAYLISTS):
            raise MediaError("playlist", path, "is a playlist; give the media files it lists")
        raise MediaError("not_media", path, "is no video or audio file of a known kind, whatever its name says")
    return container


def identify(head: bytes) -> Container | None:
    """The container whose signature the first bytes of a file carry, or None."""
    for offset, magic, container in _SIGNATURES:
        if head[offset : offset + len(magic)] == magic and (offset != 8 or head[:4] == b"RIFF"):
            return container
    if _is_transport_stream(head):
        return MPEG_TS
    if len(head) > 1 and head[0] == 0xFF:
        if head[1] & 0xF6 == 0xF0:  # sync word, layer 0
            return ADTS
        if _is_mpeg_audio(head):
            return MP3
    return None


def _is_mpeg_audio(head: bytes) -> bool:
    """A valid header of an MPEG audio frame: sync word, version, layer, bit rate and sampling rate, none reserved."""
    if len(head) < 4 or head[:2] == b"\xff\xfe":  # the mark of UTF-16 text, else layer I with a checksum
        return False
    version, layer, rates = head[1] >> 3 & 3, head[1] >> 1 & 3, head[2]
    return head[1] & 0xE0 == 0xE0 and version != 1 and layer != 0 and rates >> 4 != 15 and rates >> 2 & 3 != 3


def _is_transport_stream(head: bytes) -> bool:
    """Three sync bytes at the distance of a packet (188 bytes, or 192 with a time code before each)."""
    return any(
        len(head) > first + 2 * size and all(head[first + i * size] == 0x47 for i in range(3))
        for first, size in ((0, 188), (4, 192))
    )


def _kind(mode: int) -> str:
    kinds = {stat.S_IFDIR: "a directory", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
    return kinds.get(stat.S_IFMT(mode), "a device")
