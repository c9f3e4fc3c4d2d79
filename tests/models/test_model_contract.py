"""What every model of the zoo owes its users, whatever its family. A new family adds its cases to the two tables.

A test of what only some can do names the trait that it is about and runs on the model types that have it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from transformers import AutoConfig, AutoModel

import avzoo
from avzoo._auto import FAMILIES

VIDEO = {"image_size": 32, "num_frames": 8, "num_hidden_layers": 2}
AUDIO = {"num_mel_bins": 32, "max_length": 64, "num_hidden_layers": 2}
NARROW = {"hidden_sizes": [4, 8, 8, 16]}
#: Memory format of a convolution's weight or map, by its number of axes.
LAST = {4: torch.channels_last, 5: torch.channels_last_3d}


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
    "crisscross_video": lambda: avzoo.CrissCrossVideoConfig.preset("nano", **NARROW),
    "crisscross_video-features": lambda: avzoo.CrissCrossVideoConfig.preset(
        "nano", **NARROW, depth=18, pooling="max", feature_pooling="linear_adaptive"
    ),
    "crisscross_audio": lambda: avzoo.CrissCrossAudioConfig.preset("nano", **NARROW),
    "crisscross": lambda: avzoo.CrissCrossConfig.preset("nano"),
    "xdc_video": lambda: avzoo.XDCVideoConfig.preset("nano", **NARROW),
    "xdc_audio": lambda: avzoo.XDCAudioConfig.preset("nano"),
    "xdc_audio-torchvision": lambda: avzoo.XDCAudioConfig.preset("torchvision", **NARROW, embedding_size=4),
    "xdc": lambda: avzoo.XDCConfig.preset("nano"),
    "ccl_video": lambda: avzoo.CCLVideoConfig.preset("nano", **NARROW),
    "ccl_image": lambda: avzoo.CCLImageConfig(depths=[1, 1, 1, 1], **NARROW),
    "cnn14": lambda: avzoo.CNN14Config(num_mel_bins=32, block_channels=[4, 8, 8, 16], hidden_size=32),
}
INPUTS: dict[str, Callable[[torch.Generator], torch.Tensor]] = {
    "pixel_values_videos": lambda generator: torch.randn(3, 8, 3, 32, 32, generator=generator),
    "input_features": lambda generator: torch.randn(3, 1, 32, 64, generator=generator),
}


class Traits(NamedTuple):
    """What a model type takes, and what it can do that not all can.

    Attributes:
        inputs: Its arguments.
        attention: It has attention layers; the others have feature maps.
        checkpointing: It trades time for memory in training.
    """

    inputs: tuple[str, ...]
    attention: bool = False
    checkpointing: bool = True


CLIPS, SOUNDS = ("pixel_values_videos",), ("input_features",)
#: Every model type.
TRAITS = {
    "xkd_video": Traits(CLIPS, attention=True),
    "xkd_audio": Traits(SOUNDS, attention=True),
    "xkd": Traits(CLIPS + SOUNDS, attention=True),
    "vssl": Traits(CLIPS, attention=True),
    "crisscross_video": Traits(CLIPS),
    "crisscross_audio": Traits(SOUNDS),
    "crisscross": Traits(CLIPS + SOUNDS),
    "xdc_video": Traits(CLIPS),
    "xdc_audio": Traits(SOUNDS),
    "xdc": Traits(CLIPS + SOUNDS),
    "ccl_video": Traits(CLIPS),
    "ccl_image": Traits(CLIPS, checkpointing=False),
    "cnn14": Traits(SOUNDS, checkpointing=False),
}


def models_with(**traits: bool) -> pytest.MarkDecorator:
    """Runs a test on the models of the types that have these traits."""
    types = {
        name: all(getattr(found, trait) == value for trait, value in traits.items()) for name, found in TRAITS.items()
    }
    cases = [name for name in CONFIGS if types[name.split("-")[0]]]
    return pytest.mark.parametrize("model", cases, indirect=True)


@pytest.fixture(params=CONFIGS)
def model(request: pytest.FixtureRequest) -> Any:
    torch.manual_seed(0)
    model = AutoModel.from_config(CONFIGS[request.param]())
    for module in model.modules():
        # Until a network with batch norm is trained, its features vanish in evaluation, and differences with them.
        if isinstance(module, torch.nn.Conv2d | torch.nn.Conv3d):
            torch.nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    return model.eval()


@pytest.fixture
def inputs(model: Any) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {name: INPUTS[name](generator) for name in TRAITS[model.config.model_type].inputs}


def features(outputs: Any) -> dict[str, torch.Tensor]:
    """Every tensor that a user would take from the outputs, by name."""
    found = {}
    for name, value in outputs.items():
        if isinstance(value, torch.Tensor):
            found[name] = value
        elif hasattr(value, "items"):
            found |= {f"{name}.{inner}": tensor for inner, tensor in features(value).items()}
    return found


def encoders(outputs: Any) -> list[Any]:
    """The outputs of every encoder of a model, of a joint or of a single one."""
    return [value for name, value in outputs.items() if name.endswith("model_output")] or [outputs]


def assert_same(first: Any, second: Any, tolerance: float) -> None:
    first, second = features(first), features(second)
    assert first.keys() == second.keys() and first
    for name, value in first.items():
        torch.testing.assert_close(value, second[name], atol=tolerance, rtol=0, msg=lambda text, n=name: f"{n}: {text}")


def test_every_model_type_has_a_case():
    model_types = {name for name, family in FAMILIES.items() if family.model}
    assert {CONFIGS[name]().model_type for name in CONFIGS} == model_types == set(TRAITS)
    assert all(CONFIGS[name]().model_type == name.split("-")[0] for name in CONFIGS)


def test_a_model_says_what_it_can(model):
    traits = TRAITS[model.config.model_type]
    assert model.supports_gradient_checkpointing == traits.checkpointing
    assert model._supports_sdpa == traits.attention
    if not traits.attention:
        with pytest.raises(ValueError, match="does not support"):
            AutoModel.from_config(model.config, attn_implementation="sdpa")


def test_save_and_load_give_the_same_model(model, inputs, tmp_path):
    expected = model(**inputs)
    model.save_pretrained(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.json", "model.safetensors"]
    loaded, info = AutoModel.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(info.values()), info
    assert type(loaded) is type(model)
    assert loaded.num_parameters() == model.num_parameters()
    weights = model.state_dict()
    assert all(torch.equal(weight, weights[name]) for name, weight in loaded.state_dict().items())
    assert_same(loaded(**inputs), expected, 1e-6)  # where a file puts a weight decides how a convolution sums


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


@models_with(attention=True)
def test_eager_attention_equals_sdpa(model, inputs):
    expected = model(**inputs)
    model.set_attn_implementation("eager")
    assert_same(model(**inputs), expected, 2e-5)


@models_with(attention=True)
def test_attentions_are_probabilities(model, inputs):
    model.set_attn_implementation("eager")
    outputs = model(**inputs, output_attentions=True, output_hidden_states=True, output_cls_attention=True)
    for encoded in encoders(outputs):
        assert len(encoded.attentions) == 2 and len(encoded.hidden_states) == 3
        torch.testing.assert_close(encoded.attentions[0].sum(-1), torch.ones_like(encoded.attentions[0][..., 0]))
        torch.testing.assert_close(encoded.cls_attention, encoded.attentions[-1][:, :, 0], atol=1e-6, rtol=0)


@models_with(attention=False)
def test_hidden_states_are_the_feature_maps_of_the_stages(model, inputs):
    for encoded in encoders(model(**inputs, output_hidden_states=True)):
        maps = encoded.hidden_states
        assert len(maps) > 3 and all(len(stage) == 3 for stage in maps)
        assert all(stage[0].numel() > 0 and stage.ndim == encoded.last_hidden_state.ndim for stage in maps)
        sides = [stage.shape[-1] for stage in maps]
        assert sides == sorted(sides, reverse=True) and sides[0] > sides[-1]
        torch.testing.assert_close(maps[-1], encoded.last_hidden_state, atol=0, rtol=0)
    assert all(encoded.hidden_states is None for encoded in encoders(model(**inputs)))


@models_with(attention=False)
def test_channels_last_changes_nothing(model, inputs):
    expected = model(**inputs, output_hidden_states=True)
    for module in model.modules():
        if isinstance(module, torch.nn.Conv3d | torch.nn.Conv2d):
            module.to(memory_format=LAST[module.weight.ndim])
    actual = model(**inputs, output_hidden_states=True)
    assert_same(actual, expected, 1e-5)
    for encoded in encoders(actual):
        for stage in encoded.hidden_states:
            assert stage.stride(1) == 1  # whatever the order of the other axes


@models_with(checkpointing=True)
@pytest.mark.parametrize("reentrant", [False, True])
def test_gradient_checkpointing_changes_nothing(model, inputs, reentrant):
    checkpointed = copy.deepcopy(model).train()
    checkpointed.activation_checkpointing_enable({"use_reentrant": reentrant})
    if reentrant:  # such a checkpoint has a gradient only if its input has one
        inputs = {name: value.requires_grad_() for name, value in inputs.items()}
    plain = model.train()
    gradients = []
    for network in (plain, checkpointed):
        sum(value.sin().sum() for value in features(network(**inputs)).values()).backward()
        gradients.append({name: parameter.grad for name, parameter in network.named_parameters()})
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradient, gradients[1][name], atol=1e-6, rtol=1e-5)
    for name, buffer in plain.named_buffers():  # running statistics count a batch once
        torch.testing.assert_close(buffer, checkpointed.get_buffer(name), msg=lambda text, n=name: f"{n}: {text}")


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
        # Tokens and features are vectors; a feature map is one vector of all its values.
        first, second = (v.double().flatten(1) if v.ndim > 3 else v.double() for v in (actual[name], value))
        similarity = torch.cosine_similarity(first, second, dim=-1)
        assert similarity.min() > (0.999 if dtype == torch.bfloat16 else 1 - 1e-9), name


def test_compiles_without_graph_breaks(model, inputs):
    torch._dynamo.reset()  # the models of all cases share the code that is compiled
    compiled = torch.compile(model, fullgraph=True, backend="eager")
    assert_same(compiled(**inputs), model(**inputs), 1e-5)


def test_outputs_as_tuple(model, inputs):
    outputs = model(**inputs, return_dict=False)
    assert isinstance(outputs, tuple)
    torch.testing.assert_close(outputs[0], next(iter(features(model(**inputs)).values())))


def test_an_empty_call_is_an_error(model):
    with pytest.raises((TypeError, ValueError)):
        model()
