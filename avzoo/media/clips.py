"""What is asked of a file, and what it gives: specification and clip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch

from avzoo.errors import AvzooError

Missing = Literal["skip", "zeros", "error"]
Decoder = Literal["pyav", "decord"]

_MIN_SOUND = 0.125  # seconds


@dataclass(frozen=True)
class ClipSpec:
    """Which clips to cut from a file.

    A clip is a window of time: its picture is ``num_frames / fps`` seconds, its sound ``audio_seconds``. Where the two
    differ, as in models that hear 2 s around half a second of picture, both begin with the window and the longer one
    is the window. So each window that opens can have both, be the file or what remains of it ever so short, and one
    start tells which picture and sound belong together. The defaults are XKD's: 32 frames at 8 per second, 4 s of
    16 kHz mono sound.

    Attributes:
        fps: Frames per second that are sampled.
        num_frames: Frames of a clip.
        sample_rate: Samples per second of the sound.
        audio_seconds: Seconds of the sound of a clip; None for as many as of the picture.
        short_side: Frames larger than this are scaled down so that their shorter side has this many pixels (bilinear,
            antialiased; longer side truncated to an integer); None keeps the full size.
        stride: Seconds between the starts of two windows; None for windows that meet without overlap.
        decoder: Video decode backend: ``"pyav"``, or ``"decord"`` in a process of its own. PyAV reads all sound.
        video: Whether frames are wanted.
        audio: Whether sound is wanted.
        missing: What a clip holds where a wanted modality has nothing: ``"skip"`` None; ``"zeros"`` zeros, flagged;
            ``"error"`` as skip, but a file without the stream raises.
    """

    fps: float = 8.0
    num_frames: int = 32
    sample_rate: int = 16_000
    audio_seconds: float | None = None
    short_side: int | None = None
    stride: float | None = None
    decoder: Decoder = "pyav"
    video: bool = True
    audio: bool = True
    missing: Missing = "skip"

    def __post_init__(self) -> None:
        for name in ("fps", "num_frames", "sample_rate", "audio_seconds", "short_side", "stride"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise AvzooError(f"{name} must be positive, got {value}")
        if self.decoder not in get_args(Decoder):
            raise AvzooError(f"unknown decoder {self.decoder!r}; choose one of {', '.join(get_args(Decoder))}")
        if self.missing not in get_args(Missing):
            raise AvzooError(f"unknown policy missing={self.missing!r}; choose one of {', '.join(get_args(Missing))}")
        if not (self.video or self.audio):
            raise AvzooError("neither video nor audio is wanted; ask for at least one")

    @property
    def spans(self) -> dict[str, float]:
        """Seconds that each wanted modality, ``video`` and ``audio``, has of a window."""
        picture = self.num_frames / self.fps
        sound = picture if self.audio_seconds is None else self.audio_seconds
        return ({"video": picture} if self.video else {}) | ({"audio": sound} if self.audio else {})

    @property
    def window(self) -> float:
        """Length of a clip in seconds."""
        return max(self.spans.values())

    @property
    def min_remainder(self) -> float:
        """Seconds that the end of a file must hold to open a window of its own.

        A picture must have one more frame to sample; where sound is wanted, 1/8 s at least, which is more than the
        padding of codecs.
        """
        least = max(1 / self.fps if self.video else 0.0, _MIN_SOUND if self.audio else 0.0)
        return min(least, self.window)

    @property
    def num_samples(self) -> int:
        """Samples of a clip."""
        return round(self.spans.get("audio", 0.0) * self.sample_rate)


@dataclass(frozen=True)
class Clip:
    """One window of one file.

    Attributes:
        start: Seconds on the file's clock, on which 0 is the start of its earliest stream.
        end: Seconds; ``start`` + window, or less where the file ends inside the window.
        frames: RGB, uint8 ``(T, 3, H, W)``; None where there is none. Where the picture ends inside the window, the
            frames before repeat from the clip's start.
        samples: Mono sound, float32 ``(N,)`` in [-1, 1]; None where there is none. Zeros before the stream starts,
            in its gaps and after its end.
        video_zeros: ``frames`` are zeros that stand for a missing picture.
        audio_zeros: ``samples`` are zeros that stand for missing sound.
    """

    start: float
    end: float
    frames: torch.Tensor | None
    samples: torch.Tensor | None
    video_zeros: bool = False
    audio_zeros: bool = False
