from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from avzoo import (
    CNN14Config,
    CNN14ForAudioClassification,
    CrissCrossForVideoClassification,
    CrissCrossVideoConfig,
    VSSLConfig,
    VSSLForVideoClassification,
    XKDAudioConfig,
    XKDForAudioClassification,
    XKDForVideoClassification,
    XKDVideoConfig,
)
from avzoo.evaluation.layer_decay import layer_decay_groups

#: Official names in the order in which they are replaced.
NAMES = (
    ("patch_embed.proj", "embeddings.projection"),
    ("pos_embed", "embeddings.position_embeddings"),
    ("cls_token", "embeddings.cls_token"),
    ("blocks.", "layers."),
    ("norm1", "layernorm_before"),
    ("norm2", "layernorm_after"),
    ("attn.qkv", "attention.qkv"),
    ("attn.proj", "attention.output"),
    ("head.classifier", "classifier.linear"),
    ("norm.", "layernorm."),
)


def ours(official: str, prefix: str) -> str:
    name = official.replace("norm.", "layernorm.") if official.startswith("norm.") else official
    for old, new in NAMES[:-1]:
        name = name.replace(old, new)
    return name if name.startswith("classifier.") else f"{prefix}.{name}"


def assigned(model: Any, decay: float) -> dict[str, tuple[float, float | None]]:
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    groups = layer_decay_groups(model, model.base_model, decay)
    found = {names[id(p)]: (g.learning_rate_factor, g.weight_decay) for g in groups for p in g.parameters}
    assert len(found) == sum(len(group.parameters) for group in groups) == len(names)
    return found


@pytest.mark.parametrize(
    ("case", "classifier", "config", "head"),
    [
        ("xkd/layer_decay_video", XKDForVideoClassification, XKDVideoConfig, False),
        ("xkd/layer_decay_audio", XKDForAudioClassification, XKDAudioConfig, False),
        ("vssl/finetune_layer_decay", VSSLForVideoClassification, VSSLConfig, True),
    ],
)
def test_rates_and_decay_of_every_parameter_are_the_official_ones(
    parity: Callable[[str], Any], case: str, classifier: Any, config: Any, head: bool
) -> None:
    spec = parity(case).spec
    with torch.device("meta"):
        model = classifier(config.preset("tiny", num_labels=3))
    table = (
        spec["expected"]["table"]
        if head
        else {name: (group["lr_scale"], group["weight_decay"]) for name, group in spec["groups"].items()}
    )
    found = assigned(model, spec["config"]["layer_decay"])
    assert len(table) > 80 or head
    for official, (scale, weight_decay) in table.items():
        if official.startswith("head") and not head:
            continue
        factor, own = found[ours(official, model.base_model_prefix)]
        assert factor == pytest.approx(scale, rel=1e-9), official
        assert (spec["config"]["weight_decay"] if own is None else own) == weight_decay, official
    if head:
        groups = layer_decay_groups(model, model.base_model, 0.55)
        assert len(groups) == spec["expected"]["n_groups"]
        assert groups[0].learning_rate_factor == 1.0


@pytest.mark.parametrize(
    ("model", "first", "depth"),
    [
        (CrissCrossForVideoClassification(CrissCrossVideoConfig.preset("nano", num_labels=3)), "stem.", 4),
        (CNN14ForAudioClassification(CNN14Config(block_channels=[4, 8], hidden_size=16)), "input_norm.", 2),
    ],
)
def test_convnets_decay_by_stage(model: Any, first: str, depth: int) -> None:
    found = assigned(model, 0.5)
    assert found["classifier.linear.weight"] == (1.0, None) and found["classifier.linear.bias"] == (1.0, 0.0)
    start = next(name for name in found if name.startswith(f"{model.base_model_prefix}.{first}"))
    assert found[start][0] == 0.5 ** (depth + 1)
    assert {factor for factor, _ in found.values()} == {0.5**power for power in range(depth + 2)}
    assert all(
        (weight_decay is None) == (model.get_parameter(name).ndim > 1) for name, (_, weight_decay) in found.items()
    )
