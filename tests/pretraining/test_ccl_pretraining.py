"""CCL as a training model: whose gradient reaches whom, modes, ablations, teachers, memories, checkpoints."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from avzoo.models.configuration_ccl_image import CCLImageConfig
from avzoo.models.configuration_cnn14 import CNN14Config
from avzoo.pretraining.arguments import AVTrainingArguments
from avzoo.pretraining.configuration_ccl_pretraining import CCLPreTrainingConfig
from avzoo.pretraining.modeling_ccl_pretraining import CCLForDistillation
from avzoo.pretraining.objectives_ccl import multi_class_nce, symmetric_divergence
from avzoo.pretraining.optim import create_optimizer
from avzoo.pretraining.schedules import learning_rate_factors

LABELS = torch.tensor([0, 0, 1, 2])
BASELINES = ("fitnet", "pkt", "cckd", "rkd", "crd", "ifd", "cmc")
CLASSES = 3


def tiny(seed: int = 0, listens: bool = False, **fields) -> CCLForDistillation:
    torch.manual_seed(seed)
    image = CCLImageConfig(depths=[1, 1, 1, 1], hidden_sizes=[4, 4, 8, 16])
    audio = CNN14Config(num_mel_bins=8, block_channels=[4, 8], hidden_size=16)
    fields = {
        "audio_teacher_config": audio if listens else None,
        "image_teacher_config": image,
        "audio_embedding_size": 16,
        "num_classes": CLASSES,
        "num_samples": 6,
        "num_negatives": 5,
        **fields,
    }
    video = {"hidden_sizes": [4, 8, 8, 16], "num_frames": 4, "image_size": 32}
    return CCLForDistillation(CCLPreTrainingConfig.preset("nano", video, **fields)).double()


def batch(**changes) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {
        "pixel_values_videos": torch.randn(4, 4, 3, 32, 32, generator=generator, dtype=torch.float64),
        "audio_embeds": torch.randn(4, 16, generator=generator, dtype=torch.float64).relu(),
        "labels": LABELS,
        "clip_index": torch.tensor([3, 0, 5, 1]),
        "clip_seed": torch.tensor([10, 11, 12, 2**62]),
        **changes,
    }


def gradients(model: CCLForDistillation) -> dict[str, Tensor]:
    return {name: value.grad.clone() for name, value in model.named_parameters() if value.grad is not None}


# ---- routing ----


def contrast(first: Tensor, second: Tensor, labels: Tensor, temperature: float) -> Tensor:
    both = multi_class_nce(first, second, labels, temperature), multi_class_nce(second, first, labels, temperature)
    return both[0] + both[1]


def released_step(model: CCLForDistillation, given: dict[str, Tensor]) -> dict[str, Tensor]:
    """The gradients of a step as the released loop takes it: a backward pass per objective, gradients zeroed between.

    Written after the loop's description; knows nothing of detached copies.
    """
    modules = {name: getattr(model, f"{name}_composition") for name in model.config.modalities}
    students = [model.student, model.classifier]
    features = model.student(given["pixel_values_videos"]).pooler_output
    logits = model.classifier(features)
    labels = given["labels"]
    cross_entropy = torch.nn.functional.cross_entropy
    teachers = {"audio": given["audio_embeds"]}
    if "image" in modules:
        frame = int(given["clip_seed"].sum()) % 4
        with torch.no_grad():
            teachers["image"] = model.image_teacher(given["pixel_values_videos"], frame_index=frame).pooler_output
    objective, objectives = cross_entropy(logits, labels), {}
    weight = 0.5 if len(modules) == 2 else 1.0
    for name, module in modules.items():
        temperature = {"audio": 0.5, "image": 0.1}[name]
        rows = teachers[name].sum(1) != 0 if name == "audio" else torch.ones(4, dtype=torch.bool)
        v, scores, y, t = features[rows], logits[rows], labels[rows], teachers[name][rows]
        m, composed = module(t, v)
        divergence = symmetric_divergence(scores, composed)
        to_composed = contrast(v, m, y, temperature)
        objective = objective + weight * (to_composed + contrast(v, t, y, temperature) + divergence)
        own = cross_entropy(composed, y) + to_composed + contrast(m, t, y, temperature)
        objectives[name] = own + divergence
    for module in modules.values():
        module.zero_grad()
    for own in objectives.values():
        own.backward(retain_graph=True)
    for part in students:
        part.zero_grad()
    objective.backward()
    return gradients(model)


@pytest.mark.parametrize("mode", ["A", "I", "AI"])
@pytest.mark.parametrize("silent", [False, True])
def test_one_backward_gives_the_gradients_of_the_released_loop(mode, silent):
    given = batch()
    if silent:
        given["audio_embeds"][1] = 0
    wanted = released_step(tiny(mode=mode).train(), given)
    model = tiny(mode=mode).train()
    model(**given).loss.backward()
    found = gradients(model)
    assert found.keys() == wanted.keys()
    assert found.keys() == {name for name, value in model.named_parameters() if value.requires_grad}
    for name, value in wanted.items():
        torch.testing.assert_close(found[name], value, rtol=1e-9, atol=1e-12, msg=name)


def test_separate_and_joint_objectives_differ_where_they_should():
    """The student alone: composition modules' own terms move it only where all is one objective."""
    given = batch()
    found = {}
    for routing in ("separate", "joint"):
        model = tiny(mode="A", routing=routing, contrast="none").train()
        model(**given).loss.backward()
        found[routing] = gradients(model)
    # Without contrast what differs are: the composed cross-entropy for the student, the divergence counted once or
    # twice for the composition module.
    model = tiny(mode="A", routing="joint", contrast="none").train()
    features = model.student(given["pixel_values_videos"]).pooler_output
    _, composed = model.audio_composition(given["audio_embeds"], features)
    torch.nn.functional.cross_entropy(composed, LABELS).backward()
    extra = gradients(model)
    for name, value in found["joint"].items():
        if name.startswith("student"):
            torch.testing.assert_close(value, found["separate"][name] + extra[name], rtol=1e-9, atol=1e-12)
    name = "audio_composition.classifier.weight"
    assert not torch.allclose(found["joint"][name], found["separate"][name])


