"""How near k-means comes to the matrix product it is made of: ``python -m benchmarks.kmeans``.

Features of the size of XDC's Kinetics run, 240,000 x 512 in 256 clusters, are clustered by `avzoo.pretraining.kmeans`,
by scikit-learn and, where it is installed, by faiss: first a fixed number of iterations from the same start, beside
which the bare product of features and centroids is computed as often; then once as each engine does by itself, with
its own seeds: ours until it stops, the others for 25 iterations. The inertia is computed alike for all, in double
precision.
"""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Callable
from functools import partial
from importlib.metadata import version

import numpy as np
import torch
from sklearn.cluster import KMeans
from torch import Tensor

from avzoo.pretraining.kmeans import kmeans
from benchmarks.common import Ratio, Report, cores, in_turn, reporting, seconds_of

#: Time of an iteration over that of its matrix product.
AIM = 1.5
_ROWS = 16_384  # of the features multiplied at a time: the fastest of those tried
_OWN_ITERATIONS = 25  # the default of faiss
_CLASSES = 1000  # of the generated features, more than clusters, as in a real set

#: From features, start (or None) and number of iterations (or None) to centroids.
Engine = Callable[[Tensor, Tensor | None, int | None], Tensor]


def features(count: int, width: int) -> Tensor:
    """Features of a ConvNet as pooled ones are: no value below zero, correlated, classes that overlap."""
    generator = torch.Generator().manual_seed(0)
    classes = 0.6 * torch.randn(_CLASSES, width, generator=generator)
    mixing = torch.randn(64, width, generator=generator) / 8
    values = classes[torch.randint(_CLASSES, (count,), generator=generator)]
    for block in values.split(_ROWS):
        block.addmm_(torch.randn(len(block), 64, generator=generator), mixing).add_(0.5).relu_()
    return values


def ours(points: Tensor, k: int, start: Tensor | None, iterations: int | None) -> Tensor:
    """`avzoo.pretraining.kmeans`."""
    if iterations is None:
        return kmeans(points, k).centroids
    return kmeans(points, k, max_iterations=iterations, tolerance=-1.0, centroids=start).centroids


def scikit_learn(points: Tensor, k: int, start: Tensor | None, iterations: int | None) -> Tensor:
    """`sklearn.cluster.KMeans`; left to itself, one start and as many iterations as faiss takes."""
    if start is None:
        model = KMeans(k, n_init=1, max_iter=_OWN_ITERATIONS, random_state=0)
    else:
        model = KMeans(k, init=start.numpy(), n_init=1, max_iter=iterations, tol=0)
    return torch.from_numpy(model.fit(points.numpy()).cluster_centers_)


def faiss(points: Tensor, k: int, start: Tensor | None, iterations: int | None) -> Tensor:
    """`faiss.Kmeans` over all points; left to itself, its default number of iterations from random points."""
    library = importlib.import_module("faiss")
    model = library.Kmeans(
        points.shape[1],
        k,
        niter=iterations or _OWN_ITERATIONS,
        seed=0,
        max_points_per_centroid=len(points),
        verbose=False,
    )
    model.train(points.numpy(), init_centroids=None if start is None else start.numpy())
    return torch.from_numpy(np.asarray(model.centroids))


def inertia(points: Tensor, centroids: Tensor) -> float:
    """Sum of squared distances to the nearest centroid."""
    centroids = centroids.double()
    return sum(torch.cdist(block.double(), centroids).amin(dim=1).square().sum().item() for block in points.split(4096))


def multiply(points: Tensor, centroids: Tensor, times: int) -> None:
    """The products of ``times`` iterations and nothing else."""
    scores = torch.empty(_ROWS, len(centroids))
    for _ in range(times):
        for block in points.split(_ROWS):
            torch.mm(block, centroids.T, out=scores[: len(block)])


def measure(report: Report, count: int, width: int, k: int, iterations: int, repeats: int) -> None:
    """Adds the figures."""
    points = features(count, width)
    start = points[:k].clone()
    engines: dict[str, Engine] = {"avzoo": partial(_with, ours, k), "scikit-learn": partial(_with, scikit_learn, k)}
    if importlib.util.find_spec("faiss") is not None:
        engines["faiss"] = partial(_with, faiss, k)
        report.settings["faiss"] = version("faiss-cpu")
    else:
        report.notes.append("faiss is not installed here and was left out")
    report.settings["scikit-learn"] = version("scikit-learn")
    reached: dict[str, float] = {}

    def run(name: str) -> float:
        result: list[Tensor] = []
        seconds = seconds_of(lambda: result.append(engines[name](points, start, iterations)))
        reached.setdefault(name, inertia(points, result[0]))
        return seconds

    actions: dict[str, Callable[[], float]] = {
        "matrix product": lambda: seconds_of(lambda: multiply(points, start, iterations))
    }
    actions |= {name: partial(run, name) for name in engines}
    report.samples |= in_turn(actions, repeats, lambda number: print(f"round {number + 1} of {repeats}", flush=True))
    best = {name: min(times) / iterations for name, times in report.samples.items()}
    for name, seconds in best.items():
        row = {"what": name, "s per iteration": seconds, "inertia, same start": reached.get(name, "")}
        own: dict[str, float | str] = {"s by itself": "", "inertia by itself": ""}
        if name in engines:
            centroids: list[Tensor] = []
            own["s by itself"] = seconds_of(
                lambda name=name, found=centroids: found.append(engines[name](points, None, None))  # type: ignore[misc]
            )
            own["inertia by itself"] = inertia(points, centroids[0])
        report.measurements.append({**row, **own})
    bound = best["matrix product"]
    for name in engines:
        aim = AIM if name == "avzoo" else None
        report.ratios.append(Ratio(f"{name}: time of an iteration against its product", best[name] / bound, None, aim))
        if name != "avzoo":
            gap = abs(reached["avzoo"] / reached[name] - 1)
            report.ratios.append(
                Ratio(f"inertia against {name}, from one start: 1e6 x difference", 1e6 * gap, None, 10)
            )


def _with(engine: Callable[..., Tensor], k: int, points: Tensor, start: Tensor | None, times: int | None) -> Tensor:
    return engine(points, k, start, times)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=240_000)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--clusters", type=int, default=256)
    parser.add_argument("--iterations", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=3, help="rounds; the fastest counts")
    parser.add_argument("--threads", type=int, default=cores())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    with reporting("kmeans") as report:
        report.settings = vars(arguments)
        sizes = (arguments.points, arguments.width, arguments.clusters)
        measure(report, *sizes, arguments.iterations, arguments.repeats)


if __name__ == "__main__":
    main()
