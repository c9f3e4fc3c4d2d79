"""XKD encoders (arXiv 2211.13929): ViTs over video cuboids and over spectrogram patches, and the two joined."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers.utils.generic import ModelOutput
from transformers.utils.output_capturing import capture_outputs

from .classification import AudioClassifier, VideoClassifier
from .configuration_xkd import XKDAudioConfig, XKDConfig, XKDVideoConfig
from .patches import interpolate_positions, patchify_audio
from .projection_head import ProjectionHead, ProjectionLinear, WeightNormLinear
from .vit_encoder import VideoViT, ViTEncoder, ViTEncoderOutput, ViTPreTrainedModel


@dataclass
class XKDOutput(ModelOutput):
    """Output of the joint model; a modality that was not given is `None`.

    Attributes:
        video_embeds: Pooled video features `(B, D)`.
        audio_embeds: Pooled audio features `(B, D)`.
        video_projections: Projected video features `(B, P)`; `None` without projectors.
        audio_projections: Projected audio features `(B, P)`, comparable with the video's.
        video_model_output: Everything the video encoder returned.
        audio_model_output: Everything the audio encoder returned.
    """

    video_embeds: torch.Tensor | None = None
    audio_embeds: torch.Tensor | None = None
    video_projections: torch.Tensor | None = None
    audio_projections: torch.Tensor | None = None
    video_model_output: ViTEncoderOutput | None = None
    audio_model_output: ViTEncoderOutput | None = None


class XKDPreTrainedModel(ViTPreTrainedModel):
    """Adds the initialisation of projectors to that of the encoders."""

    base_model_prefix = "xkd"

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """Official initialisation; `init` leaves loaded weights alone."""
        if isinstance(module, ProjectionLinear | WeightNormLinear):
            module.reset_projection()
        else:
            super()._init_weights(module)


class XKDVideoModel(VideoViT, XKDPreTrainedModel):
    """The XKD video encoder.

    Example:
        >>> import torch
        >>> from avzoo.models.configuration_xkd import XKDVideoConfig
        >>> model = XKDVideoModel(XKDVideoConfig.preset("nano"))
        >>> model(torch.zeros(1, 32, 3, 64, 64)).pooler_output.shape
        torch.Size([1, 64])
    """

    config: XKDVideoConfig
    config_class = XKDVideoConfig


class XKDAudioModel(ViTEncoder, XKDPreTrainedModel):
    """The XKD audio encoder.

    Example:
        >>> import torch
        >>> from avzoo.models.configuration_xkd import XKDAudioConfig
        >>> model = XKDAudioModel(XKDAudioConfig.preset("nano"))
        >>> model(torch.zeros(1, 1, 80, 448)).pooler_output.shape
        torch.Size([1, 64])
    """

    config: XKDAudioConfig
    config_class = XKDAudioConfig
    main_input_name = "input_features"
    input_modalities = "audio"

    def position_embeddings(self, mel: int, frames: int) -> torch.Tensor:
        """Position table for spectrograms of this size `(1, 1 + N, D)`, interpolated along time (bicubic) if needed.

        Raises:
            ValueError: The mel bands are not the native ones and the number of patches is not either.
        """
        config = self.config
        native = config.grid_size
        wanted = (mel // config.patch_size[0], frames // config.patch_size[1])
        table = self.embeddings.position_embeddings
        if wanted[0] * wanted[1] == table.shape[1] - 1:
            return table
        if wanted[0] != native[0]:
            raise ValueError(f"expected {config.num_mel_bins} mel bands, got {mel}")
        return interpolate_positions(table, native, wanted, mode="bicubic")

    @capture_outputs(tie_last_hidden_states=False)  # type: ignore[untyped-decorator]
    def forward(
        self,
        input_features: torch.Tensor,
        keep_indices: torch.Tensor | None = None,
        output_cls_attention: bool = False,
        **kwargs: Any,
    ) -> ViTEncoderOutput:
        """Encodes spectrograms.

        Args:
            input_features: Normalised log-mels `(B, 1, mel, frames)`; frames any multiple of the patch.
            keep_indices: Patches to encode, in this order `(B, K)`; `None` encodes all.
            output_cls_attention: Also return the last layer's attention of the class token.
            kwargs: `output_attentions`, `output_hidden_states` and `return_dict`, as in transformers.

        Raises:
            ValueError: The size is not a multiple of the patch, or the mel bands are not the native ones.
        """
        patches = patchify_audio(input_features, self.config.patch_size)
        positions = self.position_embeddings(*input_features.shape[2:])
        return self.encode_tokens(self.embeddings(patches, positions, keep_indices), output_cls_attention)


class XKDModel(XKDPreTrainedModel):
    """Both encoders, their projectors where the configuration has them, and shared layers where it asks for them.

    Shared layers are one set of parameters: they are counted, trained, saved and loaded once.

    Example:
        >>> import torch
        >>> from avzoo.models.configuration_xkd import XKDConfig
        >>> model = XKDModel(XKDConfig.preset("nano"))
        >>> outputs = model(torch.zeros(1, 32, 3, 64, 64), torch.zeros(1, 1, 80, 448))
        >>> outputs.video_embeds.shape, outputs.audio_projections.shape
        (torch.Size([1, 64]), torch.Size([1, 256]))
    """

    config: XKDConfig
    config_class = XKDConfig
    main_input_name = "pixel_values_videos"
    input_modalities = ["video", "audio"]  # noqa: RUF012

    def __init__(self, config: XKDConfig) -> None:
        super().__init__(config)
        self.video_model = XKDVideoModel(config.video_config)
        self.audio_model = XKDAudioModel(config.audio_config)
        self.video_projector = self._projector(config, config.video_config)
        self.audio_projector = self._projector(config, config.audio_config)
        if config.shares_layers:
            self._tied_weights_keys = {r"audio_model\.layers": r"video_model\.layers"}
        self.post_init()

    @staticmethod
    def _projector(config: XKDConfig, encoder: XKDVideoConfig | XKDAudioConfig) -> ProjectionHead | None:
        if config.projection_dim is None:
            return None
        return ProjectionHead(
            encoder.hidden_size,
            config.projector_hidden_size,
            config.projector_bottleneck_size,
            config.projection_dim,
            encoder.layer_norm_eps,
        )

    def get_input_embeddings(self) -> nn.Module:
        """The video encoder's patch projection."""
        return self.video_model.get_input_embeddings()

    def forward(
        self,
        pixel_values_videos: torch.Tensor | None = None,
        input_features: torch.Tensor | None = None,
        return_dict: bool = True,
        **kwargs: Any,
    ) -> XKDOutput | tuple[Any, ...]:
        """Encodes either modality or both.

        Args:
            pixel_values_videos: Normalised RGB clips `(B, T, C, H, W)`.
            input_features: Normalised log-mels `(B, 1, mel, frames)`.
            return_dict: Whether to return an `XKDOutput` instead of a tuple.
            kwargs: Passed to both encoders: `output_attentions`, `output_hidden_states`, `output_cls_attention`.

        Raises:
            ValueError: Neither modality was given.
        """
        if pixel_values_videos is None and input_features is None:
            raise ValueError("give pixel_values_videos, input_features or both")
        video = None if pixel_values_videos is None else self.video_model(pixel_values_videos, **kwargs)
        audio = None if input_features is None else self.audio_model(input_features, **kwargs)
        video_embeds = None if video is None else video.pooler_output
        audio_embeds = None if audio is None else audio.pooler_output
        output = XKDOutput(
            video_embeds=video_embeds,
            audio_embeds=audio_embeds,
            video_projections=self._project(self.video_projector, video_embeds),
            audio_projections=self._project(self.audio_projector, audio_embeds),
            video_model_output=video,
            audio_model_output=audio,
        )
        return output if return_dict else output.to_tuple()

    @staticmethod
    def _project(projector: ProjectionHead | None, embeds: torch.Tensor | None) -> torch.Tensor | None:
        return None if projector is None or embeds is None else projector(embeds)


class XKDForVideoClassification(VideoClassifier, XKDPreTrainedModel):
    """The XKD video encoder with a linear classifier."""

    config_class = XKDVideoConfig
    encoder_class = XKDVideoModel


class XKDForAudioClassification(AudioClassifier, XKDPreTrainedModel):
    """The XKD audio encoder with a linear classifier."""

    config_class = XKDAudioConfig
    encoder_class = XKDAudioModel
