"""How long ``import avzoo`` and ``avzoo --help`` take: ``python -m benchmarks.import_time``.

Every command is a fresh interpreter. The limit of the machine is an interpreter that does nothing; the peers are the
libraries that the package stands on.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable

from benchmarks.common import Ratio, in_turn, reporting, seconds_of

AIM = 0.3  # seconds

_HELP = "import avzoo.cli; avzoo.cli.main(['--help'])"
OURS = {"import avzoo": "import avzoo", "avzoo --help": _HELP}
COMMANDS = {
    "python (nothing)": "pass",
    **OURS,
    "import torch": "import torch",
    "import transformers": "import transformers",
}


def python(code: str) -> str:
    """Runs code in an interpreter of its own and returns what it printed."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    return done.stdout


def loaded(code: str) -> set[str]:
    """The packages that code imports, whatever else it does."""
    listing = f"import sys\n{code}\nprint('\\n' + ' '.join({{name.partition('.')[0] for name in sys.modules}}))"
    return set(python(listing).rstrip().rpartition("\n")[2].split())


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=10, help="rounds; the fastest counts")
    arguments = parser.parse_args()

    def started(code: str) -> Callable[[], float]:
        return lambda: seconds_of(lambda: python(code))

    with reporting("import_time") as report:
        report.settings = vars(arguments)
        actions = {name: started(code) for name, code in COMMANDS.items()}
        in_turn(actions, 1)  # brings the files into memory
        report.samples = in_turn(actions, arguments.repeats)
        for name, times in report.samples.items():
            heavy = sorted({"torch", "transformers", "numpy", "av"} & loaded(COMMANDS[name]))
            report.measurements.append(
                {"command": name, "seconds": min(times), "imports": ", ".join(heavy) or "none of the heavy libraries"}
            )
        for name, code in OURS.items():
            report.ratios.append(Ratio(f"{name}: seconds", min(report.samples[name]), at_most=AIM))
            report.ratios.append(Ratio(f"{name}: torch imported (0 is no)", float("torch" in loaded(code)), at_most=0))


if __name__ == "__main__":
    main()
