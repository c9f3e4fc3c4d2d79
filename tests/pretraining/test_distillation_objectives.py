"""The distillation objectives against plain loops over samples, and against cases worked out by hand."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor

from avzoo.pretraining.contrastive_bank import ContrastiveBank, draw_others
from avzoo.pretraining.objectives_distillation import (
    correlation_congruence_loss,
    fitnet_loss,
    information_flow_loss,
    multiview_contrast_loss,
    pkt_loss,
    relational_loss,
    representation_contrast_loss,
)

EPS = 1e-7


@pytest.fixture
def features() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    student = torch.randn(5, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    return student, torch.randn(5, 4, generator=generator, dtype=torch.float64)


@pytest.fixture
def unlike(features) -> tuple[Tensor, Tensor]:
    """A student and a teacher of different widths."""
    return features[0], torch.cat([features[1], features[1].square()], dim=1)


def rows(features: Tensor) -> list[list[float]]:
    return features.detach().tolist()


def dot(x: list[float], y: list[float]) -> float:
    return sum(a * b for a, b in zip(x, y, strict=True))


def cosine(x: list[float], y: list[float]) -> float:
    return dot(x, y) / math.sqrt(dot(x, x) * dot(y, y))


def distance(x: list[float], y: list[float]) -> float:
    return math.sqrt(sum((a - b) ** 2 for a, b in zip(x, y, strict=True)))


def huber(x: float) -> float:
    return x * x / 2 if abs(x) < 1 else abs(x) - 0.5


def conditional(features: Tensor, kernel) -> list[list[float]]:
    points = rows(features)
    values = [[kernel(x, y) for y in points] for x in points]
    return [[value / sum(row) for value in row] for row in values]


def half_cosine(x: list[float], y: list[float]) -> float:
    return (cosine(x, y) + 1) / 2


# ---- loops ----


def test_fitnet(features):
    pairs = [(a, b) for x, y in zip(*(rows(each) for each in features), strict=True) for a, b in zip(x, y, strict=True)]
    assert fitnet_loss(*features).item() == pytest.approx(sum((a - b) ** 2 for a, b in pairs) / len(pairs), rel=1e-12)


def test_pkt(unlike):
    p, q = (conditional(each, half_cosine) for each in unlike)
    terms = [q[i][j] * math.log((q[i][j] + EPS) / (p[i][j] + EPS)) for i, j in itertools.product(range(5), range(5))]
    assert pkt_loss(*unlike).item() == pytest.approx(sum(terms) / 25, rel=1e-12)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_correlation_congruence(unlike, order):
    def correlation(x: list[float], y: list[float]) -> float:
        powers = range(order + 1)
        return sum(math.exp(-0.8) * 0.8**p / math.factorial(p) * cosine(x, y) ** p for p in powers)

    s, t = (rows(each) for each in unlike)
    terms = [(correlation(t[i], t[j]) - correlation(s[i], s[j])) ** 2 for i, j in itertools.product(range(5), range(5))]
    assert correlation_congruence_loss(*unlike, order=order).item() == pytest.approx(sum(terms) / 25, rel=1e-12)


def test_the_correlation_tends_to_the_gaussian_kernel(features):
    student, teacher = (each / each.norm(dim=1, keepdim=True) for each in features)
    kernels = [torch.exp(-0.4 * torch.cdist(each, each).square()) for each in (student, teacher)]
    wanted = (kernels[0] - kernels[1]).square().mean()
    torch.testing.assert_close(correlation_congruence_loss(student, teacher, order=20), wanted)


def test_relations(unlike):
    points = [rows(each) for each in unlike]
    pairs = [(i, j) for i, j in itertools.product(range(5), range(5)) if i != j]
    means = [sum(distance(of_one[i], of_one[j]) for i, j in pairs) / len(pairs) for of_one in points]
    distances = [
        huber(distance(points[0][i], points[0][j]) / means[0] - distance(points[1][i], points[1][j]) / means[1])
        for i, j in itertools.product(range(5), range(5))
    ]

    def angle(of_one: list[list[float]], i: int, j: int, k: int) -> float:
        if i in (j, k):
            return 0.0
        first = [a - b for a, b in zip(of_one[j], of_one[i], strict=True)]
        second = [a - b for a, b in zip(of_one[k], of_one[i], strict=True)]
        return cosine(first, second)

    angles = [huber(angle(points[0], *ijk) - angle(points[1], *ijk)) for ijk in itertools.product(range(5), repeat=3)]
    wanted = 25 * sum(distances) / 25 + 50 * sum(angles) / 125
    assert relational_loss(*unlike).item() == pytest.approx(wanted, rel=1e-11)
    only = [relational_loss(*unlike, 1.0, 0.0).item(), relational_loss(*unlike, 0.0, 1.0).item()]
    assert only == pytest.approx([sum(distances) / 25, sum(angles) / 125], rel=1e-11)


def test_information_flow(unlike):
    def student_t(x: list[float], y: list[float]) -> float:
        return 1 / (1 + distance(x, y))

    wanted = 0.0
    for kernel in (half_cosine, student_t):
        p, q = (conditional(each, kernel) for each in unlike)
        for i, j in itertools.product(range(5), range(5)):
            a, b = q[i][j] + EPS, p[i][j] + EPS
            wanted += (a - b) * (math.log(a) - math.log(b))
    assert information_flow_loss(*unlike).item() == pytest.approx(wanted, rel=1e-11)


def test_representation_contrast_and_multiview_contrast():
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(3, 5, generator=generator, dtype=torch.float64)
    for row, crd, cmc in zip(
        scores.tolist(), representation_contrast_loss(scores, size=9), multiview_contrast_loss(scores), strict=True
    ):
        h = [math.exp(value) / (math.exp(value) + 4 / 9) for value in row]
        assert crd.item() == pytest.approx(-math.log(h[0]) - sum(math.log(1 - x) for x in h[1:]), rel=1e-12)
        total = sum(math.exp(value) for value in row)
        assert cmc.item() == pytest.approx(-math.log(math.exp(row[0]) / total), rel=1e-12)
    sure = representation_contrast_loss(torch.tensor([[1e4, -1e4, -1e4]]), size=9)
    assert sure.item() == 0 and representation_contrast_loss(-torch.tensor([[1e4, -1e4]]), size=9).isfinite()


# ---- by hand ----


def test_orthogonal_student_of_a_constant_teacher_by_hand():
    student, teacher = torch.eye(2, dtype=torch.float64), torch.ones(2, 3, dtype=torch.float64)
    # Kernels: the student has 1 to itself and 1/2 to the other, the teacher 1 to both.
    q, p = [0.5, 0.5], [2 / 3, 1 / 3]
    wanted = sum(a * math.log((a + EPS) / (b + EPS)) for a, b in zip(q, p, strict=True)) / 2
    assert pkt_loss(student, teacher).item() == pytest.approx(wanted, rel=1e-12)
    # Correlations: 1 + 0.8 + 0.32 times exp(-0.8) of equal vectors, 1 of orthogonal ones.
    wanted = 2 * (1.12 * math.exp(-0.8)) ** 2 / 4
    assert correlation_congruence_loss(student, teacher).item() == pytest.approx(wanted, rel=1e-12)
    # Relative distances: 0 and 1 of the student, all 0 of the teacher, whose mean is kept off zero; no angles but 1.
    assert relational_loss(student, teacher).item() == pytest.approx(25 * 2 * 0.5 / 4 + 50 * 2 * 0.5 / 8, rel=1e-9)


@pytest.mark.parametrize(
    "loss", [fitnet_loss, pkt_loss, correlation_congruence_loss, relational_loss, information_flow_loss]
)
def test_the_teacher_itself_is_perfect_and_gradients_are_right(loss, features):
    student, teacher = features
    assert loss(teacher, teacher).item() == pytest.approx(0, abs=1e-15)
    assert loss(student, teacher) > 0
    assert torch.autograd.gradcheck(lambda values: loss(values, teacher), (student,))


@pytest.mark.parametrize("loss", [pkt_loss, correlation_congruence_loss, relational_loss, information_flow_loss])
@pytest.mark.parametrize("count", [1, 2])
def test_relations_of_one_sample_and_of_equal_ones_are_finite(loss, count):
    student = torch.ones(count, 4, requires_grad=True)
    value = loss(student, torch.randn(count, 6))
    value.backward()
    assert value.isfinite() and student.grad.isfinite().all()


# ---- memories ----


def bank(objective: str, **fields) -> ContrastiveBank:
    torch.manual_seed(0)
    module = ContrastiveBank(4, 3, objective, num_samples=7, projection_size=5, negatives=6, **fields)
    module.reset_memory()
    return module.double()


@pytest.mark.parametrize("objective", ["crd", "cmc"])
@pytest.mark.parametrize("normalizer", ["first_batch", "none"])
def test_contrast_with_the_memory_by_loops(objective, normalizer):
    module = bank(objective, normalizer=normalizer, temperature=0.5, momentum=0.25)
    generator = torch.Generator().manual_seed(3)
    student = torch.randn(3, 4, generator=generator, dtype=torch.float64)
    teacher = torch.randn(3, 3, generator=generator, dtype=torch.float64)
    own, seeds = torch.tensor([2, 6, 0]), torch.tensor([5, 6, 7])
    memories = {name: getattr(module, f"{name}_memory").clone() for name in ("student", "teacher")}
    found = module.train()(student, teacher, own, seeds, torch.ones(3, dtype=torch.bool))

    chosen = torch.cat([own[:, None], draw_others(seeds, own, 6, 7)], dim=1).tolist()
    wanted = [0.0] * 3
    for name, values, other in (("student", student, "teacher"), ("teacher", teacher, "student")):
        projected = getattr(module, f"{name}_projection")(values)
        projected = projected / projected.norm(dim=1, keepdim=True)
        powers = [[math.exp((projected[i] @ memories[other][j]).item() / 0.5) for j in chosen[i]] for i in range(3)]
        mean = sum(map(sum, powers)) / 21
        z = 7 * mean if normalizer == "first_batch" else 1.0
        for i, row in enumerate(powers):
            if objective == "cmc":
                wanted[i] -= math.log(row[0] / sum(row))
            else:
                h = [value / z / (value / z + 6 / 7) for value in row]
                wanted[i] -= math.log(h[0]) + sum(math.log(1 - value) for value in h[1:])
        for i, index in enumerate(own.tolist()):
            moved = 0.25 * memories[name][index] + 0.75 * projected[i]
            torch.testing.assert_close(getattr(module, f"{name}_memory")[index], moved / moved.norm())
    assert found.tolist() == pytest.approx(wanted, rel=1e-10)


def test_gradients_reach_both_projections_and_no_memory():
    module = bank("crd").train()
    student = torch.randn(2, 4, dtype=torch.float64, requires_grad=True)
    present = torch.ones(2, dtype=torch.bool)
    losses = module(student, torch.randn(2, 3, dtype=torch.float64), torch.tensor([0, 1]), torch.arange(2), present)
    losses.sum().backward()
    assert all(value.grad is not None and value.grad.any() for value in module.parameters())
    assert student.grad.any() and not any(value.requires_grad for value in module.buffers())


def test_others_are_drawn_evenly_without_the_own_sample():
    own = torch.tensor([0, 3, 6])
    drawn = draw_others(torch.tensor([1, 2, 2**63 - 1]), own, 60_000, 7)
    for row, index in zip(drawn, own.tolist(), strict=True):
        shares = torch.bincount(row, minlength=7) / 60_000
        assert shares[index] == 0
        torch.testing.assert_close(shares[torch.arange(7) != index], torch.full((6,), 1 / 6), atol=0.007, rtol=0)
    again = draw_others(torch.tensor([2]), torch.tensor([3]), 60_000, 7)
    assert torch.equal(again[0], drawn[1]), "a sample's draws do not depend on the others of its batch"
    correlation = torch.corrcoef(drawn[:2].double())[0, 1]
    assert abs(correlation) < 0.02


def test_draws_are_those_of_splitmix64():
    mask, state, wanted = 2**64 - 1, 1234567, []
    for _ in range(4):
        state = (state + 0x9E3779B97F4A7C15) & mask
        z = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & mask
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
        wanted.append(((z ^ (z >> 31)) >> 1) % 999_999)
    assert draw_others(torch.tensor([1234567]), torch.tensor([999_999]), 4, 1_000_000)[0].tolist() == wanted
