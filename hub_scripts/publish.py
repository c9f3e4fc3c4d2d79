"""Publishes checkpoints on the Hub, one or many, each as OWNER/NAME: a thin loop over `avzoo push`.

A source is a packaged name, a checkpoint folder, or a folder of checkpoint folders; the repository is named as the
checkpoint's folder. What cannot be published is told, and the others are published all the same.

Example: python hub_scripts/publish.py --owner my-org xkd-nano-synth converted/ --with-code --revision v1.0

Exit codes: 0 all are published, 1 some are not, 2 a source is none, 3 none is published.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from avzoo.checkpoints import packaged
from avzoo.checkpoints.contents import CONFIG_FILE
from avzoo.checkpoints.registry import REGISTRY
from avzoo.errors import AvzooError
from avzoo.hub.push import push


def folders(source: str) -> list[Path]:
    """The checkpoint folders that a source means.

    Raises:
        AvzooError: There is none.
    """
    path = Path(source).expanduser()
    if source in packaged():
        return [packaged()[source]]
    if not path.is_dir():
        known = REGISTRY.get(source)
        raise AvzooError(known.how_to_get if known else f"{source} is neither a folder nor a packaged name")
    if (path / CONFIG_FILE).is_file():
        return [path.absolute()]
    found = sorted(folder.absolute() for folder in path.iterdir() if (folder / CONFIG_FILE).is_file())
    if not found:
        raise AvzooError(f"{source} is no checkpoint folder and holds none")
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", nargs="+", metavar="SOURCE", help="packaged name, or folder of one or many")
    parser.add_argument("--owner", required=True, help="user or organisation on the Hub")
    parser.add_argument("--revision", metavar="TAG", help="tag for the commits; a tag never moves")
    parser.add_argument("--private", action="store_true", help="create repositories that only their owners see")
    parser.add_argument("--with-code", action="store_true", help="add the code of the models")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be published where")
    asked = parser.parse_args(arguments)
    try:
        chosen = [folder for source in asked.sources for folder in folders(source)]
    except AvzooError as error:
        print(f"publish: error: {error}", file=sys.stderr)
        return 2
    failed = 0
    for folder in chosen:
        repo = f"{asked.owner}/{folder.name}"
        if asked.dry_run:
            print(f"{folder} -> {repo}")
            continue
        try:
            done = push(folder, repo, revision=asked.revision, private=asked.private, with_code=asked.with_code)
        except AvzooError as error:
            failed += 1
            print(f"{repo}: {error}", file=sys.stderr)
            continue
        sent = f"{len(done.upload.uploaded)} of {len(done.files)} files sent" if done.upload.changed else "unchanged"
        print(f"{done.upload.url} at {done.upload.commit}: {sent}", flush=True)
    if not failed:
        return 0
    return 3 if failed == len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main())
