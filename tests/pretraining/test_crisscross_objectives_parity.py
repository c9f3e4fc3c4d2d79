"""CrissCross heads and losses against the original code, and what its configuration can express."""

from __future__ import annotations

import itertools

import pytest
import torch
from transformers import AutoModelForPreTraining

from avzoo.hub import convert_state_dict, official_state_dict
from avzoo.models.configuration_crisscross import CrissCrossConfig
from avzoo.pretraining.configuration_crisscross_pretraining import CrissCrossPreTrainingConfig
from avzoo.pretraining.mlp_head import MLPHead
from avzoo.pretraining.modeling_crisscross_pretraining import CrissCrossForPreTraining
from avzoo.pretraining.objectives_crisscross import GROUPS, PAIRS, crisscross_loss, pair_loss, views_of

MODALITIES = ("video", "audio")
ENCODERS = {
    "video_config": {"hidden_sizes": [4, 4, 4, 8], "depth": 10},
    "audio_config": {"hidden_sizes": [4, 4, 4, 8], "embedding_size": 4, "depths": [1, 1, 1, 1]},
}


def close(actual, expected, tolerance=1e-6, relative=0.0):
    torch.testing.assert_close(actual.to(expected.dtype), expected, atol=tolerance, rtol=relative)


def tiny(**fields):
    torch.manual_seed(0)
    model = CrissCrossConfig(**ENCODERS)
    return CrissCrossForPreTraining(
        CrissCrossPreTrainingConfig(model_config=model, **{"projection_size": 8, "predictor_hidden_size": 4, **fields})
    )


def views(modalities=MODALITIES, batch=4):
    torch.manual_seed(1)
    both = {
        "pixel_values_videos": torch.randn(batch, 2, 4, 3, 16, 16),
        "input_features": torch.randn(batch, 2, 1, 16, 24),
    }
    return {name: value for name, value in both.items() if ("video" if "video" in name else "audio") in modalities}


def test_heads(parity):
    case = parity("crisscross/heads")
    weights = convert_state_dict("crisscross_pretraining", case.state_dict())
    for modality in MODALITIES:
        heads = {"projector": MLPHead([512, 2048, 2048, 2048], last_norm=True), "predictor": MLPHead([2048, 512, 2048])}
        features = case.inputs[modality]
        for (name, head), letter in zip(heads.items(), "zp", strict=True):
            prefix = f"{modality}_{name}."
            head.load_state_dict({k.removeprefix(prefix): w for k, w in weights.items() if k.startswith(prefix)})
            features = head.eval()(features)
            close(features, case.expected[f"{letter}_{modality}"], 1e-5, 1e-5)


def test_losses_and_their_gradients(parity):
    case = parity("crisscross/losses")
    inputs = {name: tensor.double().requires_grad_() for name, tensor in case.inputs.items()}
    terms = {}
    for pair in PAIRS:
        first, second = views_of(pair)
        terms[pair] = pair_loss(inputs[f"p{first}"], inputs[f"z{first}"], inputs[f"p{second}"], inputs[f"z{second}"])
        close(terms[pair], case.expected[f"L{pair}"].squeeze())
    for name, official in (("intra", "intra"), ("synchronous", "sync"), ("asynchronous", "async")):
        close(torch.stack([terms[pair] for pair in GROUPS[name]]).mean(), case.expected[official].squeeze())
    loss = crisscross_loss(terms, dict.fromkeys(PAIRS, 1.0))
    close(loss, case.expected["total"].squeeze())
    loss.backward()
    for name, tensor in inputs.items():
        if name.startswith("p"):
            close(tensor.grad, case.expected[f"grad_total.{name}"], 1e-9, 1e-5)
        else:
            assert tensor.grad is None


def test_the_model_hands_the_losses_their_views(parity):
    case = parity("crisscross/losses")
    model = tiny().double()
    inputs = {name: tensor.double() for name, tensor in case.inputs.items()}
    pick = [{name[1:]: tensor for name, tensor in inputs.items() if name[0] == letter} for letter in "zp"]
    terms, loss = model._losses(*pick)
    assert list(terms) == [*PAIRS, *GROUPS]
    close(loss, case.expected["total"].squeeze())


def test_the_released_coefficients():
    """(vid Lv1v2 + aud La1a2 + ct (Lv1a2 + La1v2) + cm (Lv1a1 + Lv2a2)) / 6."""
    model = tiny(video_weight=2.0, audio_weight=3.0, synchronous_weight=5.0, asynchronous_weight=7)
    out = model(**views())
    one = {name: value.item() for name, value in out.losses.items()}
    wanted = 2 * one["v1v2"] + 3 * one["a1a2"] + 5 * (one["v1a1"] + one["v2a2"]) + 7 * (one["v1a2"] + one["a1v2"])
    assert out.loss.item() == pytest.approx(wanted / 6, abs=1e-6)


SUBSETS = [names for size in (1, 2, 3) for names in itertools.combinations(GROUPS, size)]


@pytest.mark.parametrize("terms", [*SUBSETS, ("v1v2",), ("a1a2",), ("v1a2",), ("v1v2", "asynchronous")], ids="+".join)
def test_any_terms(terms):
    model = tiny(terms=terms)
    out = model(**views(model.config.modalities))
    pairs = [name for name in out.losses if name in PAIRS]
    assert pairs == model.config.pairs and out.loss.item() == pytest.approx(
        sum(out.losses[pair].item() for pair in pairs) / len(pairs), abs=1e-6
    )
    out.loss.backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    for modality in MODALITIES:
        assert (getattr(out, f"student_{modality}") is not None) == (modality in model.config.modalities)


