"""The clips that the papers train and test their classifiers on, by the name of the paper."""

from __future__ import annotations

from typing import Literal

from .clip_plan import ClipPlan

#: Papers whose protocols are known.
PRESETS = ("xkd", "crisscross", "xdc", "ccl", "vssl")

Task = Literal["linear", "finetune", "retrieval", "fusion"]


def plans(
    preset: str | None,
    part: Literal["train", "validation", "test"],
    modality: str,
    dataset: str | None = None,
    *,
    task: Task = "linear",
    variant: str | None = None,
) -> ClipPlan:
    """The plan of a paper for one part of a set.

    Args:
        preset: One of `PRESETS`; None for ours: three clips spread over the item, as they are.
        part: What the clips are for. A validation part is clipped as the test part.
        modality: ``video``, ``audio`` or ``joint``: of what the paper's evaluation of that modality is meant.
        dataset: Name of the set, as of `avzoo.data.sets.benchmarks`; None, and sets that the paper does not have, for
            what it does mostly.
        task: ``linear`` for classifiers over stored features, ``finetune``, ``retrieval``, or ``fusion``.
        variant: A named deviation from the paper's protocol, where it has one.

    Raises:
        EvaluationError: There is no such preset or variant.
    """
    raise NotImplementedError
