"""The command line: one small module per verb, imported only when its verb runs.

Exit codes: 0 all good, 1 some inputs failed, 2 usage (also every error the user caused), 3 nothing succeeded.
"""

from __future__ import annotations

import errno
import importlib
from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperGroup

from avzoo.errors import AvzooError

USAGE = 2
INTERRUPTED = 130
# What a write says that fails for want of room or of leave; it does not say where.
_UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)

#: Verb and its one-line help. ``avzoo/cli/VERB.py`` holds the public function ``command`` that runs it.
VERBS = {
    "extract": "Embed media files: a table of windows with times.",
    "index": "Make an index of a feature table.",
    "search": "Find the moments most like a file.",
    "demo": "Search by example in the browser.",
    "pretrain": "Train a model from a recipe.",
    "evaluate": "Measure an encoder by a protocol of the papers.",
    "compare": "Measure models side by side, with significance.",
    "convert": "Make a checkpoint of official release files.",
    "verify": "Whether a checkpoint is whole and computes what it did.",
    "export": "Write encoders as ONNX or torch.export files.",
    "push": "Publish a checkpoint on the Hub.",
    "list": "Checkpoints: those of the package and those that others released.",
    "info": "What a checkpoint is: licence, type, figures, how to get it.",
    "doctor": "What works: versions, devices, decoders; or the media of a dataset.",
}


class _Verbs(TyperGroup):
    """Lists all verbs from the table; imports the module of the one that runs."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] in VERBS:
            self.add_command(_verb(args[0]))
        return super().resolve_command(ctx, args)


def _verb(name: str) -> Any:
    single = typer.Typer(add_completion=False)
    single.command(name)(importlib.import_module(f"avzoo.cli.{name}").command)
    return typer.main.get_command(single)


def _listed_only() -> None:
    """Stands for a verb in the help."""


app = typer.Typer(
    name="avzoo",
    cls=_Verbs,
    help="Self-supervised audio-visual encoders: features, search and pretraining.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _name, _line in VERBS.items():
    app.command(_name, help=_line)(_listed_only)


def _print_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"avzoo {version('avzoo')}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(False, "--version", callback=_print_version, is_eager=True, help="Show the version."),
) -> None:
    """Self-supervised audio-visual encoders: features, search and pretraining."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb.

    Args:
        arguments: what follows ``avzoo`` on the command line; the process's own arguments by default.

    Returns:
        The exit code. An error that the user caused is one line on standard error and 2; any other exception is a
        defect and leaves with its traceback.
    """
    try:
        app(args=arguments, prog_name="avzoo")
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(bool(stop.code))
    except AvzooError as error:
        return _refuse(str(error))
    except OSError as error:
        if error.filename is None:
            if error.errno not in _UNWRITABLE:
                raise
            return _refuse(f"{error.strerror}: nothing more can be written")
        return _refuse(f"{error.strerror}: {error.filename}")
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


def _refuse(message: str) -> int:
    typer.echo(f"avzoo: error: {message}", err=True)
    return USAGE
