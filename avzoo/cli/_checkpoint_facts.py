"""What can be told of a checkpoint folder without building its model."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any


def weight_facts(folder: Path) -> dict[str, int]:
    """Number of stored parameters and size of the weights, from the header of ``model.safetensors``."""
    from safetensors import safe_open

    weights = folder / "model.safetensors"
    with safe_open(weights, framework="numpy") as tensors:
        names = tensors.keys()
        parameters = sum(math.prod(tensors.get_slice(name).get_shape()) for name in names)
    return {"parameters": parameters, "bytes": weights.stat().st_size}


def model_type(folder: Path) -> str:
    """The model type that the configuration names."""
    return str(json.loads((folder / "config.json").read_text(encoding="utf-8"))["model_type"])


def config_facts(folder: Path) -> dict[str, Any]:
    """The configuration's own fields, defaults included, nested ones with dotted names.

    Left out are the fields that every configuration of transformers has.
    """
    from transformers import AutoConfig, PreTrainedConfig

    general = {*PreTrainedConfig().to_dict(), "tie_word_embeddings"}

    def own(fields: dict[str, Any], prefix: str = "") -> dict[str, Any]:
        facts: dict[str, Any] = {}
        for name, value in fields.items():
            if isinstance(value, dict) and "model_type" in value:
                facts |= own(value, f"{prefix}{name}.")
            elif name not in general and name != "model_type":
                facts[prefix + name] = value
        return facts

    return own(AutoConfig.from_pretrained(folder).to_dict())
