from __future__ import annotations

import pytest
import torch

from avzoo.pretraining.collapse import CollapseMonitor, distribution_gap, effective_rank, feature_spread


def test_spread_is_the_share_of_variance():
    assert feature_spread(torch.full((8, 4), 3.0)) == 0
    centred = torch.tensor([[1.0, -2.0], [-1.0, 2.0]])
    assert feature_spread(centred) == pytest.approx(1.0)
    assert feature_spread(centred + 100.0) == pytest.approx(2.5**0.5 / (2.5 + 1e4) ** 0.5, rel=1e-3)
    assert feature_spread(7 * centred) == pytest.approx(1.0)


@pytest.mark.parametrize("directions", [1, 3, 8])
def test_effective_rank_counts_equal_directions(directions):
    basis = torch.eye(64)[:directions]
    features = torch.cat([basis, -basis]) + 5.0
    assert effective_rank(features) == pytest.approx(directions, rel=1e-4)
    assert effective_rank(features.T @ torch.zeros(2 * directions, 2 * directions) + 1.3) == 0


def test_gap_is_the_divergence_averaged_over_views():
    teacher, student = torch.randn(3, 5), torch.randn(6, 5)
    target, guess = (teacher / 0.1).softmax(-1), (student / 0.1).softmax(-1)
    expected = [(target * (target / half).log()).sum(-1).mean() for half in guess.chunk(2)]
    torch.testing.assert_close(distribution_gap(teacher, student, 0.1), sum(expected) / 2, rtol=1e-4, atol=1e-5)
    assert distribution_gap(teacher, teacher, 0.1) == 0


def test_monitor_warns_once_after_its_patience_and_forgets_on_recovery():
    monitor = CollapseMonitor(min_gap=0.0, min_spread=0.5, min_rank=0.0, patience=2)
    verdicts = [len(monitor.judge({"spread_student_video": value}, 0)) for value in (0.1, 0.1, 0.1, 0.9, 0.1, 0.1)]
    assert verdicts == [0, 1, 0, 0, 0, 1]


def test_state_brings_the_counters_back():
    monitor = CollapseMonitor(min_gap=0.0, min_spread=0.5, min_rank=0.0, patience=2)
    monitor.judge({"spread_student_video": 0.1}, 0)
    restored = CollapseMonitor.from_state(monitor.state())
    assert len(restored.judge({"spread_student_video": 0.1}, 1)) == 1
    assert restored.thresholds == monitor.thresholds


def test_networks_that_are_missing_are_not_measured():
    monitor = CollapseMonitor(min_gap=0.0, min_spread=0.5, min_rank=0.0)
    monitor.observe({"loss": torch.tensor(1.0), "teacher_video": None, "student_audio": torch.randn(4, 3)})
    assert set(monitor.measure()) == {"spread_student_audio", "rank_student_audio"}
