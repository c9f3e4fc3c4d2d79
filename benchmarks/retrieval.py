"""Retrieval against the papers' tool: ``python -m benchmarks.retrieval``.

10,000 queries look in 100,000 items of 512 dimensions for items of their class, by `avzoo.evaluation` and by
`sklearn.neighbors.NearestNeighbors` (brute force, cosine). scikit-learn finds the 20 nearest items, from which R@1 to
R@20 follow; ours finds the rank of the nearest item of the class and, if asked, the average precision over all items.
Beside both the bare product of queries and items is computed. Every answer to every query is compared.
"""

from __future__ import annotations

import argparse
from functools import partial
from importlib.metadata import version

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_limits

from avzoo.evaluation.metrics import class_retrieval
from avzoo.evaluation.ranking import Directions, rank
from benchmarks.common import Ratio, Report, cores, in_turn, reporting, seconds_of

KS = (1, 5, 10, 20)
_CLASSES = 400
_ROWS = 128  # of the queries multiplied at a time

Features = NDArray[np.float32]
Labels = NDArray[np.int64]


def features(count: int, width: int, seed: int) -> tuple[Features, Labels]:
    """Features as pooled ones of a ConvNet are, no value below zero, of classes that overlap; and the classes."""
    centres = 0.6 * np.random.default_rng(0).standard_normal((_CLASSES, width), dtype=np.float32)
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, _CLASSES, count)
    values = 2 * generator.standard_normal((count, width), dtype=np.float32) + 0.5
    return np.maximum(values + centres[labels], 0), labels


def ranks(queries: Features, labels: Labels, items: Features, item_labels: Labels) -> Labels:
    """Rank of the nearest item of the class; 0 without one."""
    relevance = labels.astype(np.int32)[:, None], item_labels.astype(np.int32)
    sides = Directions(queries, "queries"), Directions(items, "gallery")
    return rank(*sides, lambda rows: relevance[0][rows] == relevance[1], precision=False).first


def all_figures(queries: Features, labels: Labels, items: Features, item_labels: Labels) -> Labels:
    """The same with median rank, average precision and chance."""
    return class_retrieval(queries, labels, KS, gallery=items, gallery_labels=item_labels).ranks


def scikit_learn(queries: Features, labels: Labels, items: Features, item_labels: Labels) -> Labels:
    """Rank of the nearest item of the class among the 20 nearest items; 21 where it is none of them."""
    model = NearestNeighbors(n_neighbors=max(KS), metric="cosine", algorithm="brute").fit(items)
    hits = item_labels[model.kneighbors(queries, return_distance=False)] == labels[:, None]
    return np.asarray(np.where(hits.any(axis=1), hits.argmax(axis=1) + 1, max(KS) + 1))


def multiply(queries: Features, items: Features) -> None:
    """All similarities and nothing else."""
    held = np.empty((_ROWS, len(items)), np.float32)
    for start in range(0, len(queries), _ROWS):
        block = queries[start : start + _ROWS]
        np.matmul(block, items.T, out=held[: len(block)])


def measure(report: Report, queries: int, items: int, width: int, repeats: int) -> None:
    """Adds the figures."""
    asked, labels = features(queries, width, 1)
    searched, item_labels = features(items, width, 2)
    data = (asked, labels, searched, item_labels)
    engines = {"avzoo, ranks": ranks, "avzoo, all figures": all_figures, "scikit-learn": scikit_learn}
    found: dict[str, Labels] = {}

    def run(name: str) -> float:
        result: list[Labels] = []
        seconds = seconds_of(lambda: result.append(engines[name](*data)))
        found[name] = np.where(result[0] > 0, result[0], items + 1)
        return seconds

    actions = {"matrix product": lambda: seconds_of(lambda: multiply(asked, searched))}
    actions |= {name: partial(run, name) for name in engines}
    report.samples |= in_turn(actions, repeats, lambda number: print(f"round {number + 1} of {repeats}", flush=True))
    best = {name: min(times) for name, times in report.samples.items()}
    for name, seconds in best.items():
        recall = {f"R@{k}": float((found[name] <= k).mean()) if name in found else "" for k in KS}
        report.measurements.append(
            {"what": name, "s": seconds, "in products": seconds / best["matrix product"], **recall}
        )
    for name in ("avzoo, ranks", "avzoo, all figures"):
        ratio = best["scikit-learn"] / best[name]
        report.ratios.append(Ratio(f"time of scikit-learn against {name}", ratio, at_least=1))
        differing = sum(int(((found[name] <= k) != (found["scikit-learn"] <= k)).sum()) for k in KS)
        report.ratios.append(Ratio(f"answers of {name} that differ from scikit-learn's", differing, at_most=0))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queries", type=int, default=10_000)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=3, help="rounds; the fastest counts")
    parser.add_argument("--threads", type=int, default=cores())
    arguments = parser.parse_args()
    with threadpool_limits(arguments.threads), reporting("retrieval") as report:
        report.settings = vars(arguments) | {"scikit-learn": version("scikit-learn")}
        measure(report, arguments.queries, arguments.items, arguments.width, arguments.repeats)


if __name__ == "__main__":
    main()
