"""The CCL video student against the outputs of the original code."""

from __future__ import annotations

import torch
from feature_maps import close, statistics
from torch.nn import functional

from avzoo.hub import convert_state_dict
from avzoo.models.configuration_ccl import CCLVideoConfig
from avzoo.models.modeling_ccl import CCLVideoModel


def test_student(parity):
    reference = parity("ccl/student_16x112")
    official = reference.state_dict()
    assert len(official) == 146
    model = CCLVideoModel(CCLVideoConfig()).eval()
    model.load_state_dict(convert_state_dict("ccl_video", {"epoch": 1, "arch": "r21d-18", "state_dict": official}))
    assert list(model.config.depths) == reference.config["blocks_per_stage"]
    assert model.num_parameters() == 14_365_303
    classifier = official["linear.weight"], official["linear.bias"]
    assert model.num_parameters() + sum(weight.numel() for weight in classifier) == 14_391_466

    with torch.inference_mode():
        outputs = model(reference.inputs["input"].transpose(1, 2), output_hidden_states=True)
        logits = functional.linear(outputs.pooler_output, *classifier)
    expected = dict(reference.expected)
    close(outputs.last_hidden_state, expected.pop("conv5"))
    close(outputs.pooler_output, expected.pop("features"))
    close(logits, expected.pop("logits"))
    stages = ("stem", "conv2", "conv3", "conv4", "conv5")
    for name, hidden_states in zip(stages, outputs.hidden_states, strict=True):
        close(statistics(hidden_states), expected.pop(f"stats.{name}"))
    assert not expected, "every reference output is compared"
