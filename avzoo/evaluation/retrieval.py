"""The protocol ``retrieval``: whether the nearest items are of the class of the query, within and across modalities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from avzoo.extract.embeddings import l2_normalize

from .arrays import EvaluationError
from .clip_values import ClipValues
from .metrics import RetrievalScores, class_retrieval, cross_modal_retrieval
from .protocol import ByModality, Fold, ItemFigures, Needs, Outcome, Predictions, Protocol, ProtocolSettings
from .ranking import Directions, class_similarities

_OTHER = {"video": "audio", "audio": "video"}


class RetrievalSettings(ProtocolSettings):
    """Settings of retrieval.

    Attributes:
        ks: Numbers of neighbours of the recall.
        gallery: What is searched. ``train``: query = test, gallery = train, as CrissCross and CCL do. ``test``: every
            test item looks among all others; where several are cut from one recording, they find each other.
        unit_clips: Whether features of clips are scaled to length 1 before they are averaged to items; the papers
            average them as they are.
        centre: Whether the mean of the gallery, each modality's own, is taken from the features first; the papers do
            not.
        across: What is compared across modalities. ``projection``: outputs of the projectors, where the encoder has
            some. ``features``: the features themselves, if they are of equal width; only where both encoders were
            trained into one space does that mean anything. ``none``: nothing.
    """

    ks: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1)] = (1, 5, 10, 20)
    gallery: Literal["train", "test"] = "train"
    unit_clips: bool = False
    centre: bool = False
    across: Literal["projection", "features", "none"] = "projection"


def item_features(clips: ClipValues, unit_clips: bool = False) -> NDArray[np.float32]:
    """One vector per item: the mean over its clips and crops, float32 ``(N, D)``.

    Args:
        clips: Features of clips.
        unit_clips: Whether to scale them to length 1 first.
    """
    return (clips.with_values(l2_normalize(clips.values)) if unit_clips else clips).item_means()


def run(fold: Fold, modality: str, settings: RetrievalSettings) -> Outcome:
    """Retrieval from one modality.

    Returns:
        ``R@K``, ``mAP`` and ``median rank`` (from 1) within the modality. Where it can be compared with the other one,
        the same with ``to audio class`` or ``to audio instance`` before it (``to video ...`` from sound): items of the
        class in the gallery, and the one item among those of the test that is the same clip. What a random order would
        give follows as ``chance R@K`` and ``chance mAP``. Ties count against the query; test items whose class the
        gallery lacks do not ask.

        The predictions, where every item has one class, score a class by the similarity of its nearest item.

    Raises:
        EvaluationError: The gallery is not there, or has other classes, or nothing can be found in it.
    """
    test = fold.test[modality]
    scores = _by_class(fold, modality, modality, settings)
    figures = _figures(scores, "")
    names = test.items.names
    of_items = _of_items(scores, names, names, "")
    details = {"queries": scores.num_queries, "gallery": scores.gallery}
    warnings = []
    if silent := len(test.items) - scores.num_queries:
        warnings.append(f"{silent} test items have no item of their class to find and did not ask")
    for source, target in _pairs(fold.test, modality, settings):
        to = target.removesuffix("_projection")
        scores = _by_class(fold, source, target, settings)
        figures |= _figures(scores, f"to {to} class ")
        of_items |= _of_items(scores, fold.test[source].items.names, names, f"to {to} class ")
        scores, asking, lacking = _by_instance(fold, source, target, settings)
        figures |= _figures(scores, f"to {to} instance ")
        of_items |= _of_items(scores, asking, names, f"to {to} instance ")
        details[f"to {to} instance queries"] = scores.num_queries
        if lacking:
            warnings.append(f"{lacking} test items have only one of {source} and {target} and were left out across")
    return Outcome(
        figures,
        _predictions(fold, modality, settings),
        item_figures=ItemFigures(names, of_items),
        details=details,
        warnings=tuple(warnings),
    )


def _gallery(fold: Fold, modality: str, settings: RetrievalSettings) -> ClipValues:
    part: ByModality = fold.train if settings.gallery == "train" else fold.test
    if modality not in part:
        raise EvaluationError(
            f"there is no {modality} of the {settings.gallery} part to search; with gallery=test every test item looks "
            "among the others"
        )
    return part[modality]


def _vectors(fold: Fold, clips: ClipValues, modality: str, settings: RetrievalSettings) -> NDArray[np.float32]:
    """What is compared: vectors of items, centred on the gallery of their own modality if asked."""
    found = item_features(clips, settings.unit_clips)
    if not settings.centre:
        return found
    return found - item_features(_gallery(fold, modality, settings), settings.unit_clips).mean(axis=0)


def _by_class(fold: Fold, source: str, target: str, settings: RetrievalSettings) -> RetrievalScores:
    """Retrieval by class from one modality into another, or the same."""
    test, gallery = fold.test[source], _gallery(fold, target, settings)
    if test.items.class_names != gallery.items.class_names:
        raise EvaluationError("the items that ask and those that are searched have different classes")
    queries = _vectors(fold, test, source, settings)
    if settings.gallery == "test" and source == target:
        return class_retrieval(queries, test.items.labels, settings.ks)
    items = _vectors(fold, gallery, target, settings)
    return class_retrieval(queries, test.items.labels, settings.ks, gallery=items, gallery_labels=gallery.items.labels)


def _by_instance(
    fold: Fold, source: str, target: str, settings: RetrievalSettings
) -> tuple[RetrievalScores, list[str], int]:
    """Retrieval of the same item in another modality, the items that ask, and how many have only one of the two."""
    test, other = fold.test[source], fold.test[target]
    row = {name: number for number, name in enumerate(other.items.names)}
    shared = [(number, row[name]) for number, name in enumerate(test.items.names) if name in row]
    if not shared:
        raise EvaluationError("no test item has both modalities; take across=none")
    asking, searched = (list(rows) for rows in zip(*shared, strict=True))
    queries = _vectors(fold, test, source, settings)[asking]
    items = _vectors(fold, other, target, settings)[searched]
    names = [test.items.names[number] for number in asking]
    lacking = len(test.items) + len(other.items) - 2 * len(shared)
    return cross_modal_retrieval(queries, items, ks=settings.ks), names, lacking


def _predictions(fold: Fold, modality: str, settings: RetrievalSettings) -> Predictions | None:
    """The class of every item is scored by the nearest item of it; None where items have several."""
    test, gallery = fold.test[modality], _gallery(fold, modality, settings)
    labels = gallery.items.labels
    if labels.dtype == np.bool_:
        return None
    queries, items = (Directions(_vectors(fold, clips, modality, settings), "features") for clips in (test, gallery))
    classes = len(test.items.class_names)
    leave_out = settings.gallery == "test"
    return Predictions(test.items, class_similarities(queries, items, labels, classes, leave_out=leave_out))


def _pairs(part: Mapping[str, ClipValues], modality: str, settings: RetrievalSettings) -> list[tuple[str, str]]:
    """What of a modality is compared with what of the other one: one pair, or none."""
    base = modality.removesuffix("_projection")
    if settings.across == "none" or base not in _OTHER:
        return []
    ending = "_projection" if settings.across == "projection" else ""
    source, target = base + ending, _OTHER[base] + ending
    if source not in part or target not in part:
        return []
    widths = [part[name].values.shape[1] for name in (source, target)]
    if widths[0] != widths[1]:
        raise EvaluationError(
            f"{source} and {target} have {widths[0]} and {widths[1]} dimensions and cannot be compared: take "
            "across=projection or across=none"
        )
    return [(source, target)]


def _figures(scores: RetrievalScores, prefix: str) -> dict[str, float]:
    found = {f"{prefix}R@{k}": value for k, value in scores.recall.items()}
    found |= {f"{prefix}mAP": scores.mean_ap, f"{prefix}median rank": scores.median_rank}
    found |= {f"{prefix}chance R@{k}": value for k, value in scores.chance.items()}
    return found | {f"{prefix}chance mAP": scores.chance_ap}


def _of_items(
    scores: RetrievalScores, asking: Sequence[str], names: Sequence[str], prefix: str
) -> dict[str, NDArray[np.float64]]:
    """The figures that are means over queries: one value for every test item, NaN for those that do not ask."""
    row = {name: number for number, name in enumerate(asking) if scores.ranks[number]}
    found = {f"{prefix}R@{k}": scores.ranks <= k for k in scores.recall} | {f"{prefix}mAP": scores.precision}
    return {
        figure: np.array([values[row[name]] if name in row else np.nan for name in names], np.float64)
        for figure, values in found.items()
    }


RETRIEVAL: Protocol[RetrievalSettings] = Protocol(
    name="retrieval",
    summary="Whether the nearest items share the class, within a modality and across the two.",
    settings=RetrievalSettings,
    run=run,
    presets={"crisscross": {"ks": (1, 5, 20)}, "ccl": {"ks": (1, 5, 10)}},
    needs=lambda settings: Needs(train=settings.gallery == "train"),
)
