"""A comparison as tables, for a terminal and as Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .compare import SIGNIFICANT, Comparison, Difference, Section
from .results import Figure, percent
from .significance import Interval


@dataclass(frozen=True)
class TextTable:
    """A table of words.

    Attributes:
        title: What it shows.
        columns: Column heads.
        rows: The cells.
        groups: What each row is of, equal for rows that belong together; none where all do.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    groups: tuple[str, ...] = ()


def figure_table(comparison: Comparison) -> TextTable:
    """The leading figures of every model: mean over folds with its interval, deviation, letters."""
    found = [
        (f"{section.place}: {name}", _row(section, name, model))
        for section in comparison.sections
        for name in section.leading
        for model in _ranked(section, name)
    ]
    columns = ("model", "mean", "95 % interval", "deviation", "group")
    kept = [number for number in range(len(columns)) if any(row[number] for _, row in found)]
    return TextTable(
        f"models on {comparison.data}",
        tuple(columns[number] for number in kept),
        tuple(tuple(row[number] for number in kept) for _, row in found),
        tuple(group for group, _ in found),
    )


def difference_table(comparison: Comparison) -> TextTable:
    """Every tested pair: how much they differ, and how probable that is by chance."""
    return TextTable(
        f"paired differences on {comparison.data}",
        ("models", "difference", "95 % interval", "p", "p (Holm)"),
        tuple(_difference(one) for one in comparison.differences),
        tuple(f"{one.protocol}, {one.modality}: {one.test.figure}" for one in comparison.differences),
    )


def similarity_tables(comparison: Comparison) -> Iterator[TextTable]:
    """How alike models decide: above the diagonal the share of equal decisions, below it kappa."""
    for section in comparison.sections:
        for part, found in section.similarities.items():
            of = "" if part == "test" else f", {part}"
            rows = []
            for row, model in enumerate(found.models):
                upper, lower = found.agreement[row], found.kappa[row]
                cells = [upper[n] if n > row else lower[n] for n in range(len(found.models))]
                rows.append((model, *("" if n == row else f"{cell:.2f}" for n, cell in enumerate(cells))))
            title = f"same decisions (above) and kappa (below), {section.place}{of}, {found.items:,} items"
            yield TextTable(title, ("model", *found.models), tuple(rows))


def all_figures_tables(comparison: Comparison) -> Iterator[TextTable]:
    """Every figure of every model, one table per section."""
    for section in comparison.sections:
        models = tuple(section.figures)
        names = dict.fromkeys(name for figures in section.figures.values() for name in figures)
        rows = tuple(
            (
                name,
                *(_value(name, figures[name].mean) if name in figures else "" for figures in section.figures.values()),
            )
            for name in names
        )
        yield TextTable(section.place, ("figure", *models), rows)


def method_sentences(comparison: Comparison) -> list[str]:
    """How the tables are to be read."""
    found = ["Figures are means over folds, shares in percent; intervals are bootstrapped over items."]
    if comparison.differences:
        methods = " and ".join(dict.fromkeys(one.test.method for one in comparison.differences))
        count = len(comparison.differences)
        tests = f"{count} tests" if count > 1 else "the one test"
        found.append(
            f"Pairs are tested per item, over all folds ({methods}); p-values are corrected by Holm over {tests} of "
            f"this comparison. Models that share a letter do not differ at {100 * SIGNIFICANT:g} %."
        )
    return found


def markdown(comparison: Comparison) -> str:
    """The whole comparison as a Markdown page."""
    parts = [f"# {', '.join(comparison.models)} on {comparison.data}", _markdown(figure_table(comparison))]
    parts += method_sentences(comparison)
    if comparison.differences:
        parts += ["## Paired differences", _markdown(difference_table(comparison))]
    for table in similarity_tables(comparison):
        parts += [f"## {table.title[0].upper()}{table.title[1:]}", _markdown(table)]
    for table in all_figures_tables(comparison):
        parts += [f"## All figures: {table.title}", _markdown(table)]
    if comparison.notes:
        parts += ["## Notes", "\n".join(f"- {note}" for note in comparison.notes)]
    models = (
        f"- {name}: `{model.name}`, {model.revision}, licence {model.license or 'not stated'}"
        for name, model in comparison.models.items()
    )
    return "\n\n".join([*parts, "## Models", "\n".join(models)]) + "\n"


def p_text(value: float) -> str:
    """A p-value as people write it."""
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _ranked(section: Section, figure: str) -> list[str]:
    return sorted(section.figures, key=lambda model: -section.figures[model][figure].mean)


def _row(section: Section, name: str, model: str) -> tuple[str, ...]:
    figure = section.figures[model][name]
    letters = section.letters.get(name, {}).get(model, "")
    deviation = "" if figure.deviation is None else _value(name, figure.deviation)
    return (model, _value(name, figure.mean), _interval(name, figure), deviation, letters)


def _difference(one: Difference) -> tuple[str, ...]:
    test = one.test
    values = (_signed(test.figure, test.difference), _ends(test.figure, test.interval, _signed))
    return (f"{one.first} - {one.second}", *values, p_text(test.p_value), p_text(one.p_holm))


def _interval(name: str, figure: Figure) -> str:
    return "" if figure.interval is None else _ends(name, figure.interval, _value)


def _ends(name: str, interval: Interval, shown: Callable[[str, float], str]) -> str:
    return f"{shown(name, interval.low)} ... {shown(name, interval.high)}"


def _value(name: str, value: float) -> str:
    return f"{percent(name, value):.2f}"


def _signed(name: str, value: float) -> str:
    return f"{round(percent(name, value), 2) + 0.0:+.2f}"  # no negative zero


def _markdown(table: TextTable) -> str:
    columns, rows = table.columns, table.rows
    if table.groups:
        columns = ("measured", *columns)
        rows = tuple((group, *row) for group, row in zip(table.groups, rows, strict=True))
    lines = [columns, tuple("---" for _ in columns), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
