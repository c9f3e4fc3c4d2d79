from __future__ import annotations

import logging

import pytest
import torch
from tiny_runs import TinyViews, arguments, numbers, tiny_model, weights
from toy_method import ToyConfig, ToyDataset, ToyForPreTraining
from transformers import TrainerCallback

from avzoo.errors import AvzooError
from avzoo.pretraining.optim import ParameterGroup
from avzoo.pretraining.schedules import cosine_schedule
from avzoo.pretraining.stops import TrainingDiverged
from avzoo.pretraining.trainer import AVTrainer


def toy_trainer(tmp_path, model=None, data=None, callbacks=None, **fields):
    torch.manual_seed(0)
    settings = arguments(tmp_path, **{"save_strategy": "no", "learning_rate": 0.05, **fields})
    return AVTrainer(model or ToyForPreTraining(ToyConfig()), settings, data or ToyDataset(), callbacks=callbacks)


def test_learning_rate_follows_the_official_schedule(tmp_path):
    trainer = toy_trainer(tmp_path, logging_steps=1, final_learning_rate=0.001)
    trainer.train()
    rates = [log["learning_rate"] for log in trainer.state.log_history if "loss" in log]
    expected = [cosine_schedule(step, 18, base=0.05, final=0.001, warmup_steps=6, start=1e-4) for step in range(18)]
    assert rates == pytest.approx(expected, rel=1e-12)


class Settings(TrainerCallback):
    """Keeps learning rate and weight decay of every group as each step finds them."""

    def __init__(self):
        self.seen = []

    def on_pre_optimizer_step(self, args, state, control, optimizer, **kwargs):
        self.seen.append([(group["lr"], group["weight_decay"]) for group in optimizer.param_groups])


def test_groups_have_their_own_rates_and_weight_decay_follows_its_cosine(tmp_path):
    class Grouped(ToyForPreTraining):
        def parameter_groups(self, arguments):
            student, other = self.student_v.parameters(), self.student_a.parameters()
            return [
                ParameterGroup("video", list(student)),
                ParameterGroup("audio", list(other), weight_decay=0.0, learning_rate_factor=10, schedule="constant"),
            ]

    kept = Settings()
    fields = {"weight_decay": 0.05, "final_weight_decay": 0.5, "warmup_epochs": 0, "constructor_learning_rate": 0.2}
    toy_trainer(tmp_path, Grouped(ToyConfig()), callbacks=[kept], **fields).train()
    video, audio = zip(*kept.seen, strict=True)
    rates = [0.2, *(cosine_schedule(step, 18, base=0.05, final=0.0) for step in range(17))]
    decays = [cosine_schedule(step, 18, base=0.05, final=0.5) for step in range(18)]
    assert [rate for rate, _ in video] == pytest.approx(rates, rel=1e-12)
    assert [decay for _, decay in video] == pytest.approx(decays, rel=1e-12)
    assert audio == ((0.2, 0.0), *[(0.5, 0.0)] * 17)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_every_optimizer_learns_with_and_without_larc(tmp_path, optimizer):
    for larc in (False, True):
        trainer = toy_trainer(tmp_path, optimizer=optimizer, larc=larc, larc_trust=0.1, num_train_epochs=20)
        trainer.train()
        losses = [log["loss"] for log in numbers(trainer) if "loss" in log]
        assert losses[-1] < losses[0]


def test_hooks_bracket_each_optimizer_step(tmp_path):
    model = ToyForPreTraining(ToyConfig())
    toy_trainer(tmp_path, model, gradient_accumulation_steps=2).train()
    assert [progress.step for progress in model.begun] == list(range(9))
    assert {progress.total_steps for progress in model.begun} == {9}
    assert [progress.epoch for progress in model.begun] == [0] * 3 + [1] * 3 + [2] * 3
    assert model.temperature == 3.0


