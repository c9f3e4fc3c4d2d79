"""Runs what is missing, judges, and writes table and figure: ``python -m benchmarks.claims``."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import get_args

from .material import Condition, Material, Sizes
from .one_run import run
from .plans import CLAIMS
from .report import report
from .runs import Figures
from .store import Job, Results, jobs_of

RESULTS = Path(__file__).parents[1] / "results" / "claims.json"
PAGE = Path(__file__).parent / "README.md"


def done(jobs: list[Job], root: Path, processes: int) -> Iterator[tuple[Job, tuple[Figures, float, str]]]:
    """Every job with its result, as soon as there is one."""
    if processes == 1:
        for job in jobs:
            yield job, run(job, root)
        return
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        futures = {pool.submit(run, job, root): job for job in jobs}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        finally:  # a run that fails does not wait for the others, whose results nobody would store
            pool.shutdown(cancel_futures=True)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.claims", description=__doc__)
    numbers = ",".join(map(str, CLAIMS))
    parser.add_argument("--only", default=numbers, help=f"claims, separated by commas; default {numbers}")
    parser.add_argument("--conditions", default=",".join(get_args(Condition)), help="generated, esc10 or both")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=Sizes.steps, help="optimizer steps of every run")
    parser.add_argument("--jobs", type=int, default=1, help="processes, of one thread each")
    parser.add_argument("--root", type=Path, default=Path("runs/claims"), help="folder for the clips")
    parser.add_argument("--out", type=Path, default=RESULTS, help="file of results; runs that it has are not repeated")
    parser.add_argument("--report", action="store_true", help="write table and figure from what there is; run nothing")
    arguments = parser.parse_args()

    claims = [CLAIMS[int(number)] for number in arguments.only.split(",")]
    conditions: list[Condition] = [name for name in get_args(Condition) if name in arguments.conditions.split(",")]
    recordings = Path(os.environ.get("AVZOO_DATA", "data")) / "esc10"
    if "esc10" in conditions and not (recordings / "meta.csv").is_file() and not arguments.report:
        print(f"Skipped: the condition esc10, for there is no {recordings} (set AVZOO_DATA to the folder that has it).")
        conditions.remove("esc10")
    sizes = replace(Sizes(), steps=arguments.steps)
    root, results = arguments.root.resolve(), Results(arguments.out)
    planned = jobs_of(list(CLAIMS.values()), list(get_args(Condition)), arguments.seeds, sizes)
    wanted = jobs_of(claims, conditions, arguments.seeds, sizes)
    missing = [] if arguments.report else [job for job in wanted if job not in results]
    for condition in {job.condition for job in missing}:
        shifts = any(job.protocol == "shifted" for job in missing)
        Material(root, condition, sizes).write(shifts, recordings, arguments.jobs)
    for number, (job, (figures, seconds, machine)) in enumerate(done(missing, root, arguments.jobs), start=1):
        results.add(job, figures, seconds, machine)
        results.write()
        shown = ", ".join(f"{name} {value:.3f}" for name, value in figures.items() if "rank" not in name)
        print(f"{number}/{len(missing)} {job.name}: {seconds:.0f} s: {shown}", flush=True)
    page = PAGE if arguments.out == RESULTS else arguments.out.with_suffix(".md")
    report(results, planned, sizes, page, arguments.out.with_suffix(".png"))


if __name__ == "__main__":
    main()
