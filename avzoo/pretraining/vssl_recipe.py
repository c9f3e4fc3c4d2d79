"""What a recipe says about video self-supervision, and how the model, its processor and its views are made from it."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
from pydantic import Field

from avzoo.data.pretraining_dataset import Pipeline
from avzoo.data.views_vssl import VSSLViewConfig, VSSLViewPipeline
from avzoo.data.windows import IndependentWindows, WindowSampler
from avzoo.media import ClipSpec
from avzoo.models.configuration_vssl import VSSLConfig
from avzoo.pretraining.configuration_vssl_pretraining import Method, VSSLDecoderConfig, VSSLPreTrainingConfig
from avzoo.pretraining.model_section import ModelSection
from avzoo.pretraining.modeling import Network
from avzoo.pretraining.modeling_vssl_pretraining import VSSLForPreTraining
from avzoo.pretraining.section import section_of
from avzoo.processing.video_processing_vssl import VSSLVideoProcessor

_Video = section_of(VSSLConfig)
_Decoder = section_of(VSSLDecoderConfig)
_Objective = section_of(VSSLPreTrainingConfig, without=("method", "model_config", "decoder_config"))


class VSSLModelSection(ModelSection):
    """The ``model`` section of a recipe of video self-supervision.

    Attributes:
        family: ``vssl``.
        method: ``simclr``, ``moco``, ``byol``, ``simsiam``, ``dino``, ``mae`` or ``supervised``.
        preset: size of encoder and decoder.
        video: fields of `VSSLConfig` that differ from the preset; the following likewise.
        decoder: fields of `VSSLDecoderConfig`, with ``mae``.
        objective: fields of `VSSLPreTrainingConfig` that differ from the released run of the method.
    """

    views_class: ClassVar[type[VSSLViewConfig]] = VSSLViewConfig

    family: Literal["vssl"]
    method: Method
    preset: Literal["nano", "tiny", "small", "base", "large"]
    video: _Video = Field(default_factory=_Video)  # type: ignore[valid-type]
    decoder: _Decoder = Field(default_factory=_Decoder)  # type: ignore[valid-type]
    objective: _Objective = Field(default_factory=_Objective)  # type: ignore[valid-type]

    def default_views(self) -> VSSLViewConfig:
        """The released views of the method."""
        return VSSLViewConfig.released(self.method)

    def config(self) -> VSSLPreTrainingConfig:
        """The configuration of the model.

        Raises:
            ValueError: sizes do not go together, or a method other than ``mae`` has a decoder.
        """
        given: dict[str, dict[str, Any]] = self.model_dump(
            exclude_unset=True, include={"video", "decoder", "objective"}
        )
        objective = given.get("objective", {})
        whole = VSSLPreTrainingConfig.preset(self.preset, self.method, model=given.get("video"), **objective)
        if self.method == "mae":
            whole.decoder_config = VSSLDecoderConfig.preset(self.preset, **given.get("decoder", {}))
        elif given.get("decoder"):
            raise ValueError(f"{self.method} has no decoder; only mae has")
        return whole

    def check_views(self, views: VSSLViewConfig) -> None:
        """Refuses views that the encoder and the method cannot take.

        Raises:
            ValueError: the first setting on which views and model disagree.
        """
        config = self.config()
        encoder = config.model_config
        for name, view, model in (
            ("num_views", views.num_views, 2 if config.has_two_views else 1),
            ("video.image_size", views.video.image_size, encoder.image_size),
            ("video.num_frames", views.video.num_frames, encoder.num_frames),
        ):
            if view != model:
                raise ValueError(f"the views have {name} {view}, the model {model}; they must agree")

    def check_network(self, network: Network) -> None:
        """Refuses a teacher where there is none, or none that is of use alone.

        Raises:
            ValueError: as in `VSSLPreTrainingConfig.check_network`.
        """
        self.config().check_network(network)

    def model(self) -> VSSLForPreTraining:
        """A freshly initialised model; draws from torch's global generator."""
        return VSSLForPreTraining(self.config())

    def clip_request(self, views: VSSLViewConfig, fps: float) -> tuple[ClipSpec, WindowSampler]:
        """A window of picture for each view, anywhere in the video."""
        spec = ClipSpec(fps=fps, num_frames=views.video.num_frames, short_side=views.short_side, audio=False)
        return spec, IndependentWindows(views.num_views, spec.window)

    def pipeline(self, views: VSSLViewConfig) -> Pipeline:
        """The views, with noise where patches are removed and with labels where they are learned."""
        config = self.config()
        tokens = torch.Size(config.model_config.grid_size).numel() if config.mask_ratio else 0
        return VSSLViewPipeline(views, tokens, labels=self.method == "supervised")

    def processor(self, views: VSSLViewConfig, fps: float) -> VSSLVideoProcessor:
        """The processor of the evaluations: the clips of the views, 8 / 7 of their size before the central crop."""
        side = views.video.image_size
        return VSSLVideoProcessor(
            size={"shortest_edge": 8 * side // 7},
            crop_size={"height": side, "width": side},
            num_frames=views.video.num_frames,
            fps=fps,
        )

    def labelled_classes(self) -> int | None:
        """Those of the classifier, of `supervised`."""
        return self.config().num_classes if self.method == "supervised" else None
