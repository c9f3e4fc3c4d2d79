"""Where the encoder looked: last-layer attention of its class token over the frames and over the spectrogram."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torchvision.transforms.v2 import functional as transforms

from avzoo.demo.pictures import Floats, contact_sheet, frame_picture, heated, spectrogram_picture
from avzoo.extract import Encoder
from avzoo.media import Clip

_TILES = 8  # moments of a clip that are shown
_COLUMNS = 4
_TILE = 144  # pixels
_SPECTROGRAM = (4 * _TILE + 9, 150)  # pixels, as wide as the tiles
_BRIGHTEST = 99.0  # percentile of the attention that gets the full colour: single patches may be extreme


@dataclass(frozen=True)
class Attention:
    """Pictures of where the encoder looked; None for a modality that it was not given.

    Attributes:
        video: Frames in the order of time, row by row, each under its heat map.
        audio: The spectrogram under its heat map; time from left to right, pitch from bottom to top.
    """

    video: Image.Image | None
    audio: Image.Image | None


def has_attention(encoder: Encoder) -> bool:
    """Whether the encoder can tell: a transformer of the zoo with a class token can, a convolutional network cannot."""
    return any(hasattr(module, "cls_attention") for module in encoder.model.modules())


@torch.inference_mode()
def attend(encoder: Encoder, clip: Clip, shown: torch.Tensor | None) -> Attention:
    """Makes the pictures for a clip.

    Each patch's heat is its share of the class token's attention in the last layer, averaged over the heads, from the
    lowest of the clip (dark) to its 99th percentile (bright).

    Args:
        encoder: One that `has_attention`.
        clip: The clip as the encoder takes it, from `Encoder.clip_spec`.
        shown: The same frames at a size for the eye, uint8 ``(T', 3, H, W)``; None without picture.
    """
    inputs: dict[str, torch.Tensor] = {}
    if clip.frames is not None and encoder.video_processor is not None:
        inputs |= encoder.video_processor([clip.frames], device=encoder.device)
    if clip.samples is not None and encoder.feature_extractor is not None:
        inputs |= encoder.feature_extractor([clip.samples], device=encoder.device)
    outputs = encoder.model(
        **{name: tensor.to(encoder.dtype) for name, tensor in inputs.items()}, output_cls_attention=True
    )
    pictures: dict[str, Image.Image | None] = {"video": None, "audio": None}
    for modality, name in (("video", "pixel_values_videos"), ("audio", "input_features")):
        if name not in inputs:
            continue
        # A joint model keeps both encoders' outputs and configurations, an encoder of one modality has only its own.
        output = outputs.get(f"{modality}_model_output", outputs)
        config = getattr(encoder.model.config, f"{modality}_config", encoder.model.config)
        weights = output.cls_attention[0, :, 1:].float().mean(dim=0).cpu().numpy()
        if modality == "audio":
            features = inputs[name][0, 0]
            rows, columns = (size // patch for size, patch in zip(features.shape, config.patch_size, strict=True))
            log_power = features * encoder.feature_extractor.std
            pictures["audio"] = _over_spectrogram(log_power, _heat(weights.reshape(rows, columns)))
        elif shown is not None:
            frames, _, height, width = inputs[name].shape[1:]
            grid = (frames // config.tubelet_size, height // config.patch_size, width // config.patch_size)
            visible = (height / encoder.video_processor.size["shortest_edge"], height, width)
            pictures["video"] = _over_frames(shown, _heat(weights.reshape(grid)), *visible)
    return Attention(**pictures)


def _heat(weights: Floats) -> Floats:
    lowest, highest = weights.min(), np.percentile(weights, _BRIGHTEST)
    return np.clip((weights - lowest) / max(highest - lowest, np.finfo(np.float32).tiny), 0, 1)


def _over_frames(shown: torch.Tensor, heat: Floats, share: float, height: int, width: int) -> Image.Image:
    """Heat ``(time, rows, columns)`` over the part of the frames that the processor's centre crop keeps.

    Args:
        shown: Frames ``(T', 3, H, W)`` that span the same time.
        heat: In [0, 1].
        share: Height of the crop as a share of the frames' shorter side.
        height: Height of the encoder's input, for the shape of the crop.
        width: Width of the encoder's input.
    """
    side = min(shown.shape[-2:]) * share
    crop = [round(side), round(side * width / height)]
    tiles = []
    for step in np.linspace(0, len(heat) - 1, min(_TILES, len(heat))).round().astype(int):
        frame = shown[int((step + 0.5) * len(shown) / len(heat))]  # the middle of the patch's stretch of time
        picture = frame_picture(transforms.center_crop(frame, crop)).resize((_TILE, _TILE), Image.Resampling.BICUBIC)
        tiles.append(heated(picture, heat[step]))
    return contact_sheet(tiles, _COLUMNS)


def _over_spectrogram(features: torch.Tensor, heat: Floats) -> Image.Image:
    """Heat ``(mel, time)``, lowest band first as the features ``(mel, frames)``, over their picture."""
    picture = spectrogram_picture(features).resize(_SPECTROGRAM, Image.Resampling.BICUBIC)
    return heated(picture, heat[::-1])
