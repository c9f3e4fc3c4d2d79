"""What a sweep of costs of the linear SVM takes, against plain scikit-learn: ``python -m benchmarks.svm_sweep``.

The features are generated with a spectrum that falls as that of an encoder does, and classes that overlap. Both fit
every cost and classify the test items: one loop of `sklearn.svm.LinearSVC` as the papers use it, and the sweep of
`avzoo.evaluation.linear_svm`. Every prediction is compared, and where the two differ, with the solution to a tolerance
a hundred thousand times smaller, which says who is right.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.svm import LinearSVC

from avzoo.evaluation.clip_values import ClipValues, Items
from avzoo.evaluation.linear_svm import LinearSVMSettings, sweep
from benchmarks.common import Ratio, Report, cores, reporting

COSTS = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)  # XKD's
#: Time of scikit-learn over ours.
AIM = 10.0
_TEST = 4000
_INFORMATIVE = 60  # directions in which classes differ
_EXACT = 1e-9


def items(count: int, width: int, classes: int, seed: int) -> ClipValues:
    """One clip of each of ``count`` items."""
    directions, draws = np.random.default_rng(0), np.random.default_rng(seed)
    spectrum = 5 * np.arange(1, width + 1) ** -0.5
    basis = np.linalg.qr(directions.standard_normal((width, width)))[0]
    centres = 0.55 * spectrum * directions.standard_normal((classes, width)) * (np.arange(width) < _INFORMATIVE)
    offset = 0.3 * directions.standard_normal(width)
    labels = draws.permutation(np.arange(count) % classes)
    values = (centres[labels] + spectrum * draws.standard_normal((count, width))) @ basis + offset
    named = Items(tuple(map(str, range(count))), labels, tuple(map(str, range(classes))))
    rows, zeros = np.arange(count), np.zeros(count, np.int64)
    return ClipValues(named, values.astype(np.float32), rows, zeros, zeros)


@dataclass(frozen=True)
class Fitted:
    """What one way took for one cost, and what it says of the test items.

    Attributes:
        cost: The cost.
        scores: ``(N, K)``.
        wall: Seconds.
        processor: Seconds of all cores; other programs lengthen these less.
    """

    cost: float
    scores: NDArray[np.floating]
    wall: float
    processor: float


def scikit_learn(train: ClipValues, test: ClipValues) -> Iterator[tuple[float, NDArray[np.floating]]]:
    """`LinearSVC`, as the papers' code has it."""
    for cost in COSTS:
        model = LinearSVC(C=cost, max_iter=1000, random_state=42).fit(train.values, train.labels)
        yield cost, model.decision_function(test.values)


def avzoo(train: ClipValues, test: ClipValues, tolerance: float = 1e-4) -> Iterator[tuple[float, NDArray[np.floating]]]:
    """`sweep`, from the smallest cost to the largest."""
    for model in sweep(train, COSTS, LinearSVMSettings(tolerance=tolerance)):
        yield model.cost, model.scores(test).values


def timed(ways: Iterator[tuple[float, NDArray[np.floating]]]) -> list[Fitted]:
    """What every cost takes."""
    found: list[Fitted] = []
    while True:
        wall, processor = time.perf_counter(), time.process_time()
        step = next(ways, None)
        if step is None:
            return found
        found.append(Fitted(*step, time.perf_counter() - wall, time.process_time() - processor))
        print(f"C = {step[0]:g}: {found[-1].wall:.1f} s", flush=True)


def measure(report: Report, count: int, width: int, classes: int) -> None:
    """Adds the figures."""
    train, test = items(count, width, classes, 1), items(min(count, _TEST), width, classes, 2)
    ours, theirs = timed(avzoo(train, test)), timed(scikit_learn(train, test))
    exact = dict(avzoo(train, test, _EXACT))
    same = nearer = 0
    for mine, other in zip(ours, theirs, strict=True):
        said, of_other, right = (scores.argmax(1) for scores in (mine.scores, other.scores, exact[mine.cost]))
        same += int((said == of_other).sum())
        nearer += int(((said != of_other) & (said == right)).sum())
        report.measurements.append(
            {
                "C": mine.cost,
                "avzoo s": mine.wall,
                "scikit-learn s": other.wall,
                "avzoo processor s": mine.processor,
                "scikit-learn processor s": other.processor,
                "avzoo top-1": float((said == test.labels).mean()),
                "scikit-learn top-1": float((of_other == test.labels).mean()),
                "predictions that differ": int((said != of_other).sum()),
                "avzoo to the exact scores": float(np.abs(mine.scores - exact[mine.cost]).max()),
                "scikit-learn to the exact scores": float(np.abs(other.scores - exact[mine.cost]).max()),
            }
        )
    report.samples |= {"avzoo": [one.wall for one in ours], "scikit-learn": [one.wall for one in theirs]}
    total = [sum(one.wall for one in way) for way in (theirs, ours)]
    report.ratios.append(Ratio("scikit-learn / avzoo, whole sweep", total[0] / total[1], at_least=AIM))
    total = [sum(one.processor for one in way) for way in (theirs, ours)]
    report.ratios.append(Ratio("the same in processor time", total[0] / total[1]))
    every = len(test) * len(COSTS)
    report.ratios.append(Ratio("% of predictions that are equal", 100 * same / every, at_least=99.9))
    report.notes.append(
        f"{every - same} of {every} predictions differ; in {nearer} of them avzoo says what the exact solution does"
    )


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--width", type=int, default=768)
    parser.add_argument("--classes", type=int, default=101)
    parser.add_argument("--threads", type=int, default=cores(), help="of avzoo; liblinear has one")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    with reporting("svm_sweep") as report:
        report.settings = vars(arguments) | {"costs": COSTS, "scikit-learn": version("scikit-learn")}
        measure(report, arguments.items, arguments.width, arguments.classes)


if __name__ == "__main__":
    main()
