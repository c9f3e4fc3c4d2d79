"""CrissCross encoders against the outputs of the original code."""

from __future__ import annotations

import pytest
import torch
from feature_maps import close, statistics

from avzoo.hub import convert_state_dict, official_state_dict
from avzoo.models.configuration_crisscross import CrissCrossAudioConfig, CrissCrossVideoConfig
from avzoo.models.modeling_crisscross import CrissCrossAudioModel, CrissCrossVideoModel

STAGES = ("conv1", "conv2x", "conv3x", "conv4x", "conv5x")


def load(model, reference):
    """The model with the official weights, which fit in both directions."""
    official = reference.state_dict()
    ours = convert_state_dict(model.config.model_type, official)
    model.load_state_dict(ours)
    assert official_state_dict(model.config.model_type, ours).keys() == official.keys()
    return model.eval()


@pytest.mark.parametrize("case", ["video_8x112", "video_32x224"])
def test_video(parity, case):
    reference = parity(f"crisscross/{case}")
    model = load(CrissCrossVideoModel(CrissCrossVideoConfig()), reference)
    with torch.inference_mode():
        outputs = model(reference.inputs["input"].transpose(1, 2), output_hidden_states=True)
    expected = dict(reference.expected)
    close(outputs.pooler_output, expected.pop("pooled"))
    close(outputs.last_hidden_state.amax((2, 3, 4)), expected.pop("pooled_max"))
    if "conv5x" in expected:
        close(outputs.last_hidden_state, expected.pop("conv5x"))
    for name, stage in zip(STAGES, outputs.hidden_states, strict=True):
        close(statistics(stage), expected.pop(f"stats.{name}"))
    assert not expected


def test_maximum_pooling_is_that_of_official_finetuning(parity):
    reference = parity("crisscross/video_8x112")
    model = load(CrissCrossVideoModel(CrissCrossVideoConfig(pooling="max")), reference)
    with torch.inference_mode():
        outputs = model(reference.inputs["input"].transpose(1, 2))
    close(outputs.pooler_output, reference.expected["pooled_max"])


@pytest.mark.parametrize("case", ["audio_80x200", "audio_80x500"])
def test_audio(parity, case):
    reference = parity(f"crisscross/{case}")
    model = load(CrissCrossAudioModel(CrissCrossAudioConfig(feature_pooling="linear")), reference)
    spectrograms = reference.inputs["input"]
    with torch.inference_mode():
        outputs = model(spectrograms, output_hidden_states=True)
        released = model(spectrograms, feature_pooling="linear_released").features
    expected = dict(reference.expected)
    close(outputs.pooler_output, expected.pop("pooled"))
    close(outputs.features, expected.pop("svm_features_no_l2"))
    close(released, expected.pop("svm_features"))
    if "conv5x" in expected:
        close(outputs.last_hidden_state, expected.pop("conv5x"))
    for name, stage in zip(STAGES[1:], outputs.hidden_states[1:], strict=True):
        close(statistics(stage), expected.pop(f"stats.{name}"))
    assert not expected


@pytest.mark.parametrize(("depth", "parameters"), [(10, 7_015_616), (18, 15_379_136), (34, 28_861_632)])
def test_sizes_of_the_video_encoder(depth, parameters):
    with torch.device("meta"):
        model = CrissCrossVideoModel(CrissCrossVideoConfig(depth=depth))
    assert model.num_parameters() == parameters
    assert depth != 18 or len(model.state_dict()) == 201


def test_size_of_the_audio_encoder():
    with torch.device("meta"):
        model = CrissCrossAudioModel(CrissCrossAudioConfig())
    assert model.num_parameters() == 11_170_240
    assert len(model.state_dict()) == 120
