"""Which frames a clip holds: pure functions of times in seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .clips import ClipSpec

TOLERANCE = 1e-7  # seconds: above the rounding of sums of doubles, far below any distance between frames

Times = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


def sample_times(start: float, fps: float, num_frames: int) -> Times:
    """The times at which a clip samples the picture, ``start + k / fps``: ``(num_frames,)`` seconds."""
    return start + np.arange(num_frames) / fps


def select_frames(frame_times: Times, end: float, times: Times) -> Indices:
    """The frame on screen at each time: the latest that does not start later.

    A time before the first frame takes the first. Times at or after ``end`` have no frame and are left out, so that
    the result is shorter than ``times`` where the source is (the official XKD loader takes ``int(time * rate)`` at a
    constant rate, which is the same frame).

    Args:
        frame_times: Ascending start times of the frames, ``(n,)`` seconds.
        end: When the last frame leaves the screen, seconds.
        times: Ascending sample times, ``(T,)`` seconds.

    Returns:
        Indices into ``frame_times``, ``(<= T,)``.
    """
    shown = times[times + TOLERANCE < end]
    return np.maximum(np.searchsorted(frame_times, shown + TOLERANCE, side="right") - 1, 0)


@dataclass(frozen=True)
class WindowGrid:
    """The windows that are cut from a file: ``[first + i * stride, first + i * stride + window)``.

    Attributes:
        spec: Length, stride and frame rate.
        first: Start of window 0 in seconds.
        count: Number of windows; None for as many as the file holds.
    """

    spec: ClipSpec
    first: float = 0.0
    count: int | None = None

    @classmethod
    def starting_at(cls, starts: Sequence[float], spec: ClipSpec) -> WindowGrid:
        """Windows that start where they are told to, in ascending order; the stride of ``spec`` is of no effect."""
        return _GivenWindows(spec, starts[0], len(starts), tuple(starts))

    def start(self, index: int) -> float:
        """Start of window ``index`` in seconds."""
        return self.first + index * (self.spec.stride or self.spec.window)

    def times(self, index: int) -> Times:
        """Sample times of window ``index``, ``(num_frames,)`` seconds."""
        return sample_times(self.start(index), self.spec.fps, self.spec.num_frames)

    def samples_between(self, begin: float, end: float, index: int) -> bool:
        """Whether window ``index`` or a later one samples the picture while a frame is shown in ``[begin, end)``."""
        while (self.count is None or index < self.count) and self.start(index) + TOLERANCE < end:
            first, last = np.searchsorted(self.times(index) + TOLERANCE, (begin, end))
            if first < last:
                return True
            index += 1
        return False


@dataclass(frozen=True)
class _GivenWindows(WindowGrid):
    """Windows without a common stride."""

    starts: tuple[float, ...] = ()

    def start(self, index: int) -> float:
        """Start of window ``index`` in seconds."""
        return self.starts[index]
