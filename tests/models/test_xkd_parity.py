"""XKD encoders against the outputs of the original code."""

from __future__ import annotations

import pytest
import torch

from avzoo.hub import convert_state_dict
from avzoo.models.configuration_xkd import XKDAudioConfig, XKDConfig, XKDVideoConfig
from avzoo.models.modeling_xkd import XKDAudioModel, XKDModel, XKDVideoModel

# The tolerances that the measured single- to double-precision difference of the original code allows.
TOKENS, POOLED = 2e-5, 2e-6


def load(model, state_dict, model_type, network="teacher"):
    keys = model.load_state_dict(convert_state_dict(model_type, state_dict, network), strict=False)
    assert not keys.missing_keys and not keys.unexpected_keys
    return model.eval()


def close(actual, expected, tolerance):
    torch.testing.assert_close(actual.float(), expected, atol=tolerance, rtol=0)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("case", ["video_tiny_native", "video_tiny_8x96x96", "video_tiny_16x224x224"])
def test_video_tiny(parity, case, attention):
    reference = parity(f"xkd/{case}")
    model = load(XKDVideoModel(XKDVideoConfig.preset("tiny")), reference.state_dict(), "xkd_video")
    model.set_attn_implementation(attention)
    clips = reference.inputs["video"].transpose(1, 2)
    with torch.inference_mode():
        outputs = model(clips, output_cls_attention=True)
        positions = model.position_embeddings(clips.shape[1], *clips.shape[3:])
    check_encoder(reference, outputs, positions)


@pytest.mark.parametrize("case", ["audio_tiny_native", "audio_tiny_80x112"])
def test_audio_tiny(parity, case):
    reference = parity(f"xkd/{case}")
    model = load(XKDAudioModel(XKDAudioConfig.preset("tiny")), reference.state_dict(), "xkd_audio")
    spectrograms = reference.inputs["audio"]
    with torch.inference_mode():
        outputs = model(spectrograms, output_cls_attention=True)
        positions = model.position_embeddings(*spectrograms.shape[2:])
    check_encoder(reference, outputs, positions)


def check_encoder(reference, outputs, positions):
    expected = reference.expected
    close(outputs.pooler_output, expected["pooled"], POOLED)
    close(outputs.last_hidden_state[:, 0], expected["cls"], TOKENS)
    close(outputs.last_hidden_state[0], expected["tokens_sample0"], TOKENS)
    close(positions[0], expected["pos_embed_used"].view_as(positions[0]), 1e-6)
    close(outputs.cls_attention, expected["attn_cls_last"], 1e-6)


def test_video_base(parity):
    reference = parity("xkd/video_base_native")
    model = load(XKDVideoModel(XKDVideoConfig.preset("base")), reference.state_dict(), "xkd_video")
    assert model.num_parameters() == 87_691_008
    with torch.inference_mode():
        outputs = model(reference.inputs["video"].transpose(1, 2))
    close(outputs.pooler_output, reference.expected["pooled"], POOLED)
    close(outputs.last_hidden_state[:, 0], reference.expected["cls"], TOKENS)


def test_audio_base(parity):
    reference = parity("xkd/audio_base_native")
    model = load(XKDAudioModel(XKDAudioConfig.preset("base")), reference.state_dict(), "xkd_audio")
    assert model.num_parameters() == 85_509_888
    with torch.inference_mode():
        outputs = model(reference.inputs["audio"])
    close(outputs.pooler_output, reference.expected["pooled"], POOLED)
    close(outputs.last_hidden_state[:, 0], reference.expected["cls"], TOKENS)


@pytest.mark.parametrize("sharing", ["mas", "mats"])
@pytest.mark.parametrize("network", ["teacher", "student"])
def test_modality_agnostic_encoders(parity, sharing, network):
    reference = parity(f"xkd/ma_encoders_{sharing}")
    model = load(
        XKDModel(XKDConfig.preset("tiny", sharing=sharing, role=network)), reference.state_dict(), "xkd", network
    )
    shared = model.audio_model.layers[3].mlp.fc1.weight is model.video_model.layers[3].mlp.fc1.weight
    assert shared == (network == "student" or sharing == "mats")
    with torch.inference_mode():
        outputs = model(reference.inputs["video"].transpose(1, 2), reference.inputs["audio"])
    for modality in ("video", "audio"):
        close(outputs[f"{modality}_embeds"], reference.expected[f"{network}.{modality}.pooled"], POOLED)
        encoded = outputs[f"{modality}_model_output"].last_hidden_state
        close(encoded[:, 0], reference.expected[f"{network}.{modality}.cls"], TOKENS)
