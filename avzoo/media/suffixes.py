"""Endings of names that announce media; what a file is, its content decides (see `gate`)."""

from __future__ import annotations

# fmt: off
#: Of files with a picture, and perhaps sound; lower case, with the dot.
VIDEO_SUFFIXES = frozenset({
    ".3gp", ".avi", ".flv", ".gif", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf", ".ogv",
    ".ts", ".vob", ".webm", ".wmv",
})

#: Of files with sound alone.
AUDIO_SUFFIXES = frozenset({
    ".aac", ".aif", ".aiff", ".flac", ".m4a", ".mka", ".mp2", ".mp3", ".oga", ".ogg", ".opus", ".wav", ".weba", ".wma",
})
# fmt: on

MEDIA_SUFFIXES = VIDEO_SUFFIXES | AUDIO_SUFFIXES
