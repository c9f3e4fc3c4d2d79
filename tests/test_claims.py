from __future__ import annotations

import json
import sys
import wave
from pathlib import Path

import numpy as np
import pytest

from avzoo.data.windows import Span, Streams
from avzoo.pretraining.recipe import load_recipe
from benchmarks.claims import __main__ as command
from benchmarks.claims.material import Material, Sizes, rows_of
from benchmarks.claims.plans import CLAIMS
from benchmarks.claims.report import BEGIN, END, report
from benchmarks.claims.runs import EvenWindows
from benchmarks.claims.store import Job, Results, jobs_of
from benchmarks.claims.teacher import _mismatched
from benchmarks.claims.verdicts import judge

TINY = Sizes(train=48, probe=48, test=32, shifted=16, steps=1, batch=8, finetuning=1, teacher=1)


def job_of(claim: int, variant: str, seed: int = 0) -> Job:
    (job,) = (
        one for one in jobs_of([CLAIMS[claim]], ["generated"], seed + 1, TINY)
        if (one.variant.name, one.seed) == (variant, seed)
    )  # fmt: skip
    return job


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("claims")
    Material(folder, "generated", TINY).write(shifts=True)
    return folder


@pytest.mark.parametrize(
    ("better", "worse", "verdict"),
    [
        ({0: 0.5, 1: 0.6, 2: 0.55}, {0: 0.4, 1: 0.5, 2: 0.45}, "holds"),
        ({0: 0.4, 1: 0.5, 2: 0.45}, {0: 0.5, 1: 0.6, 2: 0.55}, "does not hold"),
        ({0: 0.5, 1: 0.5, 2: 0.5}, {0: 0.5, 1: 0.5, 2: 0.5}, "does not hold"),
        ({0: 0.5, 1: 0.6, 2: 0.5}, {0: 0.4, 1: 0.6, 2: 0.6}, "undecided"),
        ({0: 0.5, 1: 0.6}, {0: 0.4, 2: 0.6}, None),
    ],
)
def test_the_rule(better, worse, verdict):
    outcome = judge(better, worse)
    assert (outcome and outcome.verdict) == verdict


@pytest.mark.parametrize("claim", CLAIMS)
@pytest.mark.parametrize("condition", ["generated", "esc10"])
def test_variants_can_be_run_and_comparisons_name_them(claim, condition, tmp_path):
    one = CLAIMS[claim]
    material = Material(tmp_path, condition, TINY)
    for variant in one.variants:
        teacher = [] if variant.mismatch is None else [f"model.audio_embeddings={tmp_path}"]
        recipe = load_recipe(variant.recipe, [*variant.settings(TINY, 1), *material.data(1), *teacher])
        assert recipe.seed == 1
        assert recipe.training.max_steps == 1
        recipe.model.config()
    names = [variant.name for variant in one.variants]
    assert len(set(names)) == len(names)
    assert {name for c in one.comparisons for name in (c.better, c.worse)} <= set(names)


def test_a_run_with_a_sound_teacher(root):
    figures, _, _ = command.run(job_of(4, "CCL, 30%"), root)
    assert figures.keys() == {"video probe", "video R@1", "video effective rank", "video classifier"}
    assert all(0 <= value <= 1 for name, value in figures.items() if "rank" not in name)
    assert len(list(root.rglob("*.npy"))) == TINY.train


def test_a_run_under_shifts(root):
    job = job_of(5, "mae")
    figures, _, _ = command.run(job, root)
    assert [name for name in figures if name.startswith("linear")] == [
        f"linear, {shift}" for shift in ("none", "colour", "view", "tempo", "context")
    ]
    assert len(figures) == 10
    assert figures == command.run(job, root)[0]


def test_a_random_encoder_is_that_of_its_seed(root):
    first, again, other = (command.run(job_of(2, "random weights", seed), root)[0] for seed in (0, 0, 1))
    assert first == again != other
    assert {"video probe", "audio probe"} <= first.keys()


