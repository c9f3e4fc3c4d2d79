from __future__ import annotations

import pytest
import torch

from avzoo.pretraining.progress import TrainingProgress
from avzoo.pretraining.schedules import cosine_schedule, linear_warmup


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
