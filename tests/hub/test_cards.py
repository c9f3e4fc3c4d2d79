"""Cards of the packaged checkpoints: in step with their folders, and their snippets run."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest
import torch
import yaml

from avzoo.checkpoints import DEFAULT, packaged
from avzoo.hub.cards import render_card, stale_cards
from avzoo.media.write import write_clip

FOLDERS = packaged()


def test_the_default_checkpoint_is_packaged():
    assert DEFAULT in FOLDERS


def test_every_card_is_in_step_with_its_folder():
    assert stale_cards() == []


@pytest.mark.parametrize("name", FOLDERS)
def test_the_folder_is_whole_small_and_what_its_provenance_says(name):
    folder = FOLDERS[name]
    weights = folder / "model.safetensors"
    provenance = json.loads((folder / "provenance.json").read_text())
    assert weights.stat().st_size <= 4 * 2**20
    assert hashlib.sha256(weights.read_bytes()).hexdigest() == provenance["weights_sha256"]
    assert hashlib.sha256((folder / "recipe.yaml").read_bytes()).hexdigest() == provenance["recipe_sha256"]


@pytest.mark.parametrize("name", FOLDERS)
def test_the_recipe_is_the_committed_one(name):
    from avzoo.pretraining.recipe import load_recipe

    recorded = yaml.safe_load((FOLDERS[name] / "recipe.yaml").read_text())
    committed = yaml.safe_load(load_recipe("xkd_nano_synth").to_yaml())
    assert recorded == committed


@pytest.mark.parametrize("name", FOLDERS)
def test_metadata_is_what_the_hub_reads(name):
    card = render_card(FOLDERS[name])
    metadata = yaml.safe_load(card.split("---\n")[1])
    assert metadata["library_name"] == "avzoo" and metadata["license"] == "apache-2.0"
    (entry,) = metadata["model-index"]
    assert entry["name"] == name and entry["results"][0]["metrics"]


@pytest.mark.parametrize("name", FOLDERS)
def test_the_snippets_of_the_card_run(name, tmp_path: Path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    frames = torch.randint(0, 255, (64, 3, 64, 64), dtype=torch.uint8)
    write_clip("clip.mp4", frames, 16, torch.randn(64_000) / 10)
    snippets = re.findall(r"```python\n(.*?)```", render_card(FOLDERS[name]), re.DOTALL)
    assert len(snippets) == 2
    for snippet in snippets:
        exec(compile(snippet, f"{name} card", "exec"), {})
    assert "(1, 64) (1, 64)" in capsys.readouterr().out