def test_logs_are_means_over_window_and_micro_batches(tmp_path):
    """With frozen weights and no noise every micro-batch loss is known: the log must be their plain mean."""
    torch.manual_seed(0)
    model = ToyForPreTraining(ToyConfig(), noise=0.0)
    seen = []
    forward = model.forward
    model.forward = lambda **batch: seen.append(forward(**batch)) or seen[-1]
    trainer = toy_trainer(tmp_path, model, gradient_accumulation_steps=2, logging_steps=3, num_train_epochs=1)
    trainer.train()
    (log,) = [entry for entry in trainer.state.log_history if "loss" in entry]
    assert len(seen) == 6
    for name in ("video_to_audio", "audio_to_video"):
        assert log[name] == pytest.approx(sum(out.losses[name].item() for out in seen) / 6, rel=1e-6)
    assert log["loss"] == pytest.approx((log["video_to_audio"] + log["audio_to_video"]) / 2, rel=1e-6)
    assert log["momentum"] == pytest.approx(cosine_schedule(2, 3, base=0.9, final=1.0))
    assert log["clips_per_second"] > 0


def test_accumulated_gradient_is_that_of_the_whole_batch(tmp_path):
    results = []
    for batch, accumulation in ((8, 1), (4, 2)):
        torch.manual_seed(0)
        model = ToyForPreTraining(ToyConfig(), noise=0.0, center_rate=0.0)
        trainer = toy_trainer(
            tmp_path,
            model,
            per_device_train_batch_size=batch,
            gradient_accumulation_steps=accumulation,
            max_steps=1,
            optimizer="sgd",
            sgd_momentum=0.0,
        )
        trainer.train()
        results.append(weights(model.student_v))
    torch.testing.assert_close(results[0], results[1])


def test_data_are_told_the_epoch_and_shuffled_by_the_seed(tmp_path):
    orders = {}
    for seed in (1, 2):
        data = ToyDataset()
        trainer = toy_trainer(tmp_path, data=data, seed=seed, num_train_epochs=2)
        trainer.train()
        assert data.epoch == 1 and set(data.epochs_told) == {0, 1}
        sampler = trainer._get_train_sampler()
        orders[seed] = list(sampler)
        sampler.set_epoch(1)
        assert sorted(orders[seed]) == list(range(24)) and list(sampler) != orders[seed]
    assert orders[1] != orders[2]
    same = toy_trainer(tmp_path, seed=2, data_seed=1)
    assert list(same._get_train_sampler()) == orders[1]


def test_global_clipping_is_an_option(tmp_path):
    norms = {}
    for per_tensor in (True, False):
        model = ToyForPreTraining(ToyConfig())
        trainer = toy_trainer(tmp_path, model, clip_per_tensor=per_tensor, max_grad_norm=1e-3)
        for parameter in model.parameters():
            parameter.grad = torch.full_like(parameter, 10.0) if parameter.requires_grad else None
        total = trainer._clip_grad_norm(model)
        assert total == pytest.approx(10 * (6 * 8 + 8 + 5 * 8 + 8) ** 0.5, rel=1e-5)
        norms[per_tensor] = [p.grad.norm().item() for p in model.parameters() if p.grad is not None]
    assert norms[True] == pytest.approx([1e-3] * 4, rel=1e-4)
    assert sum(norm**2 for norm in norms[False]) == pytest.approx(1e-6, rel=1e-3)


def test_gradients_are_clipped_after_the_loss_scale_is_removed(tmp_path, monkeypatch):
    model = ToyForPreTraining(ToyConfig())
    trainer = toy_trainer(tmp_path, model, max_grad_norm=1.0)
    gradient = torch.full_like(model.student_v.weight, 1e-3)
    model.student_v.weight.grad = gradient * 2**16

    def unscale():
        model.student_v.weight.grad /= 2**16

    monkeypatch.setattr(trainer.accelerator, "unscale_gradients", unscale)
    assert trainer._clip_grad_norm(model) == pytest.approx(1e-3 * 48**0.5, rel=1e-5)
    torch.testing.assert_close(model.student_v.weight.grad, gradient)


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path):
    class Exploding(ToyDataset):
        def __getitem__(self, index):
            return {name: value * float("nan") for name, value in super().__getitem__(index).items()}

    with pytest.raises(TrainingDiverged, match="loss is nan at step 2"):
        toy_trainer(tmp_path, data=Exploding()).train()


