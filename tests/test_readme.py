"""The documents do what they say: every ``bash`` and ``python`` block runs, in order, in a folder with clips.

Blocks marked ``console`` are shown and not run (installation, the demo's server); the Make targets they name exist.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from avzoo.pretraining.recipe import load_recipe

REPOSITORY = Path(__file__).resolve().parents[1]
DOCUMENTS = "README.md", "CONTRIBUTING.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)")


def blocks(document: str, *languages: str) -> list[tuple[str, str]]:
    text = (REPOSITORY / document).read_text(encoding="utf-8")
    return [(language, code) for language, code in BLOCK.findall(text) if language in languages]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, make_clip: Callable[..., Path]) -> Path:
    """A folder in which ``my_clips`` holds three short clips, the last without sound, and ``my_set`` two classes."""
    root = tmp_path_factory.mktemp("readme")
    for seed, (name, sound) in enumerate({"a dog.mp4": True, "clip.mp4": True, "silent.mp4": False}.items()):
        make_clip(root / "my_clips" / name, seed, audio=sound)
    for seed in range(10, 16):
        make_clip(root / "my_set" / ("low" if seed < 13 else "high") / f"{seed}.mp4", seed, seconds=1.0)
    return root


@pytest.mark.parametrize("document", DOCUMENTS)
def test_snippets_run(document: str, folder: Path) -> None:
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
    }
    for language, code in blocks(document, "bash", "python"):
        command = ["bash", "-euo", "pipefail", "-c", code] if language == "bash" else [sys.executable, "-c", code]
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=900, check=False
        )
        assert done.returncode == 0, f"{document}:\n{code}\n{done.stdout}\n{done.stderr}"


def test_the_readme_shows_both_ways_of_use() -> None:
    assert {language for language, _ in blocks("README.md", "bash", "python")} == {"bash", "python"}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_make_targets_exist(document: str) -> None:
    targets = set(re.findall(r"^([a-z]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"[`$] ?make ([a-z]+)", (REPOSITORY / document).read_text(encoding="utf-8")))
    assert named <= targets


@pytest.mark.parametrize(
    "document", [*DOCUMENTS, "SECURITY.md", "CHANGELOG.md", "docs/data.md", "docs/evaluation.md", "docs/training.md"]
)
def test_links_lead_to_files(document: str) -> None:
    file = REPOSITORY / document
    for target in LINK.findall(file.read_text(encoding="utf-8")):
        assert (file.parent / target).exists(), target


def test_the_pretraining_commands_that_are_only_shown_are_valid() -> None:
    shown = re.findall(r"^\$ .*avzoo pretrain (.+)$", (REPOSITORY / "README.md").read_text(), re.MULTILINE)
    assert shown
    for words in map(shlex.split, shown):
        load_recipe(words[0], [words[index + 1] for index, word in enumerate(words) if word == "--set"])
