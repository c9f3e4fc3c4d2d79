"""Configuration of the video student of CCL (Chen et al., CVPR 2021).

Fields are checked when a configuration is made, which needs annotations that are not postponed.
"""

from typing import Literal

from huggingface_hub.dataclasses import strict

from .configuration_r2plus1d import R2Plus1DConfig


@strict
class CCLVideoConfig(R2Plus1DConfig):
    """Configuration of the CCL video student, an R(2+1)D network with factored shortcuts.

    The defaults are the network of the released code on its 16 frames of 112 x 112; `R2Plus1DConfig` explains the other
    fields.

    Args:
        depth: 10 is what the released code builds when it is asked for 18: one block per stage, 14.4 M parameters. 18
            is the R(2+1)D-18 that the paper names (33.2 M), 34 the larger network of the released code (63.5 M).
        stem_mid_planes: Planes between the spatial and the temporal convolution of the stem.
        mid_planes: Planes in the middle of every other factored convolution.
        shortcut: The shortcut of a block that changes planes and resolution.
        num_frames: Frames of the clips that the network was trained on; any other number works.
        classifier_init: `uniform`, PyTorch's default, which the released code leaves as it is.
    """

    model_type = "ccl_video"

    depth: Literal[10, 18, 34] = 10
    stem_mid_planes: int | None = 83
    mid_planes: Literal["out", "matched"] = "matched"
    shortcut: Literal["conv", "conv_norm", "factored"] = "factored"
    num_frames: int = 16
    classifier_init: Literal["orthogonal", "normal", "uniform"] = "uniform"