def test_data_smaller_than_a_batch_are_refused(tmp_path):
    with pytest.raises(AvzooError, match="have 3 clips, fewer than one batch of 4"):
        toy_trainer(tmp_path, data=ToyDataset(3)).train()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"warmup_steps": 10}, "use warmup_epochs"),
        ({"lr_scheduler_type": "cosine"}, "no effect here: use schedule"),
        ({"optim": "sgd"}, "no effect here: use optimizer"),
        ({"optimizer": "adams"}, "adamw, adam or sgd, not 'adams'"),
        ({"schedule": "step"}, "cosine, constant or multistep"),
        ({"schedule": "multistep"}, "milestones must be epochs above 0 in rising order, at least one"),
        ({"schedule": "multistep", "milestones": [3, 2]}, "rising order"),
        ({"milestones": [3]}, "empty unless schedule is multistep"),
        ({"schedule": "constant", "final_learning_rate": 1e-4}, "no effect with the constant schedule"),
        ({"final_weight_decay": -1.0}, "at least 0"),
        ({"export_network": "mentor"}, "teacher or student"),
        ({"warmup_epochs": -1}, "at least 0"),
        ({"learning_rate": 0.0}, "above 0"),
    ],
)
def test_settings_without_effect_or_out_of_range_are_refused(tmp_path, fields, message):
    with pytest.raises(ValueError, match=message):
        arguments(tmp_path, **fields)


def test_constant_features_raise_the_alarm(tmp_path, caplog):
    model = ToyForPreTraining(ToyConfig(), noise=0.0)
    for student, teacher in model.pairs:
        for layer in (student, teacher):
            torch.nn.init.zeros_(layer.weight)
    settings = {"logging_steps": 1, "learning_rate": 1e-12, "collapse_patience": 4, "num_train_epochs": 1}
    with caplog.at_level(logging.WARNING, "avzoo"):
        toy_trainer(tmp_path, model, **settings).train()
    text = caplog.text
    assert "Step 4: spread_student_video" in text and "lower the learning rate" in text
    assert "rank_teacher_audio" in text and "gap_teacher_video_student_audio" in text
    assert text.count("spread_student_video") == 1
    caplog.clear()
    with caplog.at_level(logging.WARNING, "avzoo"):
        toy_trainer(tmp_path, logging_steps=1, num_train_epochs=1).train()
    assert "collapse" not in caplog.text


@pytest.mark.parametrize("sharing", ["specific", "mas", "mats"])
def test_a_step_moves_every_student_and_the_teachers_by_exactly_the_ema(tmp_path, sharing):
    model = tiny_model(sharing, double_ema=True)
    before = {name: value.clone() for name, value in model.named_parameters()}
    trainer = AVTrainer(model, arguments(tmp_path, max_steps=1, warmup_epochs=0, save_strategy="no"), TinyViews())
    trainer.train()
    optimised = {id(p) for group in trainer.optimizer.param_groups for p in group["params"]}
    shared = {id(p) for p in model.teacher.video_model.parameters()} & {
        id(p) for p in model.teacher.audio_model.parameters()
    }
    assert bool(shared) == (sharing == "mats")
    momentum = 0.997
    students = dict(model.student.named_parameters(remove_duplicate=False))
    for name, parameter in model.named_parameters():
        if name.startswith("teacher."):
            own = name.removeprefix("teacher.")
            assert parameter.grad is None and id(parameter) not in optimised
            expected = before[name]
            for _ in range(2 if id(parameter) in shared else 1):
                expected = expected * momentum + students[own] * (1 - momentum)
            torch.testing.assert_close(parameter, expected, rtol=0, atol=1e-7)
            if students[own].requires_grad:
                assert not torch.equal(parameter, before[name]), name
        elif parameter.requires_grad:
            assert id(parameter) in optimised
            assert not torch.equal(parameter, before[name]), name
        else:
            assert torch.equal(parameter, before[name]), name


def test_toy_run_learns(tmp_path):
    trainer = toy_trainer(tmp_path, num_train_epochs=20, logging_steps=6)
    trainer.train()
    losses = [log["loss"] for log in numbers(trainer) if "loss" in log]
    assert losses[-1] < losses[0]
