"""Cutting a file into clips: all of them in one pass, or one by seeking."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import av

from avzoo.errors import AvzooError

from .clips import Clip, ClipSpec
from .errors import MediaError
from .gate import FLAC, MATROSKA, MP4, WAV
from .header import open_media
from .limits import Limits
from .packets import PREROLL
from .sampling import TOLERANCE, WindowGrid
from .tracks import open_tracks

# Seeks land where they should in these; in the others decoding starts at the beginning.
_SEEKABLE = (MP4, MATROSKA, WAV, FLAC)


def iter_clips(path: str | Path, spec: ClipSpec, limits: Limits | None = None) -> Iterator[Clip]:
    """Cuts a file into clips from its beginning to its end.

    Memory is constant in the length of the file: what is held are the frames and samples of the windows that are open.
    Each frame and each sample is decoded once, also where windows overlap. The clips are those that decoding the whole
    file and cutting it afterwards gives, to the bit.

    The last windows may be partial: their ``end`` says where the file ends. A remainder shorter than
    ``spec.min_remainder`` opens no window of its own, except at the start of a file. Windows in which neither modality
    has anything are left out.

    Args:
        path: A local media file.
        spec: What the clips hold.
        limits: What the file may ask for; the defaults of :class:`Limits` where None.

    Yields:
        The clips in ascending order of their start.

    Raises:
        MediaError: Before the first clip, as :func:`avzoo.media.probe`, ``no_video`` or ``no_audio``. After the good
            clips, ``decode_failed`` where the data are damaged or ``truncated`` where the file ends before its header
            says; the last clip then ends where the damage starts. ``timeout``, ``too_long`` and ``too_large`` where
            decoding meets a limit.
    """
    with open_media(path, limits or Limits()) as media, open_tracks(media, WindowGrid(spec)) as tracks:
        for index in itertools.count():
            media.deadline.restart()
            clip = tracks.clip(index)
            if index and tracks.remainder(index) < spec.min_remainder - TOLERANCE:
                break
            if clip is not None:
                yield clip
        tracks.check_complete()


def read_clip(path: str | Path, start: float, spec: ClipSpec, limits: Limits | None = None) -> Clip:
    """Reads the one clip that starts at ``start``.

    Where the container is known to land where it should (mp4, Matroska, WAV, FLAC), by seeking, and the landing is
    checked; elsewhere by decoding from the beginning.

    Frames are those that :func:`iter_clips` would choose. So are samples, with two exceptions: Matroska rounds time to
    1 ms, by which sound may be shifted, and AAC draws noise from a random generator whose state seeking loses.

    Args:
        path: A local media file.
        start: Seconds on the file's clock, not negative.
        spec: What the clip holds; its ``stride`` is of no effect.
        limits: What the file may ask for; the defaults of :class:`Limits` where None.

    Raises:
        MediaError: As :func:`iter_clips`, at once; ``past_end`` where the file ends before ``start``.
        AvzooError: ``start`` is negative.
    """
    if not start >= 0:
        raise AvzooError(f"a clip cannot start at {start} s; give 0 or more")
    limits = limits or Limits()
    grid = WindowGrid(spec, first=start, count=1)
    clip = _read_after_seek(path, grid, limits) if start > PREROLL else None
    if clip is None:
        with open_media(path, limits) as media, open_tracks(media, grid) as tracks:
            clip = tracks.clip(0)
            if clip is None or (tracks.failure and clip.end < start + spec.window - TOLERANCE):
                raise tracks.failure or MediaError("past_end", path, f"ends at {tracks.end:.3f} s, before {start} s")
    return clip


def _read_after_seek(path: str | Path, grid: WindowGrid, limits: Limits) -> Clip | None:
    """The window of a grid of one, or None where seeking is not to be trusted."""
    with open_media(path, limits) as media:
        if media.kind not in _SEEKABLE:
            return None
        try:
            with open_tracks(media, grid, seek=grid.first) as tracks:
                clip = tracks.clip(0)
                return clip if tracks.landed(grid.first) and not tracks.failure else None
        except av.error.FFmpegError:  # cannot be sought
            return None
