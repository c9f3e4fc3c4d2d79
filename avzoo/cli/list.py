"""``avzoo list``: the checkpoints that come with the package."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer


def command(
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
) -> None:
    """List the checkpoints that come with the package; each name is good wherever a model is asked for."""
    from avzoo.checkpoints import DEFAULT, packaged
    from avzoo.cli._checkpoint_facts import model_type, weight_facts

    rows: list[dict[str, Any]] = [
        {"name": name, "model_type": model_type(folder), "default": name == DEFAULT, **weight_facts(folder)}
        for name, folder in packaged().items()
    ]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("name", "type", "parameters", "size", box=None, pad_edge=False)
    for row in rows:
        name = f"{row['name']} (default)" if row["default"] else row["name"]
        table.add_row(name, row["model_type"], f"{row['parameters']:,}", f"{row['bytes'] / 1e6:.1f} MB")
    Console(markup=False).print(table)
