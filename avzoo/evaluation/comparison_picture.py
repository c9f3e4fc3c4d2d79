"""A comparison as one figure: what every model reaches, how sure that is, and which models differ."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from avzoo.extract.files import replacing

from .compare import Comparison, Section
from .results import percent

_COLUMNS = 2  # panels side by side
_ROW = 0.34  # inches of a model
_PANEL = (5.4, 1.25)  # inches of a panel: width, and height beside its models


def draw_comparison(comparison: Comparison, path: Path) -> None:
    """Draws a panel for each leading figure of each section, the best model on top.

    A dot is the mean over folds, a bar its confidence interval, small circles are the folds, and models that share a
    letter do not differ significantly.

    Args:
        comparison: The comparison.
        path: A PNG file; appears whole or not at all.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels = [(section, name) for section in comparison.sections for name in section.leading]
    columns = min(_COLUMNS, max(1, len(panels)))
    rows = max(1, -(-len(panels) // columns))
    tallest = max((len(section.figures) for section, _ in panels), default=1)
    size = (_PANEL[0] * columns, (_PANEL[1] + _ROW * tallest) * rows + 0.5)
    figure = Figure(figsize=size, dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(f"models on {comparison.data}", fontsize=11)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    for axes, (section, name) in zip(grid.flat, panels, strict=False):
        _draw_panel(axes, section, name)
    if any(section.letters for section in comparison.sections):
        same = f"same letter: no difference at 5 % (Holm, {len(comparison.differences)} tests)"
        figure.supxlabel(f"bars: 95 % intervals over items; circles: folds; {same}", fontsize=8)
    with replacing(path) as file:
        figure.savefig(file, format="png")


def _draw_panel(axes: Any, section: Section, name: str) -> None:
    models = sorted(section.figures, key=lambda model: -section.figures[model][name].mean)
    letters = section.letters.get(name, {})
    for row, model in enumerate(models):
        found = section.figures[model][name]
        mean = percent(name, found.mean)
        if found.interval is not None:
            ends = [percent(name, end) for end in (found.interval.low, found.interval.high)]
            axes.plot(ends, [row, row], color="tab:blue", linewidth=2.5, solid_capstyle="butt", zorder=2)
        if len(found.folds) > 1:
            folds = [percent(name, value) for value in found.folds]
            axes.plot(folds, [row] * len(folds), "o", markersize=4, markerfacecolor="white", color="0.45", zorder=2.5)
        axes.plot(mean, row, "o", color="tab:blue", markeredgecolor="white", markersize=8, zorder=3)
        label = f"{mean:.1f}  {letters[model]}" if model in letters else f"{mean:.1f}"
        axes.annotate(
            label, (1.01, row), xycoords=("axes fraction", "data"), va="center", fontsize=8, annotation_clip=False
        )
    axes.set_yticks(range(len(models)), models, fontsize=8)
    axes.set_ylim(len(models) - 0.5, -0.5)
    axes.set_title(f"{section.place}: {name}", fontsize=9)
    axes.tick_params(axis="x", labelsize=8)
    axes.grid(axis="x", color="0.9")
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
