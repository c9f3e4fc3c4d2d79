"""Dividing a set that has no official division: the same way always, and every class as evenly as can be."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Sequence

import numpy as np
import numpy.typing as npt

_SHARE = 0.2  # of every class that is held out


def deal(names: Sequence[str], strata: Sequence[Hashable], folds: int) -> npt.NDArray[np.int64]:
    """Deals items into folds: stratum after stratum, in the order of the SHA-256 of the names, one to each in turn.

    Each fold gets equally many of each stratum, one more or less. Items of one name, parts of one file, go to one fold.

    Args:
        names: What tells the files apart, independent of where the set lies.
        strata: What shall be alike in all folds, usually the class.
        folds: How many.

    Returns:
        The fold of every item, from 0, int64 ``(N,)``.
    """
    dealt = [name for group in _shuffled(names, strata) for name in group]
    fold = {name: position % folds for position, name in enumerate(dealt)}
    return np.array([fold[name] for name in names], np.int64)


def hold_out(names: Sequence[str], strata: Sequence[Hashable]) -> npt.NDArray[np.bool_]:
    """Holds out a fifth of each stratum: the first in the order of the SHA-256 of the names.

    At least one item of a stratum of two or more is held out, and none of a stratum of one. Arguments are as of `deal`.

    Returns:
        Whether each item is held out, bool ``(N,)``.
    """
    held: set[str] = set()
    for group in _shuffled(names, strata):
        held.update(group[: max(1, round(_SHARE * len(group)))] if len(group) > 1 else ())
    return np.array([name in held for name in names], np.bool_)


def _shuffled(names: Sequence[str], strata: Sequence[Hashable]) -> list[list[str]]:
    """Distinct names of each stratum, in the order of their SHA-256; a name of several strata is of its first."""
    first: dict[str, Hashable] = {}
    for name, stratum in zip(names, strata, strict=True):
        first.setdefault(name, stratum)
    groups: dict[Hashable, list[str]] = {stratum: [] for stratum in first.values()}
    for name in sorted(first, key=lambda name: hashlib.sha256(name.encode()).digest()):
        groups[first[name]].append(name)
    return list(groups.values())
