"""How the released ViTs name their weights: XKD (commit 806c75d) and OOD-VSSL (commit 29624ac) have one encoder."""

from __future__ import annotations

from avzoo.hub.layout import Pairs, prefixed

TRANSFORMER_LAYER: Pairs = (
    ("norm1", "layernorm_before"),
    ("attn.qkv", "attention.qkv"),
    ("attn.proj", "attention.output"),
    ("norm2", "layernorm_after"),
    ("mlp.fc1", "mlp.fc1"),
    ("mlp.fc2", "mlp.fc2"),
)
VIT: Pairs = (
    ("cls_token", "embeddings.cls_token"),
    ("enc_pos_embed", "embeddings.position_embeddings"),
    *prefixed(TRANSFORMER_LAYER, "encoder.blocks.{n}.", "layers.{n}."),
    ("encoder_norm", "layernorm"),
)
VIDEO_VIT: Pairs = (("cuboid_embed.proj", "embeddings.projection"), *VIT)
# The decoder of their masked autoencoders.
DECODER: Pairs = (
    ("mid_proj", "input_projection"),
    ("mask_token", "mask_token"),
    ("dec_pos_embed", "position_embeddings"),
    *prefixed(TRANSFORMER_LAYER, "decoder.blocks.{n}.", "layers.{n}."),
    ("out_proj", "output_projection"),
)
