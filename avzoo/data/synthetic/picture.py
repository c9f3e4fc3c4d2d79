"""The picture of the set: frames of one clip of every class over the spectrogram of its sound.

``python -m avzoo.data.synthetic.picture OUT.png``
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torchaudio.transforms import MelSpectrogram

from .render import RenderedClip, render
from .spec import CLASS_NAMES, EVENTS, TIMBRES, SyntheticSpec

_SPEC = SyntheticSpec(size=64, picture_noise=(0, 0))  # without pixel noise, which a PNG cannot compress
_STRIP = 6  # frames shown per clip, equally far apart
_MELS = 64
_GAP, _TITLE = 10, 16
_DECIBELS = 45.0  # dynamic range shown
_COLOURS = ((0, 0, 4), (81, 18, 124), (183, 55, 121), (252, 137, 97), (252, 253, 191))  # dark to light


def contact_sheet(spec: SyntheticSpec = _SPEC, seed: int = 0, round_of_classes: int = 0) -> Image.Image:
    """Draws one clip of every class: events from left to right, shapes and timbres from top to bottom.

    Args:
        spec: What to draw.
        seed: Seed of the clips.
        round_of_classes: Which instance of each class: 0 draws clips 0 ... 15, 1 draws clips 16 ... 31.
    """
    cells = [_cell(spec, render(spec, seed, 16 * round_of_classes + label)) for label in range(len(CLASS_NAMES))]
    width, height = cells[0].width + _GAP, cells[0].height + _GAP
    sheet = Image.new("RGB", (len(EVENTS) * width + _GAP, len(TIMBRES) * height + _GAP), "white")
    for label, cell in enumerate(cells):
        event, timbre = divmod(label, len(TIMBRES))
        sheet.paste(cell, (_GAP + event * width, _GAP + timbre * height))
    return sheet


def _cell(spec: SyntheticSpec, clip: RenderedClip) -> Image.Image:
    """Title, some frames in a row and the spectrogram below them on the same time axis."""
    chosen = (torch.arange(_STRIP) + 0.5) * spec.num_frames / _STRIP
    strip = torch.cat(list(clip.frames[chosen.long()]), dim=2).permute(1, 2, 0).numpy()
    width, height = _STRIP * spec.size, _TITLE + spec.size + _MELS
    sound = Image.fromarray(_spectrogram(spec, clip.samples)).resize((width, _MELS), Image.Resampling.BILINEAR)
    cell = Image.new("RGB", (width, height), "white")
    ImageDraw.Draw(cell).text((0, 2), f"{clip.scene.seen.event}: {clip.scene.seen.shape}, {clip.scene.heard.timbre}", 0)
    cell.paste(Image.fromarray(strip), (0, _TITLE))
    cell.paste(sound, (0, _TITLE + spec.size))
    return cell


def _spectrogram(spec: SyntheticSpec, samples: torch.Tensor) -> NDArray[np.uint8]:
    """Log-mel energies in colours, low pitch at the bottom, uint8 ``(mel, frames, 3)``."""
    mel = MelSpectrogram(spec.sample_rate, n_fft=1024, hop_length=128, n_mels=_MELS, mel_scale="slaney")(samples)
    decibels = 10 * torch.log10(mel + 1e-10)
    share = ((decibels - decibels.max()) / _DECIBELS + 1).clamp(0, 1).flip(0).numpy()
    stops = np.linspace(0, 1, len(_COLOURS))
    channels = [np.interp(share, stops, [colour[channel] for colour in _COLOURS]) for channel in range(3)]
    return np.stack(channels, axis=-1).astype(np.uint8)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m avzoo.data.synthetic.picture OUT.png")
    contact_sheet().save(Path(sys.argv[1]), optimize=True)
