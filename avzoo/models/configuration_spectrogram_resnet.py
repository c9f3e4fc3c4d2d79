"""Configuration of the spectrogram ResNet trunk, whose variants are the audio ConvNets of all families.

| field | CrissCross (torchvision's ResNet-18) | XDC (VMZ's audio network; our choice) |
|---|---|---|
| `stem` | `pooled` | `plain` |
| `embedding_size` | 64 | 16 |
| `hidden_sizes` | (64, 128, 256, 512) | (32, 64, 128, 256, 512) |
| `depths` | (2, 2, 2, 2) | (3, 2, 2, 2, 2) |
| `downsample_in_first_stage` | `False` | `True` |
| `pooling` | `average` | `max` |
| `batch_norm_eps` | 1e-5 | 1e-3 |
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Literal

from huggingface_hub.dataclasses import strict

from .configuration_convnet import ConvNetConfig


@strict
class SpectrogramResNetConfig(ConvNetConfig):
    """Fields of a ResNet over spectrograms; `ConvNetConfig` has those of every ConvNet.

    Args:
        embedding_size: Output planes of the stem.
        hidden_sizes: Output planes of every stage.
        depths: Blocks of every stage.
        stem: `pooled` is a 7x7 convolution with stride 2, batch norm, ReLU and 3x3 max-pooling with stride 2; `plain`
            is a 3x3 convolution with bias and nothing else.
        downsample_in_first_stage: Whether the first stage halves the resolution as all others do.
        num_mel_bins: Mel bands of the spectrograms that the network was trained on; any other number works.
        max_length: Their frames; any other number works.

    Raises:
        ValueError: `depths` and `hidden_sizes` differ in length.
    """

    base_config_key = "audio_config"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
        {
            "nano": MappingProxyType(
                {"embedding_size": 8, "hidden_sizes": (8, 16, 32, 64), "depths": (1, 1, 1, 1), "max_length": 100}
            ),
            "base": MappingProxyType({}),
        }
    )

    embedding_size: int = 64
    depths: list[int] | tuple[int, ...] = (2, 2, 2, 2)
    stem: Literal["pooled", "plain"] = "pooled"
    downsample_in_first_stage: bool = False
    conv_init: Literal["pytorch", "kaiming_fan_out"] = "kaiming_fan_out"
    num_mel_bins: int = 80
    max_length: int = 200

    def __post_init__(self, **kwargs: Any) -> None:
        self.depths = list(self.depths)
        self._require(
            len(self.depths) == len(self.hidden_sizes),
            f"{len(self.depths)} depths do not fit {len(self.hidden_sizes)} hidden_sizes",
        )
        super().__post_init__(**kwargs)