@pytest.mark.parametrize(("terms", "modality"), [("v1v2", "video"), ("a1a2", "audio")])
def test_one_modality_builds_one_encoder(terms, modality):
    model = tiny(terms=[terms])
    assert model.config.modalities == [modality]
    assert model.encoder().config.model_type == f"crisscross_{modality}"
    other = "audio" if modality == "video" else "video"
    assert not any(other in name for name, _ in model.named_modules())
    with pytest.raises(ValueError, match=f"needs two {modality} views"):
        model(**views((other,)))


@pytest.mark.parametrize("layers", [2, 3])
@pytest.mark.parametrize("predictor", ["separate", "common"])
@pytest.mark.parametrize("normalize", [False, True])
def test_heads_of_the_ablations(layers, predictor, normalize):
    model = tiny(projector_layers=layers, predictor=predictor, normalize_projections=normalize)
    assert len(model.video_projector) == layers
    predictors = {name for name, _ in model.named_children() if name.endswith("predictor")}
    assert predictors == ({"predictor"} if predictor == "common" else {"video_predictor", "audio_predictor"})
    out = model(**views())
    projections = model._project("audio", out.student_audio)
    assert torch.allclose(projections.norm(dim=1), torch.ones(4)) == normalize
    out.loss.backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_every_batch_norm_sees_one_view_at_a_time():
    model = tiny()
    model(**views())
    norms = [module for module in model.modules() if isinstance(module, torch.nn.modules.batchnorm._BatchNorm)]
    assert {int(norm.num_batches_tracked) for norm in norms} == {2}
    common = tiny(predictor="common")
    common(**views())
    assert int(common.predictor[0][1].num_batches_tracked) == 4


def test_targets_get_no_gradient():
    model = tiny(terms=["v1a1"])
    out = model(**views())
    # The loss of a pair reaches each projector through its own predictor only.
    for parameter in model.audio_predictor.parameters():
        parameter.data.zero_()
    model.audio_predictor[1][0].bias.data.fill_(1.0)  # a constant prediction carries nothing back
    out = model(**views())
    out.loss.backward()
    assert all(parameter.grad.abs().max() == 0 for parameter in model.audio_projector.parameters())
    assert any(parameter.grad.abs().max() > 0 for parameter in model.video_projector.parameters())


def test_the_official_size_and_its_training_checkpoint():
    with torch.device("meta"):
        model = CrissCrossForPreTraining(CrissCrossPreTrainingConfig.preset("base"))
    assert model.num_parameters() == 49_662_080
    official = official_state_dict("crisscross_pretraining", model.state_dict())
    assert len(official) == 744
    groups = {f"{m}_{part}": 0 for m in MODALITIES for part in ("backbone", "encoder", "projector", "predictor")}
    for name in official:
        groups[name.split(".")[0]] += 1
    assert groups == {
        **{"video_backbone": 201, "video_encoder": 222, "video_projector": 21, "video_predictor": 9},
        **{"audio_backbone": 120, "audio_encoder": 141, "audio_projector": 21, "audio_predictor": 9},
    }
    trained = {
        f"{modality} {part}": sum(
            name.startswith(prefix) for name, _ in model.named_parameters() for prefix in prefixes
        )
        for modality in MODALITIES
        for part, prefixes in (
            ("encoder", (f"encoders.{modality}_model.", f"{modality}_projector.")),
            ("predictor", (f"{modality}_predictor.",)),
        )
    }
    assert trained == {"video encoder": 114, "video predictor": 6, "audio encoder": 72, "audio predictor": 6}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"terms": ["v1v3"]}, "unknown term 'v1v3'; choose from intra, synchronous, asynchronous, v1v2"),
        ({"terms": []}, "at least one pair of views"),
        ({"terms": ["intra", "v1v2"]}, "none twice"),
        ({"projection_size": 0}, "projection_size must be at least 1"),
        ({"projector_layers": 4}, "projector_layers"),
    ],
)
def test_mistakes_are_named(fields, message):
    with pytest.raises(Exception, match=message):
        CrissCrossPreTrainingConfig(**fields)


@pytest.mark.parametrize("fields", [{}, {"terms": ["a1a2"]}, {"predictor": "common", "projector_layers": 2}])
def test_a_training_model_is_saved_and_loaded_through_the_auto_classes(fields, tmp_path):
    model = tiny(**fields).eval()
    model.save_pretrained(tmp_path)
    again, loading = CrissCrossForPreTraining.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(loading.values())
    assert type(AutoModelForPreTraining.from_pretrained(tmp_path)) is CrissCrossForPreTraining
    batch = views(model.config.modalities)
    assert torch.equal(again.eval()(**batch).loss, model(**batch).loss)


def test_checkpointed_activations_change_neither_gradients_nor_statistics():
    plain, checkpointed = tiny(), tiny()
    checkpointed.activation_checkpointing_enable()
    for model in (plain, checkpointed):
        model.train()(**views()).loss.backward()
    for one, other in zip(plain.parameters(), checkpointed.parameters(), strict=True):
        close(other.grad, one.grad, 1e-6, 1e-4)
    for one, other in zip(plain.buffers(), checkpointed.buffers(), strict=True):
        close(other, one, 1e-7)
