"""How a comparison over seeds is judged: the rule, written down before any run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import mean, stdev
from typing import Any, Literal

from scipy.stats import t as student

Verdict = Literal["holds", "does not hold", "undecided"]

CONFIDENCE = 0.90
#: Share of test clips; an advantage surely smaller than that is none.
WORTHWHILE = 0.01

RULE = (
    "Both variants of a comparison see the same clips in the same order from the same seed, so their figures are "
    f"subtracted seed by seed. Of the mean difference a {CONFIDENCE:.0%} confidence interval is formed (Student's t; "
    "one-sided that is an error of 5 %). The sentence *holds* where the whole interval lies above zero; it *does not "
    f"hold* where the whole interval lies below +{100 * WORTHWHILE:g} point: no worthwhile advantage, or a "
    "disadvantage; otherwise it is *undecided* at this scale. Nothing corrects for the number of comparisons: of "
    "twenty that are no better one is expected to hold by chance."
)


@dataclass(frozen=True)
class Outcome:
    """A comparison that was judged.

    Attributes:
        difference: mean over seeds of the better's figure less the worse's.
        low: lower end of the interval.
        high: upper end.
        seeds: pairs.
        verdict: what the rule says.
    """

    difference: float
    low: float
    high: float
    seeds: int
    verdict: Verdict

    def row(self) -> dict[str, Any]:
        """For a file."""
        return asdict(self)


def judge(better: Mapping[int, float], worse: Mapping[int, float]) -> Outcome | None:
    """Applies the rule to figures by seed; None where fewer than two seeds have both."""
    seeds = sorted(better.keys() & worse.keys())
    if len(seeds) < 2:
        return None
    differences = [better[seed] - worse[seed] for seed in seeds]
    middle, margin = mean(differences), _margin(differences)
    low, high = middle - margin, middle + margin
    verdict: Verdict = "holds" if low > 0 else "does not hold" if high < WORTHWHILE else "undecided"
    return Outcome(middle, low, high, len(seeds), verdict)


def _margin(values: Sequence[float]) -> float:
    quantile = float(student.ppf((1 + CONFIDENCE) / 2, len(values) - 1))
    return quantile * stdev(values) / len(values) ** 0.5
