from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import avzoo
from avzoo import XKDVideoConfig, XKDVideoModel, XKDVideoProcessor
from avzoo.data.sets import MediaItem, MediaSet
from avzoo.evaluation import open_set_finetune
from avzoo.evaluation.arrays import EvaluationError
from avzoo.evaluation.clip_plan import ClipPlan
from avzoo.evaluation.clip_values import ClipValues, Items
from avzoo.evaluation.evidential import DEAR
from avzoo.evaluation.finetuning import Classifier
from avzoo.evaluation.open_set_finetune import (
    NO_DEBIAS_WARNING,
    OPEN_SET_FINETUNE,
    OpenSetFinetuneSettings,
    finetuning_loss,
)
from avzoo.evaluation.open_set_outcome import OpenSetMeasure
from avzoo.evaluation.protocol import MediaFold
from avzoo.extract import Encoder
from avzoo.media import write_clip
from avzoo.pretraining.progress import TrainingProgress

FRAMES, SIDE = 4, 32
COLOURS = {"green": (20, 170, 60), "red": (170, 20, 60), "blue": (10, 20, 200)}


def pixels(colour: str, number: int) -> torch.Tensor:
    noise = torch.randint(0, 55, (FRAMES, 3, 40, 48), generator=torch.Generator().manual_seed(number))
    return (noise + torch.tensor(COLOURS[colour])[:, None, None]).to(torch.uint8)


def write_set(root: Path, colours: tuple[str, ...], count: int = 3) -> MediaSet:
    root.mkdir()
    items = []
    for label, colour in enumerate(colours):
        for number in range(count):
            path = root / f"{colour}-{number}.mp4"
            write_clip(path, pixels(colour, number), 8)
            items.append(MediaItem(path, (label,)))
    return MediaSet(tuple(items), colours)


def scores_of_pixels(classifier: Classifier, media: MediaSet, plan: ClipPlan, folder: Path) -> ClipValues:
    """One clip of every item, without the decode processes that only cost time here."""
    parts = [path.stem.split("-") for path in media.paths]
    with torch.inference_mode():
        rows = [classifier.model(**classifier.processor(pixels(name, int(number)))).logits for name, number in parts]
    names = tuple(path.name for path in media.paths)
    assert media.labels is not None and media.class_names is not None
    zeros = np.zeros(len(names), np.int64)
    items = Items(names, media.labels, media.class_names)
    return ClipValues(items, torch.cat(rows).numpy(), np.arange(len(names)), zeros, zeros)


@pytest.fixture(scope="module")
def fold(tmp_path_factory: pytest.TempPathFactory) -> MediaFold:
    root = tmp_path_factory.mktemp("media")
    known = write_set(root / "known", ("green", "red"))
    return MediaFold("", known, known, write_set(root / "unknown", ("red", "blue")))


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("encoder")
    config = XKDVideoConfig.preset("nano", num_hidden_layers=1, num_frames=FRAMES, image_size=SIDE)
    XKDVideoModel(config).save_pretrained(folder)
    sizes: dict[str, Any] = {"size": {"shortest_edge": SIDE}, "crop_size": {"height": SIDE, "width": SIDE}}
    XKDVideoProcessor(num_frames=FRAMES, **sizes).save_pretrained(folder)
    return avzoo.load(folder, device="cpu")


def short(**fields: Any) -> OpenSetFinetuneSettings:
    values = {
        "epochs": 3,
        "batch_size": 3,
        "learning_rate": 3e-3,
        "warmup_epochs": 1,
        "dropout": 0.0,
        "cache_bytes": 2**22,
        "test": {"clips": 2},
        "target_classes": "new",
        **fields,
    }
    return OpenSetFinetuneSettings.model_validate(values)


def test_an_encoder_is_finetuned_with_evidence_and_shown_unknown_classes(
    fold: MediaFold, encoder: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_set_finetune, "clip_scores", scores_of_pixels)
    outcome = OPEN_SET_FINETUNE.run(encoder, fold, "video", short(), tmp_path)
    assert outcome.figures["top-1"] == 1
    assert 0 <= outcome.figures["ROC AUC"] <= 1
    assert outcome.details["left out"] == ["red"]
    assert outcome.details["unknown classes"] == 1
    assert 0 < outcome.details["threshold"] < 1
    assert outcome.warnings == ()
    # What was finetuned with one loss is not taken for what another would have given.
    with pytest.raises(EvaluationError, match="a finetuning with other settings"):
        OPEN_SET_FINETUNE.run(encoder, fold, "video", short(measure={"method": "dear"}), tmp_path)
    # The same run is read, and other figures can be asked of it.
    again = OPEN_SET_FINETUNE.run(encoder, fold, "video", short(measure={"accepted": 0.5}), tmp_path)
    assert again.figures["ROC AUC"] == outcome.figures["ROC AUC"]
    assert again.figures["known accepted"] < outcome.figures["known accepted"]


def test_what_cannot_be_asked_is_said_before_training(fold: MediaFold, encoder: Encoder, tmp_path: Path) -> None:
    def refused(message: str, changed: MediaFold = fold, **fields: Any) -> None:
        with pytest.raises(EvaluationError, match=message):
            OPEN_SET_FINETUNE.run(encoder, changed, "video", short(**fields), tmp_path / "run")

    refused("classes of the second set are learned, the first is 'red'", target_classes="all")
    refused("needs a second set", replace(fold, target=None))
    refused("leave out mix and label_smoothing", mix={"mixup": 1.0})
    refused("leave out mix and label_smoothing", label_smoothing=0.1)
    several = replace(fold.train, items=(MediaItem(fold.train.items[0].path, (0, 1)), *fold.train.items))
    refused("must have one class each", replace(fold, train=several))
    refused("at least two classes", replace(fold, train=replace(fold.train, items=fold.train.items[:3])))
    assert not (tmp_path / "run").exists()


def test_the_loss_of_dear_grows_with_the_epochs_of_the_run() -> None:
    logits, targets = torch.tensor([[2.0, 0.0, 1.0]]), torch.tensor([[0.0, 1.0, 0.0]])
    found = finetuning_loss(OpenSetMeasure(method="dear"))(logits, targets, TrainingProgress(15, 50, 5))
    expected = DEAR(logits, torch.tensor([1]), 3, 10)
    assert {name: value.item() for name, value in found.items()} == {
        f"evidential_{name}": value.item() for name, value in expected.items()
    }
    assert "without its debias head" in NO_DEBIAS_WARNING
    assert finetuning_loss(OpenSetMeasure(method="softmax"))(logits, targets, TrainingProgress(0, 1, 1)).keys() == {
        "cross_entropy"
    }


def test_presets_are_settings() -> None:
    for name, preset in OPEN_SET_FINETUNE.presets.items():
        base = OPEN_SET_FINETUNE.presets[name.partition("/")[0]]
        settings = OPEN_SET_FINETUNE.settings.model_validate({**base, **preset})
        assert settings.batch_size == 512
        assert settings.mix.mixup == settings.mix.cutmix == settings.label_smoothing == 0
        assert settings.threshold is not None and settings.threshold.clips == 1
    rates = {name: preset["learning_rate"] for name, preset in OPEN_SET_FINETUNE.presets.items()}
    assert (rates["vssl-dino"], rates["vssl-mae"], rates["vssl-simclr/kinetics400"]) == (5e-4, 3e-4, 7e-4)
