"""Configurations of the XKD encoders (arXiv 2211.13929) and of the joint audio-visual model.

Fields are checked when a configuration is made, which needs annotations that are not postponed.
"""

from typing import Any, ClassVar, Literal, Self

from huggingface_hub.dataclasses import strict
from transformers.configuration_utils import PreTrainedConfig


class SizedConfig(PreTrainedConfig):
    """A transformer that comes in named sizes.

    Attributes:
        sizes: Width, depth and heads of every name.
        nano_fields: What else differs in the `nano` size.
    """

    sizes: ClassVar[dict[str, tuple[int, int, int]]] = {}
    nano_fields: ClassVar[dict[str, Any]] = {}

    @classmethod
    def preset(cls, size: str, **overrides: Any) -> Self:
        """Configuration of a named size.

        Args:
            size: `nano`, `tiny`, `small`, `base` or `large`.
            overrides: Fields that differ from the preset.

        Raises:
            ValueError: The size is not one of those.
        """
        if size not in cls.sizes:
            raise ValueError(f"unknown size {size!r}; choose one of {', '.join(cls.sizes)}")
        width, depth, heads = cls.sizes[size]
        fields = {
            "hidden_size": width,
            "num_hidden_layers": depth,
            "num_attention_heads": heads,
            "intermediate_size": 4 * width,
        }
        if size == "nano":
            fields |= cls.nano_fields
        return cls(**{**fields, **overrides})


class _XKDEncoderConfig(SizedConfig):
    """What the two encoders have in common."""

    # The official size table; `nano` is ours.
    sizes: ClassVar[dict[str, tuple[int, int, int]]] = {
        "nano": (64, 4, 4),
        "tiny": (192, 12, 3),
        "small": (384, 12, 6),
        "base": (768, 12, 12),
        "large": (1024, 24, 16),
    }

    def _require(self, condition: bool, sentence: str) -> None:
        if not condition:
            raise ValueError(f"{type(self).__name__}: {sentence}")


@strict
class XKDVideoConfig(_XKDEncoderConfig):
    """Configuration of the XKD video encoder, a ViT over cuboids of 4 frames x 16 x 16 pixels.

    The defaults are the released base encoder: 32 frames of 112 x 112 give 2 x 4 x 49 = 392 patch tokens.

    Args:
        hidden_size: Width D.
        num_hidden_layers: Transformer layers.
        num_attention_heads: Heads; a divisor of the width.
        intermediate_size: Width of the MLP, 4 D in every official size.
        layer_norm_eps: 1e-5 as in the released code.
        hidden_act: Activation of the MLP (erf GELU).
        qkv_bias: Whether queries, keys and values have a bias; the official encoders have none.
        image_size: Height and width of the native frames, in pixels.
        num_frames: Native number of frames.
        tubelet_size: Frames of one patch.
        patch_size: Height and width of one patch, in pixels.
        num_channels: Colour channels.
        initializer_range: Standard deviation of the class token, mask token and position table.

    Raises:
        ValueError: A size is not a multiple of its patch, or the width not a multiple of the heads.
    """

    model_type = "xkd_video"
    base_config_key = "video_config"
    nano_fields: ClassVar[dict[str, Any]] = {"image_size": 64}

    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    layer_norm_eps: float = 1e-5
    hidden_act: str = "gelu"
    qkv_bias: bool = False
    image_size: int = 112
    num_frames: int = 32
    tubelet_size: int = 4
    patch_size: int = 16
    num_channels: int = 3
    initializer_range: float = 0.02

    def __post_init__(self, **kwargs: Any) -> None:
        self._require(
            self.hidden_size % self.num_attention_heads == 0,
            f"hidden_size {self.hidden_size} is not a multiple of num_attention_heads {self.num_attention_heads}",
        )
        self._require(
            self.image_size % self.patch_size == 0,
            f"image_size {self.image_size} is not a multiple of patch_size {self.patch_size}",
        )
        self._require(
            self.num_frames % self.tubelet_size == 0,
            f"num_frames {self.num_frames} is not a multiple of tubelet_size {self.tubelet_size}",
        )
        super().__post_init__(**kwargs)

    @property
    def grid_size(self) -> tuple[int, int, int]:
        """Native patches along time, height and width."""
        side = self.image_size // self.patch_size
        return self.num_frames // self.tubelet_size, side, side

    @property
    def patch_dim(self) -> int:
        """Values of one flattened patch."""
        return self.tubelet_size * self.patch_size**2 * self.num_channels


@strict
class XKDAudioConfig(_XKDEncoderConfig):
    """Configuration of the XKD audio encoder, a ViT over spectrogram patches of 4 mel bands x 16 frames.

    The defaults are the released base encoder: 80 x 448 log-mels (4 s) give 20 x 28 = 560 patch tokens.

    Args:
        hidden_size: Width D.
        num_hidden_layers: Transformer layers.
        num_attention_heads: Heads; a divisor of the width.
        intermediate_size: Width of the MLP.
        layer_norm_eps: 1e-5 as in the released code.
        hidden_act: Activation of the MLP (erf GELU).
        qkv_bias: Whether queries, keys and values have a bias.
        num_mel_bins: Mel bands; fixed for a trained model.
        max_length: Native number of spectrogram frames; other multiples of the patch are interpolated.
        patch_size: Mel bands and frames of one patch.
        initializer_range: Standard deviation of the class token, mask token and position table.

    Raises:
        ValueError: A size is not a multiple of its patch, or the width not a multiple of the heads.
    """

    model_type = "xkd_audio"
    base_config_key = "audio_config"
    nano_fields: ClassVar[dict[str, Any]] = {"patch_size": [16, 16]}

    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    layer_norm_eps: float = 1e-5
    hidden_act: str = "gelu"
    qkv_bias: bool = False
    num_mel_bins: int = 80
    max_length: int = 448
    patch_size: list[int] | tuple[int, ...] = (4, 16)
    initializer_range: float = 0.02

    def __post_init__(self, **kwargs: Any) -> None:
        self.patch_size = list(self.patch_size)
        self._require(
            self.hidden_size % self.num_attention_heads == 0,
            f"hidden_size {self.hidden_size} is not a multiple of num_attention_heads {self.num_attention_heads}",
        )
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
