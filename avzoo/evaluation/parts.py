"""Parts of a training set, cut so that the clips of an item stay together, and whether a test set fits it."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arrays import EvaluationError
from .clip_values import ClipValues, Items


def held_out(items: Items, share: float, seed: int) -> NDArray[np.bool_]:
    """Which items are held out: of every class the same share, at least one; with several labels, of all items.

    Args:
        items: Of the training part.
        share: What is held out, in (0, 1).
        seed: Decides which.

    Returns:
        bool ``(N,)``.

    Raises:
        EvaluationError: A class has a single item, which cannot be learned from and held out.
    """
    ranks = _shuffled_ranks(items, seed)
    counts = np.array([len(items)]) if items.multilabel else np.bincount(np.asarray(items.labels, np.int64))
    groups = np.zeros(len(items), np.int64) if items.multilabel else np.asarray(items.labels, np.int64)
    _require_two(items, counts)
    numbers = np.clip(np.round(share * counts), 1, np.maximum(counts - 1, 1))
    chosen: NDArray[np.bool_] = ranks < numbers[groups]
    return chosen


def fold_numbers(items: Items, folds: int, seed: int) -> NDArray[np.int64]:
    """A fold of cross-validation for every item: each class is spread over them as evenly as can be.

    Args:
        items: Of the training part.
        folds: How many, at least 2.
        seed: Decides which item goes where.

    Returns:
        Numbers from 0 to ``folds - 1``, int64 ``(N,)``.

    Raises:
        EvaluationError: A class has a single item, or there are fewer items than folds.
    """
    if len(items) < folds:
        raise EvaluationError(f"{len(items)} training items cannot be parted in {folds} folds: ask for fewer")
    groups = np.zeros(len(items), np.int64) if items.multilabel else np.asarray(items.labels, np.int64)
    counts = np.bincount(groups)
    _require_two(items, counts)
    # Each class goes on dealing where the one before it stopped, so that the folds are of one size.
    return (_shuffled_ranks(items, seed) + (np.cumsum(counts) - counts)[groups]) % folds


def require_fit(train: ClipValues, test: ClipValues) -> tuple[str, ...]:
    """Checks that what was learned from ``train`` can be tested on ``test``.

    Returns:
        Warnings: classes that are only tested.

    Raises:
        EvaluationError: Other dimensions or classes, or fewer than two classes to learn.
    """
    if train.values.shape[1] != test.values.shape[1]:
        raise EvaluationError(
            f"training features have {train.values.shape[1]} dimensions, test features {test.values.shape[1]}: "
            "both must be of one model"
        )
    if train.items.class_names != test.items.class_names or train.items.multilabel != test.items.multilabel:
        raise EvaluationError("training and test items must be labelled with the same classes")
    learned, tested = learned_classes(train.items), test.items.one_hot.any(axis=0)
    missing = np.flatnonzero(tested & ~learned)
    if not len(missing):
        return ()
    named = ", ".join(train.items.class_names[k] for k in missing[:5]) + (" ..." if len(missing) > 5 else "")
    return (f"{len(missing)} classes of the test items have no training item and cannot be found: {named}",)


def learned_classes(items: Items) -> NDArray[np.bool_]:
    """Which classes occur, bool ``(K,)``.

    Raises:
        EvaluationError: Fewer than two do; or, with several labels, none does.
    """
    present = np.asarray(items.one_hot.any(axis=0))
    if present.sum() < (1 if items.multilabel else 2):
        named = f" only {items.class_names[int(present.argmax())]}" if present.any() else " none"
        raise EvaluationError(f"a classifier needs training items of at least two classes, got{named}")
    return present


def _require_two(items: Items, counts: NDArray[np.int64]) -> None:
    if not (counts == 1).any():
        return
    name = "the set" if items.multilabel else f"class {items.class_names[int((counts == 1).argmax())]}"
    raise EvaluationError(
        f"{name} has a single training item, and nothing can be held out of it: leave it out, or give the one value "
        "to use instead of several to choose from"
    )


def _shuffled_ranks(items: Items, seed: int) -> NDArray[np.int64]:
    """Place of every item in a random order of its class; of all items where they have several labels."""
    order = np.random.default_rng(seed).permutation(len(items))
    groups: ArrayLike = np.zeros(len(items), np.int64) if items.multilabel else items.labels
    groups = np.asarray(groups, np.int64)
    order = order[np.argsort(groups[order], kind="stable")]
    counts = np.bincount(groups)
    ranks = np.empty(len(items), np.int64)
    ranks[order] = np.arange(len(items)) - (np.cumsum(counts) - counts)[groups[order]]
    return ranks
