"""``avzoo extract``: files in, feature table out."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from avzoo.checkpoints import DEFAULT

if TYPE_CHECKING:
    from avzoo.extract import ExtractReport
    from avzoo.extract.manifest import ManifestRow

_SHOWN = 20  # problems that are listed; the manifest has all


def command(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Media files, or folders to search.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the feature table.")],
    model: Annotated[
        str, typer.Option("--model", "-m", help="Packaged name, checkpoint folder, or Hub repository.")
    ] = DEFAULT,
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit of a Hub repository.")] = None,
    stride: Annotated[
        float | None, typer.Option(help="Seconds between the starts of two windows; default: windows that meet.")
    ] = None,
    decoder: Annotated[Literal["pyav", "decord"], typer.Option(help="Video decode backend.")] = "pyav",
    missing: Annotated[
        Literal["skip", "zeros", "error"],
        typer.Option(help="Where picture or sound is missing: leave it out, embed zeros, or fail the file."),
    ] = "skip",
    batch_size: Annotated[int, typer.Option(min=1, help="Windows per forward pass.")] = 8,
    workers: Annotated[int | None, typer.Option(min=1, help="Decode processes; default: one per core.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda or cuda:N; default: the GPU if there is one.")] = None,
    dtype: Annotated[Literal["float32", "bfloat16", "float16"], typer.Option(help="Precision.")] = "float32",
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds that decoding one window may take.")] = 60.0,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
) -> None:
    """Embed every media file under some paths: windows with times, as Parquet, and a manifest of all files.

    Interrupted at any moment, the same command goes on where it stopped. Exit codes: 0 all good, 1 some files failed,
    2 usage, 3 no file succeeded.
    """
    from avzoo.extract import extract

    with _Progress(hidden=as_json) as progress:
        report = extract(
            paths,
            model,
            out,
            stride=stride,
            decoder=decoder,
            missing=missing,
            batch_size=batch_size,
            workers=workers,
            device=device,
            dtype=dtype,
            revision=revision,
            timeout=timeout,
            on_file=progress.update,
        )
    if as_json:
        typer.echo(json.dumps(asdict(report) | {"exit_code": report.exit_code}, default=str))
    else:
        _summarize(report)
    raise typer.Exit(report.exit_code)


class _Progress:
    """A bar over the files, with the rate of windows and the time that remains; on standard error."""

    def __init__(self, hidden: bool) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("files"),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=hidden,
        )
        self._task = self._bar.add_task("extract", total=None, rate="")
        self._windows = 0

    def __enter__(self) -> _Progress:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def update(self, row: ManifestRow, done: int, total: int) -> None:
        """Counts one more finished file."""
        task = self._bar.tasks[0]
        if task.total is None:  # files that an earlier run finished say nothing of the rate
            self._bar.reset(self._task, total=total, completed=done - 1, rate="")
        self._windows += row.windows
        rate = f"{self._windows / task.elapsed:.1f} windows/s" if task.elapsed else ""
        self._bar.update(self._task, completed=done, rate=rate)


def _summarize(report: ExtractReport) -> None:
    files = f"{report.ok} files ok, {report.skipped} skipped, {report.failed} failed"
    kept = f", {report.kept} files from before" if report.kept else ""
    typer.echo(f"{report.out}: {report.windows} windows of {files} ({report.seconds:.1f} s{kept})")
    for row in report.problems[:_SHOWN]:
        typer.echo(f"  {row.status}: {row.path}: {row.reason}: {row.message}", err=True)
    if len(report.problems) > _SHOWN:
        typer.echo(f"  and {len(report.problems) - _SHOWN} more: see {report.out / 'manifest.parquet'}", err=True)
    if not report.ok:
        typer.echo("avzoo: no file succeeded", err=True)
