"""Runs benchmarks one after the other, each in a process of its own: ``python -m benchmarks [NAME...]``."""

from __future__ import annotations

import argparse
import subprocess
import sys

#: Those that need nothing but this machine and some minutes, in the order of the README.
BENCHMARKS = (
    "import_time",
    "encoder_forward",
    "convnet_forward",
    "checkpoint_loading",
    "pretraining_step",
    "finetune_step",
    "method_steps",
    "extract_bound",
    "data_pipeline",
    "kmeans",
    "retrieval",
    "svm_sweep",
    "first_use",
)


def main() -> int:
    """Command line; the exit code is the number of benchmarks that failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"default: all of {', '.join(BENCHMARKS)}")
    names = parser.parse_args().names or BENCHMARKS
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"there is no benchmark {unknown[0]}; choose from {', '.join(BENCHMARKS)}")
    failed = 0
    for name in names:
        command = [sys.executable, "-m", f"benchmarks.{name}"]
        failed += subprocess.run(command, check=False).returncode != 0  # noqa: S603
    return failed


if __name__ == "__main__":
    sys.exit(main())
