"""CCL against the original code: composition module, losses, totals; and the gradients of its training loop."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn.functional import cross_entropy, normalize

from avzoo.pretraining.ccl_terms import Composed, Student, Teaching, compositional_losses
from avzoo.pretraining.composition import Composition
from avzoo.pretraining.configuration_ccl_pretraining import CCLPreTrainingConfig
from avzoo.pretraining.objectives_ccl import (
    instance_nce,
    mean_cross_entropy,
    multi_class_nce,
    symmetric_divergence,
)

WEIGHTS = {"video": 0.6, "audio": 0.5, "composed": 0.8, "image": 0.7, "image_composed": 0.9}
PAPER = {
    "routing": "joint",
    "contrast_weight": 0.5,
    "contrast_directions": "one",
    "composed_to_teacher": False,
    "modality_weight": 1.0,
}


@pytest.mark.parametrize("normalized", [True, False])
def test_composition(parity, normalized):
    case = parity("ccl/composition")
    names = {"mlp": "residual", "fc": "classifier"}
    module = Composition(512, 512, 51, normalize=normalized)
    official = {names[name.split(".")[0]] + name[name.index(".") :]: v for name, v in case.state_dict().items()}
    module.load_state_dict(official)
    embedding, logits = module(case.inputs["teacher"], case.inputs["video"])
    suffix = "" if normalized else "_no_norm"
    torch.testing.assert_close(embedding, case.expected[f"feature{suffix}"], rtol=1e-5, atol=3e-6)
    torch.testing.assert_close(logits, case.expected[f"logits{suffix}"], rtol=1e-5, atol=3e-6)


@pytest.fixture
def losses_case(parity):
    """The embeddings, logits and labels of the case in double precision, and what the original makes of them."""
    case = parity("ccl/losses")
    labels = torch.tensor(case.spec["labels"])
    prototypes = case.inputs["prototypes"][labels]
    given = {name: case.inputs[name] + weight * prototypes for name, weight in WEIGHTS.items()}
    torch.testing.assert_close(given["video"], case.expected["embeddings.video"], rtol=1e-6, atol=1e-6)
    given |= {name: case.inputs[name] for name in ("logits_v", "logits_av", "logits_iv")}
    return {name: value.double() for name, value in given.items()}, labels, case.expected


def close(value: torch.Tensor, expected: torch.Tensor) -> None:
    # The original computed in single precision.
    assert value.item() == pytest.approx(expected.item(), rel=2e-6)


def test_every_loss(losses_case):
    given, labels, expected = losses_case
    letters = {"v": "video", "a": "audio", "i": "image"}
    seen = set()
    for name, value in expected.items():
        if name.startswith("nce_"):
            pair, temperature = name.removeprefix("nce_").split("_T")
            composed = "composed" if temperature == "0.5" else "image_composed"
            first, second = (given[(letters | {"m": composed})[letter]] for letter in pair)
            close(multi_class_nce(first, second, labels, float(temperature)), value)
            seen.add(name)
    close(symmetric_divergence(given["logits_v"], given["logits_av"]), expected["jsd_av"])
    close(symmetric_divergence(given["logits_v"], given["logits_iv"]), expected["jsd_iv"])
    for letter in ("v", "av", "iv"):
        close(mean_cross_entropy(given[f"logits_{letter}"], labels), expected[f"ce_{letter}"])
    totals = {name for name in expected if name.startswith("total_")}
    assert len(seen) == 12 and expected.keys() == seen | totals | {
        *("jsd_av", "jsd_iv", "ce_v", "ce_av", "ce_iv", "embeddings.video"),
    }


def teachings_of(given, mode):
    audio = Composed(given["composed"], given["logits_av"])
    image = Composed(given["image_composed"], given["logits_iv"])
    both = {"audio": Teaching(given["audio"], audio, audio), "image": Teaching(given["image"], image, image)}
    return {name: both[name] for name in {"A": ["audio"], "I": ["image"], "AI": ["audio", "image"]}[mode]}


@pytest.mark.parametrize("mode", ["A", "I", "AI"])
def test_every_total(losses_case, mode):
    given, labels, expected = losses_case
    student = Student(given["video"], given["logits_v"], labels)
    config = CCLPreTrainingConfig.preset("nano", mode=mode)
    terms, loss = compositional_losses(config, student, teachings_of(given, mode))
    close(terms["student"], expected[f"total_v_mode_{mode}"])
    total = terms["student"].item()
    for modality in config.modalities:
        close(terms[f"{modality}_composition"], expected[f"total_comp_{modality}"])
        total += terms[f"{modality}_composition"].item()
    assert loss.item() == pytest.approx(total)


def test_the_objective_of_the_paper(losses_case):
    given, labels, expected = losses_case
    student = Student(given["video"], given["logits_v"], labels)
    config = CCLPreTrainingConfig.preset("nano", mode="AI", **PAPER)
    teachings = {name: one._replace(own=None) for name, one in teachings_of(given, "AI").items()}
    _, loss = compositional_losses(config, student, teachings)
    wanted = sum(expected[name] for name in ("ce_v", "ce_av", "ce_iv", "jsd_av", "jsd_iv"))
    wanted += 0.5 * sum(expected[f"nce_{name}"] for name in ("vm_T0.5", "va_T0.5", "vm_T0.1", "vi_T0.1"))
    close(loss, wanted)


# ---- the functions beyond the case ----


def nce_by_loops(anchors, targets, labels, temperature):
    total = 0.0
    for i, anchor in enumerate(anchors):
        distances = [
            1 - (anchor / anchor.norm() - target / target.norm()).square().sum().item() / 2 for target in targets
        ]
        powers = [math.exp(value / temperature) for value in distances]
        shares = [power / sum(powers) for power in powers]
        same = [share for share, label in zip(shares, labels, strict=True) if label == labels[i]]
        others = [share for share, label in zip(shares, labels, strict=True) if label != labels[i]]
        total += -sum(math.log(share + 1e-10) for share in same) / len(same)
        total += -sum(math.log(1 - share + 1e-10) for share in others) / len(others) if others else 0.0
    return total / len(anchors)


@pytest.mark.parametrize("labels", [[0, 1, 1, 2], [0, 1, 2, 3], [5, 5, 5, 5]])
def test_class_contrast_by_loops(labels):
    torch.manual_seed(0)
    anchors, targets = torch.randn(2, 4, 6, dtype=torch.float64)
    value = multi_class_nce(anchors, targets, torch.tensor(labels), 0.3)
    assert value.item() == pytest.approx(nce_by_loops(anchors, targets, labels, 0.3), rel=1e-12)


def test_class_contrast_of_two_samples_by_hand():
    # Orthogonal unit vectors, temperature 1: the own target has the share e / (e + 1), and so has the rest of 1 of it.
    unit = torch.eye(2, dtype=torch.float64)
    own = math.e / (math.e + 1)
    apart = multi_class_nce(unit, 5 * unit, torch.tensor([0, 1]), 1.0)
    assert apart.item() == pytest.approx(-2 * math.log(own), abs=1e-9)
    together = multi_class_nce(unit, 5 * unit, torch.tensor([3, 3]), 1.0)
    assert together.item() == pytest.approx(-(math.log(own) + math.log(1 - own)) / 2, abs=1e-9)


def test_instance_contrast_is_the_cross_entropy_of_the_diagonal():
    torch.manual_seed(0)
    first, second = torch.randn(2, 5, 4, dtype=torch.float64)
    scores = normalize(first) @ normalize(second).T / 0.2
    torch.testing.assert_close(instance_nce(first, second, 0.2), cross_entropy(scores, torch.arange(5)))


def test_the_divergence_is_that_of_kullback_and_leibler_both_ways_and_survives_certainty():
    torch.manual_seed(0)
    first, second = torch.randn(2, 5, 4, dtype=torch.float64)
    p, q = first.softmax(1), second.softmax(1)
    wanted = ((p * (p / q).log()).sum(1) + (q * (q / p).log()).sum(1)).mean() / 2
    assert symmetric_divergence(first, second).item() == pytest.approx(wanted.item(), abs=1e-8)
    sure = torch.tensor([[500.0, -500.0]], requires_grad=True)
    value = symmetric_divergence(sure, -sure.detach())
    value.backward()
    assert value.isfinite() and sure.grad.isfinite().all()


@pytest.mark.parametrize("labels", [torch.tensor([0, 1]), torch.tensor([0, 0])])
def test_no_samples_are_a_loss_of_zero_with_a_gradient(labels):
    features, logits = torch.randn(2, 4, requires_grad=True), torch.randn(2, 3, requires_grad=True)
    none = torch.zeros(2, dtype=torch.bool)
    total = multi_class_nce(features[none], features[none], labels[none], 0.1)
    total = total + instance_nce(features[none], features[none], 0.1)
    total = total + symmetric_divergence(logits[none], logits[none]) + mean_cross_entropy(logits[none], labels[none])
    total.backward()
    assert total.item() == 0 and not features.grad.any() and not logits.grad.any()
