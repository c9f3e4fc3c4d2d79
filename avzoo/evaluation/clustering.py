"""The protocol ``clustering``: whether k-means over frozen features finds the classes, without being told of them.

The video-SSL thesis reports k-means on frozen embeddings and its accuracy, and leaves open how clusters are matched to
classes, how many there are, how often k-means is started, and whether features are scaled first. Hungarian matching, as
many clusters as classes, ten starts and features as they are: these are ours, and the details say so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from pydantic import Field
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_rand_score

from avzoo.extract.embeddings import l2_normalize
from avzoo.pretraining.cluster_measures import contingency, normalized_mutual_information, purity
from avzoo.pretraining.kmeans import KMeansResult, kmeans

from .arrays import EvaluationError
from .clip_values import ClipValues, Items
from .protocol import Findings, Fold, ItemFigures, Needs, Outcome, Predictions, Protocol, ProtocolSettings
from .retrieval import item_features

#: What the thesis does not say, as the details of every outcome tell.
OURS = (
    "The thesis states k-means on frozen features and accuracy; the number of clusters, the starts, Hungarian matching "
    "and features that are not scaled are choices made here."
)

_CONCEPTS = 5  # classes named per cluster, as in XDC's tables
_NEAREST = 8  # examples named per cluster


class ClusteringSettings(ProtocolSettings):
    """Settings of clustering.

    Attributes:
        part: What is clustered: the ``test`` items, the ``train`` items, or ``both`` together.
        level: ``items``: one vector per item, the mean over its clips and crops. ``clips``: every clip by itself, all
            of an item with its class.
        k: Number of clusters; None for as many as there are classes among what is clustered.
        restarts: How often k-means starts from new seeds; the result with the least inertia counts.
        unit: Whether vectors are scaled to length 1 before they are clustered, so that directions count.
        max_iterations: Most iterations of every start.
    """

    part: Literal["test", "train", "both"] = "test"
    level: Literal["items", "clips"] = "items"
    k: Annotated[int, Field(ge=1)] | None = None
    restarts: Annotated[int, Field(ge=1)] = 10
    unit: bool = False
    max_iterations: Annotated[int, Field(ge=1)] = 100


@dataclass(frozen=True)
class Agreement:
    """How clusters agree with classes.

    Attributes:
        accuracy: Share of items in the cluster that is matched to their class, each class with at most one cluster and
            each cluster with at most one class, so matched that the share is largest (Hungarian method).
        nmi: Mutual information over the mean of both entropies, in [0, 1].
        ari: Rand index, adjusted for chance: 0 for clusters drawn at random, 1 for equal ones.
        purity: Share of items that are of the most frequent class of their cluster; it grows with the number of
            clusters.
        matched: Class of every cluster, -1 for those without one, int64 ``(k,)``.
    """

    accuracy: float
    nmi: float
    ari: float
    purity: float
    matched: NDArray[np.int64]


@dataclass(frozen=True)
class ClusterRow:
    """One cluster, as XDC's tables list them.

    Attributes:
        cluster: Its number.
        size: Items in it.
        purity: Share of them that is of the most frequent class.
        concepts: The most frequent classes with their shares, most frequent first; at most 5.
        nearest: Names of the items nearest to its centre, nearest first; at most 8.
    """

    cluster: int
    size: int
    purity: float
    concepts: tuple[tuple[str, float], ...]
    nearest: tuple[str, ...]

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> ClusterRow:
        """A row as the details of an outcome keep it."""
        concepts = tuple((name, share) for name, share in document["concepts"])
        return cls(**{**document, "concepts": concepts, "nearest": tuple(document["nearest"])})


def agreement(clusters: ArrayLike, labels: ArrayLike) -> Agreement:
    """Compares clusters with classes.

    Args:
        clusters: Cluster of every item, int ``(N,)``, from 0.
        labels: Class of every item, likewise.

    Raises:
        EvaluationError: There are no items, or not as many labels as clusters.
    """
    found, classes = np.asarray(clusters, np.int64), np.asarray(labels, np.int64)
    if found.shape != classes.shape or found.ndim != 1 or not len(found):
        raise EvaluationError(f"every item needs a cluster and a class, got {found.shape} and {classes.shape}")
    pair = torch.from_numpy(found), torch.from_numpy(classes)
    counts = contingency(*pair).numpy()
    rows, columns = linear_sum_assignment(counts, maximize=True)
    matched = np.full(len(counts), -1, np.int64)
    matched[rows] = columns
    return Agreement(
        accuracy=float(counts[rows, columns].sum() / len(found)),
        nmi=normalized_mutual_information(*pair),
        ari=float(adjusted_rand_score(classes, found)),
        purity=purity(*pair),
        matched=matched,
    )


def cluster_rows(
    points: NDArray[np.float32], clusters: NDArray[np.int64], centres: NDArray[np.float32], items: Items
) -> list[ClusterRow]:
    """The clusters with their most frequent classes and nearest items, purest first; of equals the larger first.

    Args:
        points: What was clustered, ``(N, D)``.
        clusters: Cluster of every point, ``(N,)``.
        centres: ``(k, D)``.
        items: What each point is of, ``N`` of them.
    """
    rows = []
    labels = np.asarray(items.labels, np.int64)
    for cluster in np.unique(clusters):
        members = np.flatnonzero(clusters == cluster)
        counts = np.bincount(labels[members], minlength=len(items.class_names))
        frequent = [c for c in np.argsort(-counts, kind="stable")[:_CONCEPTS] if counts[c]]
        distances = np.square(points[members] - centres[cluster]).sum(axis=1)
        # Several clips of one item are one example.
        names = dict.fromkeys(items.names[member] for member in members[np.argsort(distances, kind="stable")])
        rows.append(
            ClusterRow(
                cluster=int(cluster),
                size=len(members),
                purity=float(counts.max() / len(members)),
                concepts=tuple((items.class_names[c], float(counts[c] / len(members))) for c in frequent),
                nearest=tuple(names)[:_NEAREST],
            )
        )
    return sorted(rows, key=lambda row: (-row.purity, -row.size))


def run(fold: Fold, modality: str, settings: ClusteringSettings) -> Outcome:
    """Clusters one modality.

    Returns:
        ``accuracy``, ``NMI``, ``ARI``, ``purity``, and ``largest class``, the accuracy of one cluster for everything;
        the rows of `cluster_rows` under ``clusters`` in the details. The predictions, where there are as many clusters
        as classes and the test items are clustered by themselves, are the classes matched to the clusters.

    Raises:
        EvaluationError: Items have several classes, or there are fewer points than clusters.
    """
    points, items = _points(fold, modality, settings)
    labels = np.asarray(items.labels, np.int64)
    k = settings.k or len(np.unique(labels))
    if len(points) < k:
        raise EvaluationError(f"{len(points)} {settings.level} cannot be parted in {k} clusters: give a smaller k")
    found, inertias = _best(torch.from_numpy(points), k, settings)
    clusters = found.labels.numpy()
    agreed = agreement(clusters, labels)
    figures = {"accuracy": agreed.accuracy, "NMI": agreed.nmi, "ARI": agreed.ari, "purity": agreed.purity}
    figures["largest class"] = float(np.bincount(labels).max() / len(labels))
    rows = cluster_rows(points, clusters, found.centroids.numpy(), items)
    details: dict[str, Any] = {"k": k, "points": len(points), "inertia": found.inertia, "inertias": inertias}
    details |= {"clusters": [asdict(row) for row in rows], "choices": OURS}
    predictions = None
    if settings.part == "test" and settings.level == "items" and (agreed.matched >= 0).all():
        scores = np.eye(len(items.class_names), dtype=np.float32)[agreed.matched[clusters]]
        predictions = Predictions(items, scores)
    right = ItemFigures(items.names, {"accuracy": (agreed.matched[clusters] == labels).astype(np.float64)})
    return Outcome(figures, predictions, item_figures=right, details=details)


def write(found: Findings, folder: Path) -> None:
    """Writes the clusters of every fold as a table and a sheet of pictures."""
    from .cluster_pictures import write_clusters  # which needs the rows of this module

    for fold, outcome in found.outcomes.items():
        rows = [ClusterRow.of(row) for row in outcome.details["clusters"]]
        write_clusters(rows, found.media[fold], folder, found.modality, fold)


def _points(fold: Fold, modality: str, settings: ClusteringSettings) -> tuple[NDArray[np.float32], Items]:
    """What is clustered, and what each point is of."""
    parts = {"test": [fold.test], "train": [fold.train], "both": [fold.train, fold.test]}[settings.part]
    sides = [part[modality] for part in parts if modality in part]
    if len(sides) < len(parts):
        raise EvaluationError(f"there is no {modality} of the {settings.part} part to cluster")
    if any(side.items.multilabel for side in sides):
        raise EvaluationError("clusters are compared with one class per item, and these items have several")
    if len({side.items.class_names for side in sides}) > 1:
        raise EvaluationError("test and training items have different classes: cluster one of them")
    points = np.concatenate([_vectors(side, settings) for side in sides])
    rows = [side.item if settings.level == "clips" else np.arange(len(side.items)) for side in sides]
    names = tuple(side.items.names[row] for side, chosen in zip(sides, rows, strict=True) for row in chosen)
    labels = np.concatenate([side.items.labels[chosen] for side, chosen in zip(sides, rows, strict=True)])
    return l2_normalize(points) if settings.unit else points, Items(names, labels, sides[0].items.class_names)


def _vectors(clips: ClipValues, settings: ClusteringSettings) -> NDArray[np.float32]:
    return clips.values if settings.level == "clips" else item_features(clips)


def _best(points: torch.Tensor, k: int, settings: ClusteringSettings) -> tuple[KMeansResult, list[float]]:
    """The best of all starts, and the inertia of each."""
    seeds = np.random.SeedSequence(settings.seed).generate_state(settings.restarts)
    starts = [kmeans(points, k, int(seed), settings.max_iterations) for seed in seeds]
    return min(starts, key=lambda start: start.inertia), [start.inertia for start in starts]


CLUSTERING: Protocol[ClusteringSettings] = Protocol(
    name="clustering",
    summary="Whether k-means over frozen features finds the classes.",
    settings=ClusteringSettings,
    run=run,
    needs=lambda settings: Needs(train=settings.part != "test"),
    write=write,
)
