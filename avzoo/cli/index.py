"""``avzoo index``: a feature table in, something to search out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def command(
    table_dir: Annotated[Path, typer.Argument(help="Feature table that `avzoo extract` made.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder of the index; default: TABLE_DIR/index.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
) -> None:
    """Make an index of a feature table, for `avzoo search` and `avzoo demo`."""
    from avzoo.retrieval import Index

    folder = out or table_dir / "index"
    index = Index.build(table_dir)
    index.save(folder)
    if as_json:
        typer.echo(json.dumps({"out": str(folder), **index.info.model_dump()}))
        return
    rows = ", ".join(f"{shape.rows} {name}" for name, shape in index.info.shapes.items())
    typer.echo(f"{folder}: {rows} vectors of {index.info.model}")
