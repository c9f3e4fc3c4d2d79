"""CNN14 against a plain-torch network written from its description, with the released names and layout."""

from __future__ import annotations

import pytest
import torch
from huggingface_hub.errors import StrictDataclassError
from torch.nn import functional

from avzoo.hub import StateDictError, convert_state_dict, official_state_dict
from avzoo.models.configuration_cnn14 import CNN14Config
from avzoo.models.modeling_cnn14 import CNN14ForAudioClassification, CNN14Model

CHANNELS, MEL, EMBEDDING = [4, 6, 8, 10, 12, 14], 64, 9


def released_weights(classes=5):
    """Weights under the names of the released files."""
    generator = torch.Generator().manual_seed(0)

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    def batch_norm(name, width):
        return {
            f"{name}.weight": 1 + 0.1 * normal(width),
            f"{name}.bias": 0.1 * normal(width),
            f"{name}.running_mean": normal(width),
            f"{name}.running_var": 0.5 + normal(width).abs(),
            f"{name}.num_batches_tracked": torch.tensor(7),
        }

    weights = {
        "spectrogram_extractor.stft.conv_real.weight": normal(3, 1, 4),
        "spectrogram_extractor.stft.conv_imag.weight": normal(3, 1, 4),
        "logmel_extractor.melW": normal(3, MEL),
        **batch_norm("bn0", MEL),
    }
    before = 1
    for number, after in enumerate(CHANNELS, start=1):
        for index, width in ((1, before), (2, after)):
            name = f"conv_block{number}"
            weights[f"{name}.conv{index}.weight"] = normal(after, width, 3, 3) / (9 * width) ** 0.5
            weights |= batch_norm(f"{name}.bn{index}", after)
        before = after
    weights |= {"fc1.weight": normal(EMBEDDING, before), "fc1.bias": normal(EMBEDDING)}
    return weights | {"fc_audioset.weight": normal(classes, EMBEDDING), "fc_audioset.bias": normal(classes)}


