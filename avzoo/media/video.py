"""The picture by PyAV: frames chosen by time, set upright, scaled down, cut into windows."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from av.video.reformatter import VideoReformatter
from torchvision.transforms.v2 import functional as transforms

from .clips import ClipSpec
from .errors import MediaError
from .header import OpenMedia, check_pixels, quarter_turns
from .packets import MAX_STEP_BACK
from .sampling import WindowGrid, select_frames


@dataclass(frozen=True)
class _Shown:
    """A frame that is kept because a window samples it: uint8 ``(3, H, W)``, on screen in ``[begin, end)``."""

    begin: float
    end: float
    pixels: torch.Tensor


def scale_down(pixels: torch.Tensor, short_side: int | None) -> torch.Tensor:
    """Scales uint8 ``(..., 3, H, W)`` down to a shorter side of ``short_side``; smaller frames and None stay as is."""
    if short_side is None or min(pixels.shape[-2:]) <= short_side:
        return pixels
    return transforms.resize(pixels, [short_side], antialias=True)


def stack_clip(frames: list[torch.Tensor], num_frames: int) -> torch.Tensor:
    """Stacks frames to ``(num_frames, 3, H, W)``, repeating them from the first one where there are fewer."""
    return torch.stack([frames[index % len(frames)] for index in range(num_frames)])


def last_duration(media: OpenMedia, spec: ClipSpec, duration: int | None) -> float:
    """Seconds a frame stays on screen if none follows: as it says (in ticks of its stream), at most one window."""
    rate = media.video.average_rate or media.video.guessed_rate or spec.fps
    return min(float(duration * media.video.time_base if duration else 1 / rate), spec.window)


class PyAVVideo:
    """The picture of one stream, decoded in order; only frames that a window samples are converted and kept.

    Args:
        media: The open file.
        frames: Decoded frames of its video stream.
        grid: The windows that will be read, in ascending order.

    Attributes:
        first: Seconds at which decoding started; None before the first frame.
        end: Seconds up to which the picture is known.
        exhausted: Whether the stream gives no more.
        failure: Why it ended early, or None.
    """

    def __init__(self, media: OpenMedia, frames: Iterator[Any], grid: WindowGrid) -> None:
        self._media = media
        self._frames = frames
        self._grid = grid
        self._reformatter = VideoReformatter()
        self._pending: Any = None  # the last decoded frame: it stays on screen until the next one is known
        self._pending_time = 0.0
        self._kept: deque[_Shown] = deque()
        self._count = 0
        self._size: torch.Size | None = None
        self.first: float | None = None
        self.end = 0.0
        self.exhausted = False
        self.failure: MediaError | None = None

    @property
    def buffered(self) -> int:
        """Frames held in memory."""
        return len(self._kept) + (self._pending is not None)

    def read(self, index: int) -> torch.Tensor | None:
        """The frames of window ``index``, uint8 ``(T, 3, H, W)``; None where nothing is on screen in it."""
        spec, start = self._grid.spec, self._grid.start(index)
        end = start + spec.window  # also where the picture of a window is shorter: the file may end in between
        while self._kept and self._kept[0].end <= start:
            self._kept.popleft()
        while not self.exhausted and (self._pending is None or self._pending_time < end):
            self._advance(index)
        if self.first is None or self.first >= start + spec.spans["video"]:
            return None
        begins = np.array([shown.begin for shown in self._kept])
        chosen = select_frames(begins, self.end, self._grid.times(index))
        return stack_clip([self._kept[i].pixels for i in chosen], spec.num_frames) if len(chosen) else None

    def _advance(self, index: int) -> None:
        """Decodes one frame; the one before it, now that its end is known, is kept or dropped."""
        try:
            frame = self._next()
        except MediaError as error:
            if error.reason != "decode_failed":
                raise
            self.failure, frame = error, None
        if frame is None:
            if self._pending is not None:
                self._show(index, self._pending_end())
            self._pending, self.exhausted = None, True
            return
        time = self._time(frame)
        if self._pending is None:
            self.first = time
        elif time <= self._pending_time:
            return  # never on screen
        else:
            self._show(index, time)
        self._pending, self._pending_time = frame, time

    def _next(self) -> Any:
        """The next frame within the limits, or None."""
        frame = next(self._frames, None)
        if frame is None:
            return None
        self._count += 1
        path, limits = self._media.path, self._media.limits
        if self._count > limits.max_frames:
            raise MediaError("too_large", path, f"has more than {limits.max_frames} frames")
        check_pixels(self._media, frame.width, frame.height)
        time = self._time(frame)
        if time > limits.max_duration:
            raise MediaError("too_long", path, f"has frames after {limits.max_duration:.0f} s")
        if self._pending is not None and time < self._pending_time - MAX_STEP_BACK:
            raise MediaError("decode_failed", path, "the times of its frames run backwards")
        return frame

    def _time(self, frame: Any) -> float:
        if frame.pts is not None:
            return float(frame.pts * self._media.video.time_base - self._media.origin)
        return 0.0 if self._pending is None else self._pending_end()

    def _pending_end(self) -> float:
        return self._pending_time + last_duration(self._media, self._grid.spec, self._pending.duration)

    def _show(self, index: int, end: float) -> None:
        """Keeps the pending frame, on screen until ``end``, if window ``index`` or a later one samples it."""
        # The first frame stands for the time before it, too.
        begin = float("-inf") if self._pending_time == self.first else self._pending_time
        if self._grid.samples_between(begin, end, index):
            self._kept.append(_Shown(begin, end, self._convert(self._pending)))
        self.end = end

    def _convert(self, frame: Any) -> torch.Tensor:
        rgb = self._reformatter.reformat(frame, format="rgb24").to_ndarray()
        pixels = torch.from_numpy(rgb).permute(2, 0, 1)
        turns = quarter_turns(frame)
        if turns:
            pixels = pixels.rot90(turns, dims=(-2, -1))
        pixels = scale_down(pixels, self._grid.spec.short_side)
        self._size = self._size or pixels.shape[-2:]
        if pixels.shape[-2:] != self._size:  # the size changed inside the stream
            pixels = transforms.resize(pixels, list(self._size), antialias=True)
        return pixels
