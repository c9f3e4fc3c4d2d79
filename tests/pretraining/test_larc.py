"""LARC against the original wrapper, and what it leaves to the optimizer."""

from __future__ import annotations

import pytest
import torch
from tiny_runs import arguments
from torch import nn

from avzoo.pretraining.larc import Larc
from avzoo.pretraining.optim import ParameterGroup, create_optimizer

GROUPS = {"video_backbone": 1.0, "video_predictor": 10.0, "audio_backbone": 1.0, "audio_predictor": 10.0}


def test_steps_are_those_of_the_original(parity, tmp_path):
    case = parity("crisscross/larc_adam")
    weights = case.state_dict()
    weights["video_backbone.bias"] = torch.zeros(6)  # a tensor of norm zero is left alone
    values = {name.replace(".", "/"): nn.Parameter(value.clone()) for name, value in weights.items()}
    model = nn.ParameterDict(values)
    groups = [
        ParameterGroup(group, [value for name, value in values.items() if name.startswith(group)], None, factor)
        for group, factor in GROUPS.items()
    ]
    settings = arguments(
        tmp_path, optimizer="adam", larc=True, learning_rate=2e-4, weight_decay=1e-4, adam_beta2=0.999, adam_beta1=0.9
    )
    optimizer, _ = create_optimizer(model, groups, settings)
    for step in range(3):
        for name, value in values.items():
            official = name.replace("/", ".")
            value.grad = case.fill.seeded_array(f"crisscross.larc_adam.grad.{official}.{step}", value.shape, 0.05)
        optimizer.step()
        for name, value in values.items():
            expected = case.expected[f"step{step + 1}.{name.replace('/', '.')}"]
            torch.testing.assert_close(value.detach(), expected, rtol=0, atol=2e-7, msg=f"step {step}: {name}")


def test_weight_decay_is_back_after_the_step():
    weight = nn.Parameter(torch.ones(3))
    optimizer = torch.optim.SGD([weight], lr=1.0, weight_decay=0.5)
    Larc(trust=0.01).attach(optimizer)
    weight.grad = torch.full((3,), 2.0)
    optimizer.step()
    assert optimizer.param_groups[0]["weight_decay"] == 0.5
    rate = 0.01 * 3**0.5 / (2 * 3**0.5 + 0.5 * 3**0.5)
    torch.testing.assert_close(weight.detach(), torch.ones(3) - rate * 2.5)


@pytest.mark.parametrize(("weight", "gradient"), [(0.0, 1.0), (1.0, 0.0)])
def test_what_is_zero_is_left_alone(weight, gradient):
    value = nn.Parameter(torch.full((2,), weight))
    value.grad = torch.full((2,), gradient)
    Larc().adapt([value], 0.1, 0.5)
    assert torch.equal(value.grad, torch.full((2,), gradient))


def test_a_learning_rate_of_zero_is_no_problem():
    value = nn.Parameter(torch.ones(2))
    value.grad = torch.ones(2)
    Larc().adapt([value], 0.0, 0.0)
    assert torch.equal(value.grad, torch.ones(2))


def test_parameters_without_gradient_are_passed_over():
    optimizer = torch.optim.SGD([nn.Parameter(torch.ones(2))], lr=1.0)
    Larc().attach(optimizer)
    optimizer.step()
