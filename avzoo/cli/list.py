"""``avzoo list``: the checkpoints that come with the package."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Annotated, Any

import typer


def _facts(name: str, folder: Path) -> dict[str, Any]:
    from safetensors import safe_open

    from avzoo.checkpoints import DEFAULT

    config = json.loads((folder / "config.json").read_text())
    weights = folder / "model.safetensors"
    with safe_open(weights, framework="numpy") as tensors:
        shapes = [tensors.get_slice(key).get_shape() for key in tensors.keys()]  # noqa: SIM118 (not a dict)
    return {
        "name": name,
        "model_type": config["model_type"],
        "parameters": sum(math.prod(shape) for shape in shapes),
        "bytes": weights.stat().st_size,
        "default": name == DEFAULT,
    }


def command(
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
) -> None:
    """List the checkpoints that come with the package; each name is good wherever a model is asked for."""
    from avzoo.checkpoints import packaged

    rows = [_facts(name, folder) for name, folder in packaged().items()]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("name", "type", "parameters", "size", box=None, pad_edge=False)
    for row in rows:
        name = f"{row['name']} (default)" if row["default"] else row["name"]
        table.add_row(name, row["model_type"], f"{row['parameters']:,}", f"{row['bytes'] / 1e6:.1f} MB")
    Console().print(table)
