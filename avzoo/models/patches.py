"""Clips and spectrograms as patches, and position tables for sizes other than the native one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn


def patchify_video(pixel_values_videos: torch.Tensor, tubelet_size: int, patch_size: int) -> torch.Tensor:
    """Cuts clips into flattened cuboids.

    Args:
        pixel_values_videos: Clips `(B, T, C, H, W)`.
        tubelet_size: Frames of a cuboid.
        patch_size: Height and width of a cuboid.

    Returns:
        `(B, N, tubelet_size * patch_size**2 * C)`; tokens run over time, rows, columns, and values inside a cuboid
        over frame, row, column, channel (slow to fast), the official order.

    Raises:
        ValueError: The clip is not five-dimensional or its size is not a multiple of the cuboid.
    """
    if pixel_values_videos.ndim != 5:
        raise ValueError(f"expected clips (B, T, C, H, W), got shape {tuple(pixel_values_videos.shape)}")
    batch, frames, channels, height, width = pixel_values_videos.shape
    if frames % tubelet_size or height % patch_size or width % patch_size:
        raise ValueError(
            f"clips of {frames} frames x {height} x {width} are not a multiple of the patch "
            f"{tubelet_size} x {patch_size} x {patch_size}"
        )
    t, h, w = frames // tubelet_size, height // patch_size, width // patch_size
    cuboids = pixel_values_videos.reshape(batch, t, tubelet_size, channels, h, patch_size, w, patch_size)
    return cuboids.permute(0, 1, 4, 6, 2, 5, 7, 3).reshape(batch, t * h * w, -1)


def patchify_audio(input_features: torch.Tensor, patch_size: Sequence[int]) -> torch.Tensor:
    """Cuts spectrograms into flattened patches.

    Args:
        input_features: Spectrograms `(B, 1, mel, frames)`.
        patch_size: Mel bands and frames of a patch.

    Returns:
        `(B, N, bands * frames)`; tokens run over mel, then time, and values inside a patch likewise.

    Raises:
        ValueError: The spectrogram is not `(B, 1, mel, frames)` or its size is not a multiple of the patch.
    """
    if input_features.ndim != 4 or input_features.shape[1] != 1:
        raise ValueError(f"expected spectrograms (B, 1, mel, frames), got shape {tuple(input_features.shape)}")
    batch, _, mel, frames = input_features.shape
    bands, length = patch_size
    if mel % bands or frames % length:
        raise ValueError(f"spectrograms of {mel} x {frames} are not a multiple of the patch {bands} x {length}")
    patches = input_features.reshape(batch, mel // bands, bands, frames // length, length)
    return patches.transpose(2, 3).reshape(batch, -1, bands * length)


def interpolate_positions(table: torch.Tensor, native: Sequence[int], wanted: Sequence[int], mode: str) -> torch.Tensor:
    """Resamples a learned position table to another grid of patches.

    The scale handed to the resampler is (wanted + 0.1) / native, as in the original code, and it is also what places
    the samples; asking for the output size instead gives other numbers.

    Args:
        table: `(1, 1 + N, D)`, class token first; its row is kept as it is.
        native: Grid of the table, slow to fast; the product is N.
        wanted: Grid to resample to. Axes of equal size are resampled too unless their scale is exactly one.
        mode: `trilinear` or `bicubic`.

    Returns:
        `(1, 1 + M, D)` in the table's dtype, with M the product of the wanted grid.
    """
    width = table.shape[-1]
    # Half precision has no resampler everywhere; single precision costs nothing here.
    grid = table[:, 1:].to(torch.promote_types(table.dtype, torch.float32))
    grid = grid.reshape(1, *native, width).movedim(-1, 1)
    scale = [
        (new + 0.1) / old if new != old or mode == "trilinear" else 1.0 for new, old in zip(wanted, native, strict=True)
    ]
    grid = nn.functional.interpolate(grid, scale_factor=scale, mode=mode, align_corners=False)
    return torch.cat([table[:, :1], grid.movedim(1, -1).reshape(1, -1, width).to(table.dtype)], dim=1)
