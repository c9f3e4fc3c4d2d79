"""Configuration of the image teacher of CCL (Chen et al., CVPR 2021).

Fields are checked when a configuration is made, which needs annotations that are not postponed.
"""

from typing import Any

from huggingface_hub.dataclasses import strict
from transformers.configuration_utils import PreTrainedConfig


@strict
class CCLImageConfig(PreTrainedConfig):
    """Configuration of a ResNet of basic blocks as timm builds it, without a classifier.

    The defaults are ResNet-34, the teacher of the paper.

    Args:
        depths: Blocks of each of the four stages.
        hidden_sizes: Channels of each of the four stages; the last is the width D of the embedding.

    Raises:
        ValueError: There are not four stages.
    """

    model_type = "ccl_image"

    depths: list[int] | tuple[int, ...] = (3, 4, 6, 3)
    hidden_sizes: list[int] | tuple[int, ...] = (64, 128, 256, 512)

    def __post_init__(self, **kwargs: Any) -> None:
        self.depths, self.hidden_sizes = list(self.depths), list(self.hidden_sizes)
        for name in ("depths", "hidden_sizes"):
            if len(getattr(self, name)) != 4:
                raise ValueError(f"CCLImageConfig: {name} {getattr(self, name)} must name the four stages of a ResNet")
        super().__post_init__(**kwargs)

    @property
    def hidden_size(self) -> int:
        """Width D of the embedding."""
        return self.hidden_sizes[-1]
