"""The tables of the papers, and the settings that they become."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from avzoo.evaluation.finetuning import FINETUNE, FinetuneSettings
from avzoo.evaluation.finetuning.presets import PRESETS
from avzoo.evaluation.finetuning.presets.vssl import METHODS, PAIRS
from avzoo.evaluation.finetuning.training import training_arguments
from avzoo.evaluation.open_set_finetune import OPEN_SET_FINETUNE
from avzoo.evaluation.protocols import settings_of
from avzoo.pretraining.optim import ParameterGroup
from avzoo.pretraining.schedules import learning_rate_factors


def settings(preset: str, dataset: str | None = None, modality: str = "video") -> Any:
    return settings_of(FINETUNE, preset, dataset=dataset, modality=modality)


def test_every_preset_is_valid_and_none_leaks() -> None:
    assert FINETUNE.settings is FinetuneSettings and FINETUNE.presets is PRESETS
    assert {"xkd", "crisscross", "xdc", "ccl", "vssl"} <= PRESETS.keys()
    for name in PRESETS:
        preset, _, where = name.partition("/")
        assert preset in PRESETS
        for modality in ("video", "audio"):
            assert settings(preset, where or None, modality).choose == "last epoch"


@pytest.mark.parametrize(
    ("preset", "dataset", "modality", "expected"),
    [
        ("xkd", "ucf101", "video", {"learning_rate": 5e-4, "layer_decay": 0.45, "warmup_epochs": 5, "image_size": 224}),
        ("xkd", "hmdb51", "video", {"learning_rate": 1e-4, "layer_decay": 0.75, "warmup_epochs": 20}),
        ("xkd-paper", "kinetics400", "video", {"warmup_epochs": 30, "epochs": 100, "final_learning_rate": 1e-6}),
        ("xkd", "esc50", "audio", {"norm": "l2", "dropout": 0.5, "batch_size": 64, "weight_decay": 0.005}),
        ("xkd-released", "esc50", "audio", {"norm": None, "dropout": 0.0, "init": "normal", "layer_decay": 0.65}),
        ("xkd", "fsd50k", "audio", {"epochs": 30, "schedule": "constant", "average": "score", "dropout": 0.3}),
        ("crisscross", "ucf101", "video", {"learning_rate": 7e-5, "milestones": (8, 12, 16), "gamma": 0.3}),
        ("crisscross", "hmdb51", "video", {"learning_rate": 1e-4, "milestones": (8, 12, 16), "batch_size": 32}),
        ("crisscross-8f", "ucf101", "video", {"learning_rate": 5e-4, "milestones": (6, 10, 14), "gamma": 0.3}),
        ("crisscross-8f", "hmdb51", "video", {"learning_rate": 5e-4, "gamma": 0.1, "batch_size": 64}),
        ("crisscross-8f-audioset", "ucf101", "video", {"learning_rate": 7e-5, "gamma": 0.1, "dropout": 0.1}),
        ("crisscross-8f-audioset", "hmdb51", "video", {"learning_rate": 1e-4, "gamma": 0.1, "dropout": 0.5}),
        ("crisscross-audioset", "ucf101", "video", {"learning_rate": 7e-5, "gamma": 0.3, "dropout": 0.0}),
        ("crisscross-audioset", "hmdb51", "video", {"learning_rate": 1e-4, "milestones": (6, 10, 14), "dropout": 0.5}),
        ("xdc-fc", None, "video", {"frozen": True, "learning_rate": 0.1}),
        ("ccl", "ucf51", "video", {"epochs": 300, "milestones": (150, 225), "learning_rate": 1e-3, "batch_size": 16}),
        ("vssl-mae", "ucf101", "video", {"learning_rate": 1e-3, "layer_decay": 0.55, "final_learning_rate": 1e-6}),
        ("vssl", "ucf101", "video", {"learning_rate": 1e-2, "layer_decay": 0.45}),
        ("vssl", "kinetics400", "video", {"learning_rate": 8e-3, "layer_decay": 0.55}),
        ("vssl-byol", "ucf101", "video", {"learning_rate": 1e-2, "layer_decay": 0.45, "label_smoothing": 0.1}),
        ("vssl-dino", "kinetics400", "video", {"learning_rate": 8e-3, "layer_decay": 0.65}),
        ("vssl-byol", "kinetics400", "video", {"learning_rate": 1e-2, "layer_decay": 0.55}),
        ("vssl-simclr-mimetics10", None, "video", {"learning_rate": 8e-4, "layer_decay": 0.35, "epochs": 200}),
        ("vssl-supervised-mimetics50", None, "video", {"learning_rate": 5e-3, "label_smoothing": 0.1}),
        ("vssl-simsiam-actorshift", None, "video", {"learning_rate": 6e-4, "label_smoothing": 0.0}),
        ("vssl-mae-tinyvirat", None, "video", {"learning_rate": 9e-4, "layer_decay": 0.45, "weight_decay": 0.2}),
        ("vssl-simsiam-sims4action", None, "video", {"learning_rate": 3e-4, "layer_decay": 0.35}),
        ("vssl-dino-ucf-hmdb", None, "video", {"learning_rate": 8e-5, "layer_decay": 0.35, "batch_size": 32}),
        ("vssl-byol-hmdb-ucf", None, "video", {"learning_rate": 1e-3, "final_learning_rate": 1e-6}),
    ],
)
def test_presets_have_the_numbers_of_the_tables(
    preset: str, dataset: str | None, modality: str, expected: dict[str, Any]
) -> None:
    found = settings(preset, dataset, modality)
    assert {name: getattr(found, name) for name in expected} == expected


def test_a_method_that_nobody_has_named_has_the_rate_of_moco_on_every_set() -> None:
    of = [settings_of(OPEN_SET_FINETUNE, "vssl", dataset=name).model_dump() for name in ("ucf101", "kinetics400")]
    assert [values["learning_rate"] for values in of] == [3e-4, 5e-4]


def test_every_method_and_pair_has_a_preset_and_test_clips_are_those_of_the_papers() -> None:
    assert {f"vssl-{method}-{pair}" for method in METHODS for pair in PAIRS} <= PRESETS.keys()
    plans = {name: settings(name).test for name in ("xkd", "crisscross", "xdc", "ccl", "vssl", "vssl-mae-tinyvirat")}
    assert [plan.clips for plan in plans.values()] == [3, 10, 10, None, 5, 2]
    assert [plan.crops for plan in plans.values()] == ["three", "center", "center", "center", "three", "three"]
    assert settings("xkd-released").mix.box == "released" and settings("xkd").mix.box == "frames"
    assert settings("xkd", "hmdb51").mix.model_dump() == settings("xkd-released", "hmdb51").mix.model_dump() | {
        "box": "frames"
    }


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("cosine base 2e-3 final 1e-6 warmup 0", {"learning_rate": 2e-3, "final_learning_rate": 1e-6}),
        (
            "multistep base 1e-2 milestones [ep/2, 3ep/4] gamma 0.1",
            {"learning_rate": 1e-2, "schedule": "multistep", "milestones": (50, 75)},
        ),
        ("fixed base 1e-3", {"learning_rate": 1e-3, "schedule": "constant"}),
    ],
)
def test_learning_rates_are_the_official_ones(
    parity: Callable[[str], Any], tmp_path: Path, name: str, fields: dict[str, Any]
) -> None:
    case = parity("vssl/schedules_eval")
    told = FinetuneSettings(epochs=100, warmup_epochs=case.config["warmup_epochs"], **fields)
    args = training_arguments(told, tmp_path, 640, torch.device("cpu"), quiet=True)
    (factor,) = learning_rate_factors(args, [ParameterGroup("all", [])], 1000, case.config["iter_per_epoch"])
    for step, expected in case.spec["expected"][name]["at"].items():
        # Where the ramp starts the official code has a rate of exactly 0.
        assert factor(int(step)) * told.learning_rate == pytest.approx(expected, rel=1e-9, abs=1e-15)


def test_learning_rates_are_those_of_xkd_too(parity: Callable[[str], Any], tmp_path: Path) -> None:
    case = parity("xkd/schedules")
    told = case.config["cases"]["lr"]
    run = FinetuneSettings(epochs=told["epochs"], warmup_epochs=told["warmup_epochs"], learning_rate=told["base_value"])
    args = training_arguments(run, Path(tmp_path), 320, torch.device("cpu"), quiet=True)
    steps = told["epochs"] * told["niter_per_ep"]
    (factor,) = learning_rate_factors(args, [ParameterGroup("all", [])], steps, told["niter_per_ep"])
    found = torch.tensor([factor(step) * told["base_value"] for step in range(steps)])
    torch.testing.assert_close(found, case.expected["lr"].float(), rtol=1e-5, atol=1e-12)


@pytest.mark.parametrize(
    "fields",
    [
        {"schedule": "multistep"},
        {"milestones": (3,)},
        {"schedule": "constant", "final_learning_rate": 1e-6},
        {"batch_size": 10, "gradient_accumulation": 3},
        {"video": {"rand_augment": "rand-m99"}},
        {"video": {"crop_area": None, "short_side": None}},
        {"leraning_rate": 1},
    ],
)
def test_what_does_not_go_together_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        FinetuneSettings(**fields)
