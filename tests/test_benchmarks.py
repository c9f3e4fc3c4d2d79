from __future__ import annotations

import pytest
import torch

from avzoo import CCLVideoConfig, CrissCrossAudioConfig
from avzoo.data.synthetic import SyntheticSpec, write_set
from benchmarks import (
    checkpoint_loading,
    convnet_forward,
    data_pipeline,
    finetune_step,
    method_steps,
    retrieval,
    svm_sweep,
)
from benchmarks.common import Ratio, Report, in_turn, table
from benchmarks.training_steps import avzoo_step, plain_step, state_bytes, views


def test_the_plain_training_step_does_the_same_work():
    batch = None
    losses, weights = [], []
    for make in (lambda: plain_step("nano"), lambda: avzoo_step("nano", bf16=False, checkpointing=True)):
        torch.manual_seed(0)
        batch = views("nano", 3)
        step = make()
        losses.append([step(batch) for _ in range(2)])
        weights.append(dict(step.model.named_parameters()))
        assert state_bytes(step) == sum(
            value.nbytes * (4 if value.requires_grad else 1) for value in step.model.parameters()
        )
    torch.testing.assert_close(*losses, rtol=1e-5, atol=0)
    assert losses[0][1] < losses[0][0]
    for name, plain in weights[0].items():
        torch.testing.assert_close(plain, weights[1][name], rtol=1e-3, atol=1e-4, msg=name)


def test_candidates_take_turns():
    order = []
    samples = in_turn({name: lambda name=name: order.append(name) or len(order) for name in "ab"}, 2)
    assert order == list("abab")
    assert samples == {"a": [1, 3], "b": [2, 4]}


@pytest.mark.parametrize(
    ("ratio", "met"),
    [(Ratio("x", 0.8, at_least=0.9), "no"), (Ratio("x", 0.5, at_most=0.6), "yes"), (Ratio("x", 0.5), "")],
)
def test_a_missed_aim_shows(ratio, met):
    assert ratio.row()["met"] == met
    assert table([ratio.row()]).splitlines()[2].split("|")[4].strip() == met


def test_the_convnets_and_their_peers_are_measured():
    cases = [
        convnet_forward.Case("clips", CCLVideoConfig.preset("nano"), (4, 3, 32, 32), alike=True),
        convnet_forward.Case("sounds", CrissCrossAudioConfig.preset("nano"), (1, 32, 48)),
    ]
    report = Report("convnet_forward")
    convnet_forward.measure(report, cases, gmacs=0.01, repeats=1)
    names = ["clips, 4 x 3 x 32 x 32", "r2plus1d_18, 4 x 3 x 32 x 32", "sounds, 32 x 48", "resnet18, 32 x 48"]
    assert [row["what"] for row in report.measurements] == names
    assert set(report.samples) == {f"{name}, {variant}" for name in names for variant in convnet_forward.VARIANTS}
    assert all(row["GMAC/s fp32"] > 0 for row in report.measurements)
    for ratio in report.ratios:
        assert (ratio.at_least is not None) == ("against r2plus1d_18" in ratio.name)


def test_multiply_adds_are_counted():
    assert convnet_forward.macs_of(lambda: torch.nn.Conv2d(2, 4, 3, padding=1), (2, 8, 8)) == 8 * 8 * 4 * 2 * 9


def test_every_road_to_the_weights_is_measured():
    report = Report("checkpoint_loading")
    checkpoint_loading.measure(report, "nano", repeats=1)
    assert [row["what"] for row in report.measurements] == list(report.samples)
    assert len(report.samples) == 5 and all(times[0] > 0 for times in report.samples.values())


def test_views_are_measured_beside_decoding(tmp_path):
    folder = write_set(tmp_path, 2, SyntheticSpec(size=32, fps=8.0, duration=2.0))
    report = Report("data_pipeline")
    data_pipeline.measure(report, "xkd_smoke_synth", data_pipeline.media_of([folder]), repeats=1)
    (row,), (ratio,) = report.measurements, report.ratios
    assert row["views ms"] > 0 and row["decode ms"] > 0 and ratio.at_least == 0.9
    assert set(report.samples) == {f"xkd_smoke_synth: {part}" for part in ("decode", "views", "item")}


def test_the_step_of_a_recipe_is_measured_in_a_process_of_its_own(tmp_path):
    write_set(tmp_path, 2, SyntheticSpec(size=36, fps=16.0, duration=1.0))
    report = Report("method_steps")
    method_steps.measure(report, {"xdc_smoke_synth": ()}, 2, 1, 1, tmp_path)
    (row,) = report.measurements
    assert row["steps/s"] > 0 and row["of it state GiB"] > 0
    assert row["peak GiB"] >= 0  # of so small a model nothing shows: importing took more


def test_retrieval_gives_the_answers_of_scikit_learn():
    report = Report("retrieval")
    retrieval.measure(report, queries=40, items=600, width=16, repeats=1)
    assert [row["what"] for row in report.measurements] == list(report.samples)
    assert [ratio.value for ratio in report.ratios if "differ" in ratio.name] == [0, 0]
    assert 0 < report.measurements[1]["R@20"] < 1


def test_the_finetune_step_and_its_peer_see_the_same_clips():
    report = Report("finetune_step")
    finetune_step.measure(report, "nano", batch=2, precision="fp32", repeats=1)
    assert [row["classifier"] for row in report.measurements] == ["XKD", "VideoMAE"]
    ours, peer = (int(row["parameters"].replace(",", "")) for row in report.measurements)
    assert ours == pytest.approx(peer, rel=0.03)
    assert all(row["clips/s"] > 0 for row in report.measurements) and report.ratios[0].at_least == 1.0


def test_the_svm_sweep_says_what_scikit_learn_says():
    report = Report("svm_sweep")
    svm_sweep.measure(report, count=200, width=16, classes=4)
    assert [row["C"] for row in report.measurements] == list(svm_sweep.COSTS)
    assert all(row["predictions that differ"] == 0 for row in report.measurements)
    assert all(0.5 < row["avzoo top-1"] == row["scikit-learn top-1"] for row in report.measurements)
    assert report.ratios[-1].value == 100 and all(len(times) == 6 for times in report.samples.values())
