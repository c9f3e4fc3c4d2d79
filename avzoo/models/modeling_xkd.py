"""XKD encoders (arXiv 2211.13929): ViTs over video cuboids and over spectrogram patches, and the two joined."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import nn
from transformers import initialization as init
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.modeling_utils import PreTrainedModel
from transformers.utils.generic import ModelOutput
from transformers.utils.output_capturing import capture_outputs

from .configuration_xkd import XKDAudioConfig, XKDConfig, XKDVideoConfig
from .patches import interpolate_positions, patchify_audio, patchify_video
from .projection_head import ProjectionHead, ProjectionLinear, WeightNormLinear
from .vit import ViTAttention, ViTLayer


@dataclass
class XKDEncoderOutput(BaseModelOutputWithPooling):
    """Output of one encoder.

    Attributes:
        last_hidden_state: Tokens after the final norm `(B, 1 + N, D)`, class token first.
        pooler_output: Mean over the patch tokens `(B, D)`, the feature that the paper evaluates.
        hidden_states: With `output_hidden_states`, the input of each layer and the output of the last.
        attentions: With `output_attentions`, the weights of each layer `(B, heads, 1 + N, 1 + N)`.
        cls_attention: With `output_cls_attention`, the last layer's weights of the class token `(B, heads, 1 + N)`.
    """

    cls_attention: torch.Tensor | None = None


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
    video_model_output: XKDEncoderOutput | None = None
    audio_model_output: XKDEncoderOutput | None = None


class XKDEmbeddings(nn.Module):
    """Patch projection, class token and learned positions."""

    def __init__(self, config: XKDVideoConfig | XKDAudioConfig) -> None:
        super().__init__()
        tokens = 1
        for size in config.grid_size:
            tokens *= size
        self.projection = nn.Linear(config.patch_dim, config.hidden_size)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, config.hidden_size))
        self.position_embeddings = nn.Parameter(torch.zeros(1, 1 + tokens, config.hidden_size))

    def forward(
        self, patches: torch.Tensor, positions: torch.Tensor, keep_indices: torch.Tensor | None
    ) -> torch.Tensor:
        """Embeds patches.

        Args:
            patches: Flattened patches `(B, N, patch_dim)`.
            positions: Position table of this grid `(1, 1 + N, D)`.
            keep_indices: Patches to keep, in the order to keep them `(B, K)`; `None` keeps all.

        Returns:
            `(B, 1 + K, D)`, class token first.
        """
        dtype = self.projection.weight.dtype
        positions = positions.to(dtype)
        patch_positions = positions[:, 1:]
        if keep_indices is not None:
            # Dropping patches before they are projected saves the projection of most of them.
            patches = _select(patches, keep_indices)
            patch_positions = _select(patch_positions.expand(len(patches), -1, -1), keep_indices)
        tokens = self.projection(patches.to(dtype)) + patch_positions
        cls_token = (self.cls_token + positions[:, :1]).to(tokens.dtype).expand(tokens.shape[0], -1, -1)
        return torch.cat([cls_token, tokens], dim=1)


def _select(tokens: torch.Tensor, indices: torch.Tensor) -> torch.Tensor:
    """Tokens `(B, N, C)` at indices `(B, K)`: `(B, K, C)`."""
    return tokens.gather(1, indices.unsqueeze(-1).expand(-1, -1, tokens.shape[-1]))


class XKDPreTrainedModel(PreTrainedModel):
    """Weight initialisation and capabilities shared by all XKD models."""

    base_model_prefix = "xkd"
    supports_gradient_checkpointing = True
    _no_split_modules = ["XKDEmbeddings", "ViTLayer"]  # noqa: RUF012
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _supports_attention_backend = True
    _can_record_outputs = {"hidden_states": ViTLayer, "attentions": ViTAttention}  # noqa: RUF012

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """Official initialisation; `init` leaves loaded weights alone."""
        if isinstance(module, ProjectionLinear | WeightNormLinear):
            module.reset_projection()
        elif isinstance(module, nn.Linear):
            init.xavier_uniform_(module.weight)
            if module.bias is not None:
                init.zeros_(module.bias)
        elif isinstance(module, nn.LayerNorm):
            init.ones_(module.weight)
            init.zeros_(module.bias)
        elif isinstance(module, XKDEmbeddings):
            init.normal_(module.cls_token, std=self.config.initializer_range)
            init.trunc_normal_(module.position_embeddings, std=self.config.initializer_range)


class _XKDEncoder(XKDPreTrainedModel):
    """What both encoders do once their input is cut into patches."""

    def __init__(self, config: XKDVideoConfig | XKDAudioConfig) -> None:
        super().__init__(config)
        self.embeddings = XKDEmbeddings(config)
        self.layers = nn.ModuleList([ViTLayer(config) for _ in range(config.num_hidden_layers)])
        self.layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        """The patch projection."""
        return self.embeddings.projection

    def _encode(
        self,
        patches: torch.Tensor,
        positions: torch.Tensor,
        keep_indices: torch.Tensor | None,
        output_cls_attention: bool,
    ) -> XKDEncoderOutput:
        hidden_states = self.embeddings(patches, positions, keep_indices)
        for layer in self.layers[:-1]:
            hidden_states = layer(hidden_states)
        last = cast(ViTLayer, self.layers[-1])
        cls_attention = last.cls_attention(hidden_states) if output_cls_attention else None
        hidden_states = self.layernorm(last(hidden_states))
        return XKDEncoderOutput(
            last_hidden_state=hidden_states,
            pooler_output=hidden_states[:, 1:].mean(dim=1),
            cls_attention=cls_attention,
        )


class XKDVideoModel(_XKDEncoder):
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
    main_input_name = "pixel_values_videos"
    input_modalities = "video"

    def position_embeddings(self, frames: int, height: int, width: int) -> torch.Tensor:
        """Position table for clips of this size `(1, 1 + N, D)`, interpolated unless the size is the native one.

        As in the original code the table is used as it is where the number of patches is the native one and the
        frames are square; otherwise it is resampled (trilinear).
        """
        config = self.config
        native = config.grid_size
        wanted = (frames // config.tubelet_size, height // config.patch_size, width // config.patch_size)
        table = self.embeddings.position_embeddings
        if wanted[0] * wanted[1] * wanted[2] == table.shape[1] - 1 and height == width:
            return table
        return interpolate_positions(table, native, wanted, mode="trilinear")

    @capture_outputs(tie_last_hidden_states=False)  # type: ignore[untyped-decorator]
    def forward(
        self,
        pixel_values_videos: torch.Tensor,
        keep_indices: torch.Tensor | None = None,
        output_cls_attention: bool = False,
        **kwargs: Any,
    ) -> XKDEncoderOutput:
        """Encodes clips.

        Args:
            pixel_values_videos: Normalised RGB clips `(B, T, C, H, W)`; any multiple of the patch.
            keep_indices: Patches to encode, in this order `(B, K)`; `None` encodes all (masked autoencoding passes
                the visible ones).
            output_cls_attention: Also return the last layer's attention of the class token.
            kwargs: `output_attentions`, `output_hidden_states` and `return_dict`, as in transformers.

        Raises:
            ValueError: The size is not a multiple of the patch.
        """
        patches = patchify_video(pixel_values_videos, self.config.tubelet_size, self.config.patch_size)
        frames, height, width = (pixel_values_videos.shape[axis] for axis in (1, 3, 4))
        positions = self.position_embeddings(frames, height, width)
        return self._encode(patches, positions, keep_indices, output_cls_attention)


class XKDAudioModel(_XKDEncoder):
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
    ) -> XKDEncoderOutput:
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
        return self._encode(patches, positions, keep_indices, output_cls_attention)


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
