"""Which model type the names of an official state dict are those of."""

from __future__ import annotations

import pytest
import torch
from official_files import Weights, xkd_backbone, xkd_training_checkpoint
from transformers import AutoConfig, AutoModel

from avzoo._auto import FAMILIES as MODEL_TYPES
from avzoo.checkpoints.registry import FAMILIES, REGISTRY
from avzoo.hub import official_state_dict
from avzoo.hub.families import FamilyError, families, has_networks, recognize
from avzoo.hub.shapes import config_fields
from avzoo.hub.state_dicts import LAYOUTS, convert_state_dict

ENCODERS = [name for name in LAYOUTS if name in MODEL_TYPES and MODEL_TYPES[name].model]


def family_of(model_type: str) -> str:
    return next(name for name, family in FAMILIES.items() if model_type in family.model_types)


def size_of(model_type: str, size: str) -> dict[str, object]:
    config = AutoConfig.for_model(model_type).preset(size)
    fields = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
    return {name: getattr(config, name) for name in fields}


def official(model_type: str, **fields: object) -> Weights:
    with torch.device("meta"):
        model = AutoModel.from_config(AutoConfig.for_model(model_type, **fields))
        return official_state_dict(model_type, model.state_dict())


def test_every_family_with_official_files_can_be_converted() -> None:
    assert {family_of(entry.model_type) for entry in REGISTRY.values() if entry.sources} <= set(families())
    assert {family_of(model_type) for model_type in ENCODERS} == set(families())


@pytest.mark.parametrize("model_type", ENCODERS)
def test_every_layout_is_recognized_by_its_family_and_refused_by_others(model_type: str) -> None:
    weights = official(model_type)
    own = family_of(model_type)
    # XKD's official video encoder is also that of v-MAE.
    said = model_type if model_type == "xkd_video" else None
    assert recognize(own, weights, model_type=said) == model_type
    for other in set(families()) - {own}:
        with pytest.raises(FamilyError, match=rf"it has the names of .*\({model_type}\)" if not said else "say which"):
            recognize(other, weights)


def test_the_positions_tell_the_two_families_of_one_video_encoder_apart() -> None:
    short, long = official("vssl"), official("vssl", num_frames=32)
    with pytest.raises(
        FamilyError, match=r"it has the names of Video SSL \(vssl\); convert it with avzoo convert vssl"
    ):
        recognize("xkd", short, model_type="xkd_video")
    for family, model_type in (("xkd", "xkd_video"), ("vssl", "vssl")):
        with pytest.raises(
            FamilyError, match="nothing tells which of them it is; say which checkpoint it is with --name"
        ):
            recognize(family, long)
        assert recognize(family, long, model_type=model_type) == model_type
    small = official("xkd_video", **size_of("xkd_video", "tiny"))
    assert recognize("xkd", small) == "xkd_video", "v-MAE was released in one size"


@pytest.mark.parametrize(
    ("model_type", "fields"),
    [
        *((name, {}) for name in ENCODERS if name != "xkd"),
        *(("xkd_video", size_of("xkd_video", size)) for size in ("tiny", "small", "large")),
        *(("xkd_audio", size_of("xkd_audio", size)) for size in ("tiny", "large")),
        ("xkd_audio", {"max_length": 112}),
        ("vssl", {"num_frames": 32}),
        ("crisscross_video", {"depth": 10}),
        ("crisscross_video", {"depth": 34}),
        ("ccl_video", {"depth": 18}),
        ("ccl_video", {"depth": 34}),
        ("cnn14", {"hidden_size": 2048}),
    ],
)
def test_the_shapes_tell_the_configuration(model_type: str, fields: dict[str, object]) -> None:
    expected = AutoConfig.for_model(model_type, **fields)
    with torch.device("meta"):
        ours = AutoModel.from_config(expected).state_dict()
    found = AutoConfig.for_model(model_type, **config_fields(model_type, ours, "student"))
    assert found.to_diff_dict() == expected.to_diff_dict()


def test_a_training_checkpoint_is_the_joint_model_or_the_encoder_that_is_wanted() -> None:
    held, _ = xkd_training_checkpoint()
    weights = {name.removeprefix("module."): tensor for name, tensor in held["model"].items()}
    assert recognize("xkd", weights) == "xkd"
    assert recognize("xkd", weights, model_type="xkd_audio") == "xkd_audio"
    assert has_networks("xkd", weights)
    assert not has_networks("xkd_video", xkd_backbone("video"))
    with pytest.raises(FamilyError, match="is a checkpoint of the type xkd_audio, not xkd_video"):
        recognize("xkd", xkd_backbone("audio"), model_type="xkd_video")


def test_torchvisions_network_is_refused_with_the_reason() -> None:
    from torchvision.models.video import r2plus1d_18

    with torch.device("meta"):
        weights = r2plus1d_18().state_dict()
    with pytest.raises(FamilyError, match=r"layer2\.0\.conv2, layer3\.0\.conv2 and layer4\.0\.conv2 \(18 tensors\)"):
        recognize("xdc", weights)
    expected = official("xdc_video")
    assert len([name for name, tensor in expected.items() if tensor.shape != weights[name].shape]) == 18


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"patch_embed.proj.weight": torch.empty(8, 3, 16, 16), "pos_embed": torch.empty(1, 2, 8)}, "as in timm"),
        ({"conv1.weight": torch.empty(1), "layer1.0.conv1.weight": torch.empty(1)}, "a ResNet of torchvision or timm"),
    ],
)
def test_weights_of_timm_are_refused_with_the_reason(weights: Weights, message: str) -> None:
    for family in families():
        with pytest.raises(FamilyError, match=message):
            recognize(family, weights)


def test_names_convert_after_recognition() -> None:
    weights = official("xkd_audio")
    assert len(convert_state_dict(recognize("xkd", weights), weights)) == len(weights)
