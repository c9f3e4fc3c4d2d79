"""The video-SSL encoder against the outputs of the original code, in double precision."""

from __future__ import annotations

import pytest
import torch

from avzoo.hub import convert_state_dict, official_state_dict
from avzoo.models.configuration_vssl import VSSLConfig
from avzoo.models.modeling_vssl import VSSLModel
from avzoo.models.patches import patchify_video

# Reference values were written with twelve digits.
EXACT = {"rtol": 1e-7, "atol": 1e-11}


def close(actual, expected):
    """Compares a tensor with its shape, its first and last values, its mean and its norm."""
    assert list(actual.shape) == expected["shape"]
    values = actual.flatten()
    first, last = (torch.tensor(expected[name], dtype=torch.float64) for name in ("first", "last"))
    torch.testing.assert_close(values[: len(first)], first, **EXACT)
    torch.testing.assert_close(values[-len(last) :], last, **EXACT)
    torch.testing.assert_close(values.mean().item(), expected["mean"], rtol=1e-7, atol=1e-11)
    torch.testing.assert_close(values.norm().item(), expected["l2"], rtol=1e-7, atol=0)


def load(config, state_dict):
    model = VSSLModel(config)
    model.load_state_dict(convert_state_dict("vssl", state_dict))
    return model.double().eval()


def test_base(parity):
    reference = parity("vssl/encoder_base")
    expected = reference.spec["expected"]
    model = load(VSSLConfig(), reference.state_dict())
    assert model.num_parameters() == expected["n_params_encoder"] == 87_540_480
    assert len(model.state_dict()) == 138
    clips = reference.inputs["x"].double().transpose(1, 2)
    with torch.inference_mode():
        close(model.embeddings.projection(patchify_video(clips, 4, 16)), expected["patch_tokens_before_pos"])
        outputs = model(clips)
        close(outputs.last_hidden_state, expected["tokens"])
        close(outputs.pooler_output, expected["pool"])
        model.config.pooling = "cls"
        close(model(clips).pooler_output, expected["cls"])


@pytest.mark.parametrize("case", range(4))
def test_interpolated_positions(parity, case):
    reference = parity("vssl/encoder_pos_interp")
    expected = reference.spec["expected"][case]
    config = VSSLConfig.preset("tiny", num_frames=expected["model_num_frames"])
    names = official_state_dict("vssl", VSSLModel(config).state_dict())
    model = load(config, reference.fill.fill_state_dict({name: value.shape for name, value in names.items()}))
    clips = reference.fill.seeded_array(**expected["input"]).double().transpose(1, 2)
    with torch.inference_mode():
        positions = model.position_embeddings(clips.shape[1], *clips.shape[3:])
        pooled = model(clips).pooler_output
    close(positions, expected["pos_embed_used"])
    for row, name in ((1, "pos_row_1_dim0..5"), (-1, "pos_last_row_dim0..5")):
        torch.testing.assert_close(positions[0, row, :6], torch.tensor(expected[name], dtype=torch.float64), **EXACT)
    close(pooled, expected["pool"])
