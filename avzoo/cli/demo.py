"""``avzoo demo``: the search in the browser."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from avzoo.checkpoints import DEFAULT
from avzoo.errors import AvzooError


def command(
    index: Annotated[
        Path | None, typer.Option("--index", "-i", help="Index that `avzoo index` made; default: the packaged gallery.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            help=f"Packaged name, checkpoint folder, or Hub repository; default: {DEFAULT}, or the index's own.",
        ),
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; others than this machine's own open it to others.")
    ] = ("127.0.0.1"),
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Default: the first free one from 7860.")] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda or cuda:N; default: the GPU if there is one.")] = None,
) -> None:
    """Search clips by example in the browser: by a clip, an upload, the camera or the microphone.

    Without --index it searches a gallery of synthetic clips, which is rendered and embedded on the first start, in
    less than a minute, and kept in the user's cache folder. It needs no network, and deletes what is uploaded.
    """
    from importlib.util import find_spec

    if find_spec("gradio") is None:
        raise AvzooError("the demo needs Gradio, which is not installed: pip install 'avzoo[demo]'")
    from avzoo.checkpoints.entry import license_notice
    from avzoo.demo.gallery import open_gallery
    from avzoo.demo.library import Library
    from avzoo.demo.server import listen, serve
    from avzoo.extract import load
    from avzoo.retrieval import Index

    # So that what was uploaded is removed also where the demo is ended by another program.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with listen(host, port) as listener:
        if index is None:
            encoder = load(model or DEFAULT, device)
            with _Bar() as bar:
                library = open_gallery(encoder, on_progress=bar.update)
        else:
            library = Library(Index.load(index))
            encoder = load(model or library.index.info.model, device)
        license = encoder.checkpoint.license or "not stated"
        typer.echo(f"avzoo demo: licence of {encoder.checkpoint.name}: {license_notice(license)}", err=True)
        serve(encoder, library, listener, lambda url: typer.echo(f"avzoo demo: {url}  (Ctrl-C ends it)"))


class _Bar:
    """Shows how the gallery is built, on standard error."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        self._display = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), console=Console(stderr=True)
        )
        self._tasks: dict[str, int] = {}

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_: object) -> None:
        self._display.stop()

    def update(self, what: str, done: int, total: int) -> None:
        """Shows one step of the build; steps that have nothing to do are not shown."""
        if what not in self._tasks:
            if done == total:
                return
            self._tasks[what] = self._display.add_task(what, total=total)
            self._display.start()
        self._display.update(self._tasks[what], completed=done)  # type: ignore[arg-type]  # rich's TaskID is an int
