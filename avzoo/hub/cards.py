"""Model cards: one template, filled with what a checkpoint folder itself says.

``python -m avzoo.hub.cards`` writes the card of every packaged checkpoint anew, as ``README.md`` in its folder and
under ``model_cards/`` of a clone; ``--check`` only says which are out of date.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, StrictUndefined

from avzoo.checkpoints import packaged

TEMPLATE = Path(__file__).with_name("model_card.md.j2")
CARD_FILE = "README.md"
EVALUATION_FILE = "evaluation.json"
CLONE_CARDS = Path(__file__).resolve().parents[2] / "model_cards"


def render_card(folder: Path) -> str:
    """The card of a checkpoint that was trained here.

    Args:
        folder: Checkpoint folder with ``config.json``, ``provenance.json``, the recipe, the training log and
            ``evaluation.json``.

    Raises:
        FileNotFoundError: One of them is missing.
    """
    provenance, evaluation, log = (
        json.loads((folder / name).read_text(encoding="utf-8"))
        for name in ("provenance.json", EVALUATION_FILE, "training_log.json")
    )
    # Markdown: nothing is escaped.
    environment = Environment(  # noqa: S701
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    environment.filters["percent"] = _percent
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        name=folder.name,
        metadata=yaml.safe_dump(
            _metadata(folder.name, config["model_type"], provenance, evaluation), sort_keys=False
        ).strip(),
        provenance=provenance,
        evaluation=evaluation,
        log=log,
        recipe=yaml.safe_load((folder / "recipe.yaml").read_text(encoding="utf-8")),
        config=config,
    )


def _percent(figure: dict[str, float]) -> str:
    """Mean and deviation of a share, in percent."""
    return f"{100 * figure['mean']:.1f} ± {100 * figure['deviation']:.1f}"


def _metadata(name: str, model_type: str, provenance: dict[str, Any], evaluation: dict[str, Any]) -> dict[str, Any]:
    """What the Hub reads at the top of a card."""
    method = next(iter(evaluation["runs"]))  # the others are what it is compared with
    figures = evaluation["runs"][method][provenance["seed"]]
    metrics = [
        {"type": "accuracy", "name": figure, "value": round(value, 4)}
        for figure, value in figures.items()
        if "linear probe" in figure or "R@1" in figure
    ]
    return {
        "library_name": "avzoo",
        "pipeline_tag": "feature-extraction",
        "license": provenance["license"].lower(),
        "tags": ["audio-visual", "self-supervised", "video", "audio", "retrieval", model_type],
        "model-index": [
            {
                "name": name,
                "results": [
                    {
                        "task": {"type": "feature-extraction", "name": "Linear probe and retrieval"},
                        "dataset": {"type": "synthetic", "name": "avzoo synthetic audio-visual set, test split"},
                        "metrics": metrics,
                    }
                ],
            }
        ],
    }


def stale_cards() -> list[Path]:
    """Cards that differ from what their checkpoint says now."""
    return [path for path, text in _cards() if not path.is_file() or path.read_text(encoding="utf-8") != text]


def _cards() -> list[tuple[Path, str]]:
    cards = []
    for name, folder in packaged().items():
        text = render_card(folder)
        cards.append((folder / CARD_FILE, text))
        if CLONE_CARDS.is_dir():
            cards.append((CLONE_CARDS / f"{name}.md", text))
    return cards


def main() -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only say which cards are out of date")
    if parser.parse_args().check:
        stale = stale_cards()
        for path in stale:
            print(f"{path} is out of date; run make cards", file=sys.stderr)
        return bool(stale)
    for path, text in _cards():
        path.write_text(text, encoding="utf-8")
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
