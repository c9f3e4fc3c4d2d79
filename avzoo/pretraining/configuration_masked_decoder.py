"""Configuration of the decoder of a masked autoencoder."""

from typing import Any, ClassVar

from avzoo.models.configuration_vit import SizedConfig


class MaskedDecoderConfig(SizedConfig):
    """The transformer that predicts removed patches; families differ in its model type only.

    Attributes:
        hidden_size: Width.
        num_hidden_layers: Transformer layers.
        num_attention_heads: Heads.
        intermediate_size: Width of the MLP.
        layer_norm_eps: As in the encoders.
        hidden_act: As in the encoders.
        qkv_bias: As in the encoders.
        initializer_range: Standard deviation of the mask token and position table.
    """

    base_config_key = "decoder_config"

    # The official decoder table; `nano` is ours.
    sizes: ClassVar[dict[str, tuple[int, int, int]]] = {
        "nano": (48, 1, 4),
        "tiny": (96, 4, 3),
        "small": (192, 4, 6),
        "base": (384, 4, 12),
        "large": (512, 8, 16),
    }

    hidden_size: int = 384
    num_hidden_layers: int = 4
    num_attention_heads: int = 12
    intermediate_size: int = 1536
    layer_norm_eps: float = 1e-5
    hidden_act: str = "gelu"
    qkv_bias: bool = False
    initializer_range: float = 0.02

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(
                f"{type(self).__name__}: hidden_size {self.hidden_size} is not a multiple of num_attention_heads "
                f"{self.num_attention_heads}"
            )
