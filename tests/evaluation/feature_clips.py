"""Features of made-up items, several clips of each, for the protocols over features."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from avzoo.evaluation.clip_values import ClipValues, Items


def feature_clips(
    labels: ArrayLike,
    values: ArrayLike,
    clips: int = 1,
    crops: int = 1,
    classes: tuple[str, ...] = (),
    prefix: str = "item",
) -> ClipValues:
    """Clips of items: ``values`` are ``(N * clips * crops, D)``, item by item, clip by clip."""
    labels = np.asarray(labels)
    each = clips * crops
    names = classes or tuple(f"class {k}" for k in range(labels.shape[1] if labels.ndim > 1 else labels.max() + 1))
    return ClipValues(
        Items(tuple(f"{prefix} {row}" for row in range(len(labels))), labels, names),
        np.asarray(values, np.float32),
        np.repeat(np.arange(len(labels)), each),
        np.tile(np.repeat(np.arange(clips), crops), len(labels)),
        np.tile(np.arange(crops), len(labels) * clips),
    )


def clusters(
    count: int, seed: int, classes: int = 3, width: int = 6, spread: float = 0.7, clips: int = 1, several: bool = False
) -> ClipValues:
    """Items around a centre per class, the same for every seed; with ``several``, around the sum of those they have."""
    centres = np.random.default_rng(99).standard_normal((classes, width))
    rng = np.random.default_rng(seed)
    labels = rng.random((count, classes)) < 0.4 if several else np.arange(count) % classes
    middles = labels @ centres if several else centres[labels]
    values = np.repeat(middles, clips, axis=0) + spread * rng.standard_normal((count * clips, width))
    names = tuple(f"class {k}" for k in range(classes))
    return feature_clips(labels, values, clips, classes=names, prefix=f"{seed}")
