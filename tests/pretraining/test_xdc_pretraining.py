from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from avzoo.errors import AvzooError
from avzoo.models.configuration_xdc import XDCAudioConfig, XDCVideoConfig
from avzoo.pretraining.configuration_xdc_pretraining import XDCPreTrainingConfig
from avzoo.pretraining.labelling_xdc import JOINT
from avzoo.pretraining.modeling_xdc_pretraining import XDCForPreTraining
from avzoo.pretraining.objectives_xdc import clustered_features, pseudo_label_loss
from avzoo.pretraining.progress import TrainingProgress

SMALL = {"hidden_sizes": [4, 4, 8, 16], "depth": 10}
SMALL_AUDIO = {"hidden_sizes": [8, 8, 16], "depths": [1, 1, 1], "embedding_size": 4}


def tiny(clips: int = 10, **fields) -> XDCForPreTraining:
    torch.manual_seed(0)
    encoders = {"video_config": XDCVideoConfig(**SMALL), "audio_config": XDCAudioConfig(**SMALL_AUDIO)}
    config = XDCPreTrainingConfig.preset("nano", model=encoders, **{"num_clusters": 5, **fields})
    model = XDCForPreTraining(config)
    model.prepare(clips)
    return model


def batch() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {
        "pixel_values_videos": torch.randn(4, 4, 3, 16, 16, generator=generator),
        "input_features": torch.randn(4, 1, 40, 20, generator=generator),
        "clip_index": torch.tensor([1, 8, 3, 3]),
    }


def clusters(model: XDCForPreTraining) -> dict[str, torch.Tensor]:
    """Different ones for every clustering."""
    return {
        name: torch.randint(5, (10,), generator=torch.Generator().manual_seed(seed))
        for seed, name in enumerate(model.config.clusterings)
    }


@pytest.mark.parametrize(
    ("variant", "modalities"),
    [
        ("sdc", ["audio"]),
        ("sdc", ["video", "audio"]),
        ("mdc", ["video", "audio"]),
        ("cdc", ["video", "audio"]),
        ("xdc", ["video", "audio"]),
        ("xdc", ["video", "video"]),
    ],
)
def test_the_loss_is_the_sum_of_the_cross_entropies_of_the_rule(variant, modalities):
    model = tiny(variant=variant, modalities=modalities)
    found = clusters(model)
    model.assign(found, seed=0)
    output = model(**batch())
    features = model.features(batch())
    expected = {}
    for name, sources in model.config.label_sources.items():
        for source in sources:
            logits = model.heads[f"{name}_from_{source}"](features[name])
            expected[f"{name}_from_{source}"] = F.cross_entropy(logits, found[source][batch()["clip_index"]])
    assert output.losses.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(output.losses[name], value)
    torch.testing.assert_close(output.loss, sum(expected.values()))
    assert (output.student_video is None) == ("video" not in modalities)


def test_encoders_of_one_modality_are_two():
    model = tiny(modalities=["video", "video"])
    features = model.features(batch())
    assert list(features) == ["video", "video_twin"]
    assert not torch.allclose(features["video"], features["video_twin"])


def test_in_xdc_an_encoder_gets_its_gradient_from_the_clusters_of_the_other_alone():
    model = tiny()
    found = clusters(model)

    def gradient(assignments):
        model.assign(assignments, seed=0)
        model.zero_grad()
        model(**batch()).loss.backward()
        return model.encoders.video_model.stem.conv.spatial.weight.grad.clone()

    before = gradient(found)
    assert torch.equal(before, gradient({**found, "video": (found["video"] + 1) % 5}))
    assert not torch.equal(before, gradient({**found, "audio": (found["audio"] + 1) % 5}))


def test_new_clusters_bring_new_heads_and_keep_the_encoders():
    model = tiny()
    model.assign(clusters(model), seed=3)
    with torch.no_grad():
        for head in model.heads.values():
            head.bias.add_(1)
    encoders = {name: value.clone() for name, value in model.encoders.state_dict().items()}
    heads = {name: value.clone() for name, value in model.heads.state_dict().items()}
    state = torch.get_rng_state()
    model.assign(clusters(model), seed=4)
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(value, model.encoders.state_dict()[name]) for name, value in encoders.items())
    for name, value in model.heads.state_dict().items():
        if name.endswith("bias"):
            assert not value.any()
        else:
            assert not torch.equal(value, heads[name]) and 0.005 < value.std() < 0.02
    assert model.clusterings_done == 2
    again = tiny()
    again.assign(clusters(again), seed=4)
    assert all(torch.equal(value, model.heads.state_dict()[name]) for name, value in again.heads.state_dict().items())


