"""``avzoo info``: what one checkpoint is."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from avzoo.checkpoints import DEFAULT


def command(
    model: Annotated[str, typer.Argument(help="Packaged name, checkpoint folder or Hub repository.")] = DEFAULT,
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit of a Hub repository.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
) -> None:
    """Show what a checkpoint is: type, parameters, configuration, and exactly which weights."""
    from avzoo.cli._checkpoint_facts import config_facts, model_type, weight_facts
    from avzoo.extract.checkpoint import resolve

    checkpoint = resolve(model, revision)
    facts: dict[str, Any] = {
        "name": checkpoint.name,
        "revision": checkpoint.revision,
        "folder": str(checkpoint.folder),
        "model_type": model_type(checkpoint.folder),
        **weight_facts(checkpoint.folder),
        "config": config_facts(checkpoint.folder),
    }
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("", "", show_header=False, box=None, pad_edge=False)
    table.columns[1].overflow = "fold"
    for name, value in (facts | facts.pop("config")).items():
        table.add_row(name, str(value))
    Console(markup=False).print(table)
