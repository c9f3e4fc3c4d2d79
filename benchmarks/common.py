"""What the benchmarks share: timing in turn, the conditions of a run, results as tables and files."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"

_LIBRARIES = ("avzoo", "torch", "transformers", "av", "numpy")


def cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def seconds_of(action: Callable[[], object]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def in_turn(
    actions: Mapping[str, Callable[[], float]], repeats: int, on_round: Callable[[int], None] = lambda _: None
) -> dict[str, list[float]]:
    """Lets every action measure itself once per round, so that a slow spell of the machine strikes all of them.

    Args:
        actions: Name -> what measures it and returns seconds.
        repeats: Rounds.
        on_round: Told the number of each round that is over.

    Returns:
        The seconds of each action, in the order of the rounds. The minimum is what the machine can do; the spread
        tells how much else it was doing.
    """
    samples: dict[str, list[float]] = {name: [] for name in actions}
    for number in range(repeats):
        for name, action in actions.items():
            samples[name].append(action())
        on_round(number)
    return samples


@dataclass(frozen=True)
class Ratio:
    """A figure that is compared with an aim.

    Attributes:
        name: What is divided by what.
        value: The quotient.
        at_least: The aim, where more is better.
        at_most: The aim, where less is better.
    """

    name: str
    value: float
    at_least: float | None = None
    at_most: float | None = None

    def row(self) -> dict[str, Any]:
        """The line of the table."""
        aim, met = "", ""
        if self.at_least is not None:
            aim, met = f">= {self.at_least:g}", "yes" if self.value >= self.at_least else "no"
        if self.at_most is not None:
            aim, met = f"<= {self.at_most:g}", "yes" if self.value <= self.at_most else "no"
        return {"ratio": self.name, "value": f"{self.value:.2f}", "aim": aim, "met": met}


@dataclass
class Report:
    """What a benchmark found.

    Attributes:
        name: Name of the benchmark, and of its result file.
        measurements: What was measured, one flat record per line of the printed table.
        ratios: The figures that matter.
        samples: Every single timing, in seconds.
        settings: Sizes and numbers the benchmark was run with.
        notes: What a reader must know to read the figures.
    """

    name: str
    measurements: list[dict[str, Any]] = field(default_factory=list)
    ratios: list[Ratio] = field(default_factory=list)
    samples: dict[str, list[float]] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@contextmanager
def reporting(name: str) -> Iterator[Report]:
    """Collects the findings of a benchmark, then prints them and writes ``results/NAME.json``."""
    report = Report(name)
    conditions = {"date": datetime.now(UTC).isoformat(timespec="seconds"), **machine(), "busy_before": busy()}
    yield report
    conditions["busy_after"] = busy()
    print(f"\n{name}: {conditions['cpu']}, {conditions['cores']} cores, torch {conditions['torch']}")
    if report.measurements:
        print(f"\n{table(report.measurements)}")
    print(f"\n{table([ratio.row() for ratio in report.ratios])}\n")
    for note in report.notes:
        print(f"- {note}")
    if max(conditions["busy_before"], conditions["busy_after"]) > 0.1:
        print("- other programs kept this machine busy: measure again when it is idle")
    content = {"conditions": conditions, **asdict(report)}
    RESULTS.mkdir(exist_ok=True)
    write_json(RESULTS / f"{name}.json", content)


def machine() -> dict[str, Any]:
    """The machine and the libraries that a run is measured with."""
    described: dict[str, Any] = {"cpu": _cpu(), "cores": cores(), "memory_gib": _memory()}
    described |= {"system": f"{platform.system()} {platform.machine()}", "python": platform.python_version()}
    described |= {library: version(library) for library in _LIBRARIES}
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],  # noqa: S607
        cwd=RESULTS.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return described | {"commit": commit.stdout.strip() or None}


def busy(seconds: float = 2.0) -> float:
    """Share of all cores that other programs keep busy while this one sleeps, in [0, 1]; 0 where it is unknown."""
    before = _cpu_times()
    time.sleep(seconds)
    after = _cpu_times()
    if not before or before == after:
        return 0.0
    # user, nice, system, idle, iowait, irq, softirq, steal
    spent = [late - early for early, late in zip(before, after, strict=True)]
    return round(1 - (spent[3] + spent[4]) / sum(spent), 3)


def _cpu_times() -> list[int]:
    stat = Path("/proc/stat")
    return [int(value) for value in stat.read_text().split("\n")[0].split()[1:9]] if stat.exists() else []


def _cpu() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        lines = information.read_text().partition("\n\n")[0].splitlines()
        fields = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        family = f"family {fields['cpu family']} model {fields['model']}" if "cpu family" in fields else ""
        return " ".join([fields.get("model name", platform.machine()), family]).strip()
    return platform.processor() or platform.machine()


def _memory() -> float | None:
    if not hasattr(os, "sysconf"):
        return None
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows with the same keys as a plain text table."""
    cells = [[*rows[0]], *([_text(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "| " + " | ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) + " |" for row in cells
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Writes a file that appears complete or not at all."""
    partial = path.with_suffix(".tmp")
    partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    partial.replace(path)
