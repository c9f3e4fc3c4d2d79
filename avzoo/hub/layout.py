"""Pairs of names: how a weight is called in an official checkpoint and how it is called here."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

# (official, ours); both name whole dotted parts, and `{n}` stands for a layer's number.
Pairs = tuple[tuple[str, str], ...]


class Layout(NamedTuple):
    """What a checkpoint holds.

    Attributes:
        pairs: Names that belong to the model.
        ignored: Names that the checkpoint may hold beside them.
    """

    pairs: Pairs
    ignored: Pairs = ()


def prefixed(pairs: Pairs, official: str, ours: str) -> Pairs:
    """The pairs with a prefix in front of either side."""
    return tuple((official + theirs, ours + mine) for theirs, mine in pairs)


def rename(name: str, pairs: Iterable[tuple[str, str]]) -> list[str]:
    """Every name that (source, target) pairs give for a name."""
    targets = []
    for source, target in pairs:
        if not name.startswith(source.partition("{n}")[0]):  # most do not, and a pattern costs
            continue
        pattern = re.escape(source).replace(r"\{n\}", r"(?P<n>\d+)")
        if match := re.fullmatch(rf"{pattern}(?P<rest>(\..+)?)", name):
            targets.append(target.replace("{n}", match.groupdict().get("n") or "") + match["rest"])
    return targets
