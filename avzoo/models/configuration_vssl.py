"""Configuration of the video encoder that six self-supervised methods and supervised training were compared on.

Fields are checked when a configuration is made, which needs annotations that are not postponed.
"""

from typing import Literal

from huggingface_hub.dataclasses import strict

from .configuration_vit import VideoViTConfig


@strict
class VSSLConfig(VideoViTConfig):
    """Configuration of the video-SSL encoder, a ViT over cuboids of 4 frames x 16 x 16 pixels.

    One architecture for v-SimCLR, v-MoCo, v-BYOL, v-SimSiam, v-DINO, v-MAE and v-Supervised; how a checkpoint was
    trained is not part of it. The defaults are the released base encoder, 16 frames of 112 x 112 = 196 patch tokens.
    v-MAE was trained with 32 frames (`num_frames=32`) and evaluated, like the others, on clips of 16, for which its
    position table is interpolated.

    The fields of `VideoViTConfig`, `ViTEncoderConfig` and `EncoderConfig`, and:

    Args:
        num_frames: Native number of frames.
        pooling: What the encoder returns as its feature: the `mean` of the patch tokens, which every released
            evaluation uses, or the class token (`cls`), which self-supervision never trained directly.

    Raises:
        ValueError: A size is not a multiple of its patch, or the width not a multiple of the heads.
    """

    model_type = "vssl"

    num_frames: int = 16
    pooling: Literal["mean", "cls"] = "mean"
