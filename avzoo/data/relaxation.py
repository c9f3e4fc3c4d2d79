"""How far apart in time two views of a clip are: the temporal relaxations of CrissCross (arXiv 2111.05329).

Both views have a picture and a sound, of different length: half a second and two seconds in the paper. What is drawn
is one window of each, the shorter one somewhere within the longer one, and both views are cut from it. So picture and
sound of one view are only loosely aligned, in the paper's "synchronous" terms too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np

from avzoo.data.windows import Span, Streams, Window

#: By the released code's names: ``none`` same_timestamp, ``mild`` overlapped, ``medium`` adjacent, ``extreme``
#: far_apart, ``mixed`` random, ``extreme_video`` v_far_a_same, ``extreme_audio`` v_same_a_far.
Relaxation = Literal["none", "mild", "medium", "extreme", "mixed", "extreme_video", "extreme_audio"]

# How much longer than a view the window is that both views are cut from.
_STRETCH = {"none": 1.0, "mild": 1.5, "medium": 2.0, "mixed": 1.0}


class _Lengths(NamedTuple):
    """Seconds of picture and sound."""

    video: float
    audio: float


class _Streams(NamedTuple):
    """A stretch of picture and one of sound: of a file, or of a window of it."""

    video: Span
    audio: Span


@dataclass(frozen=True)
class RelaxedWindows:
    """Two windows per clip, as far apart as the relaxation says.

    - ``none``: both views are one and the same window, which differ by augmentation only;
    - ``mild``: the first and the last two thirds of a window of one and a half lengths, so that half is shared;
    - ``medium``: the two halves of a window of two lengths;
    - ``extreme``: both modalities start at s and at s + m, where m is what half of the file leaves beside a view, and s
      is drawn from 0 ... m; where a view is longer than half the file, at its start and as late as possible;
    - ``mixed``: two windows drawn independently;
    - ``extreme_video``, ``extreme_audio``: extreme for one modality, while the other has one and the same window in
      both views, that of the first or of the second. (In the released code, not in the paper.)

    A stream that is shorter than the window to be cut gives its first and its last view. A modality that the file
    does not offer has windows as if it lasted as long as the other.

    Attributes:
        relaxation: which of them.
        video: seconds of picture of a view.
        audio: seconds of sound of a view.

    Raises:
        ValueError: there is no such relaxation, or a length is not positive.
    """

    relaxation: Relaxation = "mild"
    video: float = 0.5
    audio: float = 2.0

    def __post_init__(self) -> None:
        if self.relaxation not in get_args(Relaxation):
            raise ValueError(f"unknown relaxation {self.relaxation!r}; there are {', '.join(get_args(Relaxation))}")
        if not (self.video > 0 and self.audio > 0):
            raise ValueError(f"a view cannot last {self.video} s and {self.audio} s")

    def __call__(self, streams: Streams, generator: np.random.Generator) -> tuple[Window, Window]:
        """Draws the windows of both views."""
        video, audio = streams.video or streams.audio, streams.audio or streams.video
        if video is None or audio is None:
            raise ValueError("The file offers neither picture nor sound.")
        offered = _Streams(video, audio)
        if self.relaxation.startswith("extreme"):
            return self._far_apart(offered, generator)
        stretch = _STRETCH[self.relaxation]
        lengths = _Lengths(self.video * stretch, self.audio * stretch)
        first = _draw(offered, lengths, generator)
        second = _draw(offered, lengths, generator) if self.relaxation == "mixed" else first
        return self._first(first), self._last(second)

    def _first(self, window: _Streams) -> Window:
        """The view that starts with a window."""
        return Window(Span(window.video.start, self.video), Span(window.audio.start, self.audio))

    def _last(self, window: _Streams) -> Window:
        """The view that ends with a window."""
        video, audio = window
        return Window(_last(video, self.video), _last(audio, self.audio))

    def _far_apart(self, offered: _Streams, generator: np.random.Generator) -> tuple[Window, Window]:
        video, audio = offered
        origin = min(video.start, audio.start)  # 0, unless only a part of the file is offered
        spare = _Lengths((video.end - origin) / 2 - self.video, (audio.end - origin) / 2 - self.audio)
        if min(spare) < 0:
            first, last = self._first(offered), self._last(offered)
        else:
            gap = min(spare)
            begin = (max(video.start, audio.start) - origin) / 2  # halved as in the released code
            start = origin + begin + generator.random() * (gap - begin)
            first, last = (
                Window(_within(video, at, self.video), _within(audio, at, self.audio)) for at in (start, start + gap)
            )
        if self.relaxation == "extreme":
            return first, last
        kept = (first, last)[int(generator.integers(2))]
        if self.relaxation == "extreme_video":
            return first._replace(audio=kept.audio), last._replace(audio=kept.audio)
        return first._replace(video=kept.video), last._replace(video=kept.video)


def _last(stretch: Span, length: float) -> Span:
    # In this order, for equal lengths must give the very same start.
    return Span(stretch.start + max(stretch.duration - length, 0.0), length)


def _within(stream: Span, start: float, length: float) -> Span:
    """The view that starts at ``start``, or as near to that as the stream lets it."""
    return Span(max(min(start, stream.end - length), stream.start), length)


def _draw(streams: _Streams, lengths: _Lengths, generator: np.random.Generator) -> _Streams:
    """A window of picture and one of sound, the shorter one within the longer one.

    Where a stream is too short, all of it is its window, and that of the other lies anywhere.
    """
    video, audio = streams
    if video.duration < lengths.video or audio.duration < lengths.audio:
        return _Streams(_anywhere(video, lengths.video, generator), _anywhere(audio, lengths.audio, generator))
    if lengths.video > lengths.audio:
        return _Streams(*reversed(_nested(audio, lengths.audio, video, lengths.video, generator)))
    return _Streams(*_nested(video, lengths.video, audio, lengths.audio, generator))


def _nested(inner: Span, short: float, outer: Span, long: float, generator: np.random.Generator) -> tuple[Span, Span]:
    """A window of ``inner`` within one of ``outer``."""
    # Late enough for both streams to have begun, early enough for either window to end within its stream.
    earliest = max(inner.start, outer.start)
    latest = min(inner.end - short, outer.end - long)
    start = earliest + generator.random() * max(latest - earliest, 0.0)
    # The released code lets the shorter window run over the end of its stream; here it stays inside.
    room = max(min(long, inner.end - start) - short, 0.0)
    return _within(inner, start + generator.random() * room, short), _within(outer, start, long)


def _anywhere(stream: Span, length: float, generator: np.random.Generator) -> Span:
    start = stream.start + generator.random() * max(stream.duration - length, 0.0)
    return Span(start, min(length, stream.duration))
