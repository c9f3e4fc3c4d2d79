"""Which stretches of a file the views of one clip are cut from: functions of what it offers and of a generator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


class Span(NamedTuple):
    """A stretch of time: seconds on the file's clock, and how many from there."""

    start: float
    duration: float

    @property
    def end(self) -> float:
        """Seconds on the file's clock."""
        return self.start + self.duration


class Streams(NamedTuple):
    """What a file offers of what is wanted; None where it has no such stream, or where none is wanted."""

    video: Span | None
    audio: Span | None

    @property
    def shared(self) -> Span:
        """Where all that the file offers is; its duration is negative where picture and sound never meet.

        Raises:
            ValueError: The file offers nothing.
        """
        spans = [span for span in self if span is not None]
        start = max(span.start for span in spans)
        return Span(start, min(span.end for span in spans) - start)

    def between(self, start: float | None, end: float | None) -> Streams:
        """What of it lies between two times on the file's clock; None is the file's own start or end."""

        def within(span: Span | None) -> Span | None:
            if span is None or (start is None and end is None):
                return span
            first = span.start if start is None else max(span.start, start)
            return Span(first, (span.end if end is None else min(span.end, end)) - first)

        return Streams(within(self.video), within(self.audio))


class Window(NamedTuple):
    """What one view is made of. A modality that is not wanted may have a span all the same."""

    video: Span | None
    audio: Span | None


#: One window per view, always as many; a pure function of its arguments.
WindowSampler = Callable[[Streams, np.random.Generator], tuple[Window, ...]]


def _anywhere(streams: Streams, duration: float, generator: np.random.Generator) -> Window:
    """Picture and sound from the same start, uniform over what they share; its start where that is too short."""
    shared = streams.shared
    start = shared.start + generator.random() * max(shared.duration - duration, 0.0)
    return Window(Span(start, duration), Span(start, duration))


@dataclass(frozen=True)
class SharedWindow:
    """One window that starts anywhere where the file has both picture and sound: XKD's rule.

    Attributes:
        duration: Seconds of picture and of sound.
    """

    duration: float

    def __call__(self, streams: Streams, generator: np.random.Generator) -> tuple[Window]:
        """Draws one number."""
        return (_anywhere(streams, self.duration, generator),)


@dataclass(frozen=True)
class IndependentWindows:
    """Windows drawn one by one as `SharedWindow` draws its own; they may overlap.

    Attributes:
        count: Number of windows.
        duration: Seconds of each.
    """

    count: int
    duration: float

    def __call__(self, streams: Streams, generator: np.random.Generator) -> tuple[Window, ...]:
        """Draws ``count`` numbers."""
        return tuple(_anywhere(streams, self.duration, generator) for _ in range(self.count))
