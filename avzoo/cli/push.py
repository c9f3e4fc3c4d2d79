"""``avzoo push``: a checkpoint folder to the Hub."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Checkpoint folder.")],
    repo: Annotated[str, typer.Option("--repo", "-r", metavar="OWNER/NAME", help="Hub repository; created if new.")],
    revision: Annotated[
        str | None, typer.Option(metavar="TAG", help="Tag for the commit, such as v1.0; a tag never moves.")
    ] = None,
    branch: Annotated[str, typer.Option(help="Branch to commit to; created if new.")] = "main",
    private: Annotated[bool, typer.Option("--private", help="Create one that only its owners see.")] = False,
    with_code: Annotated[
        bool, typer.Option("--with-code", help="Add the model's code, for those who load it without avzoo.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable result; no progress.")] = False,
) -> None:
    """Publish a checkpoint folder on the Hub: weights, processors, card, provenance and golden output, in one commit.

    The folder is loaded and its golden output checked first. Pushing it again changes nothing. Other files of the
    folder, pickles above all, are left out and named. The token is that of hf auth login, or HF_TOKEN.

    Exit codes: 0 published, or published already; 2 the folder, the name, the token or the tag cannot be used; 3 the
    Hub could not be reached, try again.
    """
    from huggingface_hub.utils.tqdm import disable_progress_bars

    from avzoo.checkpoints.upload import HubUnreachableError
    from avzoo.hub.push import push

    if as_json:
        disable_progress_bars()
    try:
        done = push(folder, repo, revision=revision, branch=branch, private=private, with_code=with_code)
    except HubUnreachableError as error:
        typer.echo(f"avzoo: error: {error}", err=True)
        raise typer.Exit(3) from None
    sent = done.upload
    if as_json:
        facts = {
            "repo": sent.repo,
            "url": sent.url,
            "branch": sent.branch,
            "tag": sent.tag,
            "commit": sent.commit,
            "created": sent.created,
            "changed": sent.changed,
            "uploaded": sent.uploaded,
            "deleted": sent.deleted,
            "files": done.files,
            "left_out": done.left_out,
            "pickled": done.pickled,
        }
        typer.echo(json.dumps(facts))
        return
    if done.pickled:
        typer.echo(f"Left out, for they may hold pickles: {', '.join(done.pickled)}.", err=True)
    if others := sorted({*done.left_out} - {*done.pickled}):
        typer.echo(f"Left out, for they are no part of a checkpoint: {', '.join(others)}.", err=True)
    where = f"{sent.url} at {sent.commit}" + (f", tag {sent.tag}" if sent.tag else "")
    if sent.changed:
        removed = f", removed {len(sent.deleted)}" if sent.deleted else ""
        typer.echo(f"Sent {len(sent.uploaded)} of {len(done.files)} files{removed}: {where}.")
    else:
        typer.echo(f"Nothing to send, all {len(done.files)} files are there already: {where}.")
