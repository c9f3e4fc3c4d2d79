"""Configuration of the R(2+1)D trunk, whose variants are the video ConvNets of all families.

| field | CrissCross (AVID's network) | XDC | CCL student |
|---|---|---|---|
| `stem_mid_planes` | `None`: one 3-D convolution, max-pooling | 45 | 83 |
| `mid_planes` | `out` | `matched` | `matched` |
| `norm_after_addition` | `True` | `False` | `False` |
| `shortcut` | `conv` | `conv_norm` | `factored` |
| `batch_norm_eps`, `batch_norm_momentum` | 1e-5, 0.1 | 1e-3, 0.9 | 1e-5, 0.1 |
| `conv_init` | `pytorch` | `kaiming_fan_out` | `pytorch` |
| `depth` | 18 | 18 | 10: the released code calls one block per stage 18 |

A family subclasses `R2Plus1DConfig`, repeats the fields whose default differs (with their annotation) and adds
`model_type`; its model subclasses `R2Plus1DModel` and names that configuration.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Literal

from huggingface_hub.dataclasses import strict

from .configuration_convnet import ConvNetConfig


@strict
class R2Plus1DConfig(ConvNetConfig):
    """Fields of an R(2+1)D network; `ConvNetConfig` has those of every ConvNet.

    Args:
        hidden_sizes: Output planes of the four stages; the stem has those of the first.
        depth: Layers by the usual count: 10, 18 and 34 have (1, 1, 1, 1), (2, 2, 2, 2) and (3, 4, 6, 3) blocks.
        stem_mid_planes: Planes between the spatial 7x7 and the temporal convolution of the stem; `None` makes the stem
            one 3x7x7 convolution that is followed by 1x3x3 max-pooling.
        mid_planes: Planes between the two convolutions of a factored one: those of its output, or as many as give it
            the parameters of the full 3-D convolution.
        norm_after_addition: Whether the last batch norm of a block comes after the shortcut is added, not before.
        shortcut: The shortcut of a block that changes planes and resolution: a bare 1x1x1 convolution, one with batch
            norm, or a factored one with batch norm within and after.
        num_frames: Frames of the clips that the network was trained on; any other number works.
        image_size: Their height and width in pixels; any other size works.

    Raises:
        ValueError: There are not four stages.
    """

    base_config_key = "video_config"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
        {
            "nano": MappingProxyType({"hidden_sizes": (8, 16, 32, 64), "depth": 10, "image_size": 64}),
            "base": MappingProxyType({}),
        }
    )
    blocks_of_depth: ClassVar[Mapping[int, tuple[int, ...]]] = MappingProxyType(
        {10: (1, 1, 1, 1), 18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}
    )

    depth: Literal[10, 18, 34] = 18
    stem_mid_planes: int | None = None
    mid_planes: Literal["out", "matched"] = "out"
    norm_after_addition: bool = False
    shortcut: Literal["conv", "conv_norm", "factored"] = "conv_norm"
    num_frames: int = 8
    image_size: int = 112

    def __post_init__(self, **kwargs: Any) -> None:
        self._require(len(self.hidden_sizes) == 4, f"hidden_sizes {list(self.hidden_sizes)} are not four stages")
        super().__post_init__(**kwargs)

    @property
    def depths(self) -> tuple[int, ...]:
        """Blocks of every stage."""
        return self.blocks_of_depth[self.depth]
