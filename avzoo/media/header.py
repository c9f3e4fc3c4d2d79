"""Opening a file behind the gate, and what its header says."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.stream import Disposition

from .errors import MediaError
from .gate import Container, admit
from .limits import Limits

_MICROSECOND = Fraction(1, 1_000_000)  # unit of the times of a whole container


@dataclass(frozen=True)
class VideoInfo:
    """The picture of a file.

    Attributes:
        codec: FFmpeg's name of the decoder.
        width: Pixels, after rotation.
        height: Pixels, after rotation.
        fps: Mean frames per second; 0 where unknown.
        start: Seconds on the file's clock.
        duration: Seconds; None where the header does not say.
        rotation: Degrees by which decoded frames are turned counter-clockwise: 0, 90, 180 or 270.
    """

    codec: str
    width: int
    height: int
    fps: float
    start: float
    duration: float | None
    rotation: int


@dataclass(frozen=True)
class AudioInfo:
    """The sound of a file.

    Attributes:
        codec: FFmpeg's name of the decoder.
        sample_rate: Samples per second and channel.
        channels: Number of channels.
        start: Seconds on the file's clock.
        duration: Seconds; None where the header does not say.
    """

    codec: str
    sample_rate: int
    channels: int
    start: float
    duration: float | None


@dataclass(frozen=True)
class MediaInfo:
    """What is known of a file without decoding it.

    All times are in seconds on the file's clock, on which 0 is the start of the earlier of the two streams.

    Attributes:
        path: The file.
        container: The kind of container, by its first bytes.
        duration: The end of the later stream; None where the header does not say.
        video: The picture, or None.
        audio: The sound, or None.
    """

    path: Path
    container: str
    duration: float | None
    video: VideoInfo | None
    audio: AudioInfo | None


@dataclass
class Deadline:
    """Bounds the time that decoding one clip may take."""

    path: Path
    seconds: float
    _end: float = field(init=False)

    def __post_init__(self) -> None:
        self.restart()

    @property
    def remaining(self) -> float:
        """Seconds left."""
        return self._end - time.monotonic()

    def restart(self) -> None:
        """Grants the next clip its time."""
        self._end = time.monotonic() + self.seconds

    def check(self) -> None:
        """Raises MediaError ``timeout`` when the time is up."""
        if self.remaining < 0:
            raise MediaError("timeout", self.path, f"one clip took longer than {self.seconds:g} s to decode")


@dataclass(frozen=True)
class OpenMedia:
    """A file that passed the gate, its two streams found and its header within the limits.

    Attributes:
        path: The file.
        kind: The kind of container.
        limits: What it may ask for.
        container: The open PyAV container.
        video: The video stream, or None. Cover pictures are none.
        audio: The audio stream, or None.
        origin: Where the file's clock has its 0, on the clock of the container.
        deadline: To be checked while decoding.
    """

    path: Path
    kind: Container
    limits: Limits
    container: Any
    video: Any
    audio: Any
    origin: Fraction
    deadline: Deadline

    def start(self, stream: Any) -> Fraction:
        """Start of a stream on the file's clock, seconds."""
        return (stream.start_time or 0) * stream.time_base - self.origin

    def duration(self, stream: Any) -> float | None:
        """Length of a stream in seconds as the header gives it, the container's where the stream has none."""
        if stream.duration is not None:
            return float(stream.duration * stream.time_base)
        if self.container.duration is None:
            return None
        begin = (self.container.start_time or 0) * _MICROSECOND - self.origin
        return float(begin + self.container.duration * _MICROSECOND - self.start(stream))

    def end(self, stream: Any) -> float | None:
        """End of a stream on the file's clock as the header gives it, seconds."""
        duration = self.duration(stream)
        return None if duration is None else float(self.start(stream)) + duration


@contextmanager
def open_media(path: str | Path, limits: Limits) -> Iterator[OpenMedia]:
    """Opens a file for reading in this thread.

    Raises:
        MediaError: The gate refuses it, its header cannot be read, it has neither picture nor sound, or its header asks
            for more than ``limits``.
    """
    path = Path(path)
    kind = admit(path)
    with open_container(path, kind, limits) as container:
        video = _best_stream(container, "video", limits)
        audio = _best_stream(container, "audio", limits)
        if video is None and audio is None:
            raise MediaError("no_streams", path, "holds neither picture nor sound that can be decoded")
        starts = [s.start_time * s.time_base for s in (video, audio) if s is not None and s.start_time is not None]
        deadline = Deadline(path, limits.clip_timeout)
        media = OpenMedia(path, kind, limits, container, video, audio, min(starts, default=Fraction(0)), deadline)
        _check_header(media)
        yield media


@contextmanager
def open_container(path: Path, kind: Container, limits: Limits) -> Iterator[Any]:
    """Opens an admitted file with the demuxers of its kind and no protocol but that of local files.

    Raises:
        MediaError: ``bad_header`` or ``timeout``.
    """
    options = {
        "format_whitelist": kind.demuxers,
        "protocol_whitelist": "file",
        "max_pixels": str(limits.max_pixels),
    }
    try:
        container = av.open(
            f"file:{path.absolute()}",  # without the prefix, a colon in the name could be read as a protocol
            "r",
            format=kind.demuxers if "," not in kind.demuxers else None,  # no guessing where there is no choice
            options=options,
            metadata_errors="replace",  # tags in other encodings than UTF-8 are common in old files
            timeout=limits.clip_timeout,
        )
    except av.error.ExitError as error:
        raise MediaError("timeout", path, f"took longer than {limits.clip_timeout:g} s to open") from error
    except av.error.FFmpegError as error:
        detail = f"starts like {kind.name} but cannot be opened ({error.strerror}); it may be damaged or cut short"
        raise MediaError("bad_header", path, detail) from error
    with container:
        yield container


