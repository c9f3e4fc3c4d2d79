"""Recipes of video self-supervision: the released numbers, and that model, views and data fit together."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from avzoo.data.clips import ClipDataset, DataError
from avzoo.data.windows import Span, Streams
from avzoo.pretraining.recipe import RecipeError, load_recipe, recipe_names
from avzoo.processing.video_processing_vssl import VSSLVideoProcessor

#: Learning rate, hidden layers of projector and predictor, momentum, crop area: the released configurations.
RELEASED = {
    "simclr": (2e-4, 4, None, None, (0.08, 1.0)),
    "moco": (3e-4, 3, 1, 0.998, (0.08, 1.0)),
    "byol": (3e-4, 3, 2, 0.997, (0.2, 0.766)),
    "simsiam": (1e-4, 4, 1, None, (0.2, 0.766)),
    "dino": (3e-4, None, None, 0.997, (0.2, 0.766)),
    "mae": (3e-4, None, None, None, (0.5, 1.0)),
}
RECIPES = [name for name in recipe_names() if name.startswith("vssl_")]


@pytest.mark.parametrize("method", RELEASED)
def test_released_numbers(method):
    recipe = load_recipe(f"vssl_{method}_kinetics400_released")
    config, training, video = recipe.model.config(), recipe.training, recipe.views.video
    found = (training.learning_rate, config.projector_layers, config.predictor_layers, config.teacher_momentum)
    assert (*found, video.crop_area) == RELEASED[method]
    assert (training.batch_size, training.num_train_epochs, training.warmup_epochs) == (768, 800, 30)
    assert (training.optimizer, training.adam_beta1, training.adam_beta2) == ("adamw", 0.9, 0.95)
    assert training.weight_decay == 0.05 and training.final_weight_decay == (0.5 if method == "mae" else None)
    assert training.max_grad_norm == 0 and training.fp16 and training.sync_batch_norm and recipe.seed == 42
    assert recipe.views == recipe.model.default_views(), "the recipe spells out what is the default"
    released = type(config)(method=method)
    assert config.to_dict() == released.to_dict(), "so it does with the objective"


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_build_and_survive_being_resolved(name, tmp_path):
    recipe = load_recipe(name)
    with torch.device("meta"):
        assert recipe.model.model().config.method == recipe.model.method
    resolved = tmp_path / "resolved.yaml"
    resolved.write_text(recipe.to_yaml())
    again = load_recipe(resolved)
    assert again.to_yaml() == recipe.to_yaml()
    assert again.model.config().to_dict() == recipe.model.config().to_dict()


def test_what_is_decoded_are_windows_of_picture_anywhere_in_the_file():
    recipe = load_recipe("vssl_byol_kinetics400_released")
    spec, sampler = recipe.model.clip_request(recipe.views, recipe.data.fps)
    assert (spec.audio, spec.num_frames, spec.fps, spec.short_side, spec.window) == (False, 16, 8, 256, 2.0)
    draws = [sampler(Streams(Span(0.0, 10.0), None), np.random.default_rng(seed)) for seed in range(300)]
    starts = np.array([[window.video.start for window in draw] for draw in draws])
    assert starts.shape == (300, 2) and starts.min() >= 0 and starts.max() <= 8 and np.ptp(starts) > 7.5
    assert abs(np.corrcoef(starts.T)[0, 1]) < 0.2
    recipe = load_recipe("vssl_mae_kinetics400_released")
    spec, sampler = recipe.model.clip_request(recipe.views, recipe.data.fps)
    assert spec.window == 4.0 and len(sampler(Streams(Span(0.0, 10.0), None), np.random.default_rng(0))) == 1


def test_noise_and_labels_only_where_they_are_used():
    clip = {"samples": None, "label": 3, "audio_label": None, "index": 0}
    clip["frames"] = torch.zeros(8, 3, 32, 32, dtype=torch.uint8)
    for method, override, more in (
        ("byol", [], {}),
        ("byol", ["model.objective.mask_ratio=0.5"], {"video_noise": (2, 4)}),
        ("mae", [], {"video_noise": (8,)}),
        ("supervised", [], {"labels": ()}),
    ):
        recipe = load_recipe(f"vssl_{method}_smoke_synth", override)
        item = recipe.model.pipeline(recipe.views)([clip] * recipe.views.num_views, 0)
        del item["pixel_values_videos"]
        assert {name: tuple(value.shape) for name, value in item.items()} == more


def test_the_processor_is_that_of_the_evaluations():
    recipe = load_recipe("vssl_byol_kinetics400_released")
    processor, default = recipe.model.processor(recipe.views, 8.0), VSSLVideoProcessor()
    for name in ("size", "crop_size", "num_frames", "fps"):
        assert getattr(processor, name) == getattr(default, name)


@pytest.mark.parametrize(
    ("recipe", "override", "message"),
    [
        ("byol", "views.num_views=1", "num_views 1, the model 2"),
        ("mae", "views.num_views=2", "num_views 2, the model 1"),
        ("byol", "views.video.num_frames=8", "video.num_frames 8, the model 16"),
        ("byol", "views.video.image_size=96", "video.image_size 96, the model 112"),
        ("byol", "model.decoder={num_hidden_layers: 1}", "byol has no decoder"),
        ("byol", "model.method=boyl", "model.method: input should be 'simclr'"),
        ("byol", "model.objective.teacher_token=student", "did you mean 'teacher_tokens'"),
        ("mae", "model.objective.mask_ratio=1.5", r"mask_ratio must be in \[0, 1\)"),
        ("simclr", "training.export_network=teacher", "simclr has no teacher.*set training.export_network=student"),
        ("dino", "training.export_network=teacher", "the student's tokens.*set training.export_network=student"),
    ],
)
def test_contradictions_are_named(recipe, override, message):
    with pytest.raises(RecipeError, match=message):
        load_recipe(f"vssl_{recipe}_kinetics400_released", [override])


class Clips(ClipDataset):
    def __init__(self, labels):
        super().__init__()
        self.labels = None if labels is None else np.array(labels)

    def __len__(self):
        return 3

    def read(self, index, seed):
        return []


@pytest.mark.parametrize(
    ("labels", "message"), [(None, "have no labels"), ([0, 1, 16], "labels from 0 to 16, the classifier 16 classes")]
)
def test_labels_are_checked_before_supervised_training(labels, message):
    recipe = load_recipe("vssl_supervised_smoke_synth")
    with pytest.raises(DataError, match=message):
        recipe.model.check_labels(Clips(labels))
    recipe.model.check_labels(Clips([0, 5, 15]))
    load_recipe("vssl_byol_smoke_synth").model.check_labels(Clips(labels))
