"""What the state dict of a joint XKD model says beside what its encoders are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch


def xkd_joint_fields(weights: Mapping[str, torch.Tensor], network: str) -> dict[str, Any]:
    """Fields of the projectors, and of layers that both encoders share, where the state dict has them.

    Shared layers were released with each of the two encoders; equal layers are shared ones. The students of MAS and of
    MATS share alike, and are called ``mas``; teachers share in MATS only.

    Args:
        weights: State dict with our names.
        network: ``teacher`` or ``student``.
    """
    fields: dict[str, Any] = {"role": network}
    layers = {name: tensor for name, tensor in weights.items() if name.startswith("video_model.layers.")}
    others = (weights.get(name.replace("video_", "audio_", 1)) for name in layers)
    pairs = zip(layers.values(), others, strict=True)
    if layers and all(other is not None and torch.equal(tensor, other) for tensor, other in pairs):
        fields["sharing"] = "mas" if network == "student" else "mats"
    hidden = weights.get("video_projector.fc1.weight")
    bottleneck = weights.get("video_projector.fc3.weight")
    last = weights.get("video_projector.last_layer.weight_v")
    if hidden is not None and bottleneck is not None and last is not None:
        fields |= {
            "projector_hidden_size": len(hidden),
            "projector_bottleneck_size": len(bottleneck),
            "projection_dim": len(last),
        }
    return fields
