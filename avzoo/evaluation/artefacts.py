"""What protocols write beside their results for the eye: tables and pictures of their own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from .fold_media import ReadSets
from .protocol import Findings, Outcome
from .protocols import AnyProtocol

#: Names of all such files, by which those of an earlier evaluation are known.
ARTEFACTS = ("clusters-*.csv", "clusters-*.png", "openness-*.png")


def write_artefacts(
    protocol: AnyProtocol, outcomes: Mapping[str, Mapping[str, Outcome]], sets: ReadSets, folder: Path
) -> None:
    """Writes those of a protocol, after those of an earlier evaluation are gone.

    Args:
        protocol: What was run.
        outcomes: What came of it, by modality and fold.
        sets: What it was run on.
        folder: That of the results.
    """
    for name in ARTEFACTS:
        for old in folder.glob(name):
            old.unlink()
    if protocol.write is None:
        return
    media = {
        fold.fold: {
            name: item
            for part in ("train", "test")
            if part in fold.parts
            for name, item in zip(sets.data.item_names(fold.parts[part]), fold.parts[part].items, strict=True)
        }
        for fold in sets.folds
    }
    for modality, found in outcomes.items():
        protocol.write(Findings(modality, found, media), folder)
