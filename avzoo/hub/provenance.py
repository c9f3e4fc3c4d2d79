"""Where a checkpoint comes from, written beside its weights."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

PROVENANCE_FILE = "provenance.json"


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
        "weights_sha256": sha256_of(folder / "model.safetensors"),
        "versions": log["versions"],
    }


def write_provenance(folder: Path, provenance: dict[str, Any]) -> None:
    """Writes ``provenance.json`` into a checkpoint folder."""
    text = json.dumps(provenance, indent=1) + "\n"
    (folder / PROVENANCE_FILE).write_text(text, encoding="utf-8")
