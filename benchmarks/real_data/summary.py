"""From single measurements to cells of tables with intervals, and to tests of trained against random weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from avzoo.evaluation.multiple_tests import holm
from avzoo.evaluation.significance import intervals, paired_test

from .encoders import RANDOM, TRAINED
from .one_run import predictions_of
from .plans import CENTRED, CLASSICAL, PLANS, TEACHER, Job, Row
from .store import Results

SAME = next(iter(RANDOM))  # random weights of the architecture of the trained encoder
SIGNIFICANT = 0.05
#: What rows are called, in the order of the tables.
MODELS = {TRAINED: TRAINED, **{name: name for name in RANDOM}, CLASSICAL: CLASSICAL, TEACHER: TEACHER}


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        title: Its head.
        labels: Label set.
        protocol: Protocol.
        modality: Modality.
        figure: Which figure.
        centred: Whether the mean of the gallery is taken from the features first.
    """

    title: str
    labels: str
    protocol: str
    modality: str
    figure: str
    centred: bool = False

    def holds(self, row: Row) -> bool:
        """Whether a measurement is of it."""
        own = (self.labels, self.protocol, self.modality, self.centred)
        return own == (row.labels, row.protocol, row.modality, row.overrides == CENTRED)


@dataclass(frozen=True)
class Cell:
    """A figure of a model, over its seeds.

    Attributes:
        mean: Over seeds.
        deviation: Over seeds; None for one.
        seeds: How many.
        low: Lower end of the 95 % bootstrap interval over items of the mean; None where the figure has none.
        high: Upper end.
    """

    mean: float
    deviation: float | None
    seeds: int
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Test:
    """The trained encoder against random weights of its architecture.

    Attributes:
        labels: Label set.
        protocol: Protocol.
        modality: Modality.
        figure: What is compared.
        difference: Trained less random, mean over folds and seeds.
        low: Lower end of the 95 % bootstrap interval over items.
        high: Upper end.
        p_values: Of every seed, by the exact test of signs over items.
        p_holm: The same, corrected for all tests of the page.
    """

    labels: str
    protocol: str
    modality: str
    figure: str
    difference: float
    low: float
    high: float
    p_values: tuple[float, ...]
    p_holm: tuple[float, ...] = ()

    @property
    def verdict(self) -> str:
        """In words: only what holds against every seed is called a difference."""
        if self.p_holm and max(self.p_holm) < SIGNIFICANT and not self.low <= 0 <= self.high:
            return "better" if self.difference > 0 else "worse"
        return "no difference shown"


def cells(results: Results, planned: Sequence[Job], plan: str, column: Column, root: Path) -> dict[str, Cell]:
    """The cells of a column, by model."""
    found = {}
    for model in MODELS:
        jobs = [job for job in planned if (job.plan, job.model) == (plan, model) and column.holds(job.row)]
        runs = [run for run in results.of(jobs) if column.figure in run["figures"]]
        if runs:
            values = [run["figures"][column.figure]["mean"] for run in runs]
            own = runs[0]["figures"][column.figure]["interval"]
            ends = (own["low"], own["high"]) if own is not None else (None, None)
            if len(runs) > 1:
                said = [predictions_of(job, root) for job in jobs if job in results]
                ends = (None, None)
                if own is not None and all(said):
                    # Seeds count as further folds: items are drawn once for all of them.
                    pooled = intervals([fold for one in said for fold in one]).get(column.figure)
                    ends = ends if pooled is None else (pooled.low, pooled.high)
            found[model] = Cell(fmean(values), stdev(values) if len(values) > 1 else None, len(values), *ends)
    return found


def tests(results: Results, planned: Sequence[Job], root: Path) -> dict[str, list[Test]]:
    """All tests, by set, as far as predictions are there; corrected together."""
    found: dict[str, list[Test]] = {}
    for plan in PLANS.values():
        for row in plan.rows:
            done = {
                model: [job for job in planned if (job.plan, job.model, job.row) == (plan.name, model, row)]
                for model in (TRAINED, SAME)
            }
            said = {
                model: [one for job in jobs if job in results and (one := predictions_of(job, root))]
                for model, jobs in done.items()
            }
            if said[TRAINED] and said[SAME]:
                (trained,) = said[TRAINED]
                pooled = paired_test(trained * len(said[SAME]), [fold for one in said[SAME] for fold in one])
                p_values = tuple(paired_test(trained, one).p_value for one in said[SAME])
                figure = "R@1" if row.protocol == "retrieval" else pooled.figure
                ends = pooled.interval.low, pooled.interval.high
                protocol = f"{row.protocol}, centred" if row.overrides == CENTRED else row.protocol
                test = Test(row.labels, protocol, row.modality, figure, pooled.difference, *ends, p_values)
                found.setdefault(plan.name, []).append(test)
    corrected = iter(holm([p for one in found.values() for test in one for p in test.p_values]).tolist())
    return {
        name: [replace(test, p_holm=tuple(next(corrected) for _ in test.p_values)) for test in one]
        for name, one in found.items()
    }


def kept_tests(summary: Mapping[str, Any]) -> dict[str, list[Test]]:
    """The tests that an earlier summary has: predictions are not kept beside the results."""
    return {
        name: [Test(**{**one, "p_values": tuple(one["p_values"]), "p_holm": tuple(one["p_holm"])}) for one in told]
        for name, told in summary.get("tests", {}).items()
    }
