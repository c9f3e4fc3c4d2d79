"""How official XKD checkpoints name their weights (the released code, commit 806c75d)."""

from __future__ import annotations

from collections.abc import Iterable

from avzoo.hub.layout import Layout, Pairs, prefixed
from avzoo.hub.vit_layout import DECODER, VIDEO_VIT, VIT

_ENCODERS: dict[str, Pairs] = {
    "video": VIDEO_VIT,
    "audio": (("patch_embed.proj", "embeddings.projection"), *VIT),
}
# Two official names for one layer norm: the original registers the object twice.
_HEAD: Pairs = (
    ("mlp.0", "fc1"),
    ("mlp.1", "norm"),
    ("mlp.3", "fc2"),
    ("mlp.4", "norm"),
    ("mlp.6", "fc3"),
    ("last_layer", "last_layer"),
)
_SHORT = {"video": "vid", "audio": "aud"}


def _backbone(modality: str, network: str, ours: str) -> Pairs:
    return prefixed(_ENCODERS[modality], f"{_SHORT[modality]}_{network}.backbone.", ours)


def _network(network: str, ours: str = "") -> Pairs:
    """Encoders and projectors of one network of a full training checkpoint."""
    pairs: Pairs = ()
    for modality, short in _SHORT.items():
        pairs += _backbone(modality, network, f"{ours}{modality}_model.")
        pairs += prefixed(_HEAD, f"{short}_{network}.head.", f"{ours}{modality}_projector.")
    return pairs


def _full_model() -> Pairs:
    pairs = _network("teacher", "teacher.") + _network("student", "student.")
    for modality, short in _SHORT.items():
        pairs += prefixed(_ENCODERS[modality], f"{short}_ae.encoder.", f"student.{modality}_model.")
        pairs += prefixed(DECODER, f"{short}_ae.", f"{modality}_decoder.")
    return (*pairs, ("vt2as_ce_loss.center", "video_center"), ("at2vs_ce_loss.center", "audio_center"))


def xkd_layout(model_type: str, names: Iterable[str], network: str) -> Layout:
    """Layout of an official XKD state dict.

    Args:
        model_type: `xkd_video`, `xkd_audio`, `xkd` or `xkd_pretraining`.
        names: The names in the checkpoint, from which a full training checkpoint is told from a bare backbone.
        network: Network of a full training checkpoint to take.
    """
    full_model = _full_model()
    full = any(name.startswith(("vid_", "aud_")) for name in names)
    if model_type == "xkd_pretraining":
        return Layout(full_model)
    if model_type == "xkd":
        return Layout(_network(network), ignored=full_model)
    modality = model_type.removeprefix("xkd_")
    return Layout(_backbone(modality, network, ""), ignored=full_model) if full else Layout(_ENCODERS[modality])
