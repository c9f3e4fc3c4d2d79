"""Frames, spectrograms and heat maps as pictures, with numpy and PIL alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

Floats = npt.NDArray[np.float32]

#: Colours of a spectrogram from silence to the loudest, interpolated linearly: dark blue to pale yellow.
_SOUND = np.array([[13, 17, 46], [46, 40, 110], [92, 84, 160], [160, 160, 200], [245, 240, 225]], np.float32)
#: Colour of the heat: warm where it is highest.
_HEAT = np.array([[120, 20, 60], [215, 60, 30], [255, 160, 20], [255, 235, 120]], np.float32)
_DIMMED = 0.5  # brightness that is left where there is no heat
_TINT = 0.6  # share of the heat's colour where the heat is highest


def frame_picture(frame: torch.Tensor) -> Image.Image:
    """A frame, uint8 ``(3, H, W)``, as a picture."""
    return Image.fromarray(frame.permute(1, 2, 0).contiguous().numpy())


def spectrogram_picture(features: torch.Tensor, floor: float = 9.0) -> Image.Image:
    """A log-mel spectrogram ``(mel, frames)``, natural logarithm of power, as a picture; low pitch at the bottom.

    Args:
        features: Any constant offset; colours are relative to the loudest value.
        floor: How far below the loudest the darkest colour lies; 9 is 39 dB.
    """
    values = features.float().cpu().numpy()[::-1]
    return Image.fromarray(_colours(_SOUND, np.clip((values - values.max()) / floor + 1, 0, 1)).astype(np.uint8))


def heated(picture: Image.Image, heat: Floats) -> Image.Image:
    """A picture with a heat map over it: dimmed where there is none, tinted where it is high.

    Args:
        picture: Any size.
        heat: ``(rows, columns)`` in [0, 1], laid over the whole picture.
    """
    wide = Image.fromarray(heat.astype(np.float32)).resize(picture.size, Image.Resampling.BICUBIC)
    level = np.clip(np.asarray(wide), 0, 1)
    pixels = np.asarray(picture.convert("RGB"), np.float32)
    lit = pixels * (_DIMMED + (1 - _DIMMED) * level[..., None])
    tint = (_TINT * level)[..., None]
    return Image.fromarray((lit * (1 - tint) + _colours(_HEAT, level) * tint).astype(np.uint8))


def contact_sheet(pictures: list[Image.Image], columns: int, gap: int = 3) -> Image.Image:
    """Pictures of one size side by side, row by row."""
    width, height = pictures[0].size
    rows = -(-len(pictures) // columns)
    columns = min(columns, len(pictures))
    sheet = Image.new("RGB", (columns * (width + gap) - gap, rows * (height + gap) - gap), "white")
    for index, picture in enumerate(pictures):
        row, column = divmod(index, columns)
        sheet.paste(picture, (column * (width + gap), row * (height + gap)))
    return sheet


def _colours(palette: Floats, level: Floats) -> Floats:
    """Levels in [0, 1] ``(...)`` as colours ``(..., 3)`` in [0, 255]."""
    stops = np.linspace(0, 1, len(palette))
    return np.stack([np.interp(level, stops, palette[:, channel]) for channel in range(3)], -1).astype(np.float32)
