"""Video self-supervision against the original code: losses, gradients, teachers, centres and schedules."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import normalize

from avzoo.hub import convert_state_dict
from avzoo.pretraining.configuration_vssl_pretraining import VSSLPreTrainingConfig
from avzoo.pretraining.modeling_vssl_pretraining import VSSLForPreTraining
from avzoo.pretraining.objectives import distillation_loss, masked_reconstruction_loss, random_mask
from avzoo.pretraining.objectives_vssl import momentum_contrast_loss, negative_cosine, nt_xent_loss
from avzoo.pretraining.schedules import cosine_schedule, linear_warmup

RELATIVE = 1e-7


def official_model(case, method, frames, **fields):
    """The case's model in double precision and training mode; every official weight has its place."""
    encoder = {"image_size": 32, "num_frames": frames}
    model = VSSLForPreTraining(VSSLPreTrainingConfig.preset("tiny", method, model=encoder, **fields))
    model.load_state_dict(convert_state_dict("vssl_pretraining", case.state_dict()))
    return model.double().train()


def views_of(case):
    """Both views `(B, 2, T, C, H, W)` of clips that the original code takes as `(B, C, T, H, W)`."""
    return torch.stack([case.inputs[name].double().transpose(1, 2) for name in ("x1", "x2")], dim=1)


def check_gradients(model, expected):
    for name, norm in expected.items():
        (ours,) = convert_state_dict("vssl_pretraining", {name: torch.zeros(1)})
        assert model.get_parameter(ours).grad.norm().item() == pytest.approx(norm, rel=1e-6), name


def check_summary(tensor, summary):
    flat = tensor.detach().flatten()
    assert list(tensor.shape) == summary["shape"]
    assert flat[: len(summary["first"])].tolist() == pytest.approx(summary["first"], rel=RELATIVE, abs=1e-9)
    assert flat[-len(summary["last"]) :].tolist() == pytest.approx(summary["last"], rel=RELATIVE, abs=1e-9)
    assert flat.mean().item() == pytest.approx(summary["mean"], rel=RELATIVE, abs=1e-9)
    assert flat.norm().item() == pytest.approx(summary["l2"], rel=RELATIVE)


def test_losses_on_embeddings(parity):
    case = parity("vssl/ssl_losses_only")
    expected, q, k = case.spec["expected"], case.inputs["q"].double(), case.inputs["k"].double()
    unit = torch.stack([normalize(q, dim=1), normalize(k, dim=1)])
    for temperature in (0.07, 0.1, 0.5):
        contrast = nt_xent_loss(unit, unit, temperature)
        assert contrast.item() == pytest.approx(expected[f"simclr_ntxent_T{temperature}"], rel=1e-9)
        direction = momentum_contrast_loss(*unit, temperature)
        assert direction.item() == pytest.approx(expected[f"moco_one_direction_T{temperature}"], rel=1e-9)
    assert negative_cosine(q, k).item() == pytest.approx(expected["byol_simsiam_one_direction"], rel=1e-9)
    center = torch.zeros(1, q.shape[1], dtype=torch.float64)
    for step in expected["dino_sequence_teacher_k_student_q"]:
        loss = distillation_loss(q, k, center, step["student_temp"], step["teacher_temp"])
        assert loss.item() == pytest.approx(step["loss"], rel=1e-9)
        center = center.lerp(k.mean(0, keepdim=True), 0.1)
        assert center[0, : len(step["center_after"])].tolist() == pytest.approx(step["center_after"], abs=1e-9)


def test_simclr(parity):
    case = parity("vssl/ssl_simclr")
    expected, model = case.spec["expected"], official_model(case, "simclr", 8)
    outputs = model(views_of(case))
    assert outputs.loss.item() == pytest.approx(expected["loss"], rel=RELATIVE)
    check_summary(outputs.student_projections[:6], expected["z1"])
    outputs.loss.backward()
    check_gradients(model, expected["grad_norm"])


@pytest.mark.parametrize("method", ["moco", "byol", "simsiam", "dino"])
def test_siamese_methods_in_two_steps(parity, method):
    """No optimizer step between the two, so that the second shows what teacher and centre became in the first."""
    case = parity(f"vssl/ssl_{method}")
    expected, model = case.spec["expected"], official_model(case, method, 8)
    momenta = case.config["ema_m_call_1_2"]
    if method == "dino":
        model.teacher_temperature = case.config["teacher_temp"]
    for step in (1, 2):
        if momenta is not None:
            model.update_teacher(momenta[step - 1])
        outputs = model(views_of(case))
        name = "loss_1" if step == 1 else "loss_2_no_optimizer_step"
        assert outputs.loss.item() == pytest.approx(expected[name], rel=RELATIVE)
        if step == 1:
            outputs.loss.backward()
            check_gradients(model, expected["grad_norm_1"])
            for official, summary in expected.get("target_after_1", {}).items():
                (ours,) = convert_state_dict("vssl_pretraining", {official: torch.zeros(1)})
                check_summary(model.get_parameter(ours), summary)
        if method == "dino":
            check_summary(model.center, expected[f"center_after_{step}"])
    assert all(p.grad is None for n, p in model.named_parameters() if n.startswith("teacher"))


def test_masked_autoencoder(parity):
    case = parity("vssl/ssl_mae")
    expected, model = case.spec["expected"], official_model(case, "mae", 16)
    clips, noise = case.inputs["x"].double().transpose(1, 2), case.inputs["noise"].double()
    outputs = model(clips, video_noise=noise)
    assert outputs.loss.item() == pytest.approx(expected["loss"], rel=RELATIVE)
    outputs.loss.backward()
    check_gradients(model, expected["grad_norm"])
    keep, restore, mask = random_mask(noise, case.config["mask_ratio"])
    assert mask.tolist() == expected["mask"]
    latent = model.student(clips, keep_indices=keep).last_hidden_state
    check_summary(latent, expected["latent"])
    prediction = model.decoder(latent, restore)
    check_summary(prediction, expected["pred"])
    model.config.normalize_patches = False
    raw = model(clips, video_noise=noise).loss
    assert raw.item() == pytest.approx(expected["loss_without_norm_pix"], rel=RELATIVE)
    assert masked_reconstruction_loss(prediction, prediction, mask, False).item() == 0


def test_schedules(parity):
    case = parity("vssl/schedules_pretrain")
    per_epoch = case.config["iters_per_epoch"]
    steps, ramp = case.config["epochs"] * per_epoch, case.config["warmup_epochs_lr"] * per_epoch

    def cosine(step, base, final, warmup_steps=0):
        return cosine_schedule(step, steps, base=base, final=final, warmup_steps=warmup_steps)

    ours = {
        "lr base 3e-4 final 0 warmup 0->base": lambda step: cosine(step, 3e-4, 0.0, ramp),
        "ema 0.997->1": lambda step: cosine(step, 0.997, 1.0),
        "ema 0.998->1": lambda step: cosine(step, 0.998, 1.0),
        "wd 0.05->0.5": lambda step: cosine(step, 0.05, 0.5),
        "wd 0.05->0.05": lambda step: cosine(step, 0.05, 0.05),
        "dino teacher temp per epoch": lambda epoch: linear_warmup(epoch, start=0.04, base=0.07, warmup_steps=30),
    }
    assert ours.keys() == case.spec["expected"].keys()
    for name, values in case.spec["expected"].items():
        for step, value in values["at"].items():
            assert ours[name](int(step)) == pytest.approx(value, rel=1e-9), (name, step)