def test_runs_are_stored_and_not_repeated(tmp_path, monkeypatch, capsys):
    ran = []

    def run(job, root):
        ran.append(job.name)
        return {"video probe": 0.5 + 0.01 * job.seed, "audio probe": 0.4}, 1.0, "a machine"

    monkeypatch.setattr(command, "run", run)
    monkeypatch.setattr(Material, "write", lambda *_, **__: None)
    out = tmp_path / "claims.json"
    arguments = ["claims", "--only", "1", "--conditions", "generated", "--out", str(out), "--root", str(tmp_path)]
    for seeds in ("1", "1", "2"):
        monkeypatch.setattr(sys, "argv", [*arguments, "--seeds", seeds])
        command.main()
    count = len(CLAIMS[1].variants)
    assert len(ran) == len(set(ran)) == 2 * count
    stored = json.loads(out.read_text())
    assert stored["status"] == {"runs": 2 * count, "planned": stored["status"]["planned"], "complete": False}
    (claim,) = stored["claims"]
    assert claim["comparisons"][0]["verdict"] == "does not hold"
    page = out.with_suffix(".md").read_text()
    assert f"Partial: {2 * count} of" in page
    assert out.with_suffix(".png").is_file()


def test_another_configuration_is_another_run():
    keys = {job.key for job in jobs_of([CLAIMS[1]], ["generated", "esc10"], 2, TINY)}
    assert len(keys) == 4 * len(CLAIMS[1].variants)
    assert not keys & {job.key for job in jobs_of([CLAIMS[1]], ["generated"], 2, Sizes())}


def test_the_page_keeps_what_people_wrote(tmp_path):
    page = tmp_path / "README.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    report(
        Results(tmp_path / "claims.json"), jobs_of([CLAIMS[1]], ["generated"], 1, TINY), TINY, page, tmp_path / "x.png"
    )
    text = page.read_text()
    assert text.startswith("before\n") and text.endswith("after\n") and "old" not in text


def test_a_larger_share_of_mismatch_includes_the_smaller_one():
    labels = np.arange(100) % 10
    few, many = (np.array(_mismatched(labels, share)) for share in (0.3, 0.6))
    changed = few != np.arange(100)
    assert 20 <= changed.sum() <= 40 and ((many == few) | ~changed).all()
    assert (labels[few[changed]] != labels[changed]).all()
    assert _mismatched(labels, 0.0) == list(range(100))


def test_windows_cover_the_clip():
    windows = EvenWindows((("audio", 1.0), ("video", 2.0)), 3)(
        Streams(Span(0, 4), Span(0, 4)), np.random.default_rng(0)
    )
    assert [window.video.start for window in windows] == [0.0, 1.0, 2.0]
    assert all((window.video.duration, window.audio.duration) == (2.0, 1.0) for window in windows)


def test_real_sounds_hold_a_fold_out_and_mix_the_classes(tmp_path):
    recordings = tmp_path / "esc10"
    recordings.mkdir()
    lines = ["file,fold,target,category,freesound_id,take"]
    for index in range(50):
        fold, target = index % 5 + 1, index // 5
        lines.append(f"{index}.wav,{fold},{target},class,{index},A")
        with wave.open(str(recordings / f"{index}.wav"), "wb") as file:
            file.setparams((1, 2, 16_000, 0, "NONE", ""))
            file.writeframes(np.random.default_rng(index).integers(-9000, 9000, 8_000, np.int16).tobytes())
    (recordings / "meta.csv").write_text("\n".join(lines))
    material = Material(tmp_path / "clips", "esc10", TINY)
    material.write(recordings=recordings)
    train, test = (rows_of(material.folder / f"{split}_2.csv") for split in ("train", "test"))
    assert (len(train), len(test)) == (80, 20)
    sounds = {split: {row["path"].split("_")[0] for row in rows} for split, rows in (("train", train), ("test", test))}
    assert not sounds["train"] & sounds["test"]
    assert {int(row["label"]) for row in train[:40]} == set(range(10))
    recipe = load_recipe("xkd_smoke_synth", material.data(1))
    clips = recipe.data.clips(*recipe.model.clip_request(recipe.views, 8.0))
    assert len(clips) == 80
    assert clips.read(0, 0)[0]["label"] == int(train[0]["label"])
