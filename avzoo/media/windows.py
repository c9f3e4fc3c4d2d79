"""Cutting a file into clips: all of them in one pass, or one by seeking."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
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
from .tracks import Tracks, open_tracks

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
    return read_clips(path, [start], spec, limits)[0]


def read_clips(path: str | Path, starts: Sequence[float], spec: ClipSpec, limits: Limits | None = None) -> list[Clip]:
    """Reads the clips that start at ``starts`` in one pass, which decodes each frame and each sample once.

    The pass also decodes what lies between the clips: read clips that are far apart one by one.

    Args:
        path: A local media file.
        starts: Seconds on the file's clock, not negative, ascending; at least one.
        spec: What each clip holds; its ``stride`` is of no effect.
        limits: What the file may ask for; the defaults of :class:`Limits` where None.

    Returns:
        The clips in order, each as :func:`read_clip` gives it.

    Raises:
        MediaError: As :func:`read_clip`, for any of the clips.
        AvzooError: ``starts`` is empty, negative or not ascending.
    """
    if not (starts and starts[0] >= 0 and all(one <= other for one, other in itertools.pairwise(starts))):
        given = ", ".join(map(str, starts)) or "nowhere"
        raise AvzooError(f"clips cannot start at {given} s; give seconds from 0 on in ascending order")
    limits = limits or Limits()
    grid = WindowGrid.starting_at(starts, spec)
    clips = _read_after_seek(path, grid, limits) if grid.first > PREROLL else None
    if clips is None:
        with open_media(path, limits) as media, open_tracks(media, grid) as tracks:
            clips = [_whole(tracks, index, path) for index in range(len(starts))]
    return clips


def _whole(tracks: Tracks, index: int, path: str | Path) -> Clip:
    """Window ``index``, unless there is none or damage cuts it short."""
    start, clip = tracks.grid.start(index), tracks.clip(index)
    if clip is None or (tracks.failure and clip.end < start + tracks.grid.spec.window - TOLERANCE):
        raise tracks.failure or MediaError("past_end", path, f"ends at {tracks.end:.3f} s, before {start} s")
    return clip


def _read_after_seek(path: str | Path, grid: WindowGrid, limits: Limits) -> list[Clip] | None:
    """The windows of a grid, or None where seeking is not to be trusted."""
    with open_media(path, limits) as media:
        if media.kind not in _SEEKABLE:
            return None
        try:
            with open_tracks(media, grid, seek=grid.first) as tracks:
                clips = [tracks.clip(index) for index in range(grid.count or 0)]
                found = [clip for clip in clips if clip is not None]
                trusted = tracks.landed(grid.first) and not tracks.failure and len(found) == len(clips)
                return found if trusted else None
        except av.error.FFmpegError:  # cannot be sought
            return None
