"""What a recipe says about an XKD model, and how the model, its processors and its views are made from it."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from avzoo.data.pretraining_dataset import Pipeline
from avzoo.data.view_config import ViewConfig
from avzoo.data.views import ViewPipeline
from avzoo.data.windows import SharedWindow, WindowSampler
from avzoo.media import ClipSpec
from avzoo.models.configuration_xkd import XKDAudioConfig, XKDConfig, XKDVideoConfig
from avzoo.pretraining.configuration_xkd_pretraining import XKDDecoderConfig, XKDPreTrainingConfig
from avzoo.pretraining.model_section import ModelSection
from avzoo.pretraining.modeling_xkd_pretraining import XKDForPreTraining
from avzoo.pretraining.section import section_of
from avzoo.processing.feature_extraction_xkd import XKDFeatureExtractor
from avzoo.processing.processing_xkd import XKDProcessor
from avzoo.processing.video_processing_xkd import XKDVideoProcessor

_Video = section_of(XKDVideoConfig)
_Audio = section_of(XKDAudioConfig)
_Joint = section_of(XKDConfig, without=("video_config", "audio_config", "role", "tie_word_embeddings"))
_Decoder = section_of(XKDDecoderConfig)
_Objective = section_of(XKDPreTrainingConfig, without=("model_config", "decoder_config"))


class XKDModelSection(ModelSection):
    """The ``model`` section of an XKD recipe.

    Attributes:
        family: ``xkd``.
        preset: size of encoders and decoders.
        video: fields of `XKDVideoConfig` that differ from the preset; the following likewise.
        audio: fields of `XKDAudioConfig`.
        joint: fields of `XKDConfig`: sharing and projectors.
        decoder: fields of `XKDDecoderConfig`.
        objective: fields of `XKDPreTrainingConfig` that differ from the released run.
    """

    views_class: ClassVar[type[ViewConfig]] = ViewConfig

    family: Literal["xkd"]
    preset: Literal["nano", "tiny", "small", "base", "large"]
    video: _Video = Field(default_factory=_Video)  # type: ignore[valid-type]
    audio: _Audio = Field(default_factory=_Audio)  # type: ignore[valid-type]
    joint: _Joint = Field(default_factory=_Joint)  # type: ignore[valid-type]
    decoder: _Decoder = Field(default_factory=_Decoder)  # type: ignore[valid-type]
    objective: _Objective = Field(default_factory=_Objective)  # type: ignore[valid-type]

    def config(self) -> XKDPreTrainingConfig:
        """The configuration of the model.

        Raises:
            ValueError: sizes do not go together.
        """
        given: dict[str, dict[str, Any]] = self.model_dump(exclude_unset=True, exclude={"family", "preset"})
        encoders = {
            "video_config": XKDVideoConfig.preset(self.preset, **given.get("video", {})),
            "audio_config": XKDAudioConfig.preset(self.preset, **given.get("audio", {})),
        }
        joint = encoders | given.get("joint", {})
        whole = XKDPreTrainingConfig.preset(self.preset, model=joint, **given.get("objective", {}))
        whole.decoder_config = XKDDecoderConfig.preset(self.preset, **given.get("decoder", {}))
        return whole

    def check_views(self, views: ViewConfig) -> None:
        """Refuses views that the encoders cannot take.

        Raises:
            ValueError: the first setting on which views and model disagree.
        """
        config = self.config().model_config
        video, audio = config.video_config, config.audio_config
        for name, view, model in (
            ("global_video.image_size", views.global_video.image_size, video.image_size),
            ("global_video.num_frames", views.global_video.num_frames, video.num_frames),
            ("tubelet_size", views.tubelet_size, video.tubelet_size),
            ("patch_size", views.patch_size, video.patch_size),
            ("mel.num_mel_bins", views.mel.num_mel_bins, audio.num_mel_bins),
            ("spectrogram length", views.mel.num_frames(views.global_audio.num_samples), audio.max_length),
            ("audio_patch_size", list(views.audio_patch_size), list(audio.patch_size)),
        ):
            if view != model:
                raise ValueError(f"the views have {name} {view}, the model {model}; they must agree")

    def model(self) -> XKDForPreTraining:
        """A freshly initialised model; draws from torch's global generator."""
        return XKDForPreTraining(self.config())

    def clip_request(self, views: ViewConfig, fps: float) -> tuple[ClipSpec, WindowSampler]:
        """One window of the global views' length, picture and sound from the same start."""
        video = views.global_video
        spec = ClipSpec(
            fps=fps, num_frames=video.num_frames, sample_rate=views.mel.sampling_rate, short_side=video.image_size
        )
        return spec, SharedWindow(spec.window)

    def pipeline(self, views: ViewConfig) -> Pipeline:
        """Global and local views of both modalities."""
        return ViewPipeline(views)

    @staticmethod
    def processor(views: ViewConfig, fps: float) -> XKDProcessor:
        """The processor that gives the trained encoder what the global views gave it, without augmentation."""
        mel, video = views.mel, views.global_video
        return XKDProcessor(
            XKDFeatureExtractor(
                feature_size=mel.num_mel_bins,
                sampling_rate=mel.sampling_rate,
                n_fft=mel.n_fft,
                hop_length=mel.hop_length,
                max_samples=views.global_audio.num_samples,
                mean=mel.mean,
                std=mel.std,
            ),
            XKDVideoProcessor(
                size={"shortest_edge": video.image_size},
                crop_size={"height": video.image_size, "width": video.image_size},
                num_frames=video.num_frames,
                fps=fps,
            ),
        )
