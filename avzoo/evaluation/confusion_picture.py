"""Confusion as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avzoo.extract.files import replacing

_NAMED = 60  # classes that are named at the axes
_COUNTED = 20  # classes whose cells say how many items they hold


def draw_confusion(counts: NDArray[np.int64], class_names: Sequence[str], title: str, path: Path) -> None:
    """Draws a confusion matrix, each row in shares of the items of its class.

    Args:
        counts: Items of each class (rows) that were said to be of each (columns), ``(K, K)``.
        class_names: The classes.
        title: Stands above.
        path: A PNG file; appears whole or not at all.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    size = len(counts)
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    side = float(np.clip(0.32 * size, 2.5, 14))
    figure = Figure(figsize=(side + 3.2, side + 2.2), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, interpolation="nearest")
    figure.colorbar(image, ax=axes, shrink=0.8, label="share of the class")
    axes.set(xlabel="said", ylabel="true")
    axes.set_title(title, fontsize=10, wrap=True)
    if size <= _NAMED:
        axes.set_xticks(range(size), class_names, rotation=90, fontsize=8)
        axes.set_yticks(range(size), class_names, fontsize=8)
    if size <= _COUNTED:
        for row, column in np.argwhere(counts):
            colour = "white" if shares[row, column] > 0.6 else "black"
            axes.text(column, row, str(counts[row, column]), ha="center", va="center", fontsize=8, color=colour)
    with replacing(path) as file:
        figure.savefig(file, format="png")
