"""Audio augmentations: on waveforms ``(..., N)`` and on normalised log-mel spectrograms ``(..., mel, time)``.

Each random operation draws its numbers from an explicit generator and hands them to a deterministic one of the same
name, so that the arithmetic can be checked with given numbers. All that is given in one call is changed alike, on any
device; the generator is always one of the CPU, so that a seed means the same on every device.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional as nnF

from avzoo.data.draws import integer, uniform


def random_volume(samples: torch.Tensor, amount: float, generator: torch.Generator) -> torch.Tensor:
    """Multiplies waveforms by a number drawn from 1 - amount ... 1 + amount."""
    return samples * uniform(1 - amount, 1 + amount, generator)


def resize_crop(spec: torch.Tensor, top: int, left: int, height: int, width: int, scale: float = 1.5) -> torch.Tensor:
    """Cuts a box out of a spectrogram set in a wider canvas of zeros, and resizes it back.

    The spectrogram is centred on a canvas ``(mel, int(scale * time))``; the box of the canvas is brought to
    ``(mel, time)`` by bicubic interpolation with aligned corners (BYOL-A, Niizumi et al., 2021).

    Args:
        spec: ``(..., mel, time)``, normalised, so that zero is its average.
        top: first mel band of the box.
        left: first frame of the box, on the canvas.
        height: mel bands of the box.
        width: frames of the box.
        scale: length of the canvas relative to ``time``.
    """
    mel, time = spec.shape[-2:]
    margin = int(scale * time) - time
    canvas = nnF.pad(spec, (margin // 2, margin - margin // 2))
    crop = canvas[..., top : top + height, left : left + width]
    return _resized(crop, mel, time, align_corners=True)


def random_resize_crop(
    spec: torch.Tensor,
    generator: torch.Generator,
    frequency_scale: tuple[float, float] = (0.6, 1.5),
    time_scale: tuple[float, float] = (0.6, 1.5),
    scale: float = 1.5,
) -> torch.Tensor:
    """`resize_crop` with a box of random size and place.

    Args:
        spec: ``(..., mel, time)``, normalised.
        generator: source of randomness.
        frequency_scale: range of the box height relative to ``mel``, cut off at 1.
        time_scale: range of the box width relative to ``time``, cut off at ``scale``.
        scale: length of the canvas relative to ``time``.
    """
    mel, time = spec.shape[-2:]
    canvas = int(scale * time)
    height = min(max(int(uniform(*frequency_scale, generator) * mel), 1), mel)
    width = min(max(int(uniform(*time_scale, generator) * time), 1), canvas)
    top, left = integer(0, mel - height, generator), integer(0, canvas - width, generator)
    return resize_crop(spec, top, left, height, width, scale)


def time_warp(spec: torch.Tensor, center: int, warped: int) -> torch.Tensor:
    """Stretches the frames before ``center`` to ``warped`` frames, and the others to the rest, bicubically.

    SpecAugment's time warping (Park et al., 2019) as ESPnet simplified it.

    Args:
        spec: ``(..., mel, time)``.
        center: frame where the spectrogram is split, in 1 ... time - 1.
        warped: where that frame ends up, in 1 ... time - 1.
    """
    mel, time = spec.shape[-2:]
    left = _resized(spec[..., :center], mel, warped, align_corners=False)
    right = _resized(spec[..., center:], mel, time - warped, align_corners=False)
    return torch.cat([left, right], dim=-1)


def _resized(spec: torch.Tensor, mel: int, time: int, align_corners: bool) -> torch.Tensor:
    """Brings ``(..., m, t)`` to ``(..., mel, time)``, bicubically."""
    images = spec.reshape(-1, 1, *spec.shape[-2:])
    resized = nnF.interpolate(images, (mel, time), mode="bicubic", align_corners=align_corners)
    return resized.view(*spec.shape[:-2], mel, time)


def random_time_warp(spec: torch.Tensor, generator: torch.Generator, window: int = 20) -> torch.Tensor:
    """`time_warp` by up to ``window`` frames; spectrograms of at most ``2 window`` frames are returned as they are."""
    time = spec.shape[-1]
    if time <= 2 * window:
        return spec
    center = integer(window, time - window - 1, generator)
    return time_warp(spec, center, integer(center - window + 1, center + window, generator))


def mask_bands(spec: torch.Tensor, widths: Sequence[int], starts: Sequence[int], axis: int) -> torch.Tensor:
    """Replaces bands of spectrograms ``(..., mel, time)`` along ``axis`` by the mean of each.

    Args:
        spec: the spectrograms, left unchanged.
        widths: width of each band.
        starts: first row (axis -2) or frame (axis -1) of each band.
        axis: -2 masks mel bands, -1 frames.
    """
    masked = spec.clone()
    fill = spec.mean(dim=(-2, -1), keepdim=True)
    for width, start in zip(widths, starts, strict=True):
        masked.narrow(axis, start, width).copy_(fill)
    return masked


def random_mask(
    spec: torch.Tensor, axis: int, max_width: int, generator: torch.Generator, count: int = 2
) -> torch.Tensor:
    """`mask_bands` with ``count`` bands of width 0 ... max_width - 1 anywhere (SpecAugment, Park et al., 2019).

    XKD's finetuning uses two of up to 9 mel bands and two of up to 19 frames (``max_width`` 10 and 20).
    """
    size = spec.shape[axis]
    widths = [integer(0, min(max_width - 1, size), generator) for _ in range(count)]
    last = max(size - max(widths) - 1, 0)
    return mask_bands(spec, widths, [integer(0, last, generator) for _ in range(count)], axis)
