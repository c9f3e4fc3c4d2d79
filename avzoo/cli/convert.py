"""``avzoo convert``: official release files in, a checkpoint folder out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer


def command(
    family: Annotated[str, typer.Argument(help="Family of the checkpoint: xkd, crisscross, xdc, ccl or vssl.")],
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...",
            help="Official file, or the name of a checkpoint to download; a video and an audio one give both in one.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to make.")],
    network: Annotated[
        Literal["teacher", "student"] | None,
        typer.Option(help="Network to take of a training checkpoint; default: what the name says, or the teacher."),
    ] = None,
    name: Annotated[
        list[str] | None,
        typer.Option(help="Which checkpoint of `avzoo list` the given file is; once for each of two files."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output; no progress.")] = False,
) -> None:
    """Make a checkpoint folder of official release files, and prove that it is the same network.

    The file is read in a process of its own that unpickles tensors only. Every weight must be accounted for, is
    compared bit by bit after the checkpoint was loaded again, and the output for a fixed input is kept beside it.
    Exit codes: 0 converted, 2 something cannot be used and nothing was written.
    """
    from avzoo.hub import convert

    with _Bar(hidden=as_json) as bar:
        made = convert(family, sources, out, network=network, name=name, on_progress=bar.update)
    if as_json:
        facts = {"folder": str(made.folder), "model_type": made.model_type, "parameters": made.parameters}
        typer.echo(json.dumps(facts | {"provenance": made.provenance}))
        return
    tensors = made.provenance["parity"]["tensors"]
    typer.echo(
        f"{made.folder}: {made.model_type}, {made.parameters:,} parameters; all {tensors} tensors are bit by bit those "
        f"of {made.provenance['source']}"
    )
    for source in made.provenance["sources"]:
        if source["entry"] is None:
            continue
        typer.echo(f"{source['file']}: {source['entry']}, known by {source['identified_by']}")
        if source["identified_by"] == "--name alone":
            typer.echo(
                f"avzoo: warning: nothing but --name says that {source['file']} is {source['entry']}; card and figures "
                "are that checkpoint's",
                err=True,
            )
    typer.echo(f"weights: {made.provenance.get('license', 'whoever trained them says under which licence they are')}")


class _Bar:
    """That work goes on, and how much of a download is there; on standard error."""

    def __init__(self, hidden: bool) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

        console = Console(stderr=True)
        self._display = Progress(
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=hidden,
        )
        self._work = console.status("reading, converting and proving")
        self._shows_work = console.is_terminal and not hidden

    def __enter__(self) -> _Bar:
        if self._shows_work:
            self._work.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._shows_work:
            self._work.stop()
        if self._display.tasks:  # stopping what never started prints a line
            self._display.stop()

    def update(self, had: int, total: int | None) -> None:
        """Shows how much there is; the first call shows the bar."""
        if not self._display.tasks:
            if self._shows_work:  # two displays would write over each other
                self._work.stop()
            self._display.add_task("", total=total)
            self._display.start()
        self._display.update(self._display.tasks[0].id, completed=had, total=total)
