"""Official names of the ConvNets to ours and back; mistakes are named."""

from __future__ import annotations

import pytest
import torch

from avzoo.hub import StateDictError, convert_state_dict, official_state_dict
from avzoo.models.configuration_crisscross import CrissCrossConfig, CrissCrossVideoConfig
from avzoo.models.configuration_xdc import XDCVideoConfig
from avzoo.models.modeling_crisscross import CrissCrossModel, CrissCrossVideoModel
from avzoo.models.modeling_xdc import XDCVideoModel
from avzoo.pretraining.configuration_crisscross_pretraining import CrissCrossPreTrainingConfig
from avzoo.pretraining.modeling_crisscross_pretraining import CrissCrossForPreTraining

HEADS = {
    "projector": {"layer1.0.weight": (8, 64), "layer1.1.running_mean": (8,), "layer3.0.bias": (8,)},
    "predictor": {"layer1.0.weight": (8, 8), "layer2.bias": (8,)},
}


def same(first, second):
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.fixture(scope="module")
def crisscross():
    torch.manual_seed(0)
    config = CrissCrossConfig.preset("nano")
    config.video_config.depth = 18
    config.audio_config.depths = [2, 2, 2, 2]
    return CrissCrossModel(config)


def training_checkpoint(model):
    """A checkpoint as the official training loop saves it, with small heads."""
    weights = official_state_dict("crisscross", model.state_dict())
    for modality in ("video", "audio"):
        for head, shapes in HEADS.items():
            for name, shape in shapes.items():
                value = torch.randn(shape)
                weights[f"{modality}_{head}.{name}"] = value
                if head == "projector":
                    weights[f"{modality}_encoder.2.{name}"] = value
    return {"model": {f"module.{name}": value for name, value in weights.items()}, "optimizer": {}, "epoch": 1}


@pytest.mark.parametrize("modality", ["video", "audio"])
def test_a_released_backbone(crisscross, modality):
    weights = crisscross.get_submodule(f"{modality}_model").state_dict()
    official = official_state_dict(f"crisscross_{modality}", weights)
    assert "conv1.0.weight" in official and len(official) == len(weights)
    assert ("conv3x.0.res_conv.weight" in official) == (modality == "video")
    same(convert_state_dict(f"crisscross_{modality}", official), weights)


def test_a_training_checkpoint(crisscross):
    checkpoint = training_checkpoint(crisscross)
    backbones = [name for name in checkpoint["model"] if "_backbone." in name or "_encoder.0." in name]
    assert len(backbones) == 2 * len(crisscross.state_dict())
    same(convert_state_dict("crisscross", checkpoint), crisscross.state_dict())
    for modality in ("video", "audio"):
        encoder = crisscross.get_submodule(f"{modality}_model")
        same(convert_state_dict(f"crisscross_{modality}", checkpoint), encoder.state_dict())


def test_both_copies_of_a_backbone_must_agree(crisscross):
    checkpoint = training_checkpoint(crisscross)
    checkpoint["model"]["module.video_encoder.0.conv1.0.weight"] = torch.zeros(1)
    for model_type in ("crisscross", "crisscross_video"):
        with pytest.raises(StateDictError, match=r"conv1\.0\.weight differs from the other copy"):
            convert_state_dict(model_type, checkpoint)
    convert_state_dict("crisscross_audio", checkpoint)


def test_depth_10_has_no_numbers_of_blocks():
    weights = CrissCrossVideoModel(CrissCrossVideoConfig.preset("nano")).state_dict()
    official = official_state_dict("crisscross_video", weights)
    assert "conv3x.res_conv.weight" in official and not any(".0.spt_conv1" in name for name in official)
    same(convert_state_dict("crisscross_video", official), weights)


@pytest.mark.parametrize("classifier", [{}, {"fc.weight": torch.zeros(400, 64), "fc.bias": torch.zeros(400)}])
def test_xdc_with_and_without_its_classifier(classifier):
    weights = XDCVideoModel(XDCVideoConfig.preset("nano", depth=18)).state_dict()
    official = official_state_dict("xdc_video", weights)
    assert {"stem.3.weight", "layer2.0.downsample.1.running_var", "layer4.1.conv2.0.3.weight"} <= official.keys()
    same(convert_state_dict("xdc_video", official | classifier), weights)


def test_mistakes_are_named(crisscross):
    video = official_state_dict("crisscross_video", crisscross.video_model.state_dict())
    checkpoint = training_checkpoint(crisscross)
    extended = checkpoint["model"] | {"module.video_teacher.weight": torch.zeros(1)}
    for call, message in [
        (lambda: convert_state_dict("crisscross_audio", video), "does not know conv2x.0.out_bn.bias"),
        (lambda: convert_state_dict("crisscross", video), "does not know conv1.0.weight"),
        (lambda: convert_state_dict("crisscross", extended), "does not know video_teacher.weight"),
        (lambda: convert_state_dict("crisscross_video", {**video, "fc.weight": torch.zeros(1)}), "not know fc.weight"),
        (lambda: convert_state_dict("xdc_video", video), "does not know conv1.0.weight"),
        (lambda: convert_state_dict("xdc_video", {"fc.bias": torch.zeros(1)}), "holds none of its weights"),
        (lambda: convert_state_dict("xdc_audio", video), "unknown model type 'xdc_audio'"),
    ]:
        with pytest.raises(StateDictError, match=message):
            call()


def test_the_whole_of_a_training_checkpoint():
    torch.manual_seed(0)
    sizes = {"model": {"audio_config": {"hidden_sizes": [4, 8, 8, 16], "embedding_size": 4, "depths": [2, 2, 2, 2]}}}
    config = CrissCrossPreTrainingConfig.preset("nano", **sizes)  # its video encoder has one block per stage
    model = CrissCrossForPreTraining(config)
    official = official_state_dict("crisscross_pretraining", model.state_dict())
    assert torch.equal(
        official["video_encoder.2.layer3.1.running_var"], official["video_projector.layer3.1.running_var"]
    )
    assert {"audio_predictor.layer2.bias", "audio_encoder.0.block2.0.downsample.1.weight"} <= official.keys()
    assert {"video_backbone.conv3x.res_conv.weight", "audio_backbone.block1.1.conv1.weight"} <= official.keys()
    checkpoint = {"model": {f"module.{name}": tensor for name, tensor in official.items()}, "amp": {}, "epoch": 3}
    same(convert_state_dict("crisscross_pretraining", checkpoint), model.state_dict())
    same(convert_state_dict("crisscross", checkpoint), model.encoder().state_dict())
    for name in ("module.audio_projector.layer1.0.weight", "module.video_encoder.0.conv1.0.weight"):
        changed = {"model": checkpoint["model"] | {name: torch.zeros(1)}}
        with pytest.raises(StateDictError, match="differs from the other copy"):
            convert_state_dict("crisscross_pretraining", changed)
