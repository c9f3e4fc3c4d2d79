"""The course of a run as a picture: loss parts, signs of collapse, probes, learning rate."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from transformers import TrainerCallback

PLOT_FILE = "training.png"

_COLUMNS = 4
_LEFT_OUT = {"epoch", "step", "clips_per_second", "seconds_left", "total_flos"}
_TITLES = {
    "spread": "spread of features (0: all alike)",
    "rank": "effective rank (share of possible)",
    "gap": "divergence of student from teacher",
    "probe": "probe accuracy",
}


class Panel(NamedTuple):
    """One set of axes: its title, the names of its curves by label, and a level to stay above."""

    title: str
    curves: dict[str, str]
    level: float | None = None


def panels(history: Sequence[Mapping[str, Any]], parts: Sequence[str], levels: Mapping[str, float]) -> list[Panel]:
    """What is shown: the loss, each of its parts, then what is logged besides; measures of one kind together.

    Args:
        history: log entries of the run.
        parts: names of the loss parts, the loss first.
        levels: smallest healthy value of ``spread``, ``rank`` and ``gap``.
    """
    logged = dict.fromkeys(name for entry in history if "train_runtime" not in entry for name in entry)
    names = [name for name in logged if name not in _LEFT_OUT]
    shown = [Panel(name.replace("_", " "), {"": name}) for name in parts if name in names]
    grouped = {kind: [name for name in names if name.startswith(f"{kind}_")] for kind in _TITLES}
    for kind, members in grouped.items():
        if members:
            curves = {name.removeprefix(f"{kind}_").replace("_", " "): name for name in members}
            shown.append(Panel(_TITLES[kind], curves, levels.get(kind)))
    taken = {*parts, *(name for members in grouped.values() for name in members)}
    return shown + [Panel(name.replace("_", " "), {"": name}) for name in names if name not in taken]


def plot_history(
    history: Sequence[Mapping[str, Any]], path: Path, parts: Sequence[str], levels: Mapping[str, float], title: str
) -> None:
    """Draws the logs of a run into a PNG file; nothing where nothing was logged.

    Args:
        history: log entries, each with its ``step``.
        path: the file; appears whole or not at all.
        parts: names of the loss parts, the loss first.
        levels: smallest healthy value of ``spread``, ``rank`` and ``gap``.
        title: heading.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = panels(history, parts, levels)
    if not shown:
        return
    rows = math.ceil(len(shown) / _COLUMNS)
    figure = Figure(figsize=(4 * _COLUMNS, 2.6 * rows + 0.5), dpi=100, layout="constrained")
    figure.suptitle(title)
    for index, panel in enumerate(shown):
        axes = figure.add_subplot(rows, _COLUMNS, index + 1)
        for label, name in panel.curves.items():
            _curve(axes, history, name, label)
        if panel.level is not None:
            axes.axhline(panel.level, color="tab:red", linestyle=":", linewidth=1, label="too low below")
        if panel.level is not None or len(panel.curves) > 1:
            axes.legend(fontsize="x-small", framealpha=0.6)
        axes.set_title(panel.title, fontsize="medium")
        axes.grid(alpha=0.25)
        axes.margins(x=0.02)
        if index >= len(shown) - _COLUMNS:
            axes.set_xlabel("step")
    partial = path.with_suffix(".tmp")
    FigureCanvasAgg(figure).print_png(partial)
    partial.replace(path)


def _curve(axes: Any, history: Sequence[Mapping[str, Any]], name: str, label: str) -> None:
    """One curve; where it has many points, faint, with its moving average on top."""
    points = np.array([(entry["step"], entry[name]) for entry in history if name in entry], float)
    width = len(points) // 40
    marker = "." if len(points) < 30 else ""
    (line,) = axes.plot(*points.T, marker=marker, linewidth=1, alpha=0.3 if width > 1 else 1.0)
    if width > 1:
        mean = np.convolve(points[:, 1], np.full(width, 1 / width), mode="valid")
        axes.plot(points[width - 1 :, 0], mean, linewidth=1.5, color=line.get_color(), label=label)
    else:
        line.set_label(label)


class HistoryPlot(TrainerCallback):
    """Draws the course of the run into its folder when it ends.

    Args:
        parts: gives the names of the loss parts, the loss first.
        levels: smallest healthy value of ``spread``, ``rank`` and ``gap``.
    """

    def __init__(self, parts: Callable[[], Sequence[str]], levels: Mapping[str, float]) -> None:
        self.parts = parts
        self.levels = levels

    def write(self, args: Any, state: Any) -> None:
        """Draws the run as it stands; does nothing in all processes but the first."""
        if state.is_world_process_zero:
            out = Path(args.output_dir)
            title = f"{out.resolve().name}: {state.global_step} of {state.max_steps} steps"
            plot_history(state.log_history, out / PLOT_FILE, self.parts(), self.levels, title)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Draws the finished run."""
        self.write(args, state)
