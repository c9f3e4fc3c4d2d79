from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from deep_clustering_runs import Clips, callback, trainer_of, xdc
from safetensors.torch import load_file
from tiny_runs import arguments, numbers, weights
from transformers import TrainerCallback

from avzoo.pretraining.cluster_measures import normalized_mutual_information, purity
from avzoo.pretraining.clustering_xdc import ClusteringSection, DeepClustering, transformed
from avzoo.pretraining.clusters_file import clips_digest, read_clusters
from avzoo.pretraining.kmeans import ClusteringError, kmeans
from avzoo.pretraining.recipe import RecipeError, load_recipe
from avzoo.pretraining.run import pretrain


class Seen(TrainerCallback):
    """What every step trains on, and what the optimizer knows of the heads before it."""

    def __init__(self, model):
        self.model, self.clusterings, self.moments = model, [], []

    def on_step_begin(self, args, state, control, optimizer, **kwargs):
        self.clusterings.append(int(self.model.clusterings_done))
        moments = [optimizer.state[head.weight].get("momentum_buffer") for head in self.model.heads.values()]
        self.moments.append([None if value is None else bool(value.any()) for value in moments])


def test_clusters_are_found_before_training_and_between_iterations(tmp_path):
    model = xdc()
    seen = Seen(model)
    trainer = trainer_of(model, Clips(), tmp_path, callbacks=[seen], num_train_epochs=4, epochs_per_iteration=2)
    trainer.train()
    # 12 clips in batches of 4: 3 steps per epoch, 6 per iteration, and none after the last step.
    assert seen.clusterings == [1] * 6 + [2] * 6
    assert seen.moments[0] == [None, None]
    assert seen.moments[1] == seen.moments[5] == [True, True]
    assert seen.moments[6] == [False, False]  # the new heads start without momentum
    logs = [log for log in trainer.state.log_history if "loss" in log]
    assert [log["clustering"] for log in logs] == [1, 1, 1, 2, 2, 2]
    assert "nmi_video" not in logs[0] and 0 <= logs[-1]["nmi_video"] <= 1
    for log in logs:
        assert 1 <= log["smallest_video"] <= 4 <= log["largest_video"] <= 12 and 0 < log["evenness_audio"] <= 1


def test_features_are_those_of_the_encoders_in_evaluation_mode_and_leave_no_trace(tmp_path):
    model, clips = xdc(), Clips(unreadable=[5])
    before = {name: value.clone() for name, value in model.encoders.state_dict().items()}
    deep = callback(model, clips)
    model.train()
    args = arguments(tmp_path)
    state = torch.get_rng_state()
    features, read = deep._features(args)
    assert model.training and torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(value, model.encoders.state_dict()[name]) for name, value in before.items())
    assert read.tolist() == [index != 5 for index in range(12)]
    assert not features["video"][5].any()
    model.eval()
    for index in (0, 4, 6, 11):
        item = {name: value[None] for name, value in deep.data[index].items() if isinstance(value, torch.Tensor)}
        with torch.no_grad():
            for name, alone in model.features(item).items():
                torch.testing.assert_close(features[name][index], alone[0])


def test_assignments_are_the_clusters_of_the_features(tmp_path):
    model, clips = xdc(variant="mdc"), Clips(unreadable=[5])
    deep, args, optimizer = callback(model, clips), arguments(tmp_path), torch.optim.SGD(model.parameters())
    features, read = deep._features(args)
    assert not deep.cluster(args, optimizer)
    for name in ("video", "audio"):
        labels = model.assignments(name)
        assert labels[5] == -1 and labels[read].min() == 0
        best = min(kmeans(features[name][read], 3, seed).inertia for seed in range(20))
        centroids = torch.stack([features[name][labels == cluster].mean(0) for cluster in range(3)])
        inertia = (features[name] - centroids[labels])[read].square().sum().item()
        assert inertia < 2 * best
        classes = torch.as_tensor(clips.labels if name == "video" else clips.audio_labels)
        logs = model.end_step(None)
        assert logs[f"purity_{name}"] == pytest.approx(purity(labels[read], classes[read]))
    # Encoders have not moved: other seeds of k-means are all that can make a difference.
    before = model.assignments("video").clone()
    deep.cluster(args, optimizer)
    expected = normalized_mutual_information(model.assignments("video")[read], before[read])
    assert model.end_step(None)["nmi_video"] == pytest.approx(expected)


