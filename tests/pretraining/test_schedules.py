from __future__ import annotations

import pytest
import torch
from tiny_runs import arguments

from avzoo.pretraining.optim import ParameterGroup
from avzoo.pretraining.progress import TrainingProgress
from avzoo.pretraining.schedules import (
    cosine_schedule,
    learning_rate_factors,
    linear_warmup,
    step_schedule,
    teacher_momentum,
)


@pytest.mark.parametrize("name", ["lr", "ema", "wd"])
def test_cosine_schedule_is_the_official_one(parity, name):
    case = parity("xkd/schedules")
    spec = case.config["cases"][name]
    total = spec["epochs"] * spec["niter_per_ep"]
    ours = [
        cosine_schedule(
            step,
            total,
            base=spec["base_value"],
            final=spec["final_value"],
            warmup_steps=spec["warmup_epochs"] * spec["niter_per_ep"],
            start=spec["start_warmup_value"],
        )
        for step in range(total)
    ]
    expected = case.expected[name]
    torch.testing.assert_close(torch.tensor(ours, dtype=expected.dtype), expected, rtol=1e-6, atol=1e-12)


def test_ramp_includes_both_ends_and_the_cosine_restarts_at_base():
    values = [cosine_schedule(step, 10, base=1.0, final=0.0, warmup_steps=4) for step in range(11)]
    assert values[0] == 0.0
    assert values[3] == values[4] == 1.0
    assert 0.0 < values[9] < values[8]
    assert values[10] == 0.0


@pytest.mark.parametrize(("warmup", "expected"), [(0, [2.0, 2.0]), (1, [1.0, 2.0]), (2, [1.0, 2.0])])
def test_short_ramps(warmup, expected):
    assert [linear_warmup(step, start=1.0, base=2.0, warmup_steps=warmup) for step in range(2)] == expected


def test_progress_counts_epochs():
    assert TrainingProgress(step=9, total_steps=20, steps_per_epoch=5).epoch == 1
    assert TrainingProgress(step=10, total_steps=20, steps_per_epoch=5).epoch == 2


@pytest.mark.parametrize(
    ("name", "base", "final"),
    [("ema 0.997->1", 0.997, 1.0), ("ema 0.998->1", 0.998, 1.0), ("wd 0.05->0.5", 0.05, 0.5)],
)
def test_momenta_and_weight_decay_of_video_ssl(parity, name, base, final):
    expected = parity("vssl/schedules_pretrain").spec["expected"][name]
    for step, value in expected["at"].items():
        progress = TrainingProgress(int(step), expected["len"], 10)
        assert teacher_momentum(progress, base, final) == pytest.approx(value, rel=1e-9)


def test_learning_rate_of_video_ssl(parity, tmp_path):
    case = parity("vssl/schedules_pretrain")
    settings = arguments(tmp_path, learning_rate=3e-4, warmup_epochs=30, start_learning_rate=0.0)
    (factor,) = learning_rate_factors(settings, [ParameterGroup("all", [])], 8000, case.config["iters_per_epoch"])
    for step, value in case.spec["expected"]["lr base 3e-4 final 0 warmup 0->base"]["at"].items():
        assert 3e-4 * factor(int(step)) == pytest.approx(value, rel=1e-9)


def test_teacher_temperature_of_dino(parity):
    expected = parity("vssl/schedules_pretrain").spec["expected"]["dino teacher temp per epoch"]["at"]
    for epoch, value in expected.items():
        assert linear_warmup(int(epoch), start=0.04, base=0.07, warmup_steps=30) == pytest.approx(value, rel=1e-9)


def test_late_schedule_is_that_of_the_released_crisscross(parity, tmp_path):
    case = parity("crisscross/lr_schedule")
    config = case.config
    settings = arguments(
        tmp_path,
        learning_rate=config["vid_base_lr"],
        final_learning_rate=config["vid_final_lr"],
        warmup_epochs=config["warmup_epochs"],
        start_learning_rate=config["warmup_lr"],
        constructor_learning_rate=1e-3,
    )
    factor = config["vid_predictor_lr"] / config["vid_base_lr"]
    groups = [
        ParameterGroup(f"{modality} {part}", [], learning_rate_factor=of_base, schedule=schedule)
        for modality in ("video", "audio")
        for part, of_base, schedule in (("encoder", 1.0, "run"), ("predictor", factor, "constant"))
    ]
    factors = learning_rate_factors(settings, groups, config["num_epochs"] * 10, 10)
    for iteration, rates in zip(case.spec["iterations"], case.expected["used_lr"], strict=True):
        ours = [
            settings.learning_rate * group.learning_rate_factor * factor(iteration)
            for group, factor in zip(groups, factors, strict=True)
        ]
        torch.testing.assert_close(torch.tensor(ours, dtype=rates.dtype), rates, rtol=1e-6, atol=0)


def test_steps_down_at_milestones_after_the_ramp(tmp_path):
    values = [step_schedule(step, base=1.0, milestones=[4, 6], gamma=0.1, warmup_steps=2) for step in range(8)]
    assert values == pytest.approx([0.0, 1.0, 1.0, 1.0, 0.1, 0.1, 0.01, 0.01])
    settings = arguments(tmp_path, schedule="multistep", milestones=[1.5, 3], learning_rate=2.0, warmup_epochs=0)
    follows, constant = learning_rate_factors(
        settings, [ParameterGroup("student", []), ParameterGroup("composition", [], schedule="constant")], 20, 4
    )
    assert [follows(step) for step in (5, 6, 11, 12)] == pytest.approx([1.0, 0.1, 0.1, 0.01])
    assert {constant(step) for step in range(20)} == {1.0}


def test_constant_schedule_has_a_ramp_and_no_end(tmp_path):
    settings = arguments(tmp_path, schedule="constant", learning_rate=2.0, warmup_epochs=1, start_learning_rate=0.0)
    (factor,) = learning_rate_factors(settings, [ParameterGroup("all", [])], 20, 3)
    assert [factor(step) for step in (0, 1, 2, 3, 19)] == [0.0, 0.5, 1.0, 1.0, 1.0]
