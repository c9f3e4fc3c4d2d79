"""Classes of a set onto shared classes, applied to labels of clips and of media, and to scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from avzoo.data.sets import MediaSet
from avzoo.data.sets.classes import same

from .arrays import EvaluationError
from .clip_values import ClipValues

#: How the scores of several classes that become one are joined: the highest, or the sum of their probabilities.
Merge = Literal["max", "sum"]

_NAMED = 3  # classes that a message names


@dataclass(frozen=True)
class ClassMap:
    """What shared classes are called in one set.

    Attributes:
        classes: The ``S`` shared classes.
        members: For each shared class, the classes of the set that count as it. A class of the set may be named under
            several shared classes: its items then have several labels.
    """

    classes: tuple[str, ...]
    members: tuple[tuple[str, ...], ...]

    def matrix(self, class_names: Sequence[str]) -> NDArray[np.bool_]:
        """Which class of a set counts as which shared one, bool ``(K, S)``; all false for classes that the map leaves.

        Args:
            class_names: The ``K`` classes of the set; case, spaces and marks do not count.

        Raises:
            EvaluationError: The set lacks a class that the map names.
        """
        place = {same(name): row for row, name in enumerate(class_names)}
        lacking = [name for group in self.members for name in group if same(name) not in place]
        if lacking:
            raise EvaluationError(
                f"the label map names {len(lacking)} classes that the set lacks ({', '.join(lacking[:_NAMED])}); name "
                "them as the set does, or leave them out"
            )
        made = np.zeros((len(class_names), len(self.classes)), np.bool_)
        for column, group in enumerate(self.members):
            made[[place[same(name)] for name in group], column] = True
        return made


@dataclass(frozen=True, eq=False)
class Mapped:
    """Clips whose items have the shared classes for labels.

    Attributes:
        clips: Of the items with at least one shared class.
        dropped: Items without one, which are left out.
    """

    clips: ClipValues
    dropped: int


def map_clips(clips: ClipValues, classes: ClassMap, multilabel: bool = False) -> Mapped:
    """Gives the items of clips the shared classes for labels; items without one are dropped and counted.

    Args:
        clips: Features or scores; their values are kept.
        classes: The map of their set.
        multilabel: Whether labels become bool ``(N, S)`` even where every item has one.

    Raises:
        EvaluationError: No item is left, or the set lacks a class of the map.
    """
    items, matrix = clips.items, classes.matrix(clips.items.class_names)
    # How many classes of an item count as each shared one.
    counts = items.labels @ matrix.astype(np.int64) if items.multilabel else matrix[items.labels].astype(np.int64)
    labels: NDArray[np.bool_] = counts > 0
    kept: NDArray[np.bool_] = np.asarray(labels.any(axis=1))
    if not kept.any():
        raise EvaluationError(_none_left(len(items), classes))
    several = multilabel or items.multilabel or bool((matrix.sum(axis=1) > 1).any())
    chosen = clips.select(np.flatnonzero(kept))
    items = replace(
        chosen.items,
        labels=labels[kept] if several else labels[kept].argmax(axis=1),
        class_names=classes.classes,
    )
    return Mapped(replace(chosen, items=items), dropped=int((~kept).sum()))


def map_media(media: MediaSet, classes: ClassMap) -> tuple[MediaSet, int]:
    """Gives the items of a set the shared classes for labels; those without one are dropped and counted.

    Raises:
        EvaluationError: No item is left, the set has no classes, or it lacks one of the map.
    """
    kept, dropped = with_shared_class(media, classes)
    matrix = classes.matrix(kept.class_names or ())
    items = [
        replace(item, labels=tuple(np.flatnonzero(matrix[list(item.labels)].any(axis=0)).tolist()))
        for item in kept.items
    ]
    return MediaSet(tuple(items), classes.classes, media.missing), dropped


def with_shared_class(media: MediaSet, classes: ClassMap) -> tuple[MediaSet, int]:
    """The items of a set that have a shared class, labelled as before, and how many others there are.

    Raises:
        EvaluationError: No item is left, the set has no classes, or it lacks one of the map.
    """
    if media.class_names is None:
        raise EvaluationError("a set without class names cannot be mapped; give one that has them")
    counts: NDArray[np.bool_] = np.asarray(classes.matrix(media.class_names).any(axis=1))
    kept = tuple(item for item in media.items if counts[list(item.labels)].any())
    if not kept:
        raise EvaluationError(_none_left(len(media.items), classes))
    return replace(media, items=kept), len(media.items) - len(kept)


def map_scores(scores: NDArray[np.float32], matrix: NDArray[np.bool_], merge: Merge = "max") -> NDArray[np.float32]:
    """Scores of the shared classes from scores of the classes of a set.

    Args:
        scores: Logits or decision values, ``(n, K)``.
        matrix: Which class counts as which shared one, bool ``(K, S)``; every shared class has one.
        merge: ``max`` the highest score among the classes that become one; ``sum`` the logarithm of the sum of the
            exponentials, that is of their probabilities for logits.

    Returns:
        float32 ``(n, S)``.
    """
    columns = [scores[:, members].astype(np.float64) for members in matrix.T]
    joined = [values.max(axis=1) if merge == "max" else np.logaddexp.reduce(values, axis=1) for values in columns]
    return np.stack(joined, axis=1).astype(np.float32)


def _none_left(count: int, classes: ClassMap) -> str:
    return f"none of the {count} items has one of the {len(classes.classes)} shared classes"
