"""The image teacher of CCL: timm's ResNet-34 on one frame, frozen, without a network."""

from __future__ import annotations

import sys

import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torch import nn

from avzoo.models.configuration_ccl_image import CCLImageConfig
from avzoo.models.modeling_ccl_image import IMAGENET_REPOSITORY, IMAGENET_REVISION, CCLImageModel

TINY = {"depths": [1, 2, 1, 1], "hidden_sizes": [4, 4, 8, 8]}


@pytest.fixture
def tiny():
    torch.manual_seed(0)
    return CCLImageModel(CCLImageConfig(**TINY)).eval()


@pytest.fixture(scope="module")
def imagenet(tmp_path_factory):
    """A cache of the Hub that holds a ResNet-34 with random weights and the network that these are of."""
    torch.manual_seed(0)
    network = torchvision.models.resnet34(weights=None).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean)
    cache = tmp_path_factory.mktemp("hub")
    folder = cache / f"models--{IMAGENET_REPOSITORY.replace('/', '--')}" / "snapshots" / IMAGENET_REVISION
    folder.mkdir(parents=True)
    weights = {name: weight for name, weight in network.state_dict().items() if "num_batches" not in name}
    save_file(weights, folder / "model.safetensors")
    return cache, network


def test_it_is_the_resnet_34_of_torchvision(imagenet, tmp_path):
    cache, network = imagenet
    model = CCLImageModel.from_imagenet(cache_dir=cache)
    assert model.num_parameters() == 21_284_672
    network.fc = nn.Identity()
    clips = torch.randn(2, 3, 3, 64, 64)
    with torch.inference_mode():
        expected = network(clips[:, 1])
        torch.testing.assert_close(model(clips).pooler_output, expected, atol=1e-5, rtol=1e-5)
        model.save_pretrained(tmp_path)
        loaded, info = CCLImageModel.from_pretrained(tmp_path, output_loading_info=True)
        assert not any(info.values()), info
        assert torch.equal(loaded(clips).pooler_output, model(clips).pooler_output)


def test_without_a_network_the_way_out_is_named(tmp_path):
    with pytest.raises(OSError, match=r"timm/resnet34.tv_in1k are not in the cache .* run this once with a network"):
        CCLImageModel.from_imagenet(cache_dir=tmp_path)


def test_without_timm_the_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ImportError, match=r"install timm, or avzoo\[ccl\]"):
        CCLImageModel(CCLImageConfig(**TINY))


@pytest.mark.parametrize("batch", [1, 3])
def test_one_frame_of_every_clip(tiny, batch):
    clips = torch.randn(batch, 5, 3, 32, 32)
    outputs = tiny(clips, frame_index=4, output_hidden_states=True)
    assert outputs.pooler_output.shape == (batch, 8)
    assert [tuple(stage.shape) for stage in outputs.hidden_states] == [
        (batch, 4, 8, 8),
        (batch, 4, 4, 4),
        (batch, 8, 2, 2),
        (batch, 8, 1, 1),
    ]
    torch.testing.assert_close(outputs.hidden_states[-1], outputs.last_hidden_state)
    torch.testing.assert_close(outputs.pooler_output, tiny(clips[:, 4:]).pooler_output)
    torch.testing.assert_close(tiny(clips).pooler_output, tiny(clips, frame_index=2).pooler_output)
    assert tiny(clips).hidden_states is None


def test_it_stays_the_same_in_a_model_that_trains(tiny):
    clips = torch.randn(3, 4, 3, 32, 32)
    expected = tiny(clips).pooler_output
    before = {name: buffer.clone() for name, buffer in tiny.named_buffers()}
    for trained in (CCLImageModel(tiny.config), nn.Sequential(tiny).train()[0], tiny.train()):
        assert not any(module.training for module in trained.backbone.modules())
    assert tiny.training
    assert torch.equal(tiny(clips).pooler_output, expected)
    assert all(torch.equal(buffer, before[name]) for name, buffer in tiny.named_buffers())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda model: model(torch.zeros(1, 3, 32, 32)), r"expected clips \(B, T, C, H, W\)"),
        (lambda model: model(torch.zeros(1, 4, 3, 32, 32), frame_index=4), "no frame 4 in clips of 4 frames"),
        (lambda model: model(torch.zeros(1, 4, 3, 32, 32), frame_index=-1), "choose one of 0 to 3"),
        (lambda model: CCLImageConfig(depths=[3, 4]), r"depths \[3, 4\] must name the four stages"),
    ],
)
def test_mistakes_get_one_clear_sentence(tiny, call, message):
    with pytest.raises(ValueError, match=message):
        call(tiny)