def test_the_total_of_the_paper_is_one_objective():
    model = tiny(
        mode="AI",
        routing="joint",
        contrast_weight=0.5,
        contrast_directions="one",
        composed_to_teacher=False,
        modality_weight=1.0,
    ).train()
    out = model(**batch())
    terms = out.losses
    total = terms["student"] + terms["audio_composition"] + terms["image_composition"]
    torch.testing.assert_close(out.loss, total)
    for name in ("audio", "image"):
        torch.testing.assert_close(terms[f"{name}_composition"], terms[f"{name}_composition_cross_entropy"])


# ---- modes and ablations ----


@pytest.mark.parametrize(
    ("fields", "absent"),
    [
        ({}, ()),
        ({"composition": False}, ("composed", "divergence", "composition")),
        ({"contrast": "instance"}, ()),
        ({"contrast": "none"}, ("audio_teacher", "composed", "composition_teacher")),
        ({"divergence": False}, ("divergence",)),
    ],
)
def test_ablations_leave_out_what_they_name(fields, absent):
    model = tiny(**fields).train()
    out = model(**batch())
    terms = {name for name in out.losses if name not in ("cross_entropy", "accuracy", "audio_share", "student")}
    everything = {"teacher", "composed", "divergence", "composition", "composition_teacher"}
    everything |= {"composition_cross_entropy"}
    wanted = {f"{m}_{t}" for m in ("audio", "image") for t in everything}
    if fields.get("composition") is False:
        assert terms == {"audio_teacher", "image_teacher"}
        assert not any("composition" in name for name, _ in model.named_modules())
    else:
        skipped = {"none": {"teacher", "composed", "composition_teacher"}}.get(fields.get("contrast"), set())
        skipped |= {"divergence"} if fields.get("divergence") is False else set()
        assert terms == {name for name in wanted if name.split("_", 1)[1] not in skipped}
    out.loss.backward()
    assert gradients(model).keys() == {name for name, value in model.named_parameters() if value.requires_grad}


@pytest.mark.parametrize("mode", ["A", "I", "AI"])
@pytest.mark.parametrize("objective", ["ccl", *BASELINES, "none"])
def test_every_objective_in_every_mode_reaches_all_that_is_trained(objective, mode):
    model = tiny(mode=mode, objective=objective).train()
    out = model(**batch())
    weights = {"crd": 0.8}
    if objective in BASELINES:
        added = sum(out.losses[f"{modality}_{objective}"] for modality in model.config.modalities)
        torch.testing.assert_close(out.loss, out.losses["cross_entropy"] + weights.get(objective, 1.0) * added)
    elif objective == "none":
        assert model.config.modalities == () and torch.equal(out.loss, out.losses["cross_entropy"])
    out.loss.backward()
    assert out.loss.isfinite() and out.logits.shape == (4, CLASSES) and out.student_video.shape == (4, 16)
    assert gradients(model).keys() == {name for name, value in model.named_parameters() if value.requires_grad}
    assert all(value.isfinite().all() for value in gradients(model).values())


