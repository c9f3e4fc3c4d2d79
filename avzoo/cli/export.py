"""``avzoo export``: encoders as files that run without this package."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from avzoo.checkpoints import DEFAULT


def command(
    model: Annotated[str, typer.Argument(help="Packaged name, checkpoint folder, or Hub repository.")] = DEFAULT,
    format: Annotated[
        Literal["onnx", "torch-export"],
        typer.Option("--format", "-f", help="ONNX, or a file that torch.export.load reads."),
    ] = "onnx",
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", metavar="DIR|FILE", help="Folder; or a file, .onnx or .pt2, where there is one encoder."
        ),
    ] = Path(),
    opset: Annotated[int | None, typer.Option(help="Version of ONNX's operators; default: PyTorch's.")] = None,
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit of a Hub repository.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
) -> None:
    """Write the encoders of a checkpoint as files that run without avzoo, and compare their outputs with the model's.

    A joint model gives two files, one per modality. The batch is free; of ConvNets so are frames, height and width.
    Each file says of itself which model and revision it is, how its input is prepared, and the licence of the weights,
    which is the licence of the file. Exit codes: 0 written, 2 something cannot be used and nothing was written.
    """
    from avzoo.hub import export

    files = export(model, out, format, opset=opset, revision=revision)
    if as_json:
        rows = [
            {
                "path": str(file.path),
                "modality": file.modality,
                "inputs": file.inputs,
                "outputs": file.outputs,
                "difference": file.difference,
                "metadata": file.metadata,
            }
            for file in files
        ]
        typer.echo(json.dumps(rows, indent=2))
        return
    for file in files:
        taken = ", ".join(f"{name} ({', '.join(map(str, axes))})" for name, axes in file.inputs.items())
        typer.echo(f"{file.path}: {taken} -> {', '.join(file.outputs)}")
        typer.echo(f"  its outputs are the model's within {file.difference:.0e} of their largest value")
    typer.echo(f"licence of the weights, and so of what was written: {files[0].metadata['license']}")
