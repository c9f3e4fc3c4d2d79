from __future__ import annotations

from typing import Any

import pytest
import torch

from avzoo.evaluation.evidential import (
    DEAR,
    RELEASED,
    EvidentialLoss,
    annealing_coefficient,
    evidence,
    expected_probabilities,
    uncertainty,
    wrong_evidence_divergence,
)
from avzoo.evaluation.open_set_debias import (
    DebiasHead,
    dependence,
    gaussian_kernel,
    shuffled_frames,
    single_frames,
)


def test_every_variant_of_the_loss_is_that_of_the_original(parity: Any) -> None:
    reference = parity("vssl/edl_loss")
    expected, tolerance = reference.spec["expected"], reference.spec["tol"]["float64_rtol"]
    scores = reference.inputs["logits"].double()
    labels = torch.tensor(reference.spec["inputs"]["labels"]["values"])
    assert len(expected["variants"]) == 40
    for variant in expected["variants"]:
        loss = EvidentialLoss(
            variant["evidence"],
            variant["loss_type"],
            variant["with_kldiv"],
            variant["with_avuloss"],
            variant["annealing"],
        )
        terms = loss(scores, labels, variant["epoch"], variant["total_epoch"])
        assert sum(term.item() for term in terms.values()) == pytest.approx(variant["total"], rel=tolerance)
        for name, key in (("class", "cls"), ("variance", "var"), ("kl", "kl"), ("avu", "avu")):
            assert (name in terms) == (f"loss_{key}_mean" in variant)
            if name in terms:
                assert terms[name].item() == pytest.approx(variant[f"loss_{key}_mean"], rel=tolerance)
        coefficient = annealing_coefficient(loss.annealing, variant["epoch"], variant["total_epoch"])
        assert coefficient == pytest.approx(variant["lambda"], rel=tolerance)


def test_uncertainty_and_gradient_of_the_released_loss_are_those_of_the_original(parity: Any) -> None:
    reference = parity("vssl/edl_loss")
    expected = {name: torch.tensor(values).double() for name, values in reference.spec["expected"]["default"].items()}
    scores = reference.inputs["logits"].double().requires_grad_()
    labels = torch.tensor(reference.spec["inputs"]["labels"]["values"])
    single = [RELEASED(scores[row, None], labels[row, None], 0, 1)["class"] for row in range(len(scores))]
    torch.testing.assert_close(torch.stack(single), expected["loss_cls_per_sample"], rtol=1e-6, atol=0)
    torch.testing.assert_close(uncertainty(scores), expected["uncertainty_per_sample"], rtol=1e-6, atol=0)
    RELEASED(scores, labels, 0, 1)["class"].backward()
    torch.testing.assert_close(scores.grad[0], expected["grad_of_mean_loss_row0"], rtol=1e-5, atol=1e-9)


def test_the_debias_head_is_that_of_the_original(parity: Any) -> None:
    reference = parity("vssl/dear_debias")
    config = reference.config
    head = DebiasHead(config["head_in_dim"], config["num_classes"], config["head_hidden_dim"], config["loss_factor"])
    names = {"f1_conv3d.layers": "clip", "f2_conv3d.layers": "shuffled", "f3_conv2d.layers": "still"}
    weights = reference.state_dict()
    head.load_state_dict(
        {key.replace(old, new): value for key, value in weights.items() for old, new in names.items() if old in key}
    )
    features = [reference.inputs[name].double() for name in ("feat", "shuffled", "static")]
    losses = head.double().train()(*features, torch.arange(8) % 5)
    expected = reference.spec["expected"]["losses_mean"]
    for name, key in (
        ("clip", "loss_unbias_cls"),
        ("shuffled", "loss_bias1_cls"),
        ("still", "loss_bias2_cls"),
        ("shuffled dependence", "loss_bias1_hsic"),
        ("still dependence", "loss_bias2_hsic"),
    ):
        assert losses[name].item() == pytest.approx(expected[key], rel=1e-7), name


def test_dependence_is_that_of_the_original(parity: Any) -> None:
    reference = parity("vssl/dear_debias")
    expected = reference.spec["expected"]
    one, other = (reference.inputs[name].double() for name in ("hsic_a", "hsic_b"))
    assert gaussian_kernel(one)[0].tolist() == pytest.approx(expected["kernel_row0"], rel=1e-9)
    assert dependence(one, other).item() == pytest.approx(expected["hsic_biased"], rel=1e-7)
    assert dependence(one, other, unbiased=True).item() == pytest.approx(expected["hsic_unbiased"], rel=1e-7)


def test_only_the_clip_teaches_the_encoder_through_the_debias_head() -> None:
    torch.manual_seed(0)
    clip, shuffled, still = (torch.randn(6, 4, requires_grad=True) for _ in range(3))
    losses = DebiasHead(4, 3, hidden=8)(clip, shuffled, still, torch.arange(6) % 3)
    sum(losses.values()).backward()
    assert clip.grad is not None
    assert shuffled.grad is None
    assert still.grad is None


def test_dependence_needs_four_items_and_sees_a_shared_cause() -> None:
    torch.manual_seed(0)
    cause = torch.randn(64, 1)
    assert dependence(cause[:3], cause[:3]) == 0
    assert dependence(cause, cause.square(), unbiased=True) > 0.01
    assert abs(dependence(cause, torch.randn(64, 1), unbiased=True)) < 0.01


def test_frames_are_shuffled_alike_and_singled_out() -> None:
    frames = torch.arange(3 * 5).view(3, 5, 1, 1, 1).expand(-1, -1, 3, 2, 2)
    mixed = shuffled_frames(frames, torch.Generator().manual_seed(1))
    assert not torch.equal(mixed, frames)
    order = mixed[0, :, 0, 0, 0]
    assert torch.equal(mixed[2, :, 0, 0, 0], order + 10)
    assert sorted(order.tolist()) == [0, 1, 2, 3, 4]
    still = single_frames(frames)
    assert still.shape == (15, 4, 3, 2, 2)
    assert torch.equal(still[7, 0], frames[1, 2])
    assert torch.equal(still[7, 3], frames[1, 2])


def test_uncertainty_is_one_without_evidence_and_falls_with_it() -> None:
    assert uncertainty(torch.full((1, 4), -20.0), "relu").item() == 1
    scores = torch.tensor([[0.0, 0.0], [3.0, 0.0], [60.0, 0.0]])
    doubt = uncertainty(scores)
    assert doubt[0] > doubt[1] > doubt[2] > 0
    assert torch.isfinite(evidence(scores)).all()
    assert torch.allclose(expected_probabilities(scores).sum(1), torch.ones(3))


def test_divergence_is_zero_without_wrong_evidence_only() -> None:
    truth = torch.eye(3).double()
    alpha = torch.tensor([[9.0, 1, 1], [1, 5, 1], [1, 4, 1]]).double()
    divergence = wrong_evidence_divergence(alpha, truth)
    assert divergence[:2].abs().max() < 1e-12
    assert divergence[2] > 0.1


def test_dear_punishes_certain_mistakes_first_and_timid_answers_at_last() -> None:
    wrong, right = torch.tensor([[6.0, 0.0]]), torch.tensor([[0.0, 0.5]])
    label = torch.tensor([1])
    assert DEAR(wrong, label, 0, 10)["avu"] > DEAR(wrong, label, 10, 10)["avu"]
    assert DEAR(right, label, 0, 10)["avu"] < DEAR(right, label, 10, 10)["avu"]
    assert annealing_coefficient("exp", 10, 10) == pytest.approx(1)
    assert annealing_coefficient("step", 20, 100) == 1
