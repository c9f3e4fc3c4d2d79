"""Official names of the video-SSL encoder, in the three layouts in which its weights are found."""

from __future__ import annotations

import pytest
import torch

from avzoo.hub import StateDictError, convert_state_dict, official_state_dict
from avzoo.models.configuration_vssl import VSSLConfig
from avzoo.models.modeling_vssl import VSSLModel

METHODS = ["simclr", "moco", "byol", "simsiam", "dino", "mae"]


@pytest.fixture(scope="module")
def ours():
    torch.manual_seed(0)
    return VSSLModel(VSSLConfig.preset("nano")).state_dict()


def same(first, second):
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def evaluation_name(name):
    """The renaming that the official evaluation code does."""
    renamed = {"encoder_norm": "norm", "enc_pos_embed": "pos_embed", "cuboid_embed": "patch_embed"}
    first, _, rest = name.partition(".")
    return rest if first == "encoder" else f"{renamed.get(first, first)}.{rest}".rstrip(".")


@pytest.mark.parametrize("prefix", ["", "module."])
def test_released_files(ours, prefix):
    official = official_state_dict("vssl", ours)
    assert {"cls_token", "enc_pos_embed", "cuboid_embed.proj.weight", "encoder_norm.bias"} <= official.keys()
    same(convert_state_dict("vssl", {prefix + name: value for name, value in official.items()}), ours)


def test_names_of_the_evaluation_code(ours):
    renamed = {evaluation_name(name): value for name, value in official_state_dict("vssl", ours).items()}
    assert {"pos_embed", "patch_embed.proj.weight", "blocks.3.attn.qkv.weight", "norm.weight"} <= renamed.keys()
    same(convert_state_dict("vssl", renamed), ours)


@pytest.mark.parametrize("network", ["teacher", "student"])
@pytest.mark.parametrize("method", METHODS)
def test_training_checkpoints_give_the_online_encoder(parity, method, network):
    weights = parity(f"vssl/ssl_{method}").state_dict()
    released = {name.removeprefix("encoder."): value for name, value in weights.items() if name.startswith("encoder.")}
    # Shared modules stand in a checkpoint under both of their names.
    if method in ("moco", "byol", "dino"):
        weights |= {f"online_encoder.base.{name}": value for name, value in released.items()}
        heads = {name: value for name, value in weights.items() if name.startswith("projector.")}
        weights |= {name.replace("projector.", "online_encoder.head."): value for name, value in heads.items()}
    checkpoint = {"model": {f"module.{name}": value for name, value in weights.items()}, "epoch": 800}
    converted = convert_state_dict("vssl", checkpoint, network)
    same(converted, convert_state_dict("vssl", released))
    frames = (released["enc_pos_embed"].shape[1] - 1) // 4 * 4
    model = VSSLModel(VSSLConfig.preset("tiny", image_size=32, num_frames=frames))
    model.load_state_dict(converted)


def test_mistakes_are_named(ours):
    official = official_state_dict("vssl", ours)
    training = {f"encoder.{name}": value for name, value in official.items()}
    other = dict(training)
    other["online_encoder.base.cls_token"] = other["encoder.cls_token"] + 1
    for weights, message in [
        ({**official, "fc.weight": torch.ones(1)}, "not an official vssl checkpoint: does not know fc.weight"),
        ({**training, "memory": torch.ones(1)}, "does not know memory"),
        (other, "online_encoder.base.cls_token differs from the other copy"),
        ({"projector.layers.0.weight": torch.ones(1)}, "does not know projector.layers.0.weight"),
    ]:
        with pytest.raises(StateDictError, match=message):
            convert_state_dict("vssl", weights)