@pytest.mark.parametrize("objective", ["ccl", *BASELINES])
def test_a_batch_without_any_sound_trains_on(objective):
    model = tiny(mode="A", objective=objective, fitnet_regressor="linear").train()
    out = model(**batch(audio_embeds=torch.zeros(4, 16, dtype=torch.float64)))
    out.loss.backward()
    torch.testing.assert_close(out.loss, out.losses["cross_entropy"])
    assert out.losses["audio_share"] == 0
    assert gradients(model).keys() == {name for name, value in model.named_parameters() if value.requires_grad}


@pytest.mark.parametrize("objective", ["ccl", *BASELINES])
def test_samples_without_sound_change_nothing_but_the_cross_entropy(objective):
    whole, model = batch(), tiny(mode="A", objective=objective).eval()
    part = {name: value[:3] for name, value in whole.items()}
    whole["audio_embeds"][3] = 0
    values = [model(**given).losses for given in (whole, part)]
    assert values[0]["audio_share"] == 0.75 and values[1]["audio_share"] == 1
    for name in values[0].keys() - {"cross_entropy", "accuracy", "audio_share", "student"}:
        torch.testing.assert_close(values[0][name], values[1][name], rtol=1e-9, atol=1e-12, msg=name)


# ---- teachers ----


def test_teachers_are_frozen_in_evaluation_mode_and_stay_so_when_loaded(tmp_path):
    model = tiny(listens=True).train()
    sound = torch.randn(4, 1, 8, 16, dtype=torch.float64)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model(**batch(input_features=sound)).loss.backward()
    model.save_pretrained(tmp_path)
    again = CCLForDistillation.from_pretrained(tmp_path, dtype=torch.float64).train()
    for one in (model, again):
        for name, value in one.named_parameters():
            assert value.requires_grad != ("_teacher." in name), name
        assert not any(part.training for teacher in one._teachers for part in teacher.modules() if part is not teacher)
    for name, value in model.state_dict().items():
        assert "_teacher." not in name or torch.equal(value, before[name]), name
        assert torch.equal(value, again.state_dict()[name]), name


def test_the_image_teacher_sees_one_frame_of_all_clips_that_follows_from_the_seeds():
    model, given = tiny(mode="I").eval(), batch()
    chosen = int(given["clip_seed"].sum()) % 4
    losses = [model(**given, frame_index=index).loss for index in range(4)]
    assert torch.equal(model(**given).loss, losses[chosen])
    assert len({loss.item() for loss in losses}) == 4
    overflowing = given | {"clip_seed": torch.full((4,), 2**63 - 1)}
    assert any(torch.equal(model(**overflowing).loss, loss) for loss in losses)
    del given["clip_seed"]
    torch.manual_seed(0)
    drawn = {losses.index(model(**given).loss) for _ in range(20)}
    assert drawn == {0, 1, 2, 3}


@pytest.mark.parametrize(
    ("fields", "missing", "message"),
    [
        ({"mode": "A"}, "audio_embeds", "needs audio_embeds"),
        ({"mode": "A", "listens": True}, "input_features", "needs input_features"),
        ({"objective": "crd"}, "clip_index", "crd needs clip_index and clip_seed"),
        ({"objective": "cmc"}, "clip_seed", "cmc needs clip_index and clip_seed"),
    ],
)
def test_what_is_missing_is_named(fields, missing, message):
    given = {name: value for name, value in batch().items() if name != missing}
    with pytest.raises(ValueError, match=message):
        tiny(**fields)(**given)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"contrast": "none", "divergence": False}, 'choose objective="none"'),
        ({"contrast": "none", "composition": False}, 'choose objective="none"'),
        ({"audio_embedding_size": 8}, "audio teacher has features of width 8, the student of 16"),
        ({"objective": "fitnet", "audio_embedding_size": 8}, "must agree"),
        ({"num_classes": 0}, "num_classes must be at least 1"),
        ({"image_temperature": 0}, "image_temperature must be above 0"),
        ({"memory_momentum": 2}, r"memory_momentum must be in \[0, 1\]"),
        ({"mode": "V"}, "mode"),
        ({"objective": "kd"}, "objective"),
    ],
)
def test_mistakes_are_named(fields, message):
    with pytest.raises(Exception, match=message):
        tiny(**fields)


