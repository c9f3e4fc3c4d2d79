"""What every classifier of the zoo owes its users, whatever its family."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from huggingface_hub.errors import StrictDataclassError
from test_model_contract import CONFIGS, INPUTS
from transformers import (
    AutoModel,
    AutoModelForAudioClassification,
    AutoModelForVideoClassification,
    Trainer,
    TrainingArguments,
)

import avzoo
from avzoo._auto import FAMILIES

#: Model type -> the class that the row of its family names, and the Auto class that finds it.
CLASSIFIERS = {
    model_type: (path.split(":")[1], auto)
    for model_type, family in FAMILIES.items()
    for path, auto in (
        (family.video_classification, AutoModelForVideoClassification),
        (family.audio_classification, AutoModelForAudioClassification),
    )
    if path is not None
}
TARGETS = {
    "single_label_classification": torch.tensor([2, 0, 1]),
    "multi_label_classification": torch.tensor([[1.0, 0, 1], [0, 0, 0], [0, 1, 1]]),
    "regression": torch.tensor([[0.5, -1, 2], [0, 0.1, 0], [1, 1, 1]]),
}


def classifier(model_type: str, **fields: Any) -> Any:
    torch.manual_seed(0)
    config = CONFIGS[model_type]()
    config.update({"num_labels": 3, **fields})
    return CLASSIFIERS[model_type][1].from_config(config).eval()


def inputs_of(model: Any) -> torch.Tensor:
    return INPUTS[model.main_input_name](torch.Generator().manual_seed(1))


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


@pytest.fixture(params=CLASSIFIERS)
def model(request: pytest.FixtureRequest) -> Any:
    return classifier(request.param)


def test_classes_and_shapes(model):
    assert type(model).__name__ == CLASSIFIERS[model.config.model_type][0] in avzoo.__all__
    assert model.main_input_name == model.base_model.main_input_name
    assert model.input_modalities == model.base_model.input_modalities
    inputs = inputs_of(model)
    outputs = model(inputs)
    assert outputs.logits.shape == (3, 3) and list(outputs) == ["logits"]
    expected = model.classifier.linear(model.base_model(inputs).pooler_output)
    torch.testing.assert_close(outputs.logits, expected, atol=0, rtol=0)
    loss, logits = model(inputs, labels=torch.tensor([0, 1, 2]), return_dict=False)
    assert loss.ndim == 0 and torch.equal(logits, outputs.logits)


@pytest.mark.parametrize(
    ("name", "labels", "parameters"), [("XDC", 400, 33_370_839), ("CCL", 51, 14_391_466), ("VSSL", 101, 87_618_149)]
)
def test_official_sizes(name, labels, parameters):
    config = getattr(avzoo, f"{name}Config" if name == "VSSL" else f"{name}VideoConfig")(num_labels=labels)
    with torch.device("meta"):
        model = getattr(avzoo, f"{name}ForVideoClassification")(config)
    assert model.num_parameters() == parameters


def test_a_batch_of_one(model):
    outputs = model(inputs_of(model)[:1], labels=torch.tensor([2]))
    assert outputs.logits.shape == (1, 3)
    torch.testing.assert_close(outputs.logits, model(inputs_of(model)).logits[:1], atol=1e-5, rtol=0)


def test_what_the_encoder_returns_can_be_asked_for(model):
    inputs = inputs_of(model)
    if model.base_model._supports_sdpa:
        model.set_attn_implementation("eager")
        outputs, expected = (network(inputs, output_attentions=True) for network in (model, model.base_model))
        assert len(outputs.attentions) == model.config.num_hidden_layers
        torch.testing.assert_close(outputs.attentions, expected.attentions)
    outputs, expected = (network(inputs, output_hidden_states=True) for network in (model, model.base_model))
    assert len(outputs.hidden_states) > 1
    torch.testing.assert_close(outputs.hidden_states, expected.hidden_states)


@pytest.mark.parametrize("problem", TARGETS)
def test_training_lowers_the_loss_and_changes_every_parameter(model, problem):
    model.config.problem_type = problem
    before = {name: parameter.clone() for name, parameter in model.named_parameters()}
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    losses = []
    # In evaluation mode: batch norms over three samples of one pixel would make the loss jump.
    for _ in range(6):
        loss = model(inputs_of(model), labels=TARGETS[problem]).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert not [name for name, parameter in model.named_parameters() if torch.equal(parameter, before[name])]


def test_the_first_labels_tell_the_problem():
    for labels, problem in ((TARGETS[name], name) for name in list(TARGETS)[:2]):
        model = classifier("vssl")
        model(inputs_of(model), labels=labels)
        assert model.config.problem_type == problem


def test_a_frozen_encoder_does_not_change(model):
    model.freeze_base_model()
    model.train()
    assert model.training and model.classifier.training and not model.base_model.training
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model(inputs_of(model), labels=torch.tensor([0, 1, 2])).loss.backward()
    assert {name for name, value in model.named_parameters() if value.grad is not None} == {
        "classifier.linear.weight",
        "classifier.linear.bias",
    }
    assert same(before, model.state_dict()), "batch norms keep their statistics"


def test_save_and_load_give_the_same_model(model, tmp_path):
    model.config.id2label = {0: "dog", 1: "rain", 2: "violin"}
    model.save_pretrained(tmp_path)
    auto = CLASSIFIERS[model.config.model_type][1]
    loaded, info = auto.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(info.values()), info
    assert type(loaded) is type(model) and loaded.config.id2label[2] == "violin"
    assert torch.equal(loaded(inputs_of(model)).logits, model(inputs_of(model)).logits)


def test_an_encoder_becomes_a_classifier_and_a_classifier_an_encoder(model, tmp_path):
    encoder = AutoModel.from_config(CONFIGS[model.config.model_type]())
    encoder.save_pretrained(tmp_path / "encoder")
    auto = CLASSIFIERS[model.config.model_type][1]
    fields = {"num_labels": 5, "classifier_norm": "batch"}
    loaded, info = auto.from_pretrained(tmp_path / "encoder", output_loading_info=True, **fields)
    assert not info["unexpected_keys"] and not info["mismatched_keys"]
    head = {f"classifier.{name}" for name in loaded.classifier.state_dict()}
    assert info["missing_keys"] == head
    assert same(loaded.base_model.state_dict(), encoder.state_dict())
    assert loaded.classifier.linear.weight.shape[0] == 5
    norm = loaded.classifier.norm
    assert norm.running_var.eq(1).all() and norm.weight.eq(1).all() and norm.running_mean.eq(0).all()

    loaded.save_pretrained(tmp_path / "classifier")
    back, info = AutoModel.from_pretrained(tmp_path / "classifier", output_loading_info=True)
    assert info["unexpected_keys"] == head and not info["missing_keys"]
    assert type(back) is type(encoder) and same(back.state_dict(), encoder.state_dict())


def test_half_precision(model, tmp_path):
    model.base_model.save_pretrained(tmp_path)
    auto = CLASSIFIERS[model.config.model_type][1]
    loaded = auto.from_pretrained(tmp_path, dtype=torch.bfloat16, num_labels=3).eval()
    assert loaded(inputs_of(model).bfloat16()).logits.dtype == torch.bfloat16
    weight = loaded.classifier.linear.weight.float()
    assert weight.isfinite().all() and weight.abs().sum() > 0


def test_a_checkpoint_without_the_encoder_is_refused(tmp_path):
    AutoModel.from_config(CONFIGS["xkd"]()).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"lacks \d+ weights of XKD\w+, xkd\.embeddings\.cls_token among them"):
        avzoo.XKDForVideoClassification.from_pretrained(tmp_path)


def test_an_encoder_of_a_joint_model():
    joint = AutoModel.from_config(CONFIGS["xkd-mats"]()).to(torch.float64)
    model = avzoo.XKDForVideoClassification.from_encoder(joint.video_model, num_labels=4, classifier_dropout=0.5)
    assert same(model.base_model.state_dict(), joint.video_model.state_dict())
    assert model.dtype == torch.float64 and model.config.num_labels == 4 and model.classifier.dropout.p == 0.5
    assert joint.config.video_config.classifier_dropout == 0, "the encoder's own configuration stays as it was"
    with pytest.raises(ValueError, match="XKDForAudioClassification needs a XKDAudioModel, got a XKDVideoModel"):
        avzoo.XKDForAudioClassification.from_encoder(joint.video_model)


def test_normalisation_and_dropout():
    features = torch.randn(8, CONFIGS["vssl"]().hidden_size) * 3 + 1
    plain = classifier("vssl").classifier
    torch.testing.assert_close(plain(features), features @ plain.linear.weight.T)
    l2 = classifier("vssl", classifier_norm="l2").classifier
    torch.testing.assert_close(l2(features), plain(features / features.norm(dim=1, keepdim=True)))
    batch = classifier("vssl", classifier_norm="batch").classifier.train()
    standard = (features - features.mean(0)) / (features.var(0, unbiased=False) + batch.norm.eps).sqrt()
    torch.testing.assert_close(batch(features), standard @ batch.linear.weight.T, atol=1e-5, rtol=1e-4)
    assert batch.norm.weight.requires_grad
    dropped = classifier("vssl", classifier_dropout=0.5).classifier
    torch.testing.assert_close(dropped(features), dropped(features))
    assert not torch.equal(dropped.train()(features), dropped(features))


def test_initialisation():
    heads = {name: classifier("vssl", classifier_init=name).classifier.linear for name in ("orthogonal", "normal")}
    weight = heads["orthogonal"].weight
    torch.testing.assert_close(weight @ weight.T, torch.eye(3), atol=1e-6, rtol=0)
    assert abs(heads["normal"].weight.std().item() / 0.01 - 1) < 0.2
    assert all(head.bias.eq(0).all() for head in heads.values())
    uniform = classifier("vssl", classifier_init="uniform").classifier.linear
    bound = uniform.in_features**-0.5
    for values in (uniform.weight, uniform.bias):
        assert 0 < values.abs().max() <= bound
    assert uniform.weight.abs().max() > 0.9 * bound


def test_every_family_initialises_as_its_code_does():
    expected = {"xdc_video": "normal", "xdc_audio": "normal", "ccl_video": "uniform"}
    for model_type in CLASSIFIERS:
        assert CONFIGS[model_type]().classifier_init == expected.get(model_type, "orthogonal")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"classifier_dropout": 1.0}, r"VSSLConfig: classifier_dropout 1.0 is not in \[0, 1\)"),
        ({"classifier_norm": "layer"}, "classifier_norm"),
        ({"classifier_init": "zeros"}, "classifier_init"),
    ],
)
def test_mistakes_get_one_clear_sentence(fields, message):
    with pytest.raises((ValueError, StrictDataclassError), match=message):
        avzoo.VSSLConfig(**fields)


def test_accumulated_gradients_are_those_of_the_whole_batch(tmp_path):
    def trained(batch: int, accumulate: int) -> torch.Tensor:
        model = classifier("vssl", problem_type="multi_label_classification")
        labels = torch.tensor([[1.0, 0, 1], [0, 1, 0]])
        rows = [
            {"pixel_values_videos": clip, "labels": label}
            for clip, label in zip(inputs_of(model)[:2], labels, strict=True)
        ]
        arguments = TrainingArguments(
            tmp_path,
            use_cpu=True,
            max_steps=1,
            per_device_train_batch_size=batch,
            gradient_accumulation_steps=accumulate,
            optim="sgd",
            learning_rate=0.1,
            max_grad_norm=0,
            lr_scheduler_type="constant",
            report_to="none",
            disable_tqdm=True,
            save_strategy="no",
        )
        Trainer(model, arguments, train_dataset=rows).train()
        return model.classifier.linear.weight.detach()

    torch.testing.assert_close(trained(1, 2), trained(2, 1), atol=1e-6, rtol=1e-4)
