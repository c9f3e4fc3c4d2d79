"""``avzoo search``: a file in, the moments most like it out."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer


def command(
    query: Annotated[Path, typer.Argument(help="Video or audio file to search by.")],
    index: Annotated[Path, typer.Option("--index", "-i", help="Index that `avzoo index` made.")],
    direction: Annotated[
        Literal["video-video", "audio-audio", "video-audio", "audio-video"] | None,
        typer.Option(
            help="What of the query is compared with what of the index; default: video-video, or audio-audio."
        ),
    ] = None,
    top_k: Annotated[int, typer.Option("--top-k", "-k", min=1, help="Number of answers.")] = 10,
    exclude_self: Annotated[
        bool, typer.Option("--exclude-self", help="Leave out moments of the query itself.")
    ] = False,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="Where the index's checkpoint is now, if it was moved.")
    ] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda or cuda:N; default: the GPU if there is one.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
) -> None:
    """Find the moments of an index that are most like a file. Answers are file, start, end and score."""
    from avzoo.extract import load
    from avzoo.retrieval import Index, search_file

    searched = Index.load(index)
    encoder = load(model or searched.info.model, device)
    hits = search_file(searched, encoder, query, direction, top_k, exclude_self)
    if as_json:
        typer.echo(json.dumps([asdict(hit) for hit in hits]))
        return
    for hit in hits:
        typer.echo(f"{hit.score:7.4f}  {hit.start:8.2f} - {hit.end:8.2f} s  {hit.path}")
