"""Which frames of a whole video make the clips that it is tested on: functions of its length alone."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]


def dense_windows(num_frames: int, clip_frames: int, count: int) -> Indices:
    """Clips whose starts are spread evenly over a video, the first at its beginning, the last at its end.

    The dense tests of CrissCross and of the video self-supervised encoders, on frames sampled at their rate.

    Args:
        num_frames: Frames of the video, at least 1.
        clip_frames: Frames of a clip.
        count: Number of clips.

    Returns:
        Frame indices ``(count, clip_frames)``, from 0. A video no longer than a clip gives that one, repeated from its
        start, ``count`` times.
    """
    # Truncated, not rounded, as in the official code.
    starts = np.linspace(0, max(num_frames - clip_frames, 0), count).astype(np.int64)
    return _looped(starts, num_frames, clip_frames)


def sliding_windows(num_frames: int, clip_frames: int = 16, stride: int = 16) -> Indices:
    """Clips every ``stride`` frames up to the first that reaches beyond the end, which is repeated from its start.

    How CCL tests recognition and, over the same clips, retrieval.

    Args:
        num_frames: Frames of the video, at least 1.
        clip_frames: Frames of a clip.
        stride: Frames between the starts of two clips.

    Returns:
        Frame indices ``(clips, clip_frames)``, from 0.
    """
    return _until_short(range(0, num_frames, stride), num_frames, clip_frames)


def even_windows(num_frames: int, clip_frames: int = 16, count: int = 3) -> Indices:
    """At most ``count`` clips over a video, a short one repeated from its start and then the last: CCL's validation.

    Args:
        num_frames: Frames of the video, at least 1.
        clip_frames: Frames of a clip.
        count: Most clips, at least 2.

    Returns:
        Frame indices ``(clips, clip_frames)``, from 0.
    """
    stride = max(1, -(-(num_frames - 1 - clip_frames) // (count - 1)))
    return _until_short(list(range(0, num_frames, stride))[:count], num_frames, clip_frames)


def _until_short(starts: Iterable[int], num_frames: int, clip_frames: int) -> Indices:
    """The clips at ascending starts up to and with the first that is short."""
    kept: list[int] = []
    for start in starts:
        kept.append(start)
        if start + clip_frames > num_frames:
            break
    return _looped(np.array(kept, dtype=np.int64), num_frames, clip_frames)


def _looped(starts: Indices, num_frames: int, clip_frames: int) -> Indices:
    """Frames from each start on, repeated from there where the video ends."""
    lengths = np.minimum(num_frames - starts, clip_frames)
    return starts[:, None] + np.arange(clip_frames) % lengths[:, None]
