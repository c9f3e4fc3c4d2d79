"""Puts an encoder that `avzoo pretrain` wrote into the package, with golden output, provenance, figures and card.

Example: python hub_scripts/package_checkpoint.py runs/nano_synth/XKD_0/encoder xkd-nano-synth
--evaluation benchmarks/results/nano_synth.json --seed 0 --command "avzoo pretrain xkd_nano_synth"
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import yaml

import avzoo.checkpoints
from avzoo.checkpoints.card import EVALUATION_FILE, render_card
from avzoo.checkpoints.contents import CARD_FILE
from avzoo.checkpoints.registry import REGISTRY
from avzoo.extract import load
from avzoo.hub.golden import golden_outputs, write_golden
from avzoo.hub.provenance import trained_here, write_provenance

FILES = ("config.json", "model.safetensors", "processor_config.json", "training_log.json")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("encoder", type=Path, help="folder that avzoo pretrain wrote")
    parser.add_argument("name", help="name of the packaged checkpoint")
    parser.add_argument("--evaluation", type=Path, required=True, help="figures for the card")
    parser.add_argument("--seed", type=int, required=True, help="seed of the run")
    parser.add_argument("--command", required=True, help="what trained it")
    arguments = parser.parse_args()
    folder = Path(avzoo.checkpoints.__file__).parent / arguments.name
    partial = folder.with_suffix(".tmp")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    for name in FILES:
        shutil.copyfile(arguments.encoder / name, partial / name)
    recipe = yaml.safe_load((arguments.encoder / "recipe.yaml").read_text(encoding="utf-8"))
    recipe["data"]["path"] = None  # where the clips lay on one machine is nobody's business
    (partial / "recipe.yaml").write_text(yaml.safe_dump(recipe, sort_keys=False), encoding="utf-8")
    shutil.copyfile(arguments.evaluation, partial / EVALUATION_FILE)
    write_golden(partial, golden_outputs(load(partial, "cpu", "float32").model))
    write_provenance(partial, trained_here(partial, arguments.command, arguments.seed))
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
    (folder / CARD_FILE).write_text(render_card(REGISTRY.get(arguments.name), folder), encoding="utf-8")
    print(folder)


if __name__ == "__main__":
    main()
