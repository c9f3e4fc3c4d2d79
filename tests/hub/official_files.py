"""Small files in the layouts of official releases, made of our own models."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch

from avzoo.hub import official_state_dict
from avzoo.models.configuration_xkd import XKDAudioConfig, XKDConfig, XKDVideoConfig
from avzoo.models.modeling_xkd import XKDModel

Weights = dict[str, torch.Tensor]


def xkd_model(sharing: str = "specific", role: str = "teacher", projectors: bool = False) -> XKDModel:
    """A joint XKD model of official input sizes and of the smallest width."""
    torch.manual_seed(0)
    config = XKDConfig.preset(
        "nano",
        video_config=XKDVideoConfig.preset("nano", image_size=112),
        audio_config=XKDAudioConfig.preset("nano", patch_size=[4, 16]),
        sharing=sharing,
        role=role,
        **({} if projectors else {"projection_dim": None}),
    )
    return XKDModel(config).eval()


def xkd_backbone(modality: str, model: XKDModel | None = None) -> Weights:
    """The released layout of one encoder."""
    encoder = (model or xkd_model()).get_submodule(f"{modality}_model")
    return official_state_dict(f"xkd_{modality}", encoder.state_dict())


def xkd_training_checkpoint() -> tuple[dict[str, Any], dict[str, XKDModel]]:
    """What the training code saves, and the networks in it."""
    networks = {role: xkd_model("mas", role, projectors=True) for role in ("teacher", "student")}
    weights: Weights = {}
    for role, network in networks.items():
        for parameter in network.parameters():
            torch.nn.init.normal_(parameter)
        weights |= official_state_dict("xkd", network.state_dict(), role)
    weights["vt2as_ce_loss.center"] = torch.zeros(1, 256)
    return {"model": {f"module.{name}": tensor for name, tensor in weights.items()}, "epoch": 799}, networks


def write(path: Path, held: Any) -> Path:
    """Saves what a file shall hold."""
    file = io.BytesIO()
    torch.save(held, file)
    path.write_bytes(file.getvalue())
    return path
