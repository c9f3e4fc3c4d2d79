"""Picture and sound of one file, cut along one grid."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Protocol

import torch

from .audio import AudioTrack
from .clips import Clip
from .decord_video import DecordVideo, decord_process
from .errors import MediaError
from .gate import AVI, FLAC, MATROSKA, MP4, WAV
from .header import OpenMedia
from .packets import PREROLL, PacketReader
from .sampling import WindowGrid
from .video import PyAVVideo

_WITH_LENGTH = (MP4, MATROSKA, AVI, WAV, FLAC)  # headers give the length; elsewhere it is an estimate
_MAX_MISSING = 0.5  # seconds, and this share of the length, that the end of an intact file may lack
_MAX_MISSING_SHARE = 0.01

_FALLBACK_SIDE = 112  # pixels of the zeros that stand for a missing picture where no size is asked for


class VideoTrack(Protocol):
    """The picture of a file behind one contract, whatever decodes it.

    Attributes:
        first: Seconds at which decoding started; None before the first frame.
        end: Seconds up to which the picture is known.
        exhausted: Whether nothing comes after ``end``.
        failure: Why it ended early, or None.
    """

    first: float | None
    end: float
    exhausted: bool
    failure: MediaError | None

    def read(self, index: int) -> torch.Tensor | None:
        """The frames of window ``index``, uint8 ``(T, 3, H, W)``; None where nothing is on screen in it."""


@contextmanager
def open_tracks(media: OpenMedia, grid: WindowGrid, seek: float | None = None) -> Iterator[Tracks]:
    """Opens the streams of a file that a grid of windows asks for.

    Args:
        media: The open file.
        grid: The windows.
        seek: Seconds before which decoding starts; None for the beginning of the file.

    Raises:
        MediaError: ``no_video`` or ``no_audio``; with decord, as :class:`DecordVideo`.
    """
    spec = grid.spec
    stream_video = media.video if spec.video else None
    stream_audio = media.audio if spec.audio else None
    with ExitStack() as stack:
        video: VideoTrack | None = None
        if stream_video is not None and spec.decoder == "decord":
            video = DecordVideo(media, stack.enter_context(decord_process()), grid)
            stream_video = None
        streams = [stream for stream in (stream_video, stream_audio) if stream is not None]
        reader = PacketReader(media, streams, seek)
        if stream_video is not None:
            video = PyAVVideo(media, reader.decode(stream_video), grid)
        audio = None if stream_audio is None else AudioTrack(media, reader.decode(stream_audio), spec.sample_rate)
        yield Tracks(media, grid, video, audio)


class Tracks:
    """Picture and sound of one file, read window by window."""

    def __init__(self, media: OpenMedia, grid: WindowGrid, video: VideoTrack | None, audio: AudioTrack | None) -> None:
        spec = grid.spec
        strict = spec.missing == "error" or (video is None and audio is None)
        if spec.video and video is None and strict:
            raise MediaError("no_video", media.path, "has no picture")
        if spec.audio and audio is None and strict:
            raise MediaError("no_audio", media.path, "has no sound")
        self.grid = grid
        self._media = media
        self._video = video
        self._audio = audio
        self._tracks = [track for track in (video, audio) if track is not None]
        self._frame_size = (spec.short_side or _FALLBACK_SIDE,) * 2

    @property
    def failure(self) -> MediaError | None:
        """Why a track ended early, or None."""
        return next((track.failure for track in self._tracks if track.failure), None)

    @property
    def exhausted(self) -> bool:
        """Whether nothing comes after ``end``."""
        return self.failure is not None or all(track.exhausted for track in self._tracks)

    @property
    def end(self) -> float:
        """Seconds up to which picture or sound is known and good."""
        return min((t.end for t in self._tracks if t.failure), default=max(t.end for t in self._tracks))

    def remainder(self, index: int) -> float:
        """Seconds that window ``index`` and all after it hold; infinite as long as the end is not known."""
        return self.end - self.grid.start(index) if self.exhausted else float("inf")

    def clip(self, index: int) -> Clip | None:
        """Window ``index``, or None where neither modality has anything in it."""
        spec, start = self.grid.spec, self.grid.start(index)
        frames = self._video.read(index) if self._video else None
        samples = self._audio.read(start, spec.num_samples, spec.window) if self._audio else None
        if frames is None and samples is None:
            return None
        end = min(start + spec.window, self.end) if self.exhausted else start + spec.window
        if end <= start:
            return None
        if frames is not None:
            self._frame_size = (frames.shape[-2], frames.shape[-1])
        video_zeros = spec.missing == "zeros" and spec.video and frames is None
        audio_zeros = spec.missing == "zeros" and spec.audio and samples is None
        if video_zeros:
            frames = torch.zeros(spec.num_frames, 3, *self._frame_size, dtype=torch.uint8)
        if audio_zeros:
            samples = torch.zeros(spec.num_samples)
        return Clip(start, end, frames, samples, video_zeros, audio_zeros)

    def landed(self, start: float) -> bool:
        """Whether decoding started early enough before ``start`` to be settled there."""
        streams = ((self._video, self._media.video), (self._audio, self._media.audio))
        return all(
            track.first is not None and track.first <= max(start - PREROLL / 2, float(self._media.start(stream)))
            for track, stream in streams
            if track is not None
        )

    def check_complete(self) -> None:
        """Raises the failure of a track, or MediaError ``truncated`` where the header promises more than came."""
        if self.failure:
            raise self.failure
        if self.end <= 0:
            raise MediaError("truncated", self._media.path, "holds a header, but no picture or sound after it")
        expected = self._expected_end()
        if expected is not None and self.end < expected - max(_MAX_MISSING, _MAX_MISSING_SHARE * expected):
            detail = f"ends at {self.end:.1f} s where its header says {expected:.1f} s; it may be cut short"
            raise MediaError("truncated", self._media.path, detail)

    def _expected_end(self) -> float | None:
        """The end of the tracks as the header gives it; None where it does not, or only an estimate."""
        media = self._media
        streams = [s for s, track in ((media.video, self._video), (media.audio, self._audio)) if track is not None]
        own = all(stream.duration is not None for stream in streams)
        if media.kind not in _WITH_LENGTH or not (own or len(media.container.streams) == len(streams)):
            return None
        return max((end for s in streams if (end := media.end(s)) is not None), default=None)
