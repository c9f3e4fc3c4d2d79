"""``avzoo extract``: files in, feature table out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from avzoo.checkpoints import DEFAULT

if TYPE_CHECKING:
    from avzoo.extract import ExtractReport, Progress

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

    Interrupted at any moment, the same command goes on where it stopped; run again, it also retries files whose decoder
    died or took too long. Exit codes: 0 all good, 1 some files failed, 2 usage, 3 nothing was embedded.
    """
    from avzoo.extract import extract

    with _Bar(hidden=as_json) as bar, _parting_word():
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
            on_progress=bar.update,
        )
    if as_json:
        typer.echo(json.dumps(asdict(report) | {"exit_code": report.exit_code}, default=str))
    else:
        _summarize(report)
    raise typer.Exit(report.exit_code)


@contextmanager
def _parting_word() -> Iterator[None]:
    """Says to who interrupts that nothing is lost."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo("avzoo: interrupted; the same command goes on from here", err=True)
        raise


class _Bar:
    """A bar over the files, with the rate of windows and the time that remains; on standard error."""

    def __init__(self, hidden: bool) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Display

        self._display = Display(
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("files, {task.fields[rate]:.1f} windows/s,"),
            TimeRemainingColumn(),
            TextColumn("left"),
            console=Console(stderr=True),
            disable=hidden,
        )

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_: object) -> None:
        self._display.stop()

    def update(self, progress: Progress) -> None:
        """Shows how far the run is; the first call shows the bar."""
        if not self._display.tasks:
            # Files that an earlier run finished are there from the start, and say nothing of the rate.
            self._display.add_task("", total=progress.total, completed=progress.files, rate=0.0)
            self._display.start()
        task = self._display.tasks[0]
        self._display.update(task.id, completed=progress.files, rate=progress.windows / (task.elapsed or 1.0))


def _summarize(report: ExtractReport) -> None:
    from avzoo.checkpoints.entry import NO_LICENSE, license_notice

    files = f"{report.ok} files ok, {report.skipped} skipped, {report.failed} failed"
    kept = f", {report.kept} files from before" if report.kept else ""
    typer.echo(f"{report.out}: {report.windows} windows of {files} ({report.seconds:.1f} s{kept})")
    typer.echo(f"licence of the weights of {report.model}: {license_notice(report.license or NO_LICENSE)}")
    for row in report.problems[:_SHOWN]:
        typer.echo(f"  {row.status}: {row.path}: {row.reason}: {row.message}", err=True)
    if len(report.problems) > _SHOWN:
        typer.echo(f"  and {len(report.problems) - _SHOWN} more: see {report.out / 'manifest.parquet'}", err=True)
    if not report.windows:
        typer.echo("avzoo: nothing was embedded", err=True)
