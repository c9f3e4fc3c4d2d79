"""Sound: resampled to mono, laid on the file's clock, cut into windows."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from math import gcd
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import torch

from .errors import MediaError
from .header import OpenMedia, check_sound
from .packets import MAX_STEP_BACK

_FULL_SCALE = 32767  # XKD divides 16-bit samples by this
_MAX_JITTER = 0.05  # seconds that a time stamp may differ from the count of samples before the count starts anew


class AudioTrack:
    """The sound of one stream as mono 16-bit samples of one rate.

    Sample ``i`` is the sound at ``i / sample_rate`` seconds of the file's clock; before a late start and where time
    stamps leave gaps it is zero. The numbers do not depend on where decoding started, because the resampler always
    starts at a multiple of the period in which both rates meet, counted from the start of the stream.

    Args:
        media: The open file.
        frames: Decoded frames of its audio stream.
        sample_rate: Samples per second that are wanted.

    Attributes:
        first: Seconds at which decoding started; None before the first frame.
        exhausted: Whether the stream gives no more.
        failure: Why it ended early, or None.
    """

    def __init__(self, media: OpenMedia, frames: Iterator[Any], sample_rate: int) -> None:
        self._media = media
        self._frames = frames
        self._rate = sample_rate
        self._stream_start = media.start(media.audio)
        self._resampler: av.AudioResampler | None = None
        self._source: tuple[int, str, str] | None = None  # rate, layout and format the resampler takes
        self._next_source = 0  # source sample, counted from the stream's start, that should come next
        self._next = 0  # sample on the file's clock that the resampler gives next
        self._known = 0  # samples on the file's clock before this one are decoded
        self._blocks: deque[tuple[int, npt.NDArray[np.int16]]] = deque()  # (first sample, samples), ascending
        self.first: float | None = None
        self.exhausted = False
        self.failure: MediaError | None = None

    @property
    def end(self) -> float:
        """Seconds up to which sound is known."""
        return self._known / self._rate

    @property
    def buffered(self) -> int:
        """Samples held in memory."""
        return sum(len(block) for _, block in self._blocks)

    def read(self, start: float, num_samples: int, lookahead: float = 0.0) -> torch.Tensor | None:
        """The samples from ``start`` seconds on, float32 ``(num_samples,)``; None where there are none.

        Windows are asked for in ascending order of ``start``; what lies before is forgotten.

        Args:
            start: Seconds.
            num_samples: Samples that are wanted.
            lookahead: Seconds from ``start`` on that are decoded, if these are more, so that an end in them is known.
        """
        first = round(start * self._rate)
        last = first + num_samples
        ahead = first + max(num_samples, round(lookahead * self._rate))
        while not self.exhausted and self._known < ahead:
            self._advance()
            self._forget(first)
        self._forget(first)
        window = np.zeros(num_samples, dtype=np.int16)
        found = False
        for position, block in self._blocks:
            begin, stop = max(position, first), min(position + len(block), last)
            if begin < stop:
                window[begin - first : stop - first] = block[begin - position : stop - position]
                found = True
        return torch.from_numpy(window.astype(np.float32) / _FULL_SCALE) if found else None

    def _advance(self) -> None:
        try:
            frame = next(self._frames, None)
            if frame is not None:
                self._push(frame)
                return
        except MediaError as error:
            if error.reason != "decode_failed":
                raise
            self.failure = error
        self._resample(None)
        self.exhausted = True

    def _forget(self, first: int) -> None:
        while self._blocks and self._blocks[0][0] + len(self._blocks[0][1]) <= first:
            self._blocks.popleft()

    def _push(self, frame: Any) -> None:
        rate = frame.sample_rate
        check_sound(self._media, rate, frame.layout.nb_channels)
        source = (rate, frame.layout.name, frame.format.name)
        index = self._next_source
        if frame.pts is not None:
            time = frame.pts * self._media.audio.time_base - self._media.origin
            index = round((time - self._stream_start) * rate)
            self.first = float(time) if self.first is None else self.first
        ahead = index - self._next_source
        if source != self._source or abs(ahead) > _MAX_JITTER * rate:
            if source == self._source and ahead < -MAX_STEP_BACK * rate:
                raise MediaError("decode_failed", self._media.path, "the times of its sound run backwards")
            self._restart(frame, index)
            self._source, self._next_source = source, index
        self._next_source += frame.samples
        self._resample(frame)

    def _restart(self, frame: Any, index: int) -> None:
        """Starts a resampler at the last source sample before the frame at which both rates meet."""
        self._resample(None)
        period = frame.sample_rate // gcd(frame.sample_rate, self._rate)
        aligned = index // period * period
        self._next = round(self._stream_start * self._rate) + aligned * self._rate // frame.sample_rate
        self._resampler = av.AudioResampler(format="s16", layout="mono", rate=self._rate)
        if index > aligned:
            self._resample(_silence(frame, index - aligned))

    def _resample(self, frame: Any) -> None:
        """Takes a frame, or None to give what the resampler still holds."""
        if self._resampler is None:
            return
        if frame is not None:
            frame.pts = None  # samples are counted here
        for output in self._resampler.resample(frame):
            if output is not None:  # a resampler with nothing to do hands None through
                self._append(output.to_ndarray()[0])

    def _append(self, block: npt.NDArray[np.int16]) -> None:
        overlap = max(self._known - self._next, 0)
        if overlap < len(block):
            self._blocks.append((self._next + overlap, block[overlap:]))
        self._next += len(block)
        self._known = max(self._known, self._next)
        if self.end > self._media.limits.max_duration:
            raise MediaError("too_long", self._media.path, f"has sound after {self._media.limits.max_duration:.0f} s")


def _silence(frame: Any, samples: int) -> Any:
    """Silence in the format of a frame."""
    silence = av.AudioFrame(frame.format.name, frame.layout.name, samples)
    silence.sample_rate, silence.time_base = frame.sample_rate, Fraction(1, frame.sample_rate)
    for plane in silence.planes:
        np.frombuffer(memoryview(plane), dtype=np.uint8)[:] = 0x80 if frame.format.name.startswith("u8") else 0
    return silence
