"""The CCL student beyond the original's outputs: its depths and the names of the deeper networks."""

from __future__ import annotations

import pytest
import torch

from avzoo.hub import convert_state_dict, official_state_dict
from avzoo.models.configuration_ccl import CCLVideoConfig
from avzoo.models.modeling_ccl import CCLVideoModel


@pytest.mark.parametrize(("depth", "parameters"), [(10, 14_365_303), (18, 33_178_423), (34, 63_504_759)])
def test_depths(depth, parameters):
    with torch.device("meta"):
        assert CCLVideoModel(CCLVideoConfig(depth=depth)).num_parameters() == parameters


def test_the_default_is_what_the_released_code_builds():
    assert CCLVideoConfig().depths == (1, 1, 1, 1)


@pytest.mark.parametrize("depth", [10, 18, 34])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_official_names_both_ways(depth, prefix):
    model = CCLVideoModel(CCLVideoConfig.preset("nano", depth=depth))
    official = official_state_dict("ccl_video", model.state_dict())
    assert len(official) == len(model.state_dict())
    assert ("conv4.blocks.4.conv2.temporal_conv.weight" in official) == (depth == 34)
    assert "conv4.block1.downsampleconv.bn.running_var" in official
    saved = {prefix + name: weight for name, weight in official.items()} | {f"{prefix}linear.bias": torch.ones(51)}
    ours = convert_state_dict("ccl_video", {"epoch": 300, "arch": "r21d-18", "state_dict": saved, "optimizer": {}})
    assert ours.keys() == model.state_dict().keys()
    assert all(torch.equal(ours[name], weight) for name, weight in model.state_dict().items())


def test_any_size_of_clip():
    model = CCLVideoModel(CCLVideoConfig.preset("nano")).eval()
    outputs = model(torch.randn(2, 5, 3, 40, 56), output_hidden_states=True)
    assert outputs.pooler_output.shape == (2, 64)
    assert [tuple(stage.shape[1:]) for stage in outputs.hidden_states] == [
        (8, 5, 20, 28),
        (8, 5, 20, 28),
        (16, 3, 10, 14),
        (32, 2, 5, 7),
        (64, 1, 3, 4),
    ]
