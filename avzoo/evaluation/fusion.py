"""The protocol ``fusion``: what picture and sound tell together, their features joined clip by clip."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from . import linear_presets
from .arrays import EvaluationError
from .clip_values import ClipValues
from .feature_classifier import ClassifierSettings, fit_classifier, needs_of_classifier
from .feature_norm import unit
from .parts import require_fit
from .protocol import ByModality, Fold, Outcome, Protocol
from .scoring import classification_figures


class FusionSettings(ClassifierSettings):
    """Settings of late fusion. The default is that of XKD on Kinetics-Sound.

    Attributes:
        modalities: What is joined, in this order.
        norm: ``l2`` brings the vector of every modality, clip and crop to unit length first; or nothing.
    """

    modalities: Annotated[tuple[str, ...], Field(min_length=2)] = ("video", "audio")
    norm: Literal["l2"] | None = "l2"


@dataclass(frozen=True, eq=False)
class Fused:
    """Clips of several modalities as one.

    Attributes:
        clips: Joined vectors, ``(n, D_1 + D_2 + ...)``, one per clip that all modalities have.
        warnings: Items and clips that not all have, and that were left out.
    """

    clips: ClipValues
    warnings: tuple[str, ...] = ()


def fuse(features: ByModality, settings: FusionSettings, part: str = "set") -> Fused:
    """Joins clip ``k`` of an item in one modality with clip ``k`` of it in the others.

    The crops of a clip are averaged, after the normalisation.

    Args:
        features: Clips by modality.
        settings: How.
        part: What they are, for messages.

    Raises:
        EvaluationError: A modality is missing, or no item has clips of all.
    """
    absent = [name for name in settings.modalities if name not in features]
    if absent:
        known = ", ".join(features) or "none"
        raise EvaluationError(f"fusion needs {absent[0]} features of the {part}; there are {known}")
    given = [features[name] for name in settings.modalities]
    shared = set(given[0].items.names).intersection(*(clips.items.names for clips in given[1:]))
    names = [name for name in given[0].items.names if name in shared]
    parts = [_prepared(clips, names, settings.norm) for clips in given]
    width = 1 + max(int(clips.clip.max(initial=0)) for clips in given)
    # `crop_means` sorts by item and clip, so that these rise.
    numbers = [clips.item * width + clips.clip for clips in parts]
    common = reduce(np.intersect1d, numbers)
    if not len(common):
        raise EvaluationError(f"no item of the {part} has clips of {' and '.join(settings.modalities)}")
    joined = [clips.values[np.searchsorted(own, common)] for clips, own in zip(parts, numbers, strict=True)]
    rows, item = np.unique(common // width, return_inverse=True)
    items = parts[0].select(rows).items
    clips = ClipValues(items, np.concatenate(joined, 1), item, common % width, np.zeros(len(common), np.int64))
    return Fused(clips, _left_out(given, parts, clips, part))


def _prepared(clips: ClipValues, names: list[str], norm: Literal["l2"] | None) -> ClipValues:
    """The clips of some items, normalised, their crops averaged."""
    place = {name: row for row, name in enumerate(clips.items.names)}
    chosen = clips.select([place[name] for name in names])
    return (chosen.with_values(unit(chosen.values)) if norm == "l2" else chosen).crop_means()


def _left_out(given: list[ClipValues], parts: list[ClipValues], fused: ClipValues, part: str) -> tuple[str, ...]:
    items = len(set().union(*(clips.items.names for clips in given))) - len(fused.items)
    clips = max(len(prepared) for prepared in parts) - len(fused)
    warnings: tuple[str, ...] = ()
    if items:
        warnings += (f"{items} items of the {part} part lack one of the modalities and were left out",)
    if clips:
        warnings += (f"{clips} clips of the {part} part have no counterpart in the other modality and were left out",)
    return warnings


def _run(fold: Fold, modality: str, settings: FusionSettings) -> Outcome:
    train, test = fuse(fold.train, settings, "training"), fuse(fold.test, settings, "test")
    remarks = train.warnings + test.warnings + require_fit(train.clips, test.clips)
    fitted = fit_classifier(train.clips, settings, test.clips)
    figures, predictions = classification_figures(fitted.scores(test.clips), fitted.average)
    details = {"classifier": settings.classifier, **fitted.details}
    return Outcome(figures, predictions, details=details, warnings=remarks + fitted.warnings)


FUSION = Protocol(
    "fusion",
    "picture and sound in one classifier: their features joined clip by clip, scores of clips averaged to items",
    FusionSettings,
    _run,
    linear_presets.FUSION,
    across=True,
    needs=needs_of_classifier,
)