def described(weights, spectrogram):
    """The network in the released orientation: spectrogram `(B, 1, frames, mel)` to block outputs and embedding."""

    def batch_norm(x, name, axis):
        shape = [-1 if index == axis else 1 for index in range(4)]
        statistics = ("running_mean", "running_var", "weight", "bias")
        mean, variance, weight, bias = (weights[f"{name}.{key}"].view(shape) for key in statistics)
        return (x - mean) / (variance + 1e-5).sqrt() * weight + bias

    x = batch_norm(spectrogram, "bn0", axis=3)
    maps = []
    for number in range(1, 7):
        for index in (1, 2):
            x = functional.conv2d(x, weights[f"conv_block{number}.conv{index}.weight"], padding=1)
            x = batch_norm(x, f"conv_block{number}.bn{index}", axis=1).clamp(min=0)
        if number < 6:
            batch, channels, frames, mel = x.shape
            x = x[:, :, : frames // 2 * 2, : mel // 2 * 2]
            x = x.reshape(batch, channels, frames // 2, 2, mel // 2, 2).mean(dim=(3, 5))
        maps.append(x)
    over_frequency = x.mean(dim=3)
    pooled = over_frequency.max(dim=2).values + over_frequency.mean(dim=2)
    return maps, (pooled @ weights["fc1.weight"].T + weights["fc1.bias"]).clamp(min=0)


@pytest.mark.parametrize("frames", [32, 101])
def test_the_network_is_the_described_one(frames):
    weights = released_weights()
    model = CNN14Model(CNN14Config(block_channels=CHANNELS, hidden_size=EMBEDDING)).double().eval()
    model.load_state_dict(convert_state_dict("cnn14", {"iteration": 3, "model": weights}), strict=True)
    decibels = 10 * torch.randn(3, 1, MEL, frames, dtype=torch.float64) - 30
    with torch.inference_mode():
        outputs = model(decibels, output_hidden_states=True)
    maps, embedding = described(weights, decibels.transpose(2, 3))
    assert len(outputs.hidden_states) == len(maps)
    for actual, expected in zip(outputs.hidden_states, maps, strict=True):
        torch.testing.assert_close(actual, expected.transpose(2, 3), atol=1e-9, rtol=0)
    torch.testing.assert_close(outputs.last_hidden_state, outputs.hidden_states[-1])
    torch.testing.assert_close(outputs.pooler_output, embedding, atol=1e-9, rtol=0)
    assert outputs.pooler_output.min() == 0 < outputs.pooler_output.max(), "an embedding is what a ReLU leaves"


def test_the_released_tagger():
    weights = released_weights(classes=5)
    config = CNN14Config(block_channels=CHANNELS, hidden_size=EMBEDDING, num_labels=5)
    model = CNN14ForAudioClassification(config).double().eval()
    model.load_state_dict(convert_state_dict("cnn14_classifier", {"iteration": 3, "model": weights}), strict=True)
    decibels = 10 * torch.randn(3, 1, MEL, 40, dtype=torch.float64) - 30
    with torch.inference_mode():
        logits = model(decibels).logits
    _, embedding = described(weights, decibels.transpose(2, 3))
    expected = embedding @ weights["fc_audioset.weight"].T + weights["fc_audioset.bias"]
    torch.testing.assert_close(logits, expected, atol=1e-9, rtol=0)


def test_size_of_the_released_variants():
    convolutions = 9 * (64 + 64**2 + sum(width // 2 * width + width**2 for width in (128, 256, 512, 1024, 2048)))
    batch_norms = 2 * 64 + 2 * 2 * (64 + 128 + 256 + 512 + 1024 + 2048)
    # The paper of PANNs gives the second sum.
    for embedding, total, published in ((512, 76_526_528, 76_796_879), (2048, 79_673_792, 80_753_615)):
        assert convolutions + batch_norms + 2048 * embedding + embedding == total
        classifier = 527 * embedding + 527
        with torch.device("meta"):
            tagger = CNN14ForAudioClassification(CNN14Config(hidden_size=embedding, num_labels=527))
        assert tagger.cnn14.num_parameters() == total
        assert tagger.num_parameters() == total + classifier == published


def test_released_names_both_ways():
    weights = released_weights()
    ours = convert_state_dict("cnn14", {f"module.{name}": weight for name, weight in weights.items()})
    back = official_state_dict("cnn14", ours)
    extractors_and_classifier = {name for name in weights if "extractor" in name or "fc_audioset" in name}
    assert back.keys() == weights.keys() - extractors_and_classifier
    assert all(torch.equal(back[name], weights[name]) for name in back)
    with pytest.raises(StateDictError, match=r"does not know att_block\.att\.weight"):
        convert_state_dict("cnn14", {**weights, "att_block.att.weight": torch.ones(1)})


def test_dropout_in_training_only():
    model = CNN14Model(CNN14Config(block_channels=[4, 8], hidden_size=16))
    decibels = torch.randn(2, 1, 64, 40)
    assert not torch.equal(model.train()(decibels).pooler_output, model(decibels).pooler_output)
    assert torch.equal(model.eval()(decibels).pooler_output, model(decibels).pooler_output)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CNN14Config(block_channels=[]), "block_channels is empty"),
        (lambda: CNN14Config(num_mel_bins=16), "16 num_mel_bins do not survive 5 halvings; take at least 32"),
        (lambda: CNN14Config(hidden_size="wide"), "'hidden_size' expected int, got str"),
        (lambda: CNN14Model(CNN14Config(block_channels=[2, 2]))(torch.zeros(1, 1, 80, 64)), r"\(B, 1, 64, frames\)"),
        (lambda: CNN14Model(CNN14Config(block_channels=[2, 2]))(torch.zeros(1, 64, 100)), r"got \(1, 64, 100\)"),
        (lambda: CNN14Model(CNN14Config(block_channels=[2] * 6))(torch.zeros(1, 1, 64, 31)), "at least 32 frames"),
    ],
)
def test_mistakes_get_one_clear_sentence(make, message):
    with pytest.raises((ValueError, StrictDataclassError), match=message):
        make()
