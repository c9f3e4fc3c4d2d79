"""Official names to ours and back, in every layout the official code writes; mistakes are named."""

from __future__ import annotations

import pytest
import torch

from avzoo.hub import StateDictError, convert_state_dict, official_state_dict
from avzoo.models.configuration_xkd import XKDConfig
from avzoo.models.modeling_xkd import XKDModel
from avzoo.pretraining.configuration_xkd_pretraining import XKDPreTrainingConfig
from avzoo.pretraining.modeling_xkd_pretraining import XKDForPreTraining


@pytest.fixture(scope="module", params=["specific", "mats"])
def pretraining(request):
    torch.manual_seed(0)
    return XKDForPreTraining(XKDPreTrainingConfig.preset("nano", model={"sharing": request.param}))


def same(first, second):
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_training_model_survives_the_round_trip(pretraining):
    official = official_state_dict("xkd_pretraining", pretraining.state_dict())
    assert "vid_ae.encoder.encoder.blocks.0.attn.qkv.weight" in official
    assert official["aud_student.head.mlp.4.bias"] is official["aud_student.head.mlp.1.bias"]
    same(convert_state_dict("xkd_pretraining", official), pretraining.state_dict())


@pytest.mark.parametrize("network", ["teacher", "student"])
@pytest.mark.parametrize(
    "wrap", [lambda w: w, lambda w: {"model": {f"module.{k}": v for k, v in w.items()}, "epoch": 1}]
)
def test_each_network_is_taken_out_of_a_training_checkpoint(pretraining, network, wrap):
    official = wrap(official_state_dict("xkd_pretraining", pretraining.state_dict()))
    encoder = pretraining.encoder(network)
    same(convert_state_dict("xkd", official, network), encoder.state_dict())
    same(convert_state_dict("xkd_video", official, network), encoder.video_model.state_dict())
    same(convert_state_dict("xkd_audio", official, network), encoder.audio_model.state_dict())


@pytest.mark.parametrize("modality", ["video", "audio"])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_bare_backbones_as_they_were_released(modality, prefix):
    model = XKDModel(XKDConfig.preset("nano")).get_submodule(f"{modality}_model")
    official = official_state_dict(f"xkd_{modality}", model.state_dict())
    assert ("cuboid_embed.proj.weight" in official) == (modality == "video")
    same(convert_state_dict(f"xkd_{modality}", {prefix + k: v for k, v in official.items()}), model.state_dict())


def test_mistakes_are_named(pretraining):
    official = official_state_dict("xkd_pretraining", pretraining.state_dict())
    backbone = official_state_dict("xkd_video", pretraining.teacher.video_model.state_dict())
    for call, message in [
        (lambda: convert_state_dict("xkd_vidoe", backbone), "unknown model type 'xkd_vidoe'; choose one of xkd_video"),
        (lambda: convert_state_dict("xkd", official, "mean"), "unknown network 'mean'"),
        (lambda: convert_state_dict("xkd_audio", backbone), "does not know cuboid_embed.proj.bias"),
        (lambda: convert_state_dict("xkd_video", {**backbone, "fc.weight": torch.ones(1)}), "does not know fc.weight"),
        (lambda: convert_state_dict("xkd_video", {}), "holds none of its weights"),
        (lambda: convert_state_dict("xkd_video", {"epoch": 3}), "epoch is a int, not a tensor"),
        (lambda: convert_state_dict("xkd_video", {"model": 3}), "`model` is not a state dict"),
        (lambda: official_state_dict("xkd_video", {"layers.0.other": torch.ones(1)}), "does not know layers.0.other"),
    ]:
        with pytest.raises(StateDictError, match=message):
            call()


def test_copies_of_a_shared_weight_must_agree(pretraining):
    official = official_state_dict("xkd_pretraining", pretraining.state_dict())
    official["vid_student.head.mlp.4.weight"] = official["vid_student.head.mlp.4.weight"] + 1
    with pytest.raises(StateDictError, match=r"mlp\.4\.weight differs from the other copy"):
        convert_state_dict("xkd", official, "student")
