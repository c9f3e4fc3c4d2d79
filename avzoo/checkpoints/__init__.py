"""The checkpoints that come with the package: one folder each, named as the model."""

from __future__ import annotations

from pathlib import Path

DEFAULT = "xkd-nano-synth"


def packaged() -> dict[str, Path]:
    """Name and folder of every checkpoint that comes with the package."""
    root = Path(__file__).parent
    return {folder.name: folder for folder in sorted(root.iterdir()) if (folder / "config.json").is_file()}
