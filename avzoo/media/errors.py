"""Why a file gives no clips, or no more of them."""

from __future__ import annotations

import os
from typing import Literal

from avzoo.errors import AvzooError

Reason = Literal[
    "not_a_file",  # missing, broken link, directory, pipe, device, unreadable
    "empty",  # zero bytes
    "playlist",  # text that names other media
    "not_media",  # no container that is admitted
    "bad_header",  # the right first bytes, then nothing a demuxer can read
    "no_streams",  # neither picture nor sound
    "no_video",
    "no_audio",
    "too_large",  # more pixels, frames, channels or samples per second than the limits allow
    "too_long",
    "decode_failed",  # damaged data; the clips before the damage were given
    "truncated",  # the file ends before its header says; the clips before the end were given
    "timeout",
    "past_end",  # the window asked for starts after the end
    "unsuitable",  # the decode backend that was named does not take this file; another may
    "decoder_died",  # the decode process ended by itself
]


class MediaError(AvzooError):
    """A file cannot be read, or cannot be read further.

    Args:
        reason: Short machine code, for manifests and for callers that tell causes apart.
        path: The file.
        detail: What was wrong and, where something helps, what to do: one sentence without the path.
    """

    def __init__(self, reason: Reason, path: str | os.PathLike[str], detail: str) -> None:
        super().__init__(reason, os.fspath(path), detail)  # the arguments as they came: the error can be pickled
        self.reason: Reason = reason
        self.path = os.fspath(path)
        self.detail = detail

    def __str__(self) -> str:
        hint = "; decode it with pyav" if self.reason in ("unsuitable", "decoder_died") else ""
        return f"{self.path!r}: {self.detail}{hint}"