def test_joint_clusters_are_of_normalised_features(tmp_path):
    model = xdc(variant="cdc")
    deep, args = callback(model, Clips()), arguments(tmp_path)
    features, _ = deep._features(args)
    deep.cluster(args, torch.optim.SGD(model.parameters()))
    points = torch.cat([torch.nn.functional.normalize(features[name], dim=1) for name in ("video", "audio")], 1)
    labels = model.assignments("joint")
    centroids = torch.stack([points[labels == cluster].mean(0) for cluster in range(3)])
    assert torch.equal(torch.cdist(points, centroids).argmin(1), labels)


def test_training_stops_once_the_clusters_no_longer_change(tmp_path):
    model = xdc()
    trainer = trainer_of(
        model,
        Clips(),
        tmp_path,
        num_train_epochs=5,
        save_steps=3,
        stop_at_nmi=1e-9,
        warm_start=True,
        learning_rate=1e-9,
    )
    trainer.train()
    # The second clustering agrees with the first: no third pass, no new heads, and no checkpoint to continue from.
    assert trainer.state.global_step == 3 and model.clusterings_done == 1
    assert not (tmp_path / "checkpoint-3").exists()


def test_a_run_without_a_limit_goes_on(tmp_path):
    model = xdc()
    trainer = trainer_of(model, Clips(), tmp_path, num_train_epochs=3, stop_at_nmi=None, learning_rate=1e-9)
    trainer.train()
    assert trainer.state.global_step == 9 and model.clusterings_done == 3


def test_a_run_resumes_to_the_bit_within_an_iteration_and_between_two(tmp_path):
    fields = {"num_train_epochs": 3, "save_steps": 1, "stop_at_nmi": None}
    whole = trainer_of(xdc(), Clips(), tmp_path, **fields)
    whole.train()
    for step in (4, 6):
        resumed = trainer_of(xdc(), Clips(), tmp_path / "again", **fields)
        resumed.train(resume_from_checkpoint=str(tmp_path / f"checkpoint-{step}"))
        assert numbers(whole)[:-1] == numbers(resumed)[:-1]  # the last one is a summary
        for name, value in weights(whole.model).items():
            assert torch.equal(value, weights(resumed.model)[name]), name


@pytest.mark.parametrize(
    ("clips", "fields", "sentence"),
    [
        (Clips(2), {}, "2 clips make no 3 clusters"),
        (Clips(), {"trained": "video"}, "clusters of another one"),
    ],
)
def test_what_cannot_be_clustered_is_refused_before_training(clips, fields, sentence):
    with pytest.raises(ClusteringError, match=sentence):
        callback(xdc(**fields), clips)


def test_features_that_are_not_finite_stop_the_run(tmp_path):
    model = xdc()
    with torch.no_grad():
        model.encoders.audio_model.stem[0].weight.fill_(torch.nan)
    with pytest.raises(ClusteringError, match="not finite"):
        trainer_of(model, Clips(), tmp_path).train()


def test_too_few_readable_clips_stop_the_run(tmp_path):
    clips = Clips(unreadable=list(range(2, 12)))
    with pytest.raises(ClusteringError, match="2 clips that can be read"):
        trainer_of(xdc(), clips, tmp_path).train()


# ---- what DeepCluster does to features ----


