"""Many tests at once: p-values that stand in spite of their number, and which models they leave together."""

from __future__ import annotations

import string
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """P-values corrected for their number, so that one below 0.05 among them is chance in at most 5 of 100 reports.

    The smallest is multiplied by the number of tests, the next by one less, and so on, and none may be smaller than the
    one before it (Holm 1979, "A simple sequentially rejective multiple test procedure").

    Args:
        p_values: ``(m,)``, in [0, 1].

    Returns:
        float64 ``(m,)``, in [0, 1], in the order given.
    """
    given = np.asarray(p_values, np.float64)
    order = np.argsort(given, kind="stable")
    factors = len(given) - np.arange(len(given))
    corrected = np.empty_like(given)
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(given[order] * factors))
    return corrected


def letters(models: Sequence[str], different: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The compact letter display: two models have a letter in common exactly where they do not differ.

    Args:
        models: The best first, which then has the letter ``a``.
        different: The pairs that differ, each once, in either order.

    Returns:
        The letters of every model.

    Source: Piepho (2004), "An algorithm for a letter-based representation of all-pairwise comparisons".
    """
    groups = [frozenset(models)]
    for one, other in different:
        split = [part for group in groups for part in _apart(group, one, other)]
        groups = [group for group in dict.fromkeys(split) if not any(group < larger for larger in split)]
    groups.sort(key=lambda group: [model not in group for model in models])
    return {model: "".join(_letter(n) for n, group in enumerate(groups) if model in group) for model in models}


def _apart(group: frozenset[str], one: str, other: str) -> list[frozenset[str]]:
    return [group - {one}, group - {other}] if {one, other} <= group else [group]


def _letter(number: int) -> str:
    """``a`` ... ``z``, then ``a1`` and so on."""
    turn, place = divmod(number, len(string.ascii_lowercase))
    return string.ascii_lowercase[place] + (str(turn) if turn else "")
