"""From the name of a model to the folder that holds it."""

from __future__ import annotations

import difflib
import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from avzoo.checkpoints import packaged
from avzoo.errors import AvzooError

WEIGHTS = "model.safetensors"

#: What a checkpoint folder may hold that is ever read; nothing else is downloaded.
_READ = ["*.json", "*.safetensors"]

_REPO_ID = re.compile(r"[\w.-]+/[\w.-]+")


class CheckpointError(AvzooError):
    """A model name leads to no usable checkpoint; the message says why and what to do."""


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint on this machine.

    Attributes:
        name: What a feature table records: the packaged name, the Hub id, or the absolute folder.
        folder: Folder with ``config.json``, the safetensors weights and the processor files.
        revision: Exactly which weights: the Hub commit (40 hexadecimal digits), or ``sha256:`` and the hash of
            configuration and weights.
    """

    name: str
    folder: Path
    revision: str


def resolve(model: str | os.PathLike[str], revision: str | None = None) -> Checkpoint:
    """Finds a checkpoint by name.

    Tried in this order: a packaged name (``xkd-nano-synth``), a local folder, a Hub repository (``owner/name``). A
    folder whose name is also a packaged name is meant by ``./name``. Of a repository only JSON files and safetensors
    weights are downloaded.

    Args:
        model: Packaged name, folder, or Hub repository.
        revision: Branch, tag or commit of a Hub repository.

    Raises:
        CheckpointError: The name is unknown, the folder is no checkpoint, or the repository cannot be had.
    """
    name = os.fspath(model)
    shipped = packaged()
    if name in shipped:
        return _local(name, shipped[name], revision)
    folder = Path(name).expanduser().absolute()
    if folder.is_dir():
        return _local(str(folder), folder, revision)
    if _REPO_ID.fullmatch(name) and not name.startswith("."):
        return _hub(name, revision)
    if os.sep in name or name.startswith(("~", ".")):
        raise CheckpointError(f"there is no checkpoint folder {name}")
    raise CheckpointError(_unknown(name, list(shipped)))


def _unknown(name: str, shipped: list[str]) -> str:
    close = difflib.get_close_matches(name, shipped, n=3)
    guess = f" (did you mean {' or '.join(close)}?)" if close else ""
    names = ", ".join(shipped) or "none in this installation"
    return (
        f"unknown model {name!r}{guess}: give a packaged name ({names}), a checkpoint folder, "
        "or a Hub repository (owner/name)"
    )


def _local(name: str, folder: Path, revision: str | None) -> Checkpoint:
    if revision is not None:
        raise CheckpointError(f"revision {revision!r} applies to Hub repositories only, and {name} is a local folder")
    for file in ("config.json", WEIGHTS):
        if not (folder / file).is_file():
            raise CheckpointError(f"{folder} is not a checkpoint: it has no {file}")
    digest = hashlib.sha256()
    for file in ("config.json", WEIGHTS):
        with open(folder / file, "rb") as content:
            digest.update(hashlib.file_digest(content, "sha256").digest())
    return Checkpoint(name, folder, f"sha256:{digest.hexdigest()}")


def _hub(repo: str, revision: str | None) -> Checkpoint:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    at = f" at revision {revision!r}" if revision else ""
    try:
        folder = Path(snapshot_download(repo, revision=revision, allow_patterns=_READ))
    except RepositoryNotFoundError:
        raise CheckpointError(
            f"there is no folder {repo}, and no Hub repository of that name that you may read"
        ) from None
    except RevisionNotFoundError:
        raise CheckpointError(f"the Hub repository {repo} has no revision {revision!r}") from None
    except LocalEntryNotFoundError:
        raise CheckpointError(
            f"there is no folder {repo}, and the Hub repository {repo}{at} is neither in the local cache nor reachable"
        ) from None
    except (HfHubHTTPError, HFValidationError) as error:
        raise CheckpointError(f"the Hub repository {repo}{at} could not be had: {error}") from None
    for file in ("config.json", WEIGHTS):
        if not (folder / file).is_file():
            raise CheckpointError(f"the Hub repository {repo}{at} is not a checkpoint: it has no {file}")
    # The cache names a snapshot's folder by its commit.
    return Checkpoint(repo, folder, folder.name)
