"""The views of CrissCross: two windows of a clip, picture and sound of each augmented on their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Self

import torch
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from avzoo.data.augment_audio import random_mask, random_resize_crop, random_time_warp, random_volume
from avzoo.data.augment_cutout import CutoutMode, cutout_, draw_cutout_box
from avzoo.data.clips import ClipSample
from avzoo.data.draws import chance
from avzoo.data.relaxation import Relaxation
from avzoo.data.video_view import video_view
from avzoo.data.view_config import Count, LogMelConfig, Probability, Range, VideoViewConfig
from avzoo.processing.log_mel import log_mel
from avzoo.processing.video_transforms import fit_frames, fit_samples

_MEL, _TIME = -2, -1  # axes of a spectrogram


class CrissCrossVideoViewConfig(VideoViewConfig):
    """The picture of a view. The defaults are the released list ``strong``; `augmentations` has the other by name.

    Attributes:
        cutout_probability: probability that a box is put out.
        cutout_size: largest side of that box in pixels.
        cutout: ``released`` multiplies it by the mean of the first frame, as the released code does; ``intended`` fills
            it with that.
        temporally_consistent: whether all frames of a view are augmented alike. False, an ablation of the paper that
            was not released, draws everything anew for every frame.
    """

    num_frames: Count = 8
    crop_area: Range = (0.08, 1.0)
    gray_probability: Probability = 0.2
    blur_probability: Probability = 0.5
    cutout_probability: Probability = 1.0
    cutout_size: Count = 20
    cutout: CutoutMode = "released"
    temporally_consistent: bool = True

    @classmethod
    def augmentations(cls, name: str, **overrides: Any) -> Self:
        """A released list of augmentations: ``strong``, or ``standard`` (crop, flip and colour jitter only).

        Args:
            name: the name of the list.
            overrides: fields that differ from it.

        Raises:
            ValueError: there is no such list.
        """
        lists: dict[str, dict[str, Any]] = {
            "strong": {},
            "standard": {
                "crop_area": (0.7, 1.0),
                "gray_probability": 0.0,
                "blur_probability": 0.0,
                "cutout_probability": 0.0,
            },
        }
        if name not in lists:
            raise ValueError(f"unknown augmentations {name!r}; there are {', '.join(lists)}")
        return cls(**{**lists[name], **overrides})

    @property
    def blur_kernel(self) -> int:
        """Side of the blur's kernel in pixels: 11 at 112, 23 at 224."""
        return 2 * (self.image_size // 20) + 1


class CrissCrossAudioViewConfig(BaseModel):
    """The sound of a view; the defaults are the released ones.

    Attributes:
        num_samples: length in samples.
        volume: the waveform is multiplied by a number from 1 - volume ... 1 + volume.
        time_warp: largest shift of a time warp in frames; 0 for none. It is off in pretraining, and 20 in the linear
            evaluation of the released code.
        num_mel_masks: masked bands of the spectrogram.
        mel_mask_width: every width is drawn from 0 ... this - 1 (the released code excludes the bound).
        num_time_masks: masked stretches of time.
        time_mask_width: every length is drawn from 0 ... this - 1 frames.
        resize_crop: whether the spectrogram undergoes a random resized crop (BYOL-A).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    num_samples: Count = 32_000
    volume: Probability = 0.2
    time_warp: Annotated[int, Field(ge=0)] = 0
    num_mel_masks: Annotated[int, Field(ge=0)] = 2
    mel_mask_width: Count = 10
    num_time_masks: Annotated[int, Field(ge=0)] = 2
    time_mask_width: Count = 20
    resize_crop: bool = True


def _named(values: Any) -> Any:
    return CrissCrossVideoViewConfig.augmentations(values) if isinstance(values, str) else values


class CrissCrossViewConfig(BaseModel):
    """The views of CrissCross pretraining; the defaults are those of the released code.

    Attributes:
        relaxation: how far apart in time the two views are, see `avzoo.data.relaxation.RelaxedWindows`.
        video: the picture of a view: its fields, or the name of a list of augmentations.
        audio: the sound of a view.
        mel: the spectrogram.
        short_side: larger frames are decoded to this short side, from which the crop is taken; None decodes the full
            size, as released.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    relaxation: Relaxation = "mild"
    video: Annotated[CrissCrossVideoViewConfig, BeforeValidator(_named)] = CrissCrossVideoViewConfig()
    audio: CrissCrossAudioViewConfig = CrissCrossAudioViewConfig()
    mel: LogMelConfig = LogMelConfig(hop_length=160)
    short_side: Count | None = None

    @model_validator(mode="after")
    def _lengths_fit(self) -> Self:
        if self.audio.num_samples <= self.mel.n_fft // 2:
            raise ValueError(f"audio.num_samples must exceed half of mel.n_fft ({self.mel.n_fft // 2})")
        return self


class CrissCrossViewPipeline:
    """Makes the views of an item: a pure function of the configuration, the clips and the seed.

    A picture that ends early is filled up with the clip's own frames, a sound with silence.

    Args:
        config: the views to make.
    """

    def __init__(self, config: CrissCrossViewConfig) -> None:
        self.config = config

    def __call__(self, clips: Sequence[ClipSample], seed: int) -> dict[str, torch.Tensor]:
        """Augments the clips of an item, one per view.

        Args:
            clips: with ``frames`` uint8 ``(T, 3, H, W)``, ``samples`` float32 ``(N,)``, or both; all alike.
            seed: in [0, 2^63); equal seeds give equal views.

        Returns:
            ``pixel_values_videos`` float32 ``(V, t, 3, h, w)`` and ``input_features`` float32 ``(V, 1, mel, frames)``
            of V clips, as far as the clips have picture and sound.
        """
        generator = torch.Generator().manual_seed(seed)
        pictures = [clip["frames"] for clip in clips if clip["frames"] is not None]
        sounds = [clip["samples"] for clip in clips if clip["samples"] is not None]
        views = {}
        if pictures:
            views["pixel_values_videos"] = torch.stack([self.video_view(frames, generator) for frames in pictures])
        if sounds:
            views["input_features"] = torch.stack([self.audio_view(samples, generator) for samples in sounds])
        return views

    def video_view(self, frames: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Crop, flip, jitter, grey, blur, normalisation, cutout of uint8 ``(T, 3, H, W)``: ``(t, 3, h, w)``."""
        view = self.config.video
        frames = fit_frames(frames, view.num_frames)
        if view.temporally_consistent:
            return _augment(frames, view, generator)
        single = view.model_copy(update={"num_frames": 1})
        return torch.cat([_augment(frame, single, generator) for frame in frames.split(1)])

    def audio_view(self, samples: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Volume, normalised log-mel, time warp, masks, resized crop of ``(N,)``: ``(1, mel, frames)``."""
        view, mel = self.config.audio, self.config.mel
        samples = random_volume(fit_samples(samples, view.num_samples), view.volume, generator)
        spec = log_mel(samples[None], mel.sampling_rate, mel.n_fft, mel.hop_length, mel.num_mel_bins)
        spec = spec.sub_(mel.mean).div_(mel.std)
        if view.time_warp:
            spec = random_time_warp(spec, generator, view.time_warp)
        if view.num_mel_masks:
            spec = random_mask(spec, _MEL, view.mel_mask_width, generator, view.num_mel_masks)
        if view.num_time_masks:
            spec = random_mask(spec, _TIME, view.time_mask_width, generator, view.num_time_masks)
        return random_resize_crop(spec, generator) if view.resize_crop else spec


def _augment(frames: torch.Tensor, view: CrissCrossVideoViewConfig, generator: torch.Generator) -> torch.Tensor:
    pixels = video_view(frames, view, generator, view.blur_kernel)
    if chance(view.cutout_probability, generator):
        cutout_(pixels, draw_cutout_box(view.image_size, view.image_size, view.cutout_size, generator), view.cutout)
    return pixels