def demux(container: Any, streams: list[Any]) -> Iterator[Any]:
    """The packets of some streams, and one empty packet per stream at their end."""
    try:
        yield from container.demux(streams)
    except IndexError:
        # PyAV ends so where a stream appeared after opening (program streams): it asks that stream, which it does not
        # know, for its empty packet. The packets of the streams it knows are all out by then.
        return


def _best_stream(container: Any, kind: str, limits: Limits) -> Any:
    """The stream FFmpeg prefers among those that can be decoded; cover pictures do not count as video."""
    streams = [
        stream
        for stream in getattr(container.streams, kind)
        if stream.codec_context is not None
        and not stream.disposition & Disposition.attached_pic
        and (kind != "audio" or stream.codec_context.sample_rate)
    ]
    if not streams:
        return None
    best = container.streams.best(kind)
    stream = best if best in streams else streams[0]
    stream.codec_context.thread_count = 1  # the same result everywhere; files, not frames, are decoded in parallel
    if kind == "video":
        stream.codec_context.options = {"max_pixels": str(limits.max_pixels)}
    return stream


def _check_header(media: OpenMedia) -> None:
    limits, path = media.limits, media.path
    for stream in filter(None, (media.video, media.audio)):
        end = media.end(stream)
        if end is not None and end > limits.max_duration:
            raise MediaError("too_long", path, f"lasts {end:.0f} s, the limit is {limits.max_duration:.0f} s")
    if media.video is not None:
        check_pixels(media, media.video.codec_context.width, media.video.codec_context.height)
    if media.audio is not None:
        context = media.audio.codec_context
        check_sound(media, context.sample_rate, context.layout.nb_channels)


def check_pixels(media: OpenMedia, width: int, height: int) -> None:
    """Raises MediaError ``too_large`` for a frame above the limits."""
    limits = media.limits
    if max(width, height) > limits.max_aspect * min(width, height):
        detail = f"frames of {width} x {height}, the limit is a side {limits.max_aspect:g} times as long as the other"
        raise MediaError("too_large", media.path, detail)
    if width * height > limits.max_pixels:
        raise MediaError(
            "too_large", media.path, f"frames of {width} x {height}, the limit is {limits.max_pixels} pixels"
        )


def check_sound(media: OpenMedia, sample_rate: int, channels: int) -> None:
    """Raises MediaError ``too_large`` for sound above the limits."""
    limits = media.limits
    if sample_rate > limits.max_sample_rate or channels > limits.max_channels:
        detail = f"sound of {channels} channels at {sample_rate} Hz, the limits are {limits.max_channels} channels"
        raise MediaError("too_large", media.path, f"{detail} at {limits.max_sample_rate} Hz")


def quarter_turns(frame: av.VideoFrame) -> int:
    """Quarter turns counter-clockwise that set a decoded frame upright: 0 to 3."""
    return round(frame.rotation / 90) % 4


def probe(path: str | Path, limits: Limits | None = None) -> MediaInfo:
    """Reads what a file holds from its header and its first frame.

    Args:
        path: A local media file.
        limits: What it may ask for; the defaults of :class:`Limits` where None.

    Raises:
        MediaError: As :func:`open_media`; ``decode_failed`` where not even the first frame can be decoded.
    """
    with open_media(path, limits or Limits()) as media:
        video, audio = media.video, media.audio
        ends = [end for stream in (video, audio) if stream is not None and (end := media.end(stream)) is not None]
        return MediaInfo(
            path=Path(path),
            container=media.kind.name,
            duration=max(ends, default=None),
            audio=audio and _audio_info(media),
            video=video and _video_info(media),
        )


def _audio_info(media: OpenMedia) -> AudioInfo:
    stream, context = media.audio, media.audio.codec_context
    return AudioInfo(
        codec=context.name,
        sample_rate=context.sample_rate,
        channels=context.layout.nb_channels,
        start=float(media.start(stream)),
        duration=media.duration(stream),
    )


def _video_info(media: OpenMedia) -> VideoInfo:
    stream, context = media.video, media.video.codec_context
    try:
        packets = demux(media.container, [stream])
        first = next((frame for packet in packets for frame in packet.decode()), None)  # headers lack the rotation
    except av.error.FFmpegError as error:
        raise MediaError("decode_failed", media.path, f"its picture cannot be decoded ({error.strerror})") from error
    turns = 0 if first is None else quarter_turns(first)
    width, height = (context.height, context.width) if turns % 2 else (context.width, context.height)
    return VideoInfo(
        codec=context.name,
        width=width,
        height=height,
        fps=float(stream.average_rate or stream.guessed_rate or 0),
        start=float(media.start(stream)),
        duration=media.duration(stream),
        rotation=90 * turns,
    )
