"""``avzoo doctor data``: what is wrong with the files of a dataset, before a long run starts."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from avzoo.errors import AvzooError

if TYPE_CHECKING:
    from avzoo.extract.inspection import Checks, Finding

_SHOWN = 50  # files that are listed one by one

_MEANING = {
    "missing": "the list names them, and they are not there",
    "undecodable": "cannot be read, or not to their end",
    "no_picture": "have no picture",
    "no_sound": "have no sound",
    "short": "are too short",
    "muted": "have a silent sound track",
    "still": "show one picture all the time",
    "duplicate": "have the content of another file",
}


@dataclass(frozen=True)
class Files:
    """The files of a dataset and the names of those that are not there."""

    paths: list[Path]
    missing: tuple[str, ...] = ()


def files_of(path: Path, kind: str | None, settings: Sequence[str]) -> Files:
    """The files of a dataset, each once.

    Args:
        path: Folder or list.
        kind: Its layout (`avzoo.data.sets.LAYOUTS`); None for whatever media a folder holds, or a list.
        settings: ``key=value`` of the layout, as in the ``data`` section of a recipe.

    Raises:
        AvzooError: The layout does not know a setting, or what is there is not of this layout.
    """
    from avzoo.extract.discover import discover

    if kind is None and path.is_dir():
        if settings:
            raise AvzooError(f"a folder without --kind has no setting {settings[0]!r}; say which layout it has")
        found = discover([path], exclude=path / ".avzoo")
        return Files([Path(file.path) for file in found if file.expected])
    media = _section(path, kind or "list", settings).media()
    return Files(list(dict.fromkeys(media.paths)), media.missing)


def _section(path: Path, kind: str, settings: Sequence[str]) -> Any:
    import yaml
    from pydantic import TypeAdapter, ValidationError

    from avzoo.pretraining.data_sections import DataSection, FilesSection

    # All that is missing is to be told, so all of it may be, unless the caller knows better.
    values: dict[str, Any] = {} if kind == "folder" else {"allow_missing": 0.999}
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals:
            raise AvzooError(f"cannot set {setting!r}; write it as key=value")
        values[key] = yaml.safe_load(text)
    try:
        section = TypeAdapter(DataSection).validate_python(values | {"kind": kind, "path": path})
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        message = problem["msg"].removeprefix("Value error, ")
        place = ".".join(str(part) for part in problem["loc"][1:])
        raise AvzooError(f"{place or kind}: {message}") from None
    if not isinstance(section, FilesSection):
        raise AvzooError("the synthetic set is generated; check a folder or a list of media")
    return section


def check(
    path: Path, kind: str | None, settings: Sequence[str], checks: Checks, workers: int | None, as_json: bool
) -> int:
    """Inspects a dataset and prints what is wrong with it.

    Returns:
        The exit code: 0 nothing, 1 something, 3 no file can be used.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from avzoo.extract.inspection import inspect_files
    from avzoo.extract.lanes import cores

    files = files_of(path, kind, settings)
    if not files.paths:
        raise AvzooError(f"there are no media files in {path}")
    columns = TextColumn("files"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), disable=as_json) as bar:
        task = bar.add_task("files", total=len(files.paths))
        findings = inspect_files(files.paths, checks, workers or cores(), lambda done: bar.update(task, completed=done))
    report = _report(findings, files.missing)
    if as_json:
        typer.echo(json.dumps(report, indent=1))
    else:
        _show(report, path)
    if not report["usable"]:
        return 3
    return 1 if report["problems"] else 0


def _report(findings: Sequence[Finding], missing: Sequence[str]) -> dict[str, Any]:
    counts: Counter[str] = Counter(problem for finding in findings for problem in finding.problems)
    if missing:
        counts["missing"] = len(missing)
    return {
        "files": len(findings),
        "usable": sum(finding.usable for finding in findings),
        "hours": round(sum(_seconds(finding) for finding in findings if finding.usable) / 3600, 4),
        "problems": {name: counts[name] for name in _MEANING if counts[name]},
        "missing": list(missing),
        "findings": [
            {name: str(value) if name == "path" else value for name, value in vars(finding).items()}
            for finding in findings
            if finding.problems
        ],
    }


def _seconds(finding: Finding) -> float:
    return min(seconds for seconds in (finding.video_seconds, finding.audio_seconds, 1e9) if seconds is not None)


def _show(report: dict[str, Any], root: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(markup=False, highlight=False)
    if report["findings"]:
        table = Table("file", "problems", "", box=None, pad_edge=False)
        table.columns[0].overflow = table.columns[2].overflow = "fold"
        for finding in report["findings"][:_SHOWN]:
            file = Path(finding["path"])
            name = file.relative_to(root.absolute()) if file.is_relative_to(root.absolute()) else file
            table.add_row(str(name), ", ".join(finding["problems"]), finding["detail"])
        console.print(table)
        more = len(report["findings"]) - _SHOWN
        console.print(f"... and {more:,} more; --json lists all\n" if more > 0 else "")
    summary = Table("", "", "", show_header=False, box=None, pad_edge=False)
    summary.add_row("files", f"{report['files']:,}", "")
    summary.add_row("usable", f"{report['usable']:,}", f"{report['hours']:.2f} hours")
    for name, count in report["problems"].items():
        summary.add_row(name.replace("_", " "), f"{count:,}", _MEANING[name])
    console.print(summary)
