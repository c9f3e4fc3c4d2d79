"""Cutting a file into clips: all of them in one pass, or one by seeking."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

import av
import torch

from avzoo.errors import AvzooError

from .audio import AudioTrack
from .clips import Clip, ClipSpec
from .decord_video import DecordVideo, decord_process
from .errors import MediaError
from .gate import AVI, FLAC, MATROSKA, MP4, WAV
from .limits import Limits
from .packets import PREROLL, PacketReader
from .probe import OpenMedia, open_media
from .sampling import TOLERANCE, WindowGrid
from .video import PyAVVideo

# Seeks land where they should in these; in the others decoding starts at the beginning.
_SEEKABLE = (MP4, MATROSKA, WAV, FLAC)

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


def iter_clips(path: str | Path, spec: ClipSpec, limits: Limits | None = None) -> Iterator[Clip]:
    """Cuts a file into clips from its beginning to its end.

    Memory is constant in the length of the file: what is held are the frames and samples of the windows that are open.
    Each frame and each sample is decoded once, also where windows overlap. The clips are those that decoding the whole
    file and cutting it afterwards gives, to the bit.

    The last windows may be partial: their ``end`` says where the file ends. A remainder too short to sample one more
    frame (``1 / spec.fps`` seconds, more than the padding of audio codecs) opens no window of its own, except at the
    start of a file. Windows in which neither modality has anything are left out.

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
    with open_media(path, limits or Limits()) as media, _open_tracks(media, WindowGrid(spec)) as tracks:
        for index in itertools.count():
            media.deadline.restart()
            clip = tracks.clip(index)
            if clip is not None:
                yield clip
            if tracks.exhausted and tracks.grid.start(index + 1) + 1 / spec.fps > tracks.end + TOLERANCE:
                break
        tracks.check_complete()


def read_clip(path: str | Path, start: float, spec: ClipSpec, limits: Limits | None = None) -> Clip:
    """Reads the one clip that starts at ``start``, by seeking where the container allows it.

    Frames are those that :func:`iter_clips` would choose. So are samples where the container counts time in samples
    (mp4, wav, flac); Matroska rounds time to 1 ms, by which sound may then be shifted.

    Args:
        path: A local media file.
        start: Seconds on the file's clock, not negative.
        spec: What the clip holds; its ``stride`` is of no effect.
        limits: What the file may ask for; the defaults of :class:`Limits` where None.

    Raises:
        MediaError: As :func:`iter_clips`, at once; ``past_end`` where the file ends before ``start``.
        ValueError: ``start`` is negative.
    """
    if not start >= 0:
        raise AvzooError(f"a clip cannot start at {start} s; give 0 or more")
    limits = limits or Limits()
    grid = WindowGrid(spec, first=start, count=1)
    clip = _read_after_seek(path, grid, limits) if start > PREROLL else None
    if clip is None:
        with open_media(path, limits) as media, _open_tracks(media, grid) as tracks:
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
            with _open_tracks(media, grid, seek=grid.first) as tracks:
                clip = tracks.clip(0)
                return clip if tracks.landed(grid.first) and not tracks.failure else None
        except av.error.FFmpegError:  # cannot be sought
            return None


@contextmanager
def _open_tracks(media: OpenMedia, grid: WindowGrid, seek: float | None = None) -> Iterator[_Tracks]:
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
        yield _Tracks(media, grid, video, audio)


class _Tracks:
    """Picture and sound of one file, cut along one grid."""

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

    def clip(self, index: int) -> Clip | None:
        """Window ``index``, or None where neither modality has anything in it."""
        spec, start = self.grid.spec, self.grid.start(index)
        frames = self._video.read(index) if self._video else None
        samples = self._audio.read(start, spec.num_samples) if self._audio else None
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
