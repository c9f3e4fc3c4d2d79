"""The XDC video encoder against the outputs of the original code, and beside torchvision's network of that name."""

from __future__ import annotations

import pytest
import torch
from feature_maps import close, statistics
from torchvision.models.video import r2plus1d_18

from avzoo.hub import convert_state_dict, official_state_dict
from avzoo.models.configuration_xdc import XDCAudioConfig, XDCVideoConfig
from avzoo.models.modeling_xdc import XDCAudioModel, XDCVideoModel

STAGES = ("stem", "layer1", "layer2", "layer3", "layer4")


@pytest.mark.parametrize("case", ["video_16x112", "video_8x224"])
def test_video(parity, case):
    reference = parity(f"xdc/{case}")
    official = reference.state_dict()
    ours = convert_state_dict("xdc_video", official)
    model = XDCVideoModel(XDCVideoConfig()).eval()
    model.load_state_dict(ours)
    classifier = {"fc.weight", "fc.bias"}
    assert official_state_dict("xdc_video", ours).keys() == official.keys() - classifier
    with torch.inference_mode():
        outputs = model(reference.inputs["input"].transpose(1, 2), output_hidden_states=True)
        logits = torch.nn.functional.linear(outputs.pooler_output, official["fc.weight"], official["fc.bias"])
    expected = dict(reference.expected)
    close(outputs.pooler_output, expected.pop("pooled"))
    close(logits, expected.pop("logits"))
    if "layer4" in expected:
        close(outputs.last_hidden_state, expected.pop("layer4"))
    for name, stage in zip(STAGES, outputs.hidden_states, strict=True):
        close(statistics(stage), expected.pop(f"stats.{name}"))
    assert not expected


@pytest.fixture(scope="module")
def video_model():
    with torch.device("meta"):
        return XDCVideoModel(XDCVideoConfig())


def test_size_and_batch_norm_of_the_video_encoder(video_model):
    assert video_model.num_parameters() == 33_165_639
    assert len(video_model.state_dict()) == 224 - len(("fc.weight", "fc.bias"))
    norms = [module for module in video_model.modules() if isinstance(module, torch.nn.BatchNorm3d)]
    assert len(norms) == 37
    assert {(norm.eps, norm.momentum) for norm in norms} == {(1e-3, 0.9)}


def test_torchvision_has_another_network_of_that_name(video_model):
    with torch.device("meta"):
        theirs = r2plus1d_18().state_dict()
    ours = official_state_dict("xdc_video", video_model.state_dict())
    assert theirs.keys() - ours.keys() == {"fc.weight", "fc.bias"} and not ours.keys() - theirs.keys()
    differing = [name for name, weight in ours.items() if weight.shape != theirs[name].shape]
    assert len(differing) == 18
    assert {name.rsplit(".conv2.", 1)[0] for name in differing} == {"layer2.0", "layer3.0", "layer4.0"}
    planes = {name: (ours[name].shape[0], theirs[name].shape[0]) for name in differing if name.endswith("0.0.weight")}
    assert set(planes.values()) == {(288, 230), (576, 460), (1152, 921)}


def test_the_audio_network_is_that_of_vmz_and_torchvisions_is_an_option():
    spectrograms = torch.zeros(1, 1, 40, 100)
    with torch.inference_mode():
        outputs = XDCAudioModel(XDCAudioConfig()).eval()(spectrograms, "linear", output_hidden_states=True)
    shapes = [tuple(stage.shape[1:]) for stage in outputs.hidden_states]
    assert shapes == [(16, 40, 100), (32, 20, 50), (64, 10, 25), (128, 5, 13), (256, 3, 7), (512, 2, 4)]
    assert outputs.pooler_output.shape == (1, 512) and outputs.features.shape == (1, 4096)
    with torch.device("meta"):
        alternative = XDCAudioModel(XDCAudioConfig.preset("torchvision"))
    assert alternative.num_parameters() == 11_170_240
