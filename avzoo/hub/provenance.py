"""Where a checkpoint comes from, written beside its weights."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from avzoo.checkpoints.contents import CARD_FILE, PROVENANCE_FILE, WEIGHTS_FILE
from avzoo.checkpoints.hashes import sha256_of


def trained_here(folder: Path, command: str, seed: int, license_name: str = "Apache-2.0") -> dict[str, Any]:
    """Provenance of an encoder that `avzoo pretrain` wrote.

    Args:
        folder: The encoder's folder, with its recipe and training log.
        command: What trained it.
        seed: Seed of the run.
        license_name: SPDX name of the licence of the weights.
    """
    log = json.loads((folder / "training_log.json").read_text(encoding="utf-8"))
    return {
        "source": "trained with avzoo on its generated set; no other data, no other weights",
        "command": command,
        "seed": seed,
        "license": license_name,
        "recipe_sha256": sha256_of(folder / "recipe.yaml"),
        "weights_sha256": sha256_of(folder / WEIGHTS_FILE),
        "files": file_hashes(folder),
        "versions": log["versions"],
    }


def converted(
    folder: Path,
    sources: Sequence[Mapping[str, Any]],
    parity: Mapping[str, Any],
    entry: str | None,
    license_name: str | None,
) -> dict[str, Any]:
    """Provenance of a checkpoint that `avzoo convert` wrote.

    Args:
        folder: The checkpoint folder, whole but for provenance and card.
        sources: Every official file: its name, its hash, where it was downloaded, what it held beside the weights.
        parity: How the converted weights and outputs compare with the official ones.
        entry: Name in the registry; None for files that it does not know.
        license_name: SPDX name of the licence of the weights; None where nobody has said.
    """
    return {
        "source": ", ".join(source["url"] or source["file"] for source in sources),
        "entry": entry,
        **({"license": license_name} if license_name else {}),
        "sources": list(sources),
        "parity": dict(parity),
        "weights_sha256": sha256_of(folder / WEIGHTS_FILE),
        "files": file_hashes(folder),
        "versions": {
            **{name: version(name) for name in ("avzoo", "torch", "transformers", "safetensors")},
            "python": platform.python_version(),
        },
    }


def file_hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of every file of a checkpoint folder but provenance and card, which are written after them."""
    files = sorted(path for path in folder.iterdir() if path.name not in (PROVENANCE_FILE, CARD_FILE))
    return {path.name: sha256_of(path) for path in files}


def write_provenance(folder: Path, provenance: dict[str, Any]) -> None:
    """Writes ``provenance.json`` into a checkpoint folder."""
    text = json.dumps(provenance, indent=1) + "\n"
    (folder / PROVENANCE_FILE).write_text(text, encoding="utf-8")
