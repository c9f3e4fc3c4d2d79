"""Configurations of the XKD encoders (arXiv 2211.13929) and of the joint audio-visual model.

Fields are checked when a configuration is made, which needs annotations that are not postponed.
"""

from typing import Any, ClassVar, Literal, Self

from huggingface_hub.dataclasses import strict
from transformers.configuration_utils import PreTrainedConfig

from .configuration_vit import VideoViTConfig, ViTEncoderConfig


@strict
class XKDVideoConfig(VideoViTConfig):
    """Configuration of the XKD video encoder, a ViT over cuboids of 4 frames x 16 x 16 pixels.

    The defaults are the released base encoder: 32 frames of 112 x 112 give 2 x 4 x 49 = 392 patch tokens.
    The fields are those of `VideoViTConfig`, `ViTEncoderConfig` and `EncoderConfig`.

    Raises:
        ValueError: A size is not a multiple of its patch, or the width not a multiple of the heads.
    """

    model_type = "xkd_video"
    base_config_key = "video_config"


@strict
class XKDAudioConfig(ViTEncoderConfig):
    """Configuration of the XKD audio encoder, a ViT over spectrogram patches of 4 mel bands x 16 frames.

    The defaults are the released base encoder: 80 x 448 log-mels (4 s) give 20 x 28 = 560 patch tokens.
    The fields of `ViTEncoderConfig` and `EncoderConfig`, and:

    Args:
        num_mel_bins: Mel bands; fixed for a trained model.
        max_length: Native number of spectrogram frames; other multiples of the patch are interpolated.
        patch_size: Mel bands and frames of one patch.

    Raises:
        ValueError: A size is not a multiple of its patch, or the width not a multiple of the heads.
    """

    model_type = "xkd_audio"
    base_config_key = "audio_config"
    nano_fields: ClassVar[dict[str, Any]] = {"patch_size": [16, 16]}

    num_mel_bins: int = 80
    max_length: int = 448
    patch_size: list[int] | tuple[int, ...] = (4, 16)

    def __post_init__(self, **kwargs: Any) -> None:
        self.patch_size = list(self.patch_size)
        self._require(len(self.patch_size) == 2, f"patch_size {self.patch_size} is not [mel bands, frames]")
        self._require(
            self.num_mel_bins % self.patch_size[0] == 0 and self.max_length % self.patch_size[1] == 0,
            f"spectrogram {self.num_mel_bins} x {self.max_length} is not a multiple of patch_size {self.patch_size}",
        )
        super().__post_init__(**kwargs)

    @property
    def grid_size(self) -> tuple[int, int]:
        """Native patches along mel bands and time."""
        return self.num_mel_bins // self.patch_size[0], self.max_length // self.patch_size[1]

    @property
    def patch_dim(self) -> int:
        """Values of one flattened patch."""
        return self.patch_size[0] * self.patch_size[1]


@strict
class XKDConfig(PreTrainedConfig):
    """Configuration of the joint XKD model: a video encoder, an audio encoder and, optionally, their projectors.

    Args:
        video_config: The video encoder.
        audio_config: The audio encoder.
        sharing: Which networks of the two modalities use one set of transformer layers (paper section 3.5).
            `specific`: none; `mas`: the students; `mats`: students and teachers; `mat`: the teachers, which the
            paper reports to diverge. Patch projections, class tokens, position tables and final norms stay separate.
        role: Whether this network is the `student` or the `teacher`; with `sharing` it decides whether the layers
            are shared here.
        projection_dim: Outputs of the projectors, the space in which the modalities agree; 8192 in the paper.
            `None` for bare backbones, as they were released.
        projector_hidden_size: Width of the two hidden layers of a projector.
        projector_bottleneck_size: Width before the last, weight-normed layer of a projector.

    Raises:
        ValueError: A name is unknown, or encoders that share layers differ in width, depth or heads.
    """

    model_type = "xkd"
    sub_configs_defaults: ClassVar[dict[str, Any]] = {"video_config": XKDVideoConfig, "audio_config": XKDAudioConfig}

    video_config: Any = None
    audio_config: Any = None
    sharing: Literal["specific", "mas", "mats", "mat"] = "specific"
    role: Literal["student", "teacher"] = "student"
    projection_dim: int | None = None
    projector_hidden_size: int = 2048
    projector_bottleneck_size: int = 256
    # transformers ties weights only where this field, named after its first use, is true.
    tie_word_embeddings: bool = True

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        if self.shares_layers:
            shape = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
            for name in shape:
                video, audio = getattr(self.video_config, name), getattr(self.audio_config, name)
                if video != audio:
                    raise ValueError(f"encoders that share layers need one {name}, got video {video}, audio {audio}")

    @property
    def shares_layers(self) -> bool:
        """Whether both encoders of this network use one set of transformer layers."""
        return self.sharing in (("mas", "mats") if self.role == "student" else ("mats", "mat"))

    @classmethod
    def preset(cls, size: str, **overrides: Any) -> Self:
        """Configuration of a named size; `nano` comes with 256-d projectors, the others without.

        Args:
            size: `nano`, `tiny`, `small`, `base` or `large`.
            overrides: Fields that differ from the preset.

        Raises:
            ValueError: The size is not one of those.
        """
        fields: dict[str, Any] = {
            "video_config": XKDVideoConfig.preset(size),
            "audio_config": XKDAudioConfig.preset(size),
        }
        if size == "nano":
            fields |= {"projection_dim": 256, "projector_hidden_size": 256, "projector_bottleneck_size": 64}
        return cls(**{**fields, **overrides})
