"""Shared fixtures: the reference outputs of the original code and the real media, where they are present."""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

os.environ.setdefault("HF_HUB_OFFLINE", "1")
torch.set_num_threads(1)

SHARED = Path(__file__).resolve().parents[2] / "shared"
PARITY = Path(os.environ.get("AVZOO_PARITY", SHARED / "parity"))
DATA = Path(os.environ.get("AVZOO_DATA", SHARED / "data"))


@dataclass
class ParityCase:
    """One reference case of the original code, its weights and inputs rebuilt from names."""

    spec: dict[str, Any]
    expected: dict[str, torch.Tensor]
    fill: ModuleType
    inputs: dict[str, torch.Tensor] = field(init=False)

    def __post_init__(self) -> None:
        self.inputs = {name: self._input(entry) for name, entry in self.spec.get("inputs", {}).items()}

    def _input(self, entry: dict[str, Any]) -> torch.Tensor:
        if entry["dist"] == "uniform":
            return self.fill.seeded_uniform(entry["name"], entry["shape"])
        return self.fill.seeded_array(entry["name"], entry["shape"], entry["scale"])

    @property
    def config(self) -> dict[str, Any]:
        return self.spec["config"]

    def state_dict(self) -> dict[str, torch.Tensor]:
        """The official state dict: generated entries and their tied copies."""
        weights = self.fill.fill_state_dict(self.spec["keys"])
        weights |= {alias: weights[source] for alias, source in self.spec.get("aliases", {}).items()}
        return weights


@pytest.fixture(scope="session")
def parity() -> Callable[[str], ParityCase]:
    """Loads the case ``family/name``; skips where the reference folder is absent."""
    fill_path = PARITY / "fill.py"
    if not fill_path.is_file():
        pytest.skip(f"no reference outputs at {PARITY} (set AVZOO_PARITY)")
    module_spec = importlib.util.spec_from_file_location("parity_fill", fill_path)
    assert module_spec is not None and module_spec.loader is not None
    fill = importlib.util.module_from_spec(module_spec)
    module_spec.loader.exec_module(fill)

    def load(case: str) -> ParityCase:
        spec = json.loads((PARITY / f"{case}.json").read_text())
        tensors = PARITY / f"{case}.safetensors"
        return ParityCase(spec, load_file(tensors) if tensors.is_file() else {}, fill)

    return load


@pytest.fixture(scope="session")
def real_media() -> Path:
    """Folder of real media files; skips where it is absent."""
    if not DATA.is_dir():
        pytest.skip(f"no real media at {DATA} (set AVZOO_DATA)")
    return DATA
