from __future__ import annotations

import re

import pytest
import torch
from tiny_runs import arguments
from torch import nn

from avzoo.pretraining.configuration_xkd_pretraining import XKDPreTrainingConfig
from avzoo.pretraining.modeling_xkd_pretraining import XKDForPreTraining
from avzoo.pretraining.optim import (
    ParameterGroup,
    clip_gradients_per_tensor,
    create_optimizer,
    decay_groups,
    decay_parameter_names,
    update_average_,
)

OFFICIAL_NAMES = (
    (r"^student\.video_model\.layers\.", "vid_student.backbone.encoder.blocks."),
    (r"^student\.audio_model\.layers\.", "aud_student.backbone.encoder.blocks."),
    (r"^student\.video_model\.embeddings\.projection\.", "vid_student.backbone.cuboid_embed.proj."),
    (r"^student\.audio_model\.embeddings\.projection\.", "aud_student.backbone.patch_embed.proj."),
    (r"^student\.(vid|aud)(?:eo|io)_model\.embeddings\.position_embeddings$", r"\1_student.backbone.enc_pos_embed"),
    (r"^student\.(vid|aud)(?:eo|io)_model\.embeddings\.", r"\1_student.backbone."),
    (r"^student\.(vid|aud)(?:eo|io)_model\.layernorm\.", r"\1_student.backbone.encoder_norm."),
    (r"^student\.(vid|aud)(?:eo|io)_projector\.last_layer\.", r"\1_student.head.last_layer."),
    (r"^student\.(vid|aud)(?:eo|io)_projector\.fc1\.", r"\1_student.head.mlp.0."),
    (r"^student\.(vid|aud)(?:eo|io)_projector\.norm\.", r"\1_student.head.mlp.1."),
    (r"^student\.(vid|aud)(?:eo|io)_projector\.fc2\.", r"\1_student.head.mlp.3."),
    (r"^student\.(vid|aud)(?:eo|io)_projector\.fc3\.", r"\1_student.head.mlp.6."),
    (r"^(vid|aud)(?:eo|io)_decoder\.layers\.", r"\1_ae.decoder.blocks."),
    (r"^(vid|aud)(?:eo|io)_decoder\.position_embeddings$", r"\1_ae.dec_pos_embed"),
    (r"^(vid|aud)(?:eo|io)_decoder\.mask_token$", r"\1_ae.mask_token"),
    (r"^(vid|aud)(?:eo|io)_decoder\.input_projection\.", r"\1_ae.mid_proj."),
    (r"^(vid|aud)(?:eo|io)_decoder\.output_projection\.", r"\1_ae.out_proj."),
    (r"\.layernorm_before\.", ".norm1."),
    (r"\.layernorm_after\.", ".norm2."),
    (r"\.attention\.output\.", ".attn.proj."),
    (r"\.attention\.qkv\.", ".attn.qkv."),
)


def official_name(name: str) -> str:
    for ours, official in OFFICIAL_NAMES:
        name = re.sub(ours, official, name)
    return name


def test_groups_have_the_official_members(parity):
    groups = parity("xkd/optim_groups_pretrain").spec["groups"]
    config = XKDPreTrainingConfig.preset("tiny")
    with torch.device("meta"):
        model = XKDForPreTraining(config)
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    decayed = set(decay_parameter_names(model)) & trained
    assert {official_name(name) for name in decayed} == set(groups["regularized"])
    assert {official_name(name) for name in trained - decayed} == set(groups["not_regularized"])


def test_clipping_scales_each_tensor_on_its_own():
    small, large, none = (nn.Parameter(torch.zeros(3)) for _ in range(3))
    small.grad, large.grad = torch.full((3,), 0.01), torch.tensor([3.0, 0.0, 4.0])
    untouched = small.grad.clone()
    norms = clip_gradients_per_tensor([small, large, none, large], 0.3)
    torch.testing.assert_close(norms, torch.tensor([0.01 * 3**0.5, 5.0]))
    assert torch.equal(small.grad, untouched)
    torch.testing.assert_close(large.grad, torch.tensor([3.0, 0.0, 4.0]) * (0.3 / (5.0 + 1e-6)))


def test_clipping_nothing_is_allowed():
    assert clip_gradients_per_tensor([nn.Parameter(torch.zeros(2))], 0.3).numel() == 0


@pytest.mark.parametrize(("name", "kind"), [("adamw", "AdamW"), ("adam", "Adam"), ("sgd", "SGD")])
def test_optimizer_and_groups_follow_the_settings(tmp_path, name, kind):
    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2), nn.Linear(2, 1))
    model[2].requires_grad_(False)
    encoder = decay_groups(model[0])
    predictor = ParameterGroup("predictor", list(model[1].parameters()), 0.0, 10.0, "constant")
    frozen = ParameterGroup("frozen", list(model[2].parameters()))
    settings = arguments(tmp_path, optimizer=name, learning_rate=0.1, weight_decay=0.2, sgd_momentum=0.7)
    optimizer, kept = create_optimizer(model, [*encoder, predictor, frozen], settings)
    assert type(optimizer).__name__ == kind and optimizer.defaults.get("momentum", 0.7) == 0.7
    assert [group.name for group in kept] == ["decay", "no_decay", "predictor"]
    told = [
        (group["name"], group["lr"], group["weight_decay"], len(group["params"])) for group in optimizer.param_groups
    ]
    assert told == [("decay", 0.1, 0.2, 1), ("no_decay", 0.1, 0.0, 1), ("predictor", 1.0, 0.0, 2)]


@pytest.mark.parametrize(("times", "message"), [(0, "0.bias is in 0 parameter groups"), (2, "0.bias is in 2")])
def test_every_trained_parameter_is_in_one_group(tmp_path, times, message):
    model = nn.Sequential(nn.Linear(3, 2))
    groups = [ParameterGroup("weights", [model[0].weight]), *[ParameterGroup("biases", [model[0].bias])] * times]
    with pytest.raises(ValueError, match=message):
        create_optimizer(model, groups, arguments(tmp_path))


def test_moving_average_is_updated_in_place():
    average, value = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 6.0])
    update_average_([average], [value], 0.75)
    assert average.tolist() == [1.5, 3.0]