def test_sizes_count_the_clips_that_have_a_cluster():
    model = tiny()
    labels = torch.tensor([0, 0, 1, -1, 4, 4, 4, -1, 0, 1])
    model.assign({"video": labels, "audio": labels}, seed=0)
    assert model.sizes("video").tolist() == [3, 2, 0, 0, 3]
    assert torch.equal(model.assignments("audio"), labels)


def test_the_log_tells_of_the_clusters():
    model = tiny()
    known = {"nmi": 0.5, "smallest": 1.0, "largest": 4.0, "evenness": 0.75}
    model.assign(clusters(model), 0, {"video": known, "audio": {**known, "purity": 0.25}})
    progress = TrainingProgress(0, 10, 2)
    logs = model.end_step(progress)
    assert logs == {
        "clustering": 1,
        **{f"{name}_{source}": value for source in ("audio", "video") for name, value in known.items()},
        "purity_audio": 0.25,
    }
    loaded = tiny()
    loaded.load_state_dict(model.state_dict())
    assert loaded.end_step(progress) == logs
    model.assign(clusters(model), 0)
    assert model.end_step(progress) == {"clustering": 2}


def test_a_checkpoint_holds_the_clusters(tmp_path):
    model = tiny().eval()
    model.assign(clusters(model), seed=0)
    model.save_pretrained(tmp_path)
    loaded = XDCForPreTraining.from_pretrained(tmp_path)
    assert loaded.config.num_clips == 10
    torch.testing.assert_close(loaded(**batch()).loss, model(**batch()).loss)


def test_no_clusters_no_training():
    model = tiny(clips=0)
    with pytest.raises(AvzooError, match="DeepClustering"):
        model(**batch())


@pytest.mark.parametrize("absent", ["pixel_values_videos", "input_features", "clip_index"])
def test_a_missing_input_is_named(absent):
    model = tiny()
    model.assign(clusters(model), seed=0)
    with pytest.raises(ValueError, match=absent):
        model(**{name: value for name, value in batch().items() if name != absent})


def test_joint_features_are_of_unit_length_part_by_part():
    features = {"video": 100 * torch.randn(6, 3), "audio": 0.01 * torch.randn(6, 4)}
    points = clustered_features(features, [JOINT])[JOINT]
    assert points.shape == (6, 7)
    torch.testing.assert_close(points[:, :3].norm(dim=1), torch.ones(6))
    torch.testing.assert_close(points[:, 3:], F.normalize(features["audio"], dim=1))
    alone = clustered_features(features, ["video", "audio"])
    assert alone["video"] is features["video"] and list(alone) == ["video", "audio"]


def test_clips_without_a_cluster_do_not_count():
    logits = torch.randn(5, 3)
    labels = torch.tensor([0, -1, 2, -1, 1])
    kept = labels >= 0
    torch.testing.assert_close(pseudo_label_loss(logits, labels), F.cross_entropy(logits[kept], labels[kept]))
    assert pseudo_label_loss(logits, torch.full((5,), -1)) == 0


def test_balanced_clusters_weigh_the_same_over_the_set():
    logits, labels = torch.randn(8, 4), torch.tensor([0, 0, 0, 0, 0, 1, 1, 3])
    balanced = pseudo_label_loss(logits, labels, torch.bincount(labels, minlength=4))
    losses = F.cross_entropy(logits, labels, reduction="none")
    torch.testing.assert_close(balanced, torch.stack([losses[labels == c].mean() for c in (0, 1, 3)]).mean())


def test_balance_is_a_choice_of_the_model():
    labels = torch.tensor([0, 0, 1, 2, 0, 0, 0, 0, 1, 0])
    losses = []
    for balanced in (True, False):
        model = tiny(balance_clusters=balanced)
        model.assign({"video": labels, "audio": labels}, seed=0)
        logits = model.heads["video_from_audio"](model.features(batch())["video"])
        sizes = model.sizes("audio") if balanced else None
        expected = pseudo_label_loss(logits, labels[batch()["clip_index"]], sizes)
        losses.append(model(**batch()).losses["video_from_audio"])
        torch.testing.assert_close(losses[-1], expected)
    assert losses[0] != losses[1]
