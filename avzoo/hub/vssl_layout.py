"""How official video-SSL checkpoints name their weights (the released code, commit 29624ac)."""

from __future__ import annotations

from collections.abc import Iterable

from avzoo.hub.layout import Layout, Pairs, prefixed
from avzoo.hub.vit_layout import DECODER, TRANSFORMER_LAYER, VIDEO_VIT

# The evaluation code renames the weights when it loads a released file.
_EVALUATION: Pairs = (
    ("cls_token", "embeddings.cls_token"),
    ("pos_embed", "embeddings.position_embeddings"),
    ("patch_embed.proj", "embeddings.projection"),
    *prefixed(TRANSFORMER_LAYER, "blocks.{n}.", "layers.{n}."),
    ("norm", "layernorm"),
)
# MoCo, BYOL and DINO register the student, encoder and projector, a second time.
_STUDENT: Pairs = (*prefixed(VIDEO_VIT, "encoder.", ""), *prefixed(VIDEO_VIT, "online_encoder.base.", ""))
# A hidden layer is three modules in the original code: linear layer, batch norm and ReLU.
_MLP: Pairs = tuple(
    pair
    for layer in range(8)
    for pair in ((f"layers.{3 * layer}", f"{layer}.0"), (f"layers.{3 * layer + 1}", f"{layer}.1"))
)
_PROJECTOR: Pairs = (
    *_MLP,
    ("mlp.0", "fc1"),
    ("mlp.2", "fc2"),
    ("mlp.4", "fc3"),
    ("last_layer", "last_layer"),
)
_TRAINING: Pairs = (
    *prefixed(_STUDENT, "", "student."),
    *prefixed(_PROJECTOR, "projector.", "projector."),
    *prefixed(_PROJECTOR, "online_encoder.head.", "projector."),
    *prefixed(_MLP, "predictor.", "predictor."),
    *prefixed(VIDEO_VIT, "target_encoder.base.", "teacher."),
    *prefixed(_PROJECTOR, "target_encoder.head.", "teacher_projector."),
    ("center", "center"),
    *prefixed(DECODER, "", "decoder."),
)


def vssl_layout(model_type: str, names: Iterable[str], network: str) -> Layout:
    """Layout of an official video-SSL state dict: a released file, one of the evaluation code, a training checkpoint.

    Args:
        model_type: `vssl` or `vssl_pretraining`.
        names: The names in the checkpoint, from which the three are told apart.
        network: Not needed: what was released and evaluated is always the online encoder. The target encoders of
            MoCo, BYOL and DINO were trained to read the online encoder's tokens, not their own.
    """
    names = set(names)
    if model_type == "vssl_pretraining":
        return Layout(_TRAINING)
    if "encoder.cls_token" in names:
        return Layout(_STUDENT, ignored=_TRAINING)
    return Layout(_EVALUATION if "pos_embed" in names else VIDEO_VIT)
