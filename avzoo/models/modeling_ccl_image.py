"""The image teacher of CCL (Chen et al., CVPR 2021): an ImageNet ResNet-34 that sees one frame of the clip."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

import torch
from huggingface_hub import hf_hub_download
from safetensors.torch import load_file
from torch import nn
from transformers import initialization as init
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.utils.generic import can_return_tuple

from .configuration_ccl_image import CCLImageConfig
from .safetensors_only import SafetensorsModel

if TYPE_CHECKING:
    from timm.models import ResNet

# torchvision's first ImageNet weights (BSD-3-Clause) as timm publishes them.
IMAGENET_REPOSITORY = "timm/resnet34.tv_in1k"
IMAGENET_REVISION = "c983eba7f5e69bc3548a626d1b0b0b914e5de3a6"


class CCLImageModel(SafetensorsModel):
    """A ResNet over one frame of every clip, in inference mode whatever happens.

    It takes the student's clip as it is, normalised with the statistics of Kinetics (as the released code does) and not
    with those of ImageNet. Batch norm never leaves its running statistics, so that a teacher stays the same teacher
    inside a model in training mode.

    Example:
        >>> import torch
        >>> from avzoo.models.configuration_ccl_image import CCLImageConfig
        >>> model = CCLImageModel(CCLImageConfig(depths=[1, 1, 1, 1], hidden_sizes=[4, 4, 8, 8]))
        >>> model(torch.zeros(2, 16, 3, 32, 32)).pooler_output.shape
        torch.Size([2, 8])
    """

    config: CCLImageConfig
    config_class = CCLImageConfig
    base_model_prefix = "ccl_image"
    main_input_name = "pixel_values_videos"
    input_modalities = "video"

    def __init__(self, config: CCLImageConfig) -> None:
        super().__init__(config)
        self.backbone = _resnet(config)
        self.post_init()
        self.backbone.eval()

    @classmethod
    def from_imagenet(cls, cache_dir: str | Path | None = None) -> Self:
        """The teacher of the paper: ResNet-34 with its ImageNet weights.

        The weights are fetched once from timm's repository on the Hub (87 MB, a pinned revision) and come from the
        cache after that. `save_pretrained` makes a folder that `from_pretrained` reads without any of this.

        Args:
            cache_dir: Where the Hub's files are kept; its usual cache by default.

        Raises:
            OSError: The weights are not in the cache and cannot be fetched.
        """
        try:
            path = hf_hub_download(
                IMAGENET_REPOSITORY, "model.safetensors", revision=IMAGENET_REVISION, cache_dir=cache_dir
            )
        except OSError as error:
            raise OSError(
                f"the ImageNet weights {IMAGENET_REPOSITORY} are not in the cache and cannot be fetched: "
                "run this once with a network, or load a folder that save_pretrained has written"
            ) from error
        weights = {name: weight for name, weight in load_file(path).items() if not name.startswith("fc.")}
        model = cls(CCLImageConfig())
        # Strict but for the counters of batch norm, which torch starts at zero where a file has none.
        model.backbone.load_state_dict(weights, strict=True)
        return model

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """The initialisation of a ResNet; `init` leaves loaded weights alone."""
        if isinstance(module, nn.Conv2d):
            init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        else:
            super()._init_weights(module)

    def train(self, mode: bool = True) -> Self:
        """Sets the training flag of this model alone: the network below stays in inference mode."""
        super().train(mode)
        self.backbone.eval()
        return self

    @can_return_tuple  # type: ignore[untyped-decorator]
    def forward(
        self,
        pixel_values_videos: torch.Tensor,
        frame_index: int | None = None,
        output_hidden_states: bool | None = None,
        **kwargs: Any,
    ) -> BaseModelOutputWithPooling:
        """Encodes one frame of every clip.

        Args:
            pixel_values_videos: Normalised RGB clips `(B, T, C, H, W)`.
            frame_index: The frame to encode, the same of every clip; CCL draws one per batch in training. The middle
                one, `T // 2`, by default.
            output_hidden_states: Also return the feature map after each of the four stages.
            kwargs: `return_dict`, as in transformers.

        Returns:
            `last_hidden_state`: final feature map `(B, D, h, w)`; `pooler_output`: its mean `(B, D)`.

        Raises:
            ValueError: The input is no batch of clips, or has no such frame.
        """
        if pixel_values_videos.ndim != 5:
            raise ValueError(f"expected clips (B, T, C, H, W), got {tuple(pixel_values_videos.shape)}")
        frames = pixel_values_videos.shape[1]
        index = frames // 2 if frame_index is None else frame_index
        if not 0 <= index < frames:
            raise ValueError(f"no frame {index} in clips of {frames} frames; choose one of 0 to {frames - 1}")
        images = pixel_values_videos[:, index].to(self.dtype)
        features, stages = cast("ResNet", self.backbone).forward_intermediates(images, indices=4)
        wanted = self.config.output_hidden_states if output_hidden_states is None else output_hidden_states
        return BaseModelOutputWithPooling(
            last_hidden_state=features,
            pooler_output=features.mean(dim=(2, 3)),
            hidden_states=tuple(stages) if wanted else None,
        )


def _resnet(config: CCLImageConfig) -> nn.Module:
    """The network, with random weights and no classifier."""
    try:
        from timm import create_model
    except ImportError as error:
        raise ImportError("the image teacher of CCL is built by timm: install timm, or avzoo[ccl]") from error
    sizes: dict[str, Any] = {"layers": tuple(config.depths), "channels": tuple(config.hidden_sizes)}
    # `pretrained=False` keeps timm off the network.
    return create_model("resnet34", pretrained=False, num_classes=0, **sizes)
