"""How checkpoints of the released CCL code name their weights (commit b590483).

A file is `{"epoch", "arch", "state_dict", "optimizer", "scheduler"}`; `state_dict` is the video student with its
classifier `linear`. Composition modules have files of their own, `save_N_audio.pth` and `save_N_image.pth`. No trained
weights were released.
"""

from __future__ import annotations

from collections.abc import Iterable

from avzoo.hub.layout import Layout, Pairs, prefixed

_FACTORED: Pairs = (("spatial_conv", "spatial"), ("bn", "norm"), ("temporal_conv", "temporal"))
_BLOCK: Pairs = (
    *prefixed(_FACTORED, "conv1.", "conv1."),
    ("bn1", "norm1"),
    *prefixed(_FACTORED, "conv2.", "conv2."),
    ("bn2", "norm2"),
    *prefixed(_FACTORED, "downsampleconv.", "shortcut.0."),
    ("downsamplebn", "shortcut.1"),
)
# The first block of a stage is `block1`; those after it, up to five at depth 34, are counted from 0 in `blocks`.
_BLOCK_NAMES = ("block1", *(f"blocks.{n}" for n in range(5)))
_STUDENT: Pairs = (
    *prefixed(_FACTORED, "conv1.", "stem.conv."),
    ("bn1", "stem.norm"),
    *(
        pair
        for stage in range(4)
        for index, block in enumerate(_BLOCK_NAMES)
        for pair in prefixed(_BLOCK, f"conv{stage + 2}.{block}.", f"stages.{stage}.{index}.")
    ),
)
_CLASSIFIER: Pairs = (("linear", ""),)


_COMPOSITION: Pairs = (("mlp", "residual"), ("fc", "classifier"))


def ccl_layout(model_type: str, names: Iterable[str], network: str) -> Layout:
    """Layout of an official CCL state dict.

    Args:
        model_type: `ccl_video`, the student without its classifier; `ccl_pretraining`, student and classifier as they
            are part of the training model; or `ccl_composition`, one composition module.
        names: Not needed: there is one layout of each.
        network: Not needed: the teachers are not part of a checkpoint.
    """
    if model_type == "ccl_composition":
        return Layout(_COMPOSITION)
    if model_type == "ccl_pretraining":
        return Layout((*prefixed(_STUDENT, "", "student."), ("linear", "classifier")))
    return Layout(_STUDENT, ignored=_CLASSIFIER)