@pytest.mark.parametrize("fields", [{"objective": "pkt"}, {"objective": "fitnet", "fitnet_regressor": "linear"}])
def test_other_widths_where_features_are_not_compared(fields):
    model = tiny(mode="A", audio_embedding_size=8, **fields)
    model(**batch(audio_embeds=torch.rand(4, 8, dtype=torch.float64))).loss.backward()


# ---- optimisation, memories, results ----


def test_composition_modules_have_a_constant_learning_rate_of_their_own(tmp_path):
    settings = AVTrainingArguments(
        str(tmp_path),
        optimizer="sgd",
        learning_rate=1e-3,
        weight_decay=5e-4,
        schedule="multistep",
        milestones=[1, 2],
        use_cpu=True,
    )
    for rate, last in (("constant", 1.0), ("scheduled", 0.01)):
        model = tiny(composition_learning_rate=rate)
        optimizer, groups = create_optimizer(model, model.parameter_groups(settings), settings)
        assert [group["name"] for group in optimizer.param_groups] == ["student", "composition"]
        assert {group["weight_decay"] for group in optimizer.param_groups} == {5e-4}
        assert sum(len(group["params"]) for group in optimizer.param_groups[1:]) == 8
        factors = learning_rate_factors(settings, groups, total_steps=30, steps_per_epoch=10)
        assert [round(factor(25), 9) for factor in factors] == [0.01, last]


def test_memories_move_only_in_training_and_only_where_there_is_sound():
    model, given = tiny(objective="crd", mode="A"), batch()
    given["audio_embeds"][1] = 0
    bank = model.audio_bank
    start = {name: value.clone() for name, value in bank.named_buffers()}
    torch.testing.assert_close(start["student_memory"].norm(dim=1).mean().item(), 1.0, rtol=0.3, atol=0)
    model.eval()(**given)
    assert all(torch.equal(value, start[name]) for name, value in bank.named_buffers())
    model.train()(**given)
    for name in ("student_memory", "teacher_memory"):
        moved = (getattr(bank, name) != start[name]).any(dim=1)
        assert moved.tolist() == [False, True, False, True, False, True]  # clips 3, 5, 1; clip 0 has no sound
        torch.testing.assert_close(getattr(bank, name)[moved].norm(dim=1), torch.ones(3, dtype=torch.float64))
    first = bank.log_normalizers.clone()
    assert first.isfinite().all()
    model(**given)
    assert torch.equal(bank.log_normalizers, first), "the first batch decides"


def test_a_memory_is_drawn_anew_or_loaded_but_never_left_empty(tmp_path):
    model = tiny(objective="cmc").train()
    model(**batch())
    model.save_pretrained(tmp_path)
    again = CCLForDistillation.from_pretrained(tmp_path, dtype=torch.float64)
    for name, value in model.named_buffers():
        assert torch.equal(value, again.get_buffer(name)), name
    other = tiny(seed=1, objective="cmc")
    assert not torch.equal(other.audio_bank.student_memory, tiny(objective="cmc").audio_bank.student_memory)


def test_the_student_leaves_with_and_without_its_classifier(tmp_path: Path):
    model = tiny().eval()
    clips = batch()["pixel_values_videos"]
    out = model(**batch())
    assert torch.equal(model.encoder("student")(clips).pooler_output, out.student_video)
    classifier = model.video_classifier().double().eval()
    assert classifier.config.num_labels == CLASSES and classifier.config.model_type == "ccl_video"
    torch.testing.assert_close(classifier(clips).logits, out.logits)
    with pytest.raises(ValueError, match="publish the student"):
        model.encoder("teacher")


def test_the_official_size():
    with torch.device("meta"):
        model = CCLForDistillation(CCLPreTrainingConfig.preset("base", audio_teacher_config=CNN14Config()))
    count = {name: sum(value.numel() for value in part.parameters()) for name, part in model.named_children()}
    assert count["student"] + count["classifier"] == 14_391_466
    assert count["audio_composition"] == count["image_composition"] == 1024 * 512 + 512 + 512 * 51 + 51
    assert count["audio_teacher"] == 76_526_528
