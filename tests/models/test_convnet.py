"""What ConvNets do beside the numbers of the original code: downstream features, initialisation, mistakes."""

from __future__ import annotations

import pytest
import torch
from huggingface_hub.errors import StrictDataclassFieldValidationError
from torch import nn

from avzoo.models.configuration_crisscross import CrissCrossAudioConfig, CrissCrossConfig, CrissCrossVideoConfig
from avzoo.models.configuration_xdc import XDCAudioConfig, XDCVideoConfig
from avzoo.models.modeling_crisscross import CrissCrossAudioModel, CrissCrossModel, CrissCrossVideoModel
from avzoo.models.modeling_xdc import XDCAudioModel, XDCVideoModel


@pytest.mark.parametrize(
    ("protocol", "frames", "size", "features"),
    [("linear", 8, 224, 512), ("linear_adaptive", 8, 224, 8192), ("fusion", 8, 112, 2048)],
)
def test_downstream_features_of_video(protocol, frames, size, features):
    config = CrissCrossVideoConfig.preset("nano", hidden_sizes=[2, 2, 2, 512])
    outputs = CrissCrossVideoModel(config).eval()(torch.zeros(1, frames, 3, size, size), feature_pooling=protocol)
    assert outputs.features.shape == (1, features)


@pytest.mark.parametrize(
    ("protocol", "frames", "features"), [("linear", 100, 1536), ("linear_released", 500, 10752), ("fusion", 200, 1536)]
)
def test_downstream_features_of_audio(protocol, frames, features):
    config = CrissCrossAudioConfig.preset("nano", hidden_sizes=[2, 2, 2, 512])
    outputs = CrissCrossAudioModel(config).eval()(torch.zeros(1, 1, 80, frames), feature_pooling=protocol)
    assert outputs.features.shape == (1, features)


def test_downstream_mistakes_are_named():
    model = CrissCrossVideoModel(CrissCrossVideoConfig.preset("nano")).eval()
    with pytest.raises(ValueError, match="unknown feature_pooling 'svm'; there is linear, linear_adaptive, fusion"):
        model(torch.zeros(1, 8, 3, 32, 32), feature_pooling="svm")
    with pytest.raises(ValueError, match="is smaller than the pooling"):
        model(torch.zeros(1, 8, 3, 32, 32), feature_pooling="linear")


def test_a_joint_model_pools_both_modalities_for_one_protocol():
    model = CrissCrossModel(CrissCrossConfig.preset("nano")).eval()
    outputs = model(torch.zeros(1, 8, 3, 112, 112), torch.zeros(1, 1, 80, 200), feature_pooling="fusion")
    assert outputs.video_model_output.features.shape == (1, 64 * 2 * 2)
    assert outputs.audio_model_output.features.shape == (1, 64 * 3)


@pytest.mark.parametrize(
    ("model", "clips"),
    [(CrissCrossVideoModel, torch.zeros(1, 3, 8, 32, 32)), (XDCVideoModel, torch.zeros(8, 3, 32, 32))],
)
def test_what_is_no_batch_of_clips_is_named(model, clips):
    with pytest.raises(ValueError, match=r"expected clips \(B, T, 3, H, W\), got \("):
        model(model.config_class.preset("nano"))(clips)


def test_what_is_no_batch_of_spectrograms_is_named():
    with pytest.raises(ValueError, match=r"expected log-mels \(B, 1, mel, frames\), got \(1, 40, 100\)"):
        XDCAudioModel(XDCAudioConfig.preset("nano"))(torch.zeros(1, 40, 100))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CrissCrossVideoConfig(depth=50), "Field 'depth' expected one of"),
        (lambda: CrissCrossVideoConfig(pooling="sum"), "Field 'pooling' expected one of"),
        (lambda: CrissCrossVideoConfig(hidden_sizes=[8, 8]), "are not four stages"),
        (lambda: CrissCrossVideoConfig(feature_pooling="svm"), "unknown feature_pooling 'svm'"),
        (lambda: XDCVideoConfig(feature_pooling="linear"), "there is none for this encoder"),
        (lambda: XDCAudioConfig(depths=[2, 2]), "2 depths do not fit 5 hidden_sizes"),
        (lambda: XDCAudioConfig.preset("huge"), "unknown size 'huge'; choose one of nano, base, torchvision"),
    ],
)
def test_mistakes_in_a_configuration_are_named(make, message):
    with pytest.raises((ValueError, StrictDataclassFieldValidationError), match=message):
        make()


def test_convolutions_start_as_in_the_original_code():
    torch.manual_seed(0)
    widths = {"hidden_sizes": [32, 32, 64, 64]}
    crisscross = CrissCrossVideoModel(CrissCrossVideoConfig.preset("nano", **widths)).stages[3][0].conv2.spatial
    bound = crisscross.weight[0].numel() ** -0.5  # PyTorch's default: uniform
    assert crisscross.weight.abs().max() < bound and crisscross.weight.std() > 0.55 * bound
    xdc = XDCVideoModel(XDCVideoConfig.preset("nano", **widths)).stages[3][0].conv2.temporal
    fan_out = xdc.weight.shape[0] * xdc.weight[0, 0].numel()  # Kaiming: normal
    assert xdc.weight.std().item() == pytest.approx((2 / fan_out) ** 0.5, rel=0.03)
    assert xdc.weight.abs().max() > 3 * xdc.weight.std()


def test_batch_norms_take_epsilon_and_momentum_from_the_configuration():
    configs = [XDCVideoConfig.preset("nano", batch_norm_momentum=0.1), XDCAudioConfig.preset("nano")]
    for model in (XDCVideoModel(configs[0]), XDCAudioModel(configs[1])):
        norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d | nn.BatchNorm3d)]
        assert {(norm.eps, norm.momentum) for norm in norms} == {(1e-3, 0.1)}


def test_a_convnet_has_no_input_embeddings():
    with pytest.raises(NotImplementedError):
        CrissCrossVideoModel(CrissCrossVideoConfig.preset("nano")).get_input_embeddings()
