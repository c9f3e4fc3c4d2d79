"""What the configurations of the zoo's ViTs have in common.

Fields are checked when a configuration is made, which needs annotations that are not postponed.
"""

from typing import Any, ClassVar, Self

from transformers.configuration_utils import PreTrainedConfig

from .configuration_encoder import EncoderConfig


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


class ViTEncoderConfig(SizedConfig, EncoderConfig):
    """A ViT over patches, of the base size by default.

    Attributes:
        hidden_size: Width D.
        num_hidden_layers: Transformer layers.
        num_attention_heads: Heads; a divisor of the width.
        intermediate_size: Width of the MLP, 4 D in every official size.
        layer_norm_eps: 1e-5 as in the released code.
        hidden_act: Activation of the MLP (erf GELU).
        qkv_bias: Whether queries, keys and values have a bias; the official encoders have none.
        initializer_range: Standard deviation of the class token, mask token and position table.
    """

    # The official size table; `nano` is ours.
    sizes: ClassVar[dict[str, tuple[int, int, int]]] = {
        "nano": (64, 4, 4),
        "tiny": (192, 12, 3),
        "small": (384, 12, 6),
        "base": (768, 12, 12),
        "large": (1024, 24, 16),
    }

    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    layer_norm_eps: float = 1e-5
    hidden_act: str = "gelu"
    qkv_bias: bool = False
    initializer_range: float = 0.02

    def __post_init__(self, **kwargs: Any) -> None:
        self._require(
            self.hidden_size % self.num_attention_heads == 0,
            f"hidden_size {self.hidden_size} is not a multiple of num_attention_heads {self.num_attention_heads}",
        )
        super().__post_init__(**kwargs)

    @property
    def grid_size(self) -> tuple[int, ...]:
        """Native patches along each axis, slow to fast."""
        raise NotImplementedError

    @property
    def patch_dim(self) -> int:
        """Values of one flattened patch."""
        raise NotImplementedError


class VideoViTConfig(ViTEncoderConfig):
    """A ViT over cuboids of some frames x some pixels x as many pixels; adds to `ViTEncoderConfig`.

    Attributes:
        image_size: Height and width of the native frames, in pixels.
        num_frames: Native number of frames.
        tubelet_size: Frames of one patch.
        patch_size: Height and width of one patch, in pixels.
        num_channels: Colour channels.
    """

    nano_fields: ClassVar[dict[str, Any]] = {"image_size": 64}

    image_size: int = 112
    num_frames: int = 32
    tubelet_size: int = 4
    patch_size: int = 16
    num_channels: int = 3

    def __post_init__(self, **kwargs: Any) -> None:
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
