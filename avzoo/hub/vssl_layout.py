"""How official video-SSL checkpoints name their weights (the released code, commit 29624ac)."""

from __future__ import annotations

from collections.abc import Iterable

from avzoo.hub.layout import Layout, Pairs, prefixed
from avzoo.hub.vit_layout import TRANSFORMER_LAYER, VIDEO_VIT

# The evaluation code renames the weights when it loads a released file.
_EVALUATION: Pairs = (
    ("cls_token", "embeddings.cls_token"),
    ("pos_embed", "embeddings.position_embeddings"),
    ("patch_embed.proj", "embeddings.projection"),
    *prefixed(TRANSFORMER_LAYER, "blocks.{n}.", "layers.{n}."),
    ("norm", "layernorm"),
)
# MoCo, BYOL and DINO register the encoder a second time.
_TRAINING: Pairs = (*prefixed(VIDEO_VIT, "encoder.", ""), *prefixed(VIDEO_VIT, "online_encoder.base.", ""))
_NOT_THE_ENCODER: Pairs = tuple(
    (name, "")
    for name in (
        *("projector", "predictor", "online_encoder.head", "target_encoder", "center"),
        *("decoder", "dec_pos_embed", "mask_token", "mid_proj", "out_proj"),
    )
)


def vssl_layout(model_type: str, names: Iterable[str], network: str) -> Layout:
    """Layout of an official video-SSL state dict: a released file, one of the evaluation code, a training checkpoint.

    Args:
        model_type: `vssl`.
        names: The names in the checkpoint, from which the three are told apart.
        network: Not needed: what was released and evaluated is always the online encoder. The target encoders of
            MoCo, BYOL and DINO were trained to read the online encoder's tokens, not their own.
    """
    names = set(names)
    if "encoder.cls_token" in names:
        return Layout(_TRAINING, ignored=_NOT_THE_ENCODER)
    return Layout(_EVALUATION if "pos_embed" in names else VIDEO_VIT)
