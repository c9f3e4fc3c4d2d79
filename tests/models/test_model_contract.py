"""What every model of the zoo owes its users, whatever its family. A new family adds its cases to the two tables."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModel

import avzoo
from avzoo._auto import FAMILIES

VIDEO = {"image_size": 32, "num_frames": 8, "num_hidden_layers": 2}
AUDIO = {"num_mel_bins": 32, "max_length": 64, "num_hidden_layers": 2}


def xkd_config(**fields: Any) -> avzoo.XKDConfig:
    video, audio = avzoo.XKDVideoConfig.preset("nano", **VIDEO), avzoo.XKDAudioConfig.preset("nano", **AUDIO)
    return avzoo.XKDConfig.preset("nano", video_config=video, audio_config=audio, **fields)


#: Name of a case -> its configuration. Every model type has at least one.
CONFIGS: dict[str, Callable[[], Any]] = {
    "xkd_video": lambda: avzoo.XKDVideoConfig.preset("nano", **VIDEO),
    "xkd_audio": lambda: avzoo.XKDAudioConfig.preset("nano", **AUDIO),
    "xkd": xkd_config,
    "xkd-without-projectors": lambda: xkd_config(projection_dim=None),
    "xkd-mats": lambda: xkd_config(sharing="mats"),
    "vssl": lambda: avzoo.VSSLConfig.preset("nano", **VIDEO),
}
INPUTS: dict[str, Callable[[torch.Generator], torch.Tensor]] = {
    "pixel_values_videos": lambda generator: torch.randn(3, 8, 3, 32, 32, generator=generator),
    "input_features": lambda generator: torch.randn(3, 1, 32, 64, generator=generator),
}
#: Arguments of each model type.
ARGUMENTS = {
    "xkd_video": ["pixel_values_videos"],
    "xkd_audio": ["input_features"],
    "xkd": ["pixel_values_videos", "input_features"],
    "vssl": ["pixel_values_videos"],
}


@pytest.fixture(params=CONFIGS)
def model(request: pytest.FixtureRequest) -> Any:
    torch.manual_seed(0)
    return AutoModel.from_config(CONFIGS[request.param]()).eval()


@pytest.fixture
def inputs(model: Any) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {name: INPUTS[name](generator) for name in ARGUMENTS[model.config.model_type]}


def features(outputs: Any) -> dict[str, torch.Tensor]:
    """Every tensor that a user would take from the outputs, by name."""
    found = {}
    for name, value in outputs.items():
        if isinstance(value, torch.Tensor):
            found[name] = value
        elif hasattr(value, "items"):
            found |= {f"{name}.{inner}": tensor for inner, tensor in features(value).items()}
    return found


def assert_same(first: Any, second: Any, tolerance: float) -> None:
    first, second = features(first), features(second)
    assert first.keys() == second.keys() and first
    for name, value in first.items():
        torch.testing.assert_close(value, second[name], atol=tolerance, rtol=0, msg=lambda text, n=name: f"{n}: {text}")


def test_every_model_type_has_a_case():
    model_types = {name for name, family in FAMILIES.items() if family.model}
    assert {CONFIGS[name]().model_type for name in CONFIGS} == model_types == set(ARGUMENTS)


def test_save_and_load_give_the_same_model(model, inputs, tmp_path):
    expected = model(**inputs)
    model.save_pretrained(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.json", "model.safetensors"]
    loaded, info = AutoModel.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(info.values()), info
    assert type(loaded) is type(model)
    assert loaded.num_parameters() == model.num_parameters()
    assert_same(loaded(**inputs), expected, 0)


def test_config_round_trip(model, tmp_path):
    model.config.save_pretrained(tmp_path)
    loaded = AutoConfig.from_pretrained(tmp_path)
    assert loaded.to_dict() == AutoConfig.from_pretrained(tmp_path).to_dict()
    differing = {key for key, value in model.config.to_dict().items() if loaded.to_dict().get(key) != value}
    assert differing <= {"architectures", "dtype", "_name_or_path"}


def test_gradient_reaches_every_parameter(model, inputs):
    loss = sum(value.square().sum() for value in features(model.train()(**inputs)).values())
    # Projections are normalised: their squares are constant, so a fixed direction is added.
    for name, value in features(model(**inputs)).items():
        if "projections" in name:
            loss = loss + (value * torch.linspace(-1, 1, value.shape[-1])).sum()
    loss.backward()
    silent = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert not silent


def test_eager_attention_equals_sdpa(model, inputs):
    expected = model(**inputs)
    model.set_attn_implementation("eager")
    assert_same(model(**inputs), expected, 2e-5)


def test_attentions_are_probabilities(model, inputs):
    model.set_attn_implementation("eager")
    outputs = model(**inputs, output_attentions=True, output_hidden_states=True, output_cls_attention=True)
    encoders = [value for name, value in outputs.items() if name.endswith("model_output")] or [outputs]
    for encoded in encoders:
        assert len(encoded.attentions) == 2 and len(encoded.hidden_states) == 3
        torch.testing.assert_close(encoded.attentions[0].sum(-1), torch.ones_like(encoded.attentions[0][..., 0]))
        torch.testing.assert_close(encoded.cls_attention, encoded.attentions[-1][:, :, 0], atol=1e-6, rtol=0)


def test_gradient_checkpointing_changes_nothing(model, inputs):
    checkpointed = copy.deepcopy(model).train()
    checkpointed.gradient_checkpointing_enable()
    plain = model.train()
    gradients = []
    for network in (plain, checkpointed):
        sum(value.sin().sum() for value in features(network(**inputs)).values()).backward()
        gradients.append({name: parameter.grad for name, parameter in network.named_parameters()})
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradient, gradients[1][name], atol=1e-6, rtol=1e-5)


def test_a_sample_does_not_depend_on_its_batch(model, inputs):
    batch = features(model(**inputs))
    single = features(model(**{name: value[1:2] for name, value in inputs.items()}))
    for name, value in batch.items():
        torch.testing.assert_close(value[1:2], single[name], atol=1e-5, rtol=0)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_other_dtypes(model, inputs, dtype, tmp_path):
    expected = features(model(**inputs))
    model.save_pretrained(tmp_path)
    loaded = AutoModel.from_pretrained(tmp_path, dtype=dtype).eval()
    actual = features(loaded(**{name: value.to(dtype) for name, value in inputs.items()}))
    for name, value in expected.items():
        assert actual[name].dtype == dtype
        similarity = torch.cosine_similarity(actual[name].double(), value.double(), dim=-1)
        assert similarity.min() > (0.999 if dtype == torch.bfloat16 else 1 - 1e-9), name


def test_compiles_without_graph_breaks(model, inputs):
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    assert_same(compiled(**inputs), model(**inputs), 1e-5)


def test_outputs_as_tuple(model, inputs):
    outputs = model(**inputs, return_dict=False)
    assert isinstance(outputs, tuple)
    torch.testing.assert_close(outputs[0], next(iter(features(model(**inputs)).values())))


def test_an_empty_call_is_an_error(model):
    with pytest.raises((TypeError, ValueError)):
        model()
