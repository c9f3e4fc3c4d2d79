from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans, kmeans_plusplus

from avzoo.pretraining.kmeans import ClusteringError, assign, cluster_means, kmeans, seed_centroids


@pytest.fixture
def points():
    """Overlapping groups far from the origin, where rounding is worst."""
    generator = torch.Generator().manual_seed(0)
    centres = torch.randn(12, 16, generator=generator)
    labels = torch.randint(12, (600,), generator=generator)
    return 100 + centres[labels] + 0.4 * torch.randn(600, 16, generator=generator)


def inertia(points, centroids):
    return torch.cdist(points.double(), centroids.double()).amin(1).square().sum().item()


def test_points_go_to_the_nearest_centroid_whatever_the_block(points, monkeypatch):
    centroids = points[:7] + 0.1
    distances = torch.cdist(points.double(), centroids.double())
    for scores in (7, 7 * 100, 2**22):
        monkeypatch.setattr("avzoo.pretraining.kmeans._SCORES_AT_ONCE", scores)
        labels, squares = assign(points - 100, centroids - 100)
        assert torch.equal(labels, distances.argmin(1))
        torch.testing.assert_close(squares.double(), distances.amin(1).square(), rtol=1e-4, atol=1e-4)


def test_means_and_sizes_of_clusters(points):
    labels = torch.randint(5, (600,), generator=torch.Generator().manual_seed(1)) + 1  # cluster 0 is empty
    means, counts = cluster_means(points, labels, 6)
    assert counts.tolist() == np.bincount(labels, minlength=6).tolist()
    assert not means[0].any()
    for cluster in range(1, 6):
        torch.testing.assert_close(means[cluster], points[labels == cluster].mean(0))


@pytest.mark.parametrize("iterations", [1, 3, 50])
def test_the_same_start_ends_where_scikit_learn_ends(points, iterations):
    start = points[:12].clone()
    theirs = KMeans(12, init=start.numpy(), n_init=1, max_iter=iterations, tol=0).fit(points.numpy())
    ours = kmeans(points, 12, max_iterations=iterations, tolerance=0, centroids=start)
    torch.testing.assert_close(ours.centroids, torch.from_numpy(theirs.cluster_centers_))
    assert ours.labels.tolist() == theirs.labels_.tolist()
    assert ours.inertia == pytest.approx(theirs.inertia_, rel=1e-5) == pytest.approx(inertia(points, ours.centroids))
    assert ours.iterations <= iterations


def test_seeds_are_as_good_as_those_of_scikit_learn(points):
    theirs = [kmeans_plusplus(points.numpy(), 12, random_state=seed)[0] for seed in range(60)]
    ours = [seed_centroids(points - 100, 12, torch.Generator().manual_seed(seed)) + 100 for seed in range(60)]
    left = [np.mean([inertia(points, torch.as_tensor(seeds)) for seeds in found]) for found in (ours, theirs)]
    assert left[0] < 1.04 * left[1]


def test_seeds_are_points_and_spread_over_groups():
    groups = 50 * torch.eye(6).repeat_interleave(20, 0)
    points = groups + torch.randn(120, 6, generator=torch.Generator().manual_seed(0))
    seeds = seed_centroids(points, 6, torch.Generator().manual_seed(3))
    assert all((points == seed).all(1).any() for seed in seeds)
    assert sorted(seeds.argmax(1).tolist()) == list(range(6))  # one in every group


def test_the_seed_decides(points):
    first, again, other = (kmeans(points, 12, seed) for seed in (0, 0, 1))
    assert torch.equal(first.labels, again.labels) and torch.equal(first.centroids, again.centroids)
    assert not torch.equal(first.centroids, other.centroids)


def test_nothing_is_drawn_from_the_global_generator(points):
    before = torch.get_rng_state()
    kmeans(points, 12, centroids=torch.zeros(12, 16))
    assert torch.equal(before, torch.get_rng_state())


def test_empty_clusters_get_a_new_place(points):
    start = torch.cat([points[:4], torch.full((8, 16), 1e4)])  # eight centroids that nothing is near to
    result = kmeans(points, 12, centroids=start)
    assert result.repaired >= 8
    assert torch.bincount(result.labels, minlength=12).min() > 0
    assert result.inertia < 0.8 * kmeans(points, 4, centroids=points[:4]).inertia


def test_an_empty_cluster_of_the_last_iteration_is_repaired_too(points):
    start = torch.cat([points[:11], torch.full((1, 16), 1e4)])
    result = kmeans(points, 12, max_iterations=1, centroids=start)
    assert torch.bincount(result.labels, minlength=12).min() > 0


def test_as_many_clusters_as_there_are_different_points():
    points = torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, 5.0]]).repeat(4, 1)
    result = kmeans(points, 5)
    assert result.inertia == pytest.approx(0, abs=1e-9)
    assert result.labels.unique().numel() == 3
    for first in range(3):
        assert result.labels[first::3].unique().numel() == 1


def test_every_point_alone():
    points = torch.randn(9, 4, generator=torch.Generator().manual_seed(0))
    result = kmeans(points, 9)
    assert sorted(result.labels.tolist()) == list(range(9)) and result.inertia < 1e-4


def test_a_distant_mean_costs_no_precision(points):
    near, far = kmeans(points - 100, 12), kmeans(points + 3000, 12)
    assert far.inertia == pytest.approx(near.inertia, rel=1e-2)


@pytest.mark.parametrize(
    ("points", "sentence"),
    [
        (torch.zeros(3, 2), "lower k"),
        (torch.zeros(9), "lower k"),
        (torch.full((9, 2), torch.nan), "NaN"),
        (torch.cat([torch.zeros(8, 2), torch.full((1, 2), torch.inf)]), "infinite"),
    ],
)
def test_what_cannot_be_clustered_is_named(points, sentence):
    with pytest.raises(ClusteringError, match=sentence):
        kmeans(points, 4)
