"""Published figures: those of the registry beside a transcription that was made without it.

``reported_figures.csv`` was transcribed from the tables and plots of the publications (for XKD those of the thesis, and
of the paper where it has another figure), one row for each figure; `setting` and `source` are parts of what the
registry says at length.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path

import pytest

from avzoo.checkpoints.registry import REGISTRY, Metric, entry

Row = dict[str, str]


def transcribed() -> dict[str, list[Row]]:
    rows: dict[str, list[Row]] = defaultdict(list)
    with Path(__file__).with_name("reported_figures.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            rows[row["checkpoint"]].append(row)
    return rows


FIGURES = transcribed()


def same(metric: Metric, row: Row) -> bool:
    return (
        (metric.dataset, metric.name, metric.value) == (row["dataset"], row["measured"], float(row["value"]))
        # The last part of a protocol names the teachers: "by sound" is not "by sound and image".
        and (row["setting"] in metric.protocol.split(", ") or metric.protocol.startswith(row["setting"]))
        and row["source"] in metric.source
    )


def test_the_transcription_is_of_checkpoints_of_the_registry() -> None:
    assert set(FIGURES) <= set(REGISTRY)


@pytest.mark.parametrize("name", REGISTRY)
def test_figures_are_those_of_the_publications(name: str) -> None:
    metrics, rows = entry(name).metrics, FIGURES.get(name, [])
    for metric in metrics:
        assert sum(same(metric, row) for row in rows) == 1, f"{metric} is not transcribed, or twice"
    for row in rows:
        assert sum(same(metric, row) for metric in metrics) == 1, f"{row} is not in the registry, or twice"
