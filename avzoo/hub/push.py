"""A checkpoint folder to a Hub repository: checked, completed, and sent in one commit."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from avzoo.checkpoints.card import render_card
from avzoo.checkpoints.contents import (
    CARD_FILE,
    CONFIG_FILE,
    FILES,
    GOLDEN_FILE,
    PROCESSOR_FILES,
    PROVENANCE_FILE,
    pickles,
)
from avzoo.checkpoints.registry import REGISTRY
from avzoo.checkpoints.upload import MAIN, Upload, UploadError, check_repo_id, upload
from avzoo.extract import load, resolve
from avzoo.hub.golden import TOLERANCE, golden_outputs, largest_difference, read_golden, write_golden
from avzoo.hub.provenance import sha256_of
from avzoo.hub.remote_code import add_code, all_code_names, drop_code

__all__ = ["Push", "PushError", "push"]


class PushError(UploadError):
    """A folder cannot be published as it is; the message says why and what to do."""


@dataclass(frozen=True)
class Push:
    """What a push did.

    Attributes:
        upload: Where the files are, and which of them were sent.
        files: All files of the checkpoint in the repository.
        left_out: What else is in the folder; none of it was sent.
        pickled: Those of them that hold pickles, or may.
    """

    upload: Upload
    files: tuple[str, ...]
    left_out: tuple[str, ...]
    pickled: tuple[str, ...]


def push(
    folder: str | os.PathLike[str],
    repo: str,
    *,
    revision: str | None = None,
    branch: str = MAIN,
    private: bool = False,
    with_code: bool = False,
) -> Push:
    """Publishes a checkpoint folder.

    It is loaded first, whole, and its golden output computed again. Sent are the files of a checkpoint folder
    (`avzoo.checkpoints.contents`) and nothing else. A missing golden output and a missing card are made, and a card
    that is as it was generated is made anew, so that it loads the repository; the folder itself is not changed.
    Pushing the same folder again changes nothing.

    Args:
        folder: The checkpoint folder.
        repo: ``owner/name``; created where it does not exist.
        revision: Tag for the commit. A tag never moves: one that names other files is refused.
        branch: Branch to commit to; created where it does not exist.
        private: Create the repository as one that only its owners see.
        with_code: Add the code of the model, for ``trust_remote_code=True`` where this package is not installed.

    Raises:
        PushError: The folder is not fit to be published.
        UploadError: The Hub cannot be written to, see `avzoo.checkpoints.upload`.
        AvzooError: The checkpoint cannot be loaded.
    """
    check_repo_id(repo)
    source = Path(folder).expanduser().absolute()
    if not source.is_dir():
        raise PushError(f"there is no folder {folder}")
    resolve(source)  # says what is missing of a checkpoint
    provenance = _provenance(source)
    found = {path.name for path in source.iterdir()}
    with tempfile.TemporaryDirectory(prefix="avzoo-push-") as workshop:
        stage = Path(workshop)
        _prove(source, stage)
        _settings(source, stage, with_code)
        files = {name: source / name for name in FILES if name in found}
        files |= {path.name: path for path in stage.iterdir()}
        _tell(source, stage, provenance, files, repo, with_code)
        done = upload(
            files,
            repo,
            message=f"{source.name}, with avzoo",
            branch=branch,
            tag=revision,
            private=private,
            managed={*FILES, *all_code_names()},
        )
    left_out = sorted(found - set(FILES))
    return Push(done, tuple(sorted(files)), tuple(left_out), tuple(pickles(left_out)))


def _provenance(folder: Path) -> dict[str, Any]:
    try:
        provenance = json.loads((folder / PROVENANCE_FILE).read_text(encoding="utf-8"))
        stated = provenance["weights_sha256"]
    except FileNotFoundError:
        raise PushError(
            f"{folder} has no {PROVENANCE_FILE}, which says where its weights come from: avzoo convert and avzoo "
            "pretrain write one"
        ) from None
    except (ValueError, KeyError, TypeError):
        raise PushError(f"the {PROVENANCE_FILE} of {folder} does not say which weights it is about") from None
    if sha256_of(folder / "model.safetensors") != stated:
        raise PushError(f"the weights in {folder} are not those its {PROVENANCE_FILE} is about; make the folder anew")
    return dict(provenance)


def _prove(folder: Path, stage: Path) -> None:
    """Loads the checkpoint, and compares its output with the golden one, or makes that."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the order of summation, and so the last bits, depend on it
    try:
        outputs = golden_outputs(load(folder, "cpu", "float32").model)
    finally:
        torch.set_num_threads(threads)
    if not (folder / GOLDEN_FILE).is_file():
        write_golden(stage, outputs)
        return
    difference = largest_difference(read_golden(folder), outputs)
    if difference > TOLERANCE:
        raise PushError(
            f"the output of {folder} differs from its {GOLDEN_FILE} by {difference:.1e} of its largest value"
        )


def _settings(folder: Path, stage: Path, with_code: bool) -> None:
    """The configurations as they will be published, with the code that they name or without."""
    for name in (CONFIG_FILE, *PROCESSOR_FILES):
        if (folder / name).is_file():
            shutil.copyfile(folder / name, stage / name)
    if with_code:
        add_code(stage)
    else:
        drop_code(stage)


def _tell(
    folder: Path, stage: Path, provenance: dict[str, Any], files: dict[str, Path], repo: str, with_code: bool
) -> None:
    """Card and provenance of what will be published."""
    hashes = {name: sha256_of(path) for name, path in sorted(files.items()) if name not in (CARD_FILE, PROVENANCE_FILE)}
    if provenance.get("files", hashes) != hashes:
        text = json.dumps(provenance | {"files": hashes}, indent=1) + "\n"
        (stage / PROVENANCE_FILE).write_text(text, encoding="utf-8")
    entry = REGISTRY.get(str(provenance.get("entry") or folder.name))
    generated = render_card(entry, folder)
    card = (folder / CARD_FILE).read_text(encoding="utf-8") if CARD_FILE in files else generated
    if card == generated:
        card = render_card(entry, folder, reference=repo)
    if with_code:
        card = f"{card.rstrip()}\n\n{_WITHOUT.format(repo=repo)}"
    (stage / CARD_FILE).write_text(card, encoding="utf-8")
    files |= {path.name: path for path in stage.iterdir()}


_WITHOUT = """## Without avzoo

The code of the model is beside the weights. It needs Python 3.11, transformers and torch, and for the processors
torchvision and torchaudio:

```python
from transformers import AutoModel

model = AutoModel.from_pretrained("{repo}", revision="COMMIT", trust_remote_code=True)
```

That runs the code of this repository: read it, and name the commit that you have read.
"""
