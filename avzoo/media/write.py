"""Writing clips: H.264 video and AAC audio in an mp4 file, the same bytes for the same input."""

from __future__ import annotations

import heapq
import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import torch

_AAC_FRAME = 1024  # samples per AAC frame
_GOP = 30  # frames between key frames: short enough that reading from the middle of a clip is cheap
_CRF = 18  # x264 quality, visually near lossless

# One thread and "bitexact" (no encoder names, no dates) make the bytes a function of the input and the FFmpeg build.
# Without macroblock tree: x264's AVX-512 version of it reads memory it never wrote and so differs from run to run.
_X264_OPTIONS = {"preset": "veryfast", "crf": str(_CRF), "threads": "1", "mbtree": "0"}
_MUXER_OPTIONS = {"fflags": "+bitexact", "movflags": "+faststart"}


def write_clip(
    path: str | Path,
    frames: torch.Tensor | None,
    fps: float | Fraction,
    samples: torch.Tensor | None = None,
    sample_rate: int = 16_000,
) -> None:
    """Writes one clip as H.264 (yuv420p) and AAC (mono) in mp4.

    The file appears complete or not at all: it is written under a temporary name in the same folder and renamed.
    Equal input gives equal bytes under the same build of PyAV.

    Args:
        path: Where to write; an existing file is replaced.
        frames: RGB frames, uint8 ``(T, 3, H, W)`` with even ``H`` and ``W``; None for a file without video.
        fps: Frames per second.
        samples: Mono sound, float ``(N,)`` in [-1, 1]; None for a file without audio.
        sample_rate: Samples per second of ``samples``, a rate AAC knows (8000 ... 96000 Hz).

    Raises:
        ValueError: The shapes or types do not fit, or both ``frames`` and ``samples`` are missing or empty.
    """
    path = Path(path).absolute()
    _check(frames, samples)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with av.open(str(temporary), "w", format="mp4", options=_MUXER_OPTIONS) as container:
            streams, sources = [], []
            if frames is not None:
                streams.append(_video_stream(container, frames, fps))
                sources.append(_video_frames(streams[-1], frames, fps))
            if samples is not None:
                streams.append(_audio_stream(container, sample_rate))
                sources.append(_audio_frames(streams[-1], samples, sample_rate))
            for _, stream, frame in heapq.merge(*sources, key=lambda item: item[0]):
                container.mux(stream.encode(frame))
            for stream in streams:
                container.mux(stream.encode(None))
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _check(frames: torch.Tensor | None, samples: torch.Tensor | None) -> None:
    if frames is None and samples is None:
        raise ValueError("nothing to write: give frames, samples or both")
    if frames is not None:
        if frames.dtype != torch.uint8 or frames.ndim != 4 or frames.shape[1] != 3 or not len(frames):
            raise ValueError(f"frames must be uint8 (T, 3, H, W), got {frames.dtype} {tuple(frames.shape)}")
        if frames.shape[2] % 2 or frames.shape[3] % 2:
            raise ValueError(f"H.264 in yuv420p needs even height and width, got {tuple(frames.shape[2:])}")
    if samples is not None and (not samples.is_floating_point() or samples.ndim != 1 or not len(samples)):
        raise ValueError(f"samples must be float (N,), got {samples.dtype} {tuple(samples.shape)}")


def _video_stream(container: Any, frames: torch.Tensor, fps: float | Fraction) -> Any:
    stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001), options=_X264_OPTIONS)
    stream.height, stream.width = frames.shape[2:]
    stream.pix_fmt = "yuv420p"
    stream.codec_context.gop_size = _GOP
    stream.codec_context.flags |= av.codec.context.Flags.bitexact
    return stream


def _audio_stream(container: Any, sample_rate: int) -> Any:
    stream = container.add_stream("aac", rate=sample_rate, layout="mono")
    stream.bit_rate = 64_000
    stream.codec_context.flags |= av.codec.context.Flags.bitexact
    return stream


def _video_frames(stream: Any, frames: torch.Tensor, fps: float | Fraction) -> Iterator[tuple[float, Any, Any]]:
    for index, rgb in enumerate(frames.permute(0, 2, 3, 1)):
        frame = av.VideoFrame.from_ndarray(rgb.contiguous().cpu().numpy(), format="rgb24")
        frame.pts, frame.time_base = index, 1 / stream.codec_context.framerate
        yield index / float(fps), stream, frame


def _audio_frames(stream: Any, samples: torch.Tensor, sample_rate: int) -> Iterator[tuple[float, Any, Any]]:
    waveform = samples.detach().cpu().float().clamp(-1, 1).numpy()
    for first in range(0, len(waveform), _AAC_FRAME):
        block = waveform[None, first : first + _AAC_FRAME]
        frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = sample_rate, first, Fraction(1, sample_rate)
        yield first / sample_rate, stream, frame
