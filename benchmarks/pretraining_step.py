"""What one XKD pretraining step costs, against the same step written the plain way.

``python -m benchmarks.pretraining_step``: forward, backward, clipping, AdamW and moving average of the base model on a
batch of random views of the released sizes. The peer is `plain_xkd`, in single precision as the original. Every variant
runs in a process of its own, which takes a step when it is told to: the plain one and one other take turns, and each
process reports the highest resident memory that it ever had beyond what it had before the model was made.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from benchmarks.common import Ratio, Report, cores, in_turn, reporting
from benchmarks.step_process import Process, Step, Taken, process

PLAIN = "plain, fp32"


@dataclass(frozen=True)
class Variant:
    """A way to take the step; without `plain`, the package's own.

    Attributes:
        plain: The plain way.
        bf16: bfloat16 autocast.
        checkpointing: Activations of the layers are computed again for the backward pass instead of being kept.
        faster: The aim, against the plain way.
        memory: The aim, against the plain way.
    """

    plain: bool = False
    bf16: bool = False
    checkpointing: bool = False
    faster: float | None = None
    memory: float | None = None


VARIANTS = {
    PLAIN: Variant(plain=True),
    "avzoo, fp32": Variant(faster=1.2, memory=0.6),
    "avzoo, bf16": Variant(bf16=True, faster=2.0, memory=0.6),
    "avzoo, fp32, checkpointing": Variant(checkpointing=True, memory=0.6),
    "avzoo, bf16, checkpointing": Variant(bf16=True, checkpointing=True, memory=0.6),
}


def _variant(variant: Variant, size: str, batch: int) -> Callable[[], Step]:
    """The data of a process; what it returns makes the model and its step."""
    from benchmarks.training_steps import avzoo_step, plain_step, state_bytes, views

    data = views(size, batch)

    def made() -> Step:
        step = plain_step(size) if variant.plain else avzoo_step(size, variant.bf16, variant.checkpointing)
        return lambda: step(data), lambda: state_bytes(step)

    return made


@contextmanager
def _process(name: str, size: str, batch: int, threads: int) -> Iterator[Process]:
    with process(partial(_variant, VARIANTS[name], size, batch), threads) as started:
        yield started


def measure(report: Report, size: str, batch: int, threads: int, repeats: int) -> None:
    """Adds the figures of one batch size: each variant takes turns with the plain one."""
    steps: dict[str, list[Taken]] = {}
    faster: dict[str, float] = {}
    with _process(PLAIN, size, batch, threads) as plain:
        for name in [name for name in VARIANTS if name != PLAIN]:
            with _process(name, size, batch, threads) as other:
                samples = in_turn({PLAIN: plain.step, name: other.step}, repeats)
            steps[name] = other.taken
            faster[name] = min(samples[PLAIN]) / min(samples[name])
            report.samples[f"batch {batch}: {name}"] = samples[name]
            report.samples[f"batch {batch}: {PLAIN}, in turn with {name}"] = samples[PLAIN]
    steps = {PLAIN: plain.taken, **steps}
    peaks = {name: taken[-1].peak for name, taken in steps.items()}
    beyond = {name: taken[-1].peak - taken[-1].state for name, taken in steps.items()}
    for name, taken in steps.items():
        report.measurements.append(
            {
                "batch": batch,
                "step": name,
                "seconds": min(one.seconds for one in taken),
                "peak GiB": peaks[name] / 2**30,
                "of it state GiB": taken[-1].state / 2**30,
                "rest GiB": beyond[name] / 2**30,
                "loss of step 3": f"{taken[2].loss:.5f}",
            }
        )
    for name in faster:
        aims, of = VARIANTS[name], f"{name}, batch {batch}"
        report.ratios.append(Ratio(f"{of}: speed against plain", faster[name], at_least=aims.faster))
        report.ratios.append(Ratio(f"{of}: peak memory against plain", peaks[name] / peaks[PLAIN], at_most=aims.memory))
        report.ratios.append(Ratio(f"{of}: peak memory beyond the state", beyond[name] / beyond[PLAIN]))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="base", help="preset of the model")
    parser.add_argument("--batches", type=int, nargs="+", default=[2, 8], help="clips per step")
    parser.add_argument("--repeats", type=int, default=5, help="rounds; the fastest counts")
    parser.add_argument("--threads", type=int, default=cores())
    arguments = parser.parse_args()
    with reporting("pretraining_step") as report:
        report.settings = vars(arguments)
        for batch in arguments.batches:
            measure(report, arguments.size, batch, arguments.threads, arguments.repeats)
        report.notes.append(
            "State is parameters, gradients and moments, which every variant has; the rest is mostly activations."
        )


if __name__ == "__main__":
    main()
