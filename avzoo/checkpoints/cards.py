"""Writes what a clone derives from the registry: ``python -m avzoo.checkpoints.cards``, or ``make cards``.

That is a card for every checkpoint under ``model_cards/``, the same card as ``README.md`` in the folders that come with
the package, ``docs/models.md``, and the table of families in the README. ``--check`` only says what is out of date.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from avzoo.checkpoints import packaged
from avzoo.checkpoints.card import render_card
from avzoo.checkpoints.contents import CARD_FILE
from avzoo.checkpoints.registry import REGISTRY
from avzoo.checkpoints.tables import models_page, with_families_table

CLONE = Path(__file__).resolve().parents[2]
CARDS = CLONE / "model_cards"


def derived() -> dict[Path, str]:
    """Every file that is made from the registry, and what it must hold."""
    folders = packaged()
    readme = CLONE / "README.md"
    files = {
        CLONE / "docs" / "models.md": models_page(),
        readme: with_families_table(readme.read_text(encoding="utf-8")),
    }
    for name, entry in REGISTRY.items():
        files[CARDS / f"{name}.md"] = card = render_card(entry, folders.get(name))
        if name in folders:
            files[folders[name] / CARD_FILE] = card
    return files


def stale() -> list[Path]:
    """Files that differ from what the registry says now, and cards of no checkpoint."""
    files = derived()
    changed = [path for path, text in files.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    return [*changed, *_orphans(files)]


def _orphans(files: dict[Path, str]) -> list[Path]:
    return sorted(path for path in CARDS.glob("*.md") if path not in files)


def main() -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only say which files are out of date")
    if parser.parse_args().check:
        outdated = stale()
        for path in outdated:
            print(f"{path.relative_to(CLONE)} is out of date; run make cards", file=sys.stderr)
        return bool(outdated)
    files = derived()
    for path in _orphans(files):
        path.unlink()
    for path, text in files.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    print(f"{len(files)} files in {CLONE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
