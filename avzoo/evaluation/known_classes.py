"""The classes of a second set, where none of them may have been learned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from avzoo.data.sets.classes import read_classes, same

from .arrays import EvaluationError
from .clip_values import ClipValues, Items


@dataclass(frozen=True, eq=False)
class NewClasses:
    """A second set of which no class is one of the first.

    Attributes:
        clips: Its clips.
        left_out: Classes that were left out because the first set has them.
    """

    clips: ClipValues
    left_out: tuple[str, ...]


#: Which classes of the second set count: all; those that the first does not have (``new``); or those of a list, one of
#: the package (``truze_unseen_ucf31``, ``truze_unseen_hmdb22``, ``open_set_hmdb34`` ...) or a text file.
TargetClasses = Literal["all", "new"] | str


def new_classes(target: ClipValues, learned: Sequence[str], which: TargetClasses = "all") -> NewClasses:
    """The part of a second set that is of classes nobody has learned.

    Classes are the same where their letters and digits are (``HorseRiding``, ``horse riding``). Classes that mean the
    same under other names are not noticed.

    Args:
        target: Clips of the second set.
        learned: Classes of the first.
        which: See `TargetClasses`.

    Raises:
        EvaluationError: A class is in both sets, the list has one that the second lacks, or nothing is left.
    """
    known = {same(name) for name in learned}
    names = target.items.class_names
    kept = list(names)
    left_out: list[str] = []
    if which == "new":
        kept, left_out = _split(names, known)
    elif which != "all":
        wanted = read_classes(which).names
        have = {same(name): name for name in names}
        lacking = [name for name in wanted if same(name) not in have]
        if lacking:
            raise EvaluationError(
                f"the second set has none of {len(lacking)} classes of the list {which}, the first is {lacking[0]!r}"
            )
        kept = [have[same(name)] for name in wanted]
    both = [name for name in kept if same(name) in known]
    if both:
        raise EvaluationError(
            f"{len(both)} classes of the second set are learned, the first is {both[0]!r}: nothing is new about them; "
            "name the classes to test, or leave the learned ones out (target_classes)"
        )
    if not kept:
        raise EvaluationError("the second set has no class that is not learned: there is nothing to test")
    return NewClasses(_only(target, kept), tuple(left_out))


def _split(names: Sequence[str], known: set[str]) -> tuple[list[str], list[str]]:
    return [name for name in names if same(name) not in known], [name for name in names if same(name) in known]


def _only(clips: ClipValues, kept: Sequence[str]) -> ClipValues:
    """The clips of the items of some classes, which get their numbers in this order."""
    items = clips.items
    if items.multilabel:
        raise EvaluationError("items of the second set must have one class each")
    number = np.full(len(items.class_names), -1)
    number[[items.class_names.index(name) for name in kept]] = np.arange(len(kept))
    labels = number[items.labels]
    rows = np.flatnonzero(labels >= 0)
    if not len(rows):
        raise EvaluationError(f"the second set has no items of the {len(kept)} classes that are asked for")
    place = np.full(len(items), -1)
    place[rows] = np.arange(len(rows))
    chosen = place[clips.item] >= 0
    part = Items(
        tuple(items.names[row] for row in rows),
        labels[rows].astype(np.int64),
        tuple(kept),
        tuple(items.content[row] for row in rows) if items.content else (),
    )
    return ClipValues(part, clips.values[chosen], place[clips.item[chosen]], clips.clip[chosen], clips.crop[chosen])
