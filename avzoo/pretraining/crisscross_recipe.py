"""What a recipe says about a CrissCross model, and how the model, its processors and its views are made from it."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from avzoo.data.pretraining_dataset import Pipeline
from avzoo.data.relaxation import RelaxedWindows
from avzoo.data.views_crisscross import CrissCrossViewConfig, CrissCrossViewPipeline
from avzoo.data.windows import WindowSampler
from avzoo.media import ClipSpec
from avzoo.models.configuration_crisscross import CrissCrossAudioConfig, CrissCrossVideoConfig
from avzoo.pretraining.configuration_crisscross_pretraining import CrissCrossPreTrainingConfig
from avzoo.pretraining.model_section import ModelSection, Processor
from avzoo.pretraining.modeling_crisscross_pretraining import CrissCrossForPreTraining
from avzoo.pretraining.section import section_of
from avzoo.processing.feature_extraction_crisscross import CrissCrossFeatureExtractor
from avzoo.processing.processing_crisscross import CrissCrossProcessor
from avzoo.processing.video_processing_crisscross import CrissCrossVideoProcessor

_Video = section_of(CrissCrossVideoConfig)
_Audio = section_of(CrissCrossAudioConfig)
_Objective = section_of(CrissCrossPreTrainingConfig, without=("model_config",))


class CrissCrossModelSection(ModelSection):
    """The ``model`` section of a CrissCross recipe.

    Attributes:
        family: ``crisscross``.
        preset: size of encoders and heads.
        video: fields of `CrissCrossVideoConfig` that differ from the preset; the following likewise.
        audio: fields of `CrissCrossAudioConfig`.
        objective: fields of `CrissCrossPreTrainingConfig` that differ from the released run: terms and heads.
    """

    views_class: ClassVar[type[CrissCrossViewConfig]] = CrissCrossViewConfig

    family: Literal["crisscross"]
    preset: Literal["nano", "base"]
    video: _Video = Field(default_factory=_Video)  # type: ignore[valid-type]
    audio: _Audio = Field(default_factory=_Audio)  # type: ignore[valid-type]
    objective: _Objective = Field(default_factory=_Objective)  # type: ignore[valid-type]

    def config(self) -> CrissCrossPreTrainingConfig:
        """The configuration of the model.

        Raises:
            ValueError: sizes do not go together, or there are no such terms.
        """
        given: dict[str, dict[str, Any]] = self.model_dump(exclude_unset=True, include={"video", "audio", "objective"})
        encoders = {
            "video_config": CrissCrossVideoConfig.preset(self.preset, **given.get("video", {})),
            "audio_config": CrissCrossAudioConfig.preset(self.preset, **given.get("audio", {})),
        }
        return CrissCrossPreTrainingConfig.preset(self.preset, model=encoders, **given.get("objective", {}))

    def check_views(self, views: CrissCrossViewConfig) -> None:
        """Refuses views of another size than the encoders say that they were trained on.

        The length of spectrograms is left open: the released code trains on 201 frames and tests on 200.

        Raises:
            ValueError: the first setting on which views and model disagree.
        """
        config = self.config().model_config
        for name, view, model in (
            ("video.image_size", views.video.image_size, config.video_config.image_size),
            ("video.num_frames", views.video.num_frames, config.video_config.num_frames),
            ("mel.num_mel_bins", views.mel.num_mel_bins, config.audio_config.num_mel_bins),
        ):
            if view != model:
                raise ValueError(f"the views have {name} {view}, the model {model}; they must agree")

    def model(self) -> CrissCrossForPreTraining:
        """A freshly initialised model; draws from torch's global generator."""
        return CrissCrossForPreTraining(self.config())

    def clip_request(self, views: CrissCrossViewConfig, fps: float) -> tuple[ClipSpec, WindowSampler]:
        """Two windows of picture and sound as far apart as ``views.relaxation`` says, of what the loss needs."""
        picture, sound = views.video.num_frames / fps, views.audio.num_samples / views.mel.sampling_rate
        modalities = self.config().modalities
        spec = ClipSpec(
            fps=fps,
            num_frames=views.video.num_frames,
            sample_rate=views.mel.sampling_rate,
            audio_seconds=sound,
            short_side=views.short_side,
            video="video" in modalities,
            audio="audio" in modalities,
        )
        return spec, RelaxedWindows(views.relaxation, picture, sound)

    def pipeline(self, views: CrissCrossViewConfig) -> Pipeline:
        """Two augmented views of each modality that the loss needs."""
        return CrissCrossViewPipeline(views)

    def processor(self, views: CrissCrossViewConfig, fps: float) -> Processor:
        """The processor of the released evaluations for clips of the views' length, of what has been trained."""
        side, mel = views.video.image_size, views.mel
        video = CrissCrossVideoProcessor(
            size={"shortest_edge": 8 * side // 7},  # crop / 0.875
            crop_size={"height": side, "width": side},
            num_frames=views.video.num_frames,
            fps=fps,
        )
        audio = CrissCrossFeatureExtractor(
            feature_size=mel.num_mel_bins,
            sampling_rate=mel.sampling_rate,
            n_fft=mel.n_fft,
            hop_length=mel.hop_length,
            max_samples=views.audio.num_samples,
            mean=mel.mean,
            std=mel.std,
        )
        modalities = self.config().modalities
        if len(modalities) == 2:
            return CrissCrossProcessor(audio, video)
        return video if modalities == ["video"] else audio
