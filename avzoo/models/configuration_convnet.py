"""What the configurations of all ConvNet encoders have in common, and that of a video and an audio one together."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Literal, NamedTuple, Self

from huggingface_hub.dataclasses import strict
from transformers.configuration_utils import PreTrainedConfig

from .configuration_encoder import EncoderConfig


class FeaturePooling(NamedTuple):
    """How a downstream protocol max-pools the final feature map before it is flattened to one vector.

    Attributes:
        size: Kernel over every axis but batch and channels; with `adaptive`, the size of the result.
        stride: Stride over the same axes; `None` is the kernel.
        adaptive: Whether `size` is the size of the result.
        normalize: Whether the pooled map is L2-normalised along its last axis.
    """

    size: tuple[int, ...]
    stride: tuple[int, ...] | None = None
    adaptive: bool = False
    normalize: bool = False


@strict
class ConvNetConfig(EncoderConfig):
    """Fields of every ConvNet encoder; a trunk adds its own, a family sets the defaults.

    Args:
        hidden_sizes: Output planes of every stage.
        batch_norm_eps: Epsilon of every batch norm.
        batch_norm_momentum: Weight of the new batch in the running statistics (PyTorch's convention).
        conv_init: Initialisation of convolutions: PyTorch's default, or Kaiming normal over the outputs. Biases,
            where there are any, start at zero.
        pooling: Global pooling of the final map to `pooler_output`.
        feature_pooling: Name of the downstream protocol whose pooling gives `features`; a key of `feature_poolings`.

    Attributes:
        feature_poolings: The downstream poolings of the family's papers by name.
        presets: Fields of every named size.

    Raises:
        ValueError: `feature_pooling` is not a key of `feature_poolings`.
    """

    feature_poolings: ClassVar[Mapping[str, FeaturePooling]] = MappingProxyType({})
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = MappingProxyType({"base": MappingProxyType({})})

    hidden_sizes: list[int] | tuple[int, ...] = (64, 128, 256, 512)
    batch_norm_eps: float = 1e-5
    batch_norm_momentum: float = 0.1
    conv_init: Literal["pytorch", "kaiming_fan_out"] = "pytorch"
    pooling: Literal["average", "max"] = "average"
    feature_pooling: str | None = None

    def __post_init__(self, **kwargs: Any) -> None:
        self.hidden_sizes = list(self.hidden_sizes)
        self.feature_pooling_of(self.feature_pooling)
        super().__post_init__(**kwargs)

    @property
    def hidden_size(self) -> int:
        """Width D of `pooler_output`."""
        return self.hidden_sizes[-1]

    @property
    def num_hidden_layers(self) -> int:
        """Stages after the stem; `output_hidden_states` gives one map more."""
        return len(self.hidden_sizes)

    def feature_pooling_of(self, name: str | None) -> FeaturePooling | None:
        """The named downstream pooling; `None` for none.

        Raises:
            ValueError: The family has no pooling of that name.
        """
        if name is None:
            return None
        if name not in self.feature_poolings:
            known = ", ".join(self.feature_poolings) or "none for this encoder"
            raise ValueError(f"{type(self).__name__}: unknown feature_pooling {name!r}; there is {known}")
        return self.feature_poolings[name]

    @classmethod
    def preset(cls, size: str, **overrides: Any) -> Self:
        """Configuration of a named size.

        Args:
            size: `base` for the released network; the others are keys of `presets`.
            overrides: Fields that differ from the preset.

        Raises:
            ValueError: The size is not one of those.
        """
        if size not in cls.presets:
            raise ValueError(f"unknown size {size!r}; choose one of {', '.join(cls.presets)}")
        return cls(**{**cls.presets[size], **overrides})


@strict
class AudioVisualConfig(PreTrainedConfig):
    """Configuration of a video and an audio ConvNet together; a family names the two in `sub_configs_defaults`.

    Args:
        video_config: The video encoder.
        audio_config: The audio encoder.
    """

    video_config: Any = None
    audio_config: Any = None

    @classmethod
    def preset(cls, size: str, **overrides: Any) -> Self:
        """Configuration of a named size of both encoders.

        Args:
            size: A size that both encoders have.
            overrides: Fields that differ from the preset.

        Raises:
            ValueError: The size is not one of theirs.
        """
        encoders = {name: config.preset(size) for name, config in cls.sub_configs.items()}
        return cls(**{**encoders, **overrides})
