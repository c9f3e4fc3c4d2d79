"""Small media files with known contents, written with PyAV: frame i is a flat grey of level 16 + 3 i."""

from __future__ import annotations

import heapq
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch

TICKS = 90_000
SAMPLE_FORMATS = {"libmp3lame": "fltp", "alac": "s16p"}  # where the encoder's first choice is none of these
LEVEL, STEP = 16, 3  # luma of frame 0, and what each frame adds


def grey(index: int, size: tuple[int, int] = (48, 64)) -> av.VideoFrame:
    """A frame of flat luma; size is (height, width)."""
    frame = av.VideoFrame(size[1], size[0], "yuv420p")
    for plane, value in zip(frame.planes, (LEVEL + STEP * index, 128, 128), strict=True):
        plane.update(bytes([value]) * plane.buffer_size)
    return frame


def index_of(frames: torch.Tensor) -> list[int]:
    """Which frames of a file these are: uint8 (T, 3, H, W) to indices, by their mean level."""
    luma = frames.float().mean(dim=(1, 2, 3)) * 219 / 255 + 16  # full-range grey back to limited-range luma
    return ((luma - LEVEL) / STEP).round().int().tolist()


def tone(seconds: float, rate: int = 48_000, channels: int = 1, onset: float = 0.0) -> np.ndarray:
    """A 440 Hz tone that starts at onset: float32 (channels, samples)."""
    time = np.arange(round(seconds * rate)) / rate
    wave = 0.5 * np.sin(2 * np.pi * 440 * time) * (time >= onset)
    return np.repeat(wave[None].astype(np.float32), channels, axis=0)


def write_media(
    path: Path,
    times: list[float] | None = None,
    sound: np.ndarray | None = None,
    *,
    rate: int = 48_000,
    sound_at: float = 0.0,
    layout: str = "mono",
    size: tuple[int, int] = (48, 64),
    codecs: tuple[str, str] = ("libx264", "aac"),
    rotation: int = 0,
    gop: int = 12,
    container_format: str | None = None,
    clock_at: float = 0.0,
    sound_last: bool = False,
    loop: int = 80,
) -> Path:
    """Writes frames shown at ``times`` seconds and sound that starts at ``sound_at`` seconds of a clock."""
    options = {"output_ts_offset": str(clock_at)} | ({"max_interleave_delta": "1"} if sound_last else {})
    with av.open(str(path), "w", format=container_format, options=options) as container:
        sources, streams = [], []
        if times is not None:
            video = container.add_stream(codecs[0], rate=25)
            video.height, video.width = size
            video.pix_fmt = "yuv420p"
            video.gop_size = gop
            base = Fraction(1, TICKS) if codecs[0] == "libx264" else Fraction(1, 25)
            video.codec_context.time_base = base
            if codecs[0] == "libx264":
                video.options = {"crf": "1", "preset": "ultrafast"}
            if rotation:
                video.set_display_rotation(rotation)
            streams.append(video)
            sources.append([(time, 0, index) for index, time in enumerate(times)])
        if sound is not None:
            audio = container.add_stream(codecs[1], rate=rate, layout=layout)
            if codecs[1] in SAMPLE_FORMATS:
                audio.codec_context.format = SAMPLE_FORMATS[codecs[1]]
            streams.append(audio)
            block = 1152 if codecs[1] == "mp2" else 1024
            starts = range(0, sound.shape[1], block)
            late = 1e6 if sound_last else 0.0  # only the order of muxing
            sources.append([(sound_at + first / rate + late, 1, first) for first in starts])
        for time, kind, index in heapq.merge(*sources):
            if kind == 0:
                frame = grey(index % loop, size)  # luma has no more levels
                frame.time_base, frame.pts = base, round(time / base)
                container.mux(video.encode(frame))
            else:
                piece = np.ascontiguousarray(sound[:, index : index + block])
                sample_format = audio.codec_context.format.name
                if sample_format.startswith("s16"):
                    piece = (piece * 32767).astype(np.int16)
                if not sample_format.endswith("p"):
                    piece = np.ascontiguousarray(piece.T.reshape(1, -1))
                frame = av.AudioFrame.from_ndarray(piece, format=sample_format, layout=layout)
                frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
                frame.pts = index + round(sound_at * rate)
                container.mux(audio.encode(frame))
        for stream in streams:
            container.mux(stream.encode(None))
    return path


def regular(num_frames: int, fps: float = 25.0, start: float = 0.0) -> list[float]:
    """Frame times of a constant rate."""
    return [start + index / fps for index in range(num_frames)]


def write_playlist(path: Path, kind: str, target: Path) -> Path:
    """A text file that makes a careless demuxer open another file."""
    text = {
        "hls": f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:2,\n{target}\n#EXT-X-ENDLIST\n",
        "ffconcat": f"ffconcat version 1.0\nfile '{target}'\n",
        "tagged hls": f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:2,\n{target}\n#EXT-X-ENDLIST\n",
        "dash": f'<?xml version="1.0"?><MPD><BaseURL>{target}</BaseURL></MPD>',
    }[kind]
    tag = b"ID3\x04\x00\x00\x00\x00\x00\x10" + bytes(16) if kind.startswith("tagged") else b""
    path.write_bytes(tag + text.encode())
    return path
