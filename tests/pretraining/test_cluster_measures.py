from __future__ import annotations

import math

import pytest
import torch
from sklearn.metrics import normalized_mutual_info_score
from sklearn.metrics.cluster import contingency_matrix

from avzoo.pretraining.cluster_measures import contingency, evenness, normalized_mutual_information, purity


def labels(count: int, clusters: int, seed: int) -> torch.Tensor:
    return torch.randint(clusters, (count,), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("first", "second"), [(labels(200, 7, 0), labels(200, 4, 1)), (labels(50, 3, 2),) * 2])
def test_agreement_with_scikit_learn(first, second):
    assert contingency(first, second).tolist() == contingency_matrix(first, second).tolist()
    expected = normalized_mutual_info_score(first, second)
    assert normalized_mutual_information(first, second) == pytest.approx(expected, abs=1e-12)
    assert purity(first, second) == contingency_matrix(first, second).max(1).sum() / len(first)


def test_names_of_clusters_do_not_matter():
    first = labels(100, 5, 0)
    renamed = torch.tensor([9, 2, 0, 7, 4])[first]
    assert normalized_mutual_information(first, renamed) == pytest.approx(1)
    assert purity(renamed, first) == 1


def test_one_cluster_says_nothing():
    alone, several = torch.zeros(90, dtype=torch.int64), labels(90, 3, 0)
    assert normalized_mutual_information(alone, several) == pytest.approx(0, abs=1e-12)
    assert normalized_mutual_information(alone, alone) == 1
    assert purity(alone, several) == several.bincount().max() / 90


def test_evenness_is_the_share_of_the_possible_entropy():
    assert evenness(torch.tensor([5, 5, 5, 5])) == pytest.approx(1)
    assert evenness(torch.tensor([20, 0, 0, 0])) == 0
    assert evenness(torch.tensor([3, 1, 0, 0])) == pytest.approx((math.log(4) - 0.75 * math.log(3)) / math.log(4))