def test_principal_components_whitening_and_length():
    points = torch.randn(200, 6, generator=torch.Generator().manual_seed(0)) @ torch.diag(torch.arange(1.0, 7)) + 3
    assert transformed(points, None, False, False) is points
    reduced = transformed(points, 2, False, False)
    values, vectors = torch.linalg.eigh(torch.cov(points.T, correction=0))
    expected = (points - points.mean(0)) @ vectors[:, -2:]
    torch.testing.assert_close(reduced.abs(), expected.abs(), rtol=1e-3, atol=1e-3)
    white = transformed(points, None, True, False)
    torch.testing.assert_close(torch.cov(white.T, correction=0), torch.eye(6), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(transformed(points, 4, True, True).norm(dim=1), torch.ones(200))
    torch.testing.assert_close(values[-1], reduced.var(0, correction=0).max(), rtol=1e-4, atol=0)


def test_directions_without_variance_are_not_blown_up():
    points = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
    flat = torch.cat([points, points[:, :1]], 1)
    assert transformed(flat, None, True, False).abs().max() < 100


def test_more_components_than_features_are_refused():
    with pytest.raises(ClusteringError, match="7 principal components"):
        transformed(torch.randn(50, 6), 7, False, False)


# ---- the final stage: longer clips on the last clusters ----


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    out = tmp_path_factory.mktemp("finished")
    overrides = ["data.count=12", "training.num_train_epochs=1", "training.batch_size=4", f"data.path={out / 'data'}"]
    recipe = load_recipe("xdc_smoke_synth", overrides)
    pretrain(recipe, out / "run", quiet=True)
    return out, overrides


def longer(*overrides: str):
    views = ["views.num_frames=8", "model.video.num_frames=8", "model.objective.trained=video"]
    return load_recipe("xdc_smoke_synth", [*views, *overrides])


def test_the_video_encoder_is_trained_again_with_longer_clips_on_the_last_clusters(finished, tmp_path):
    out, overrides = finished
    recipe = longer(*overrides, f"model.clustering.assignments={out / 'run'}")
    result = pretrain(recipe, tmp_path / "run", quiet=True)
    config = json.loads((result.encoder / "config.json").read_text())
    assert config["model_type"] == "xdc_video" and config["num_frames"] == 8
    assert str(out) in (tmp_path / "run" / "recipe.yaml").read_text()
    published = [file for file in result.encoder.iterdir() if file.suffix in (".md", ".json", ".yaml")]
    assert len(published) >= 5 and not any(str(out) in file.read_text() for file in published)
    # Trained on the audio clusters of the finished run, and on no others.
    final = load_file(next((tmp_path / "run").glob("checkpoint-*")) / "model.safetensors")
    learned = load_file(next((out / "run").glob("checkpoint-*")) / "model.safetensors")
    assert torch.equal(final["audio_assignments"], learned["audio_assignments"])
    assert final["clusterings_done"] == 1 and "video_assignments" not in final
    assert not any("audio" in name and not name.startswith("audio_") for name in final if name.startswith("encoders"))


def test_clusters_of_other_data_are_refused(finished):
    out, _ = finished
    digest = clips_digest(Clips())
    with pytest.raises(ClusteringError, match="other clips"):
        read_clusters(out / "run", ["audio"], 4, digest)
    with pytest.raises(ClusteringError, match="4 clusters"):
        read_clusters(out / "run", ["audio"], 8, digest)
    with pytest.raises(ClusteringError, match="not of joint"):
        read_clusters(out / "run", ["joint"], 4, digest)
    with pytest.raises(ClusteringError, match="finished deep-clustering run"):
        read_clusters(Path("/nowhere"), ["audio"], 4, digest)


def test_one_encoder_without_clusters_is_refused(finished, tmp_path):
    with pytest.raises(ClusteringError, match=r"model\.clustering\.assignments"):
        pretrain(longer(*finished[1]), tmp_path, quiet=True)


def test_the_section_checks_views_against_the_model():
    with pytest.raises(RecipeError, match=r"num_frames"):
        load_recipe("xdc_smoke_synth", ["views.num_frames=8"])
    # The audio encoder of a run that trains none may be of any size.
    load_recipe(
        "xdc_smoke_synth",
        ["model.objective.variant=sdc", "model.objective.modalities=[video]", "views.num_samples=16000"],
    )


def test_settings_have_sentences():
    with pytest.raises(RecipeError, match="did you mean 'warm_start'"):
        load_recipe("xdc_smoke_synth", ["model.clustering.warmstart=true"])
    assert ClusteringSection().pca is None and not ClusteringSection().whiten and not ClusteringSection().l2_normalize
    assert DeepClustering(xdc(), callback(xdc(), Clips()).data).settings == ClusteringSection()
