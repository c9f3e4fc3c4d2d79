"""From the file of results to tables on a page and a figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .encoders import RANDOM, TRAINED
from .plans import CLASSICAL, PLANS, TEACHER, Job
from .store import Results
from .summary import MODELS, Cell, Column, Test, cells, kept_tests, tests

BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"

_WORDS = {"video": "picture", "audio": "sound", "joint": "both"}


def _grid(labels: str) -> list[Column]:
    return [
        Column("picture, SVM", labels, "linear-svm", "video", "top-1"),
        Column("sound, SVM", labels, "linear-svm", "audio", "top-1"),
        Column("both, SVM", labels, "fusion", "joint", "top-1"),
        Column("picture, forest", labels, "random-forest", "video", "top-1"),
        Column("sound, forest", labels, "random-forest", "audio", "top-1"),
    ]


def _digits(labels: str) -> list[Column]:
    return [
        Column("linear SVM", labels, "linear-svm", "audio", "top-1"),
        Column("neighbours", labels, "knn", "audio", "top-1"),
        Column("forest", labels, "random-forest", "audio", "top-1"),
    ]


#: By set, the tables: title, share in percent that guessing finds, columns.
TABLES: dict[str, list[tuple[str, str, list[Column]]]] = {
    "esc10": [
        (
            "class, top-1 and R@1",
            "10.0",
            [
                Column("linear SVM", "class", "linear-svm", "audio", "top-1"),
                Column("linear layer", "class", "linear", "audio", "top-1"),
                Column("neighbours", "class", "knn", "audio", "top-1"),
                Column("R@1", "class", "retrieval", "audio", "R@1"),
                Column("finetuned, 5 epochs", "class", "finetune", "audio", "top-1"),
                Column("forest", "class", "random-forest", "audio", "top-1"),
            ],
        )
    ],
    "ucf51": [
        (
            "class, classified and retrieved",
            "2.0",
            [
                Column("linear layer", "class", "linear", "audio", "top-1"),
                Column("top-5", "class", "linear", "audio", "top-5"),
                Column("neighbours", "class", "knn", "audio", "top-1"),
                Column("R@1", "class", "retrieval", "audio", "R@1"),
                Column("R@5", "class", "retrieval", "audio", "R@5"),
                Column("R@10", "class", "retrieval", "audio", "R@10"),
            ],
        ),
        (
            "class, clustered",
            "",
            [
                Column("accuracy", "class", "clustering", "audio", "accuracy"),
                Column("NMI", "class", "clustering", "audio", "NMI"),
                Column("ARI", "class", "clustering", "audio", "ARI"),
                Column("purity", "class", "clustering", "audio", "purity"),
                Column("one cluster for all", "class", "clustering", "audio", "largest class"),
            ],
        ),
    ],
    "grid": [
        ("digit, top-1", "10.0", _grid("digit")),
        ("letter, top-1", "4.0", _grid("letter")),
        ("colour, top-1", "25.0", _grid("colour")),
        *(
            (
                "the same clip in the other modality, among 32 that nothing was trained on" + (", centred" * centred),
                "3.1 (R@1), 15.6 (R@5), 16.5 (rank)",
                [
                    Column(f"{title}{name}", "colour", "retrieval", source, f"to {target} instance {name}", centred)
                    for title, source, target in (
                        ("picture to sound, ", "video", "audio"),
                        ("sound to picture, ", "audio", "video"),
                    )
                    for name in ("R@1", "R@5", "median rank")
                ],
            )
            for centred in (False, True)
        ),
        (
            "a clip of the same colour, R@1 and mAP",
            "25.0",
            [
                Column("picture, R@1", "colour", "retrieval", "video", "R@1"),
                Column("picture, mAP", "colour", "retrieval", "video", "mAP"),
                Column("sound, R@1", "colour", "retrieval", "audio", "R@1"),
                Column("sound, mAP", "colour", "retrieval", "audio", "mAP"),
            ],
        ),
    ],
    "fsdd": [("digit, top-1", "10.0", _digits("digit")), ("speaker, top-1", "16.7", _digits("speaker"))],
}


def report(results: Results, planned: Sequence[Job], root: Path, page: Path, figure: Path) -> None:
    """Summarises what there is, in the file of results, on a page and in a figure.

    Args:
        results: What was measured.
        planned: All that should be.
        root: Where the predictions are, of which intervals over seeds and tests are made.
        page: Markdown; what it has between two marks is replaced, the rest stays.
        figure: PNG.
    """
    tested = kept_tests(results.summary) | tests(results, planned, root)
    known = [
        (plan, title, chance, [(column, cells(results, planned, plan, column, root)) for column in columns])
        for plan, tables in TABLES.items()
        for title, chance, columns in tables
    ]
    done = sum(job in results for job in planned)
    results.summary = {
        "date": date.today().isoformat(),
        "status": {"measured": done, "planned": len(planned)},
        "tables": [
            {"set": plan, **asdict(column), "models": {model: asdict(cell) for model, cell in found.items()}}
            for plan, _, _, columns in known
            for column, found in columns
            if found
        ],
        "tests": {name: [asdict(test) for test in one] for name, one in tested.items()},
    }
    results.write()
    text = _page(known, tested, planned, results)
    _replace(page, text)
    if any(found for *_, columns in known for _, found in columns):
        _draw(known, figure)


_Known = Sequence[tuple[str, str, str, Sequence[tuple[Column, Mapping[str, Cell]]]]]


def _page(known: _Known, tested: Mapping[str, Sequence[Test]], planned: Sequence[Job], results: Results) -> str:
    done = sum(job in results for job in planned)
    lines = []
    if done < len(planned):
        lines += [
            f"**Partial: {done} of {len(planned)} measurements are done.** The rest are missing, not left out.",
            "",
        ]
    for plan in PLANS.values():
        tables = [(title, chance, columns) for name, title, chance, columns in known if name == plan.name]
        if not any(found for *_, columns in tables for _, found in columns):
            continue
        lines += [f"### {plan.title}", "", f"{plan.folds}.", ""]
        for title, chance, columns in tables:
            lines += _table(title, chance, columns)
        if tested.get(plan.name):
            lines += _tests(tested[plan.name])
    return "\n".join(lines)


def _table(title: str, chance: str, columns: Sequence[tuple[Column, Mapping[str, Cell]]]) -> list[str]:
    there = [(column, found) for column, found in columns if found]
    if not there:
        return []
    lines = [f"| {title} | {' | '.join(column.title for column, _ in there)} |", "|---" * (len(there) + 1) + "|"]
    for model in MODELS:
        if any(model in found for _, found in there):
            shown = [_cell(column, found.get(model)) for column, found in there]
            lines.append(f"| {model} | {' | '.join(shown)} |")
    if chance:
        lines.append(f"| guessing: {chance} |{' |' * len(there)}")
    return [*lines, ""]


def _scale(column: Column) -> float:
    return 1.0 if column.figure.endswith("rank") else 100.0


def _cell(column: Column, cell: Cell | None) -> str:
    if cell is None:
        return "-"
    scale = _scale(column)
    shown = f"{scale * cell.mean:.1f}"
    if cell.deviation is not None:
        shown += f" ± {scale * cell.deviation:.1f}"
    if cell.low is not None and cell.high is not None:
        shown += f" ({scale * cell.low:.0f}–{scale * cell.high:.0f})"  # noqa: RUF001 - a range
    return shown


def _tests(tested: Sequence[Test]) -> list[str]:
    seeds = max(len(test.p_values) for test in tested)
    lines = [
        f"| {TRAINED} less {next(iter(RANDOM))} | difference, 95 % interval | p, of every seed | corrected | verdict |",
        "|---|---|---|---|---|",
    ]
    for test in tested:
        name = f"{test.labels}, {test.protocol}, {_WORDS[test.modality]}, {test.figure}"
        p_values, corrected = (
            ", ".join("<0.001" if p < 0.001 else f"{p:.3f}" for p in values) for values in (test.p_values, test.p_holm)
        )
        difference = f"{100 * test.difference:+.1f} ({100 * test.low:+.1f} … {100 * test.high:+.1f})"
        note = "" if len(test.p_values) == seeds else f" ({len(test.p_values)} seeds)"
        lines.append(f"| {name} | {difference} | {p_values} | {corrected} | {test.verdict}{note} |")
    return [*lines, ""]


def _replace(page: Path, text: str) -> None:
    before, after = "", ""
    if page.is_file():
        old = page.read_text(encoding="utf-8")
        if BEGIN in old and END in old:
            before, after = old.split(BEGIN)[0], old.split(END)[1]
    page.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{after or chr(10)}", encoding="utf-8")


_COLOURS = {TRAINED: "tab:red", CLASSICAL: "black", TEACHER: "tab:purple"} | dict(
    zip(RANDOM, ("tab:blue", "tab:cyan", "tab:green", "tab:olive", "tab:gray"), strict=True)
)
#: What is published of ESC-10, for orientation.
_PUBLISHED = {"hand-made features and a forest": 72.7, "people": 95.7}


def _draw(known: _Known, path: Path) -> None:
    figure = Figure(figsize=(13, 11), layout="constrained")
    axes = dict(zip(PLANS, figure.subplots(2, 2).flat, strict=True))
    for name, ax in axes.items():
        columns = [
            (_label(column), found)
            for plan, _, _, table in known
            if plan == name
            for column, found in table
            if found and _scale(column) > 1 and column.figure not in ("R@5", "R@10", "largest class", "ARI")
            and not column.figure.endswith(("mAP", "instance R@5"))
        ]  # fmt: skip
        ax.set_title(PLANS[name].title)
        _dots(ax, columns)
    for label, value in _PUBLISHED.items():
        axes["esc10"].axvline(value, color="gray", linestyle=":")
        ends = {"xy": (value, 0), "xycoords": ("data", "axes fraction"), "xytext": (-3, 4)}
        place = {"textcoords": "offset points", "rotation": 90, "ha": "right", "va": "bottom"}
        axes["esc10"].annotate(label, **ends, **place, fontsize="x-small")
    shown = {
        label: handle for ax in axes.values() for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)
    }
    figure.legend(shown.values(), shown.keys(), loc="outside lower center", ncols=4)
    partial = path.with_suffix(".tmp")
    figure.savefig(partial, format="png", dpi=100, metadata={"Software": None})
    partial.replace(path)


def _label(column: Column) -> str:
    if " to " in column.title:
        return f"{column.title}{', centred' * column.centred}"
    return column.title if column.labels == "class" else f"{column.labels}, {column.title}"


def _dots(ax: Axes, columns: Sequence[tuple[str, Mapping[str, Cell]]]) -> None:
    for row, (_, found) in enumerate(columns):
        for place, (model, cell) in enumerate(found.items()):
            height = row + 0.7 * ((place + 0.5) / len(found) - 0.5)
            low, high = (cell.mean if end is None else end for end in (cell.low, cell.high))
            ax.plot([100 * low, 100 * high], [height, height], color=_COLOURS[model], linewidth=1.2, alpha=0.6)
            ax.plot(100 * cell.mean, height, "o", color=_COLOURS[model], markersize=4, label=model)
    ax.set_yticks(range(len(columns)), [label for label, _ in columns])
    ax.invert_yaxis()
    ax.set_xlim(0, 100)
    ax.set_xlabel("percent, with 95 % intervals over items")
    ax.grid(axis="x", alpha=0.3)
