"""The video-SSL encoder beyond the original's outputs: sizes, features, positions, errors."""

from __future__ import annotations

import pytest
import torch
from huggingface_hub.errors import StrictDataclassError

from avzoo.models.configuration_vssl import VSSLConfig
from avzoo.models.configuration_xkd import XKDVideoConfig
from avzoo.models.modeling_vssl import VSSLModel
from avzoo.models.modeling_xkd import XKDVideoModel


@pytest.mark.parametrize(("frames", "parameters"), [(16, 87_540_480), (32, 87_691_008)])
def test_the_released_sizes(frames, parameters):
    with torch.device("meta"):
        model = VSSLModel(VSSLConfig.preset("base", num_frames=frames))
    assert model.num_parameters() == parameters
    assert len(model.state_dict()) == 138
    assert model.config.grid_size == (frames // 4, 7, 7)


@pytest.mark.parametrize("size", ["nano", "tiny", "small", "base", "large"])
def test_presets(size):
    config, other = VSSLConfig.preset(size), XKDVideoConfig.preset(size, num_frames=16)
    for field in ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "grid_size"):
        assert getattr(config, field) == getattr(other, field)


def test_it_is_the_video_encoder_of_xkd():
    torch.manual_seed(0)
    model = VSSLModel(VSSLConfig.preset("nano")).eval()
    other = XKDVideoModel(XKDVideoConfig.preset("nano", num_frames=16)).eval()
    other.load_state_dict(model.state_dict())
    clips = torch.randn(1, 16, 3, 64, 64)
    assert torch.equal(model(clips).pooler_output, other(clips).pooler_output)


def test_the_feature_is_the_mean_of_the_patches_or_the_class_token():
    model = VSSLModel(VSSLConfig.preset("nano")).eval()
    clips = torch.randn(2, 16, 3, 64, 64)
    mean = model(clips)
    torch.testing.assert_close(mean.pooler_output, mean.last_hidden_state[:, 1:].mean(1))
    model.config.pooling = "cls"
    cls = model(clips)
    assert torch.equal(cls.pooler_output, mean.last_hidden_state[:, 0])


def test_clips_of_half_the_native_length():
    model = VSSLModel(VSSLConfig.preset("nano", num_frames=32)).eval()
    table = model.embeddings.position_embeddings
    assert model.position_embeddings(32, 64, 64) is table
    interpolated = model.position_embeddings(16, 64, 64)
    assert interpolated.shape == (1, 1 + 4 * 16, 64)
    assert torch.equal(interpolated[:, :1], table[:, :1])
    assert model(torch.randn(1, 16, 3, 64, 64)).pooler_output.shape == (1, 64)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: VSSLConfig(pooling="max"), "'pooling' expected one of .'mean', 'cls'., got max"),
        (lambda: VSSLConfig(num_frames=18), "num_frames 18 is not a multiple of tubelet_size 4"),
        (lambda: VSSLModel(VSSLConfig.preset("nano"))(torch.zeros(1, 18, 3, 64, 64)), "not a multiple of the patch"),
    ],
)
def test_mistakes_get_one_clear_sentence(make, message):
    with pytest.raises((ValueError, StrictDataclassError), match=message):
        make()
