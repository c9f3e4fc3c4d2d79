"""Which views of a clip pretraining sees: their number, sizes and augmentations."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Probability = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
#: Smallest and largest value of a draw.
Range = tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]]


class _Strict(BaseModel):
    """Unknown and misspelt keys are errors; a configuration does not change once made."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ColorJitterConfig(_Strict):
    """Strength of the colour jitter, which every view undergoes; factors 1 - x ... 1 + x, hue shift -x ... x."""

    brightness: Probability = 0.4
    contrast: Probability = 0.4
    saturation: Probability = 0.4
    hue: Annotated[float, Field(ge=0, le=0.5)] = 0.2


class VideoViewConfig(_Strict):
    """One kind of video view.

    Attributes:
        num_frames: consecutive frames, from a random start where the clip has more.
        image_size: height and width in pixels.
        crop_area: area of the random crop, as a share of the frame.
        crop_ratio: width / height of the crop.
        flip_probability: probability of a mirror image.
        jitter: colour jitter.
        gray_probability: probability of losing all colour.
        blur_probability: probability of a Gaussian blur.
        blur: ``released`` blurs down the columns only, as the released code does; ``intended`` draws one sigma from
            0.1 ... 2.0 for both directions.
    """

    num_frames: Count = 32
    image_size: Count = 112
    crop_area: Range = (0.2, 1.0)
    crop_ratio: Range = (3 / 4, 4 / 3)
    flip_probability: Probability = 0.5
    jitter: ColorJitterConfig = ColorJitterConfig()
    gray_probability: Probability = 0.0
    blur_probability: Probability = 0.0
    blur: Literal["released", "intended"] = "released"


class AudioViewConfig(_Strict):
    """One kind of audio view.

    Attributes:
        num_samples: length in samples, from a random start where the clip has more.
        start_step: starts are multiples of this many samples.
        volume: the waveform is multiplied by a number from 1 - volume ... 1 + volume.
        resize_crop: whether the spectrogram undergoes a random resized crop (BYOL-A).
    """

    num_samples: Count = 64_000
    start_step: Count = 100
    volume: Probability = 0.1
    resize_crop: bool = False


class LogMelConfig(_Strict):
    """The spectrogram, as `XKDFeatureExtractor` makes it; see there."""

    sampling_rate: Count = 16_000
    num_mel_bins: Count = 80
    n_fft: Count = 1024
    hop_length: Count = 143
    mean: float = -5.3688107
    std: Annotated[float, Field(gt=0)] = 4.410007

    def num_frames(self, num_samples: int) -> int:
        """Frames of the spectrogram of ``num_samples`` samples."""
        return 1 + num_samples // self.hop_length


class ViewConfig(_Strict):
    """The views of XKD pretraining; the defaults are those of the released code.

    Attributes:
        global_video: the view that is masked and reconstructed.
        local_video: the short views of the student.
        num_local_videos: number of local video views (1 in XKD, 3 in its modality-agnostic variants).
        global_audio: the sound that is masked and reconstructed.
        local_audio: the short views of the student.
        num_local_audios: number of local audio views.
        mel: the spectrogram.
        tubelet_size: frames per video token; with the patch sizes it gives the number of mask noise values.
        patch_size: pixels per video token, each way.
        audio_patch_size: mel bands and frames per audio token.
    """

    global_video: VideoViewConfig = VideoViewConfig()
    local_video: VideoViewConfig = VideoViewConfig(
        num_frames=8, image_size=96, crop_area=(0.08, 0.4), gray_probability=0.2, blur_probability=0.5
    )
    num_local_videos: Count = 1
    global_audio: AudioViewConfig = AudioViewConfig()
    local_audio: AudioViewConfig = AudioViewConfig(num_samples=16_000, volume=0.2, resize_crop=True)
    num_local_audios: Count = 1
    mel: LogMelConfig = LogMelConfig()
    tubelet_size: Count = 4
    patch_size: Count = 16
    audio_patch_size: tuple[Count, Count] = (4, 16)

    @classmethod
    def nano(cls) -> ViewConfig:
        """Views for the nano model: 64 pixels (local 48), audio patches of 16 x 16, everything else as released."""
        released = cls()
        return cls(
            global_video=released.global_video.model_copy(update={"image_size": 64}),
            local_video=released.local_video.model_copy(update={"image_size": 48}),
            audio_patch_size=(16, 16),
        )

    @property
    def num_video_tokens(self) -> int:
        """Tokens of the global video view."""
        return self._video_tokens(self.global_video)

    @property
    def num_audio_tokens(self) -> int:
        """Tokens of the global audio view."""
        return self._audio_tokens(self.global_audio)

    @model_validator(mode="after")
    def _views_fit(self) -> ViewConfig:
        """Every view divides into tokens, and local views fit into global ones."""
        for name in ("global_video", "local_video"):
            self._video_tokens(getattr(self, name), name)
        for name in ("global_audio", "local_audio"):
            self._audio_tokens(getattr(self, name), name)
            if getattr(self, name).num_samples <= self.mel.n_fft // 2:
                raise ValueError(f"{name}.num_samples must exceed half of mel.n_fft ({self.mel.n_fft // 2})")
        if self.local_video.num_frames > self.global_video.num_frames:
            raise ValueError("local_video.num_frames exceeds global_video.num_frames")
        if self.local_audio.num_samples > self.global_audio.num_samples:
            raise ValueError("local_audio.num_samples exceeds global_audio.num_samples")
        return self

    def _video_tokens(self, view: VideoViewConfig, name: str = "global_video") -> int:
        if view.num_frames % self.tubelet_size:
            raise ValueError(f"{name}.num_frames ({view.num_frames}) is no multiple of tubelet_size")
        if view.image_size % self.patch_size:
            raise ValueError(f"{name}.image_size ({view.image_size}) is no multiple of patch_size")
        return view.num_frames // self.tubelet_size * (view.image_size // self.patch_size) ** 2

    def _audio_tokens(self, view: AudioViewConfig, name: str = "global_audio") -> int:
        bands, frames = self.audio_patch_size
        length = self.mel.num_frames(view.num_samples)
        if self.mel.num_mel_bins % bands or length % frames:
            raise ValueError(
                f"{name} gives {self.mel.num_mel_bins} x {length} (mel x frames), no multiple of audio_patch_size"
            )
        return self.mel.num_mel_bins // bands * (length // frames)
