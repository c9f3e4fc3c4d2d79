"""The plain way: decode a whole file, then cut. What the streaming way must equal to the bit."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import av
import numpy as np
import torch
from torchvision.transforms.v2 import functional as transforms


@lru_cache(maxsize=1)
def decode_frames(path: Path) -> tuple[list[float], torch.Tensor, float]:
    """All frames: their times, uint8 (n, 3, H, W), and the time at which the last one ends."""
    with av.open(str(path), metadata_errors="replace") as container:
        stream = container.streams.best("video")
        frames = list(container.decode(stream))
        times = [float(frame.pts * stream.time_base) for frame in frames]
        pixels = [np.rot90(frame.to_ndarray(format="rgb24"), round(frame.rotation / 90)) for frame in frames]
        end = times[-1] + float(frames[-1].duration * stream.time_base)
    return times, torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2), end


@lru_cache(maxsize=1)
def decode_sound(path: Path, rate: int = 16_000) -> tuple[float, torch.Tensor]:
    """All sound: its start in seconds and its mono samples, float32 (n,)."""
    resampler = av.AudioResampler(format="s16", layout="mono", rate=rate)
    with av.open(str(path), metadata_errors="replace") as container:
        stream = container.streams.best("audio")
        frames = list(container.decode(stream))
        start = float(frames[0].pts * stream.time_base)
        blocks = [block for frame in [*frames, None] for block in resampler.resample(frame) if block is not None]
    return start, torch.from_numpy(np.concatenate([block.to_ndarray()[0] for block in blocks])).float() / 32767


def cut_frames(path: Path, start: float, fps: float, num_frames: int, short_side: int | None) -> torch.Tensor | None:
    """The frames of one window, the container's clock starting at 0."""
    times, frames, end = decode_frames(path)
    wanted = [start + k / fps for k in range(num_frames)]
    chosen = [max(sum(t <= time + 1e-7 for t in times) - 1, 0) for time in wanted if time + 1e-7 < end]
    if not chosen:
        return None
    clip = frames[[chosen[k % len(chosen)] for k in range(num_frames)]]
    return clip if short_side is None else transforms.resize(clip, [short_side], antialias=True)


def cut_sound(path: Path, start: float, num_samples: int, rate: int = 16_000) -> torch.Tensor:
    """The samples of one window, the container's clock starting at 0."""
    offset, samples = decode_sound(path, rate)
    padded = torch.cat([torch.zeros(round(offset * rate)), samples, torch.zeros(num_samples)])
    first = round(start * rate)
    return padded[first : first + num_samples]
