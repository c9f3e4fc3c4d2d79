"""XKD configurations and models beyond the original's outputs: presets, sharing, sizes, errors."""

from __future__ import annotations

import pytest
import torch
from huggingface_hub.errors import StrictDataclassError

from avzoo.models.configuration_xkd import XKDAudioConfig, XKDConfig, XKDVideoConfig
from avzoo.models.modeling_xkd import XKDAudioModel, XKDModel, XKDVideoModel


@pytest.mark.parametrize("size", ["nano", "tiny", "small", "base", "large"])
def test_presets(size):
    config = XKDConfig.preset(size)
    width, depth, heads = XKDVideoConfig.sizes[size]
    for encoder in (config.video_config, config.audio_config):
        assert (encoder.hidden_size, encoder.num_hidden_layers, encoder.num_attention_heads) == (width, depth, heads)
        assert encoder.intermediate_size == 4 * width
    assert config.video_config.grid_size == ((8, 4, 4) if size == "nano" else (8, 7, 7))
    assert config.audio_config.grid_size == ((5, 28) if size == "nano" else (20, 28))


@pytest.mark.parametrize(
    ("sharing", "role", "shared"),
    [
        ("specific", "student", False),
        ("mas", "student", True),
        ("mas", "teacher", False),
        ("mats", "student", True),
        ("mats", "teacher", True),
        ("mat", "student", False),
        ("mat", "teacher", True),
    ],
)
def test_shared_layers_are_one_parameter_set_through_save_and_load(tmp_path, sharing, role, shared):
    model = XKDModel(XKDConfig.preset("nano", sharing=sharing, role=role))
    specific = XKDModel(XKDConfig.preset("nano"))
    layers = sum(parameter.numel() for parameter in specific.audio_model.layers.parameters())
    assert specific.num_parameters() - model.num_parameters() == (layers if shared else 0)
    model.save_pretrained(tmp_path)
    loaded = XKDModel.from_pretrained(tmp_path)
    assert loaded.num_parameters() == model.num_parameters()
    with torch.no_grad():
        loaded.video_model.layers[0].mlp.fc1.weight.add_(1)
    same = torch.equal(loaded.video_model.layers[0].mlp.fc1.weight, loaded.audio_model.layers[0].mlp.fc1.weight)
    assert same == shared
    assert not torch.equal(loaded.video_model.layernorm.weight + 1, loaded.audio_model.layernorm.weight)


def test_position_table_is_used_as_it_is_at_the_native_size_only():
    video = XKDVideoModel(XKDVideoConfig.preset("nano"))
    assert video.position_embeddings(32, 64, 64) is video.embeddings.position_embeddings
    assert video.position_embeddings(8, 96, 96).shape == (1, 1 + 2 * 36, 64)
    # As many patches as the native grid, but not square: the original resamples.
    rectangular = video.position_embeddings(32, 32, 128)
    assert rectangular.shape == video.embeddings.position_embeddings.shape
    assert not torch.equal(rectangular, video.embeddings.position_embeddings)
    audio = XKDAudioModel(XKDAudioConfig.preset("nano"))
    assert audio.position_embeddings(80, 448) is audio.embeddings.position_embeddings
    assert audio.position_embeddings(80, 896).shape == (1, 1 + 5 * 56, 64)


def test_either_modality_or_both():
    model = XKDModel(XKDConfig.preset("nano")).eval()
    clips, spectrograms = torch.randn(2, 32, 3, 64, 64), torch.randn(2, 1, 80, 448)
    both, video, audio = model(clips, spectrograms), model(clips), model(input_features=spectrograms)
    torch.testing.assert_close(video.video_projections, both.video_projections)
    torch.testing.assert_close(audio.audio_embeds, both.audio_embeds)
    assert video.audio_embeds is None and audio.video_model_output is None


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: XKDVideoConfig.preset("giant"), "unknown size 'giant'"),
        (lambda: XKDConfig(sharing="all"), "'sharing' expected one of .'specific', 'mas', 'mats', 'mat'., got all"),
        (lambda: XKDConfig(role="both"), "'role' expected one of .'student', 'teacher'., got both"),
        (lambda: XKDVideoConfig(hidden_size="wide"), "'hidden_size' expected int, got str"),
        (lambda: XKDVideoConfig(image_size=100), "image_size 100 is not a multiple of patch_size 16"),
        (lambda: XKDVideoConfig(num_frames=30), "num_frames 30 is not a multiple of tubelet_size 4"),
        (lambda: XKDVideoConfig(num_attention_heads=5), "is not a multiple of num_attention_heads 5"),
        (lambda: XKDAudioConfig(max_length=450), "spectrogram 80 x 450 is not a multiple"),
        (
            lambda: XKDConfig(sharing="mats", role="teacher", video_config=XKDVideoConfig(num_hidden_layers=3)),
            "share layers need one num_hidden_layers",
        ),
        (lambda: XKDModel(XKDConfig.preset("nano"))(), "give pixel_values_videos"),
        (lambda: XKDVideoModel(XKDVideoConfig.preset("nano"))(torch.zeros(1, 3, 64, 64)), r"expected clips \(B, T, C"),
        (lambda: XKDVideoModel(XKDVideoConfig.preset("nano"))(torch.zeros(1, 32, 3, 60, 64)), "not a multiple"),
        (lambda: XKDAudioModel(XKDAudioConfig.preset("nano"))(torch.zeros(1, 1, 64, 448)), "expected 80 mel bands"),
    ],
)
def test_mistakes_get_one_clear_sentence(make, message):
    with pytest.raises((ValueError, StrictDataclassError), match=message):
        make()
