"""CrissCross recipes: what they say, what their overrides change, and what the trainer makes of them."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from avzoo.data.relaxation import RelaxedWindows
from avzoo.data.windows import Span, Streams
from avzoo.models.configuration_crisscross import CrissCrossConfig
from avzoo.pretraining.configuration_crisscross_pretraining import CrissCrossPreTrainingConfig
from avzoo.pretraining.modeling_crisscross_pretraining import CrissCrossForPreTraining
from avzoo.pretraining.objectives_crisscross import PAIRS
from avzoo.pretraining.recipe import RecipeError, load_recipe, recipe_names
from avzoo.pretraining.run import arguments_of
from avzoo.pretraining.trainer import AVTrainer

RELEASED, KINETICS_SOUND = "crisscross_kinetics400_released", "crisscross_kinetics_sound_paper"
TINY = {
    "video_config": {"hidden_sizes": [2, 2, 2, 4], "depth": 10},
    "audio_config": {"hidden_sizes": [2, 2, 2, 4], "embedding_size": 2, "depths": [1, 1, 1, 1]},
}


def ablations() -> dict[str, list[str]]:
    """The table of overrides at the head of a recipe."""
    path = Path(load_recipe.__code__.co_filename).with_name("recipes") / f"{KINETICS_SOUND}.yaml"
    rows = re.findall(r"^#   (\S.*?) {2,}(\S+=\S+(?: \S+=\S+)*)$", path.read_text(), re.MULTILINE)
    return {name: overrides.split() for name, overrides in rows}


@pytest.mark.parametrize("name", [name for name in recipe_names() if name.startswith("crisscross_")])
def test_recipe_survives_being_resolved(name, tmp_path):
    recipe = load_recipe(name)
    resolved = tmp_path / "resolved.yaml"
    resolved.write_text(recipe.to_yaml())
    again = load_recipe(resolved)
    assert again.to_yaml() == recipe.to_yaml()
    assert again.model.config().to_dict() == recipe.model.config().to_dict()
    assert recipe.training.export_network == "student"
    if recipe.model.preset == "base":
        with torch.device("meta"):
            assert recipe.model.model().num_parameters() == 49_662_080


def test_there_is_one_released_configuration():
    names = [name for name in recipe_names() if name.startswith("crisscross_") and "synth" not in name]
    assert names == ["crisscross_audioset_paper", "crisscross_kinetics400_paper", RELEASED, KINETICS_SOUND]


def test_paper_and_released_differ_where_the_two_do():
    paper, released = load_recipe("crisscross_kinetics400_paper"), load_recipe(RELEASED)
    assert released.model.config().to_dict() == CrissCrossPreTrainingConfig.preset("base").to_dict()
    assert released.views == released.model.default_views()
    assert (paper.views.video.blur, paper.views.video.cutout) == ("intended", "intended")
    assert (paper.training.constructor_learning_rate, released.training.constructor_learning_rate) == (None, 1e-3)
    lengths = [recipe.views.mel.num_frames(recipe.views.audio.num_samples) for recipe in (paper, released)]
    assert lengths == [200, 201]
    assert paper.model == released.model
    assert paper.training.model_copy(update={"constructor_learning_rate": 1e-3}) == released.training


@pytest.mark.parametrize(
    ("name", "batch", "larc", "rates", "predictor"),
    [
        (KINETICS_SOUND, 512, False, (2e-4, 0.0), 2e-3),
        ("crisscross_kinetics400_paper", 2048, True, (2e-4, 1e-4), 2e-3),
        ("crisscross_audioset_paper", 2048, True, (1e-4, 0.0), 1e-3),
    ],
)
def test_hyper_parameters(name, batch, larc, rates, predictor):
    recipe = load_recipe(name)
    training, config = recipe.training, recipe.model.config()
    assert (training.batch_size, training.larc, training.optimizer) == (batch, larc, "adam")
    assert (training.learning_rate, training.final_learning_rate) == rates
    assert training.learning_rate * config.predictor_learning_rate_factor == pytest.approx(predictor)
    assert (training.weight_decay, training.adam_beta1, training.adam_beta2) == (1e-4, 0.9, 0.999)
    assert training.num_train_epochs == 50 * training.warmup_epochs, "2 of 100 epochs"


def test_clips_of_the_released_views():
    recipe = load_recipe(RELEASED)
    spec, windows = recipe.model.clip_request(recipe.views, recipe.data.fps)
    assert (spec.fps, spec.num_frames, spec.num_samples, spec.short_side) == (16, 8, 32_000, None)
    assert windows == RelaxedWindows("mild", 0.5, 2.0)
    processor = recipe.model.processor(recipe.views, recipe.data.fps)
    assert processor.video_processor.size["shortest_edge"] == 128 and processor.video_processor.fps == 16
    assert processor.feature_extractor.max_samples == 32_000 and processor.feature_extractor.hop_length == 160


@pytest.mark.parametrize("overrides", ablations().values(), ids=ablations())
def test_every_ablation_is_a_recipe(overrides):
    recipe = load_recipe(KINETICS_SOUND, overrides)
    usual = load_recipe(KINETICS_SOUND)
    assert (recipe.model, recipe.views) != (usual.model, usual.views)
    assert recipe.model.config().pairs
    assert load_recipe(KINETICS_SOUND, overrides).to_yaml() == recipe.to_yaml()


def test_the_table_of_ablations_is_complete():
    table = ablations()
    named = {tuple(load_recipe(KINETICS_SOUND, row).model.config().pairs) for row in table.values()}
    groups = (("v1v2", "a1a2"), ("v1a1", "v2a2"), ("v1a2", "a1v2"))
    subsets = {tuple(sum(chosen, ())) for size in (1, 2, 3) for chosen in itertools.combinations(groups, size)}
    assert named == subsets | {("v1v2",), ("a1a2",)}
    relaxations = {load_recipe(KINETICS_SOUND, row).views.relaxation for row in table.values()}
    assert relaxations == {"none", "mild", "medium", "extreme", "mixed"}


def test_every_subset_of_the_terms_is_a_configuration():
    for size in range(1, 7):
        for chosen in itertools.combinations(PAIRS, size):
            config = CrissCrossPreTrainingConfig(terms=list(chosen))
            assert config.pairs == list(chosen) and config.modalities


@pytest.mark.parametrize(("terms", "modality", "kind"), [("v1v2", "video", "Video"), ("a1a2", "audio", "Audio")])
def test_one_modality_is_all_that_is_read(terms, modality, kind):
    recipe = load_recipe(RELEASED, [f"model.objective.terms=[{terms}]"])
    spec, windows = recipe.model.clip_request(recipe.views, recipe.data.fps)
    assert (spec.video, spec.audio) == (modality == "video", modality == "audio")
    offered = Streams(**{"video": None, "audio": None, modality: Span(0.0, 10.0)})
    assert len(windows(offered, np.random.default_rng(0))) == 2
    processor = type(recipe.model.processor(recipe.views, recipe.data.fps)).__name__
    assert processor == ("CrissCrossVideoProcessor" if kind == "Video" else "CrissCrossFeatureExtractor")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model.objective.terms=[intra,v1v3]", "unknown term 'v1v3'; choose from intra, synchronous"),
        ("views.relaxation=severe", "views.relaxation"),
        ("views.video=strong_tc", "unknown augmentations 'strong_tc'; there are strong, standard"),
        ("views.video.image_size=224", "the views have video.image_size 224, the model 112; they must agree"),
        ("model.objective.predictr=common", "unknown key 'predictr'; did you mean 'predictor'"),
    ],
)
def test_mistakes_are_named(override, message):
    with pytest.raises(RecipeError, match=re.escape(message)):
        load_recipe(RELEASED, [override])


def test_the_trainer_has_the_rates_and_groups_of_the_released_code(parity, tmp_path):
    """Through the recipe, the model's groups, the trainer's optimizer and its schedule, step by step."""
    case = parity("crisscross/lr_schedule")
    recipe = load_recipe(RELEASED, ["training.fp16=false", "training.use_cpu=true", "training.save_steps=100000"])
    args = arguments_of(recipe, tmp_path, quiet=True)
    model = CrissCrossForPreTraining(
        CrissCrossPreTrainingConfig(model_config=CrissCrossConfig(**TINY), projection_size=4, predictor_hidden_size=2)
    )
    trainer = AVTrainer(model, args, list(range(10)))
    trainer._steps_per_epoch = 2  # of clips of every file, of which an epoch of the case has five
    optimizer = trainer.create_optimizer()
    groups = {group["name"]: group for group in optimizer.param_groups}
    assert {group["weight_decay"] for group in groups.values()} == {1e-4}
    assert sum(len(group["params"]) for group in groups.values()) == len(list(model.parameters()))
    order = ("video_encoder", "video_predictor", "audio_encoder", "audio_predictor")
    schedule = trainer.create_scheduler(case.config["num_epochs"] * case.config["iter_per_epoch"])
    used = []
    for _ in range(max(case.spec["iterations"]) + 1):
        used.append([groups[name]["lr"] for name in order])
        optimizer.step()
        schedule.step()
    rates = torch.tensor([used[iteration] for iteration in case.spec["iterations"]])
    torch.testing.assert_close(rates, case.expected["used_lr"].float(), rtol=1e-6, atol=0)


def test_the_common_predictor_has_a_group_of_its_own(tmp_path):
    config = CrissCrossPreTrainingConfig(
        model_config=CrissCrossConfig(**TINY), projection_size=4, predictor_hidden_size=2, predictor="common"
    )
    args = arguments_of(load_recipe("crisscross_smoke_synth"), tmp_path, quiet=True)
    groups = CrissCrossForPreTraining(config).parameter_groups(args)
    factors = {group.name: (group.learning_rate_factor, group.schedule) for group in groups}
    assert factors == {"video_encoder": (1, "run"), "audio_encoder": (1, "run"), "predictor": (10, "constant")}
    scheduled = CrissCrossPreTrainingConfig(**{**config.to_dict(), "predictor_learning_rate": "scheduled"})
    assert {group.schedule for group in CrissCrossForPreTraining(scheduled).parameter_groups(args)} == {"run"}
