"""What the feature extractors of all families owe, and what each makes of known sounds."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoFeatureExtractor

import avzoo  # noqa: F401 - registers the Auto classes
from avzoo.processing.feature_extraction_base import MelFeatureExtractor
from avzoo.processing.feature_extraction_cnn14 import CNN14FeatureExtractor
from avzoo.processing.feature_extraction_crisscross import CrissCrossFeatureExtractor
from avzoo.processing.feature_extraction_xdc import XDCFeatureExtractor
from avzoo.processing.feature_extraction_xkd import XKDFeatureExtractor

#: Samples per second, seconds, mel bands and frames of each family.
DEFAULTS: dict[type[MelFeatureExtractor], tuple[int, float, int, int]] = {
    XKDFeatureExtractor: (16_000, 4.0, 80, 448),
    CrissCrossFeatureExtractor: (16_000, 2.0, 80, 201),
    XDCFeatureExtractor: (16_000, 2.0, 40, 100),
    CNN14FeatureExtractor: (32_000, 10.0, 64, 1001),
}

families = pytest.mark.parametrize("family", DEFAULTS, ids=lambda family: family.__name__)


def noise(samples: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(samples, generator=torch.Generator().manual_seed(seed)) - 0.5


@families
def test_defaults_are_those_of_the_paper(family: type[MelFeatureExtractor]) -> None:
    rate, seconds, bands, frames = DEFAULTS[family]
    extractor = family()
    assert (extractor.sampling_rate, extractor.max_samples) == (rate, seconds * rate)
    assert extractor.max_length == frames
    features = extractor(noise(rate)).input_features
    assert features.shape == (1, 1, bands, frames) and features.dtype == torch.float32


# A pure tone in float32 has bins seven orders of magnitude apart.
@pytest.mark.parametrize(("case", "tolerance"), [("mel_noise_2s", 2e-5), ("mel_sine440_2s", 4e-4)])
def test_crisscross_matches_the_original(parity: Callable[[str], Any], case: str, tolerance: float) -> None:
    reference = parity(f"crisscross/{case}")
    entry = reference.spec["input"]
    if "formula" in entry:
        waveform = (0.5 * torch.sin(2 * math.pi * 440 * torch.arange(32_000, dtype=torch.float64) / 16_000)).float()
    else:
        waveform = reference.fill.seeded_array(entry["name"], entry["shape"], entry["scale"])[0]
    features = CrissCrossFeatureExtractor()(waveform).input_features[0]
    torch.testing.assert_close(features, reference.expected["logmel_normalized"], atol=tolerance, rtol=0)


def test_xdc_leaves_out_the_frame_at_the_very_end() -> None:
    waveform = noise(32_000)
    plain = XKDFeatureExtractor(feature_size=40, hop_length=320, max_samples=32_000)(waveform).input_features
    assert torch.equal(XDCFeatureExtractor()(waveform).input_features, plain[..., :-1])
    assert XDCFeatureExtractor(max_samples=None)(noise(16_000)).input_features.shape == (1, 1, 40, 50)


def slaney_hz(mels: np.ndarray) -> np.ndarray:
    """Frequencies of the Slaney scale: 3 mels per 200 Hz up to 1 kHz, 27 per factor of 6.4 above."""
    return np.where(mels < 15, mels * 200 / 3, 1000 * 6.4 ** ((mels - 15) / 27))


def slaney_mel(frequency: float) -> float:
    return frequency * 3 / 200 if frequency < 1000 else 15 + 27 * math.log(frequency / 1000, 6.4)


def decibels_by_hand(waveform: np.ndarray) -> np.ndarray:
    """The front end of PANNs from its definition, in double precision: ``(64, frames)``."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(1024) / 1024)
    padded = np.pad(waveform.astype(np.float64), 512, mode="reflect")
    frames = np.stack([padded[i : i + 1024] * window for i in range(0, len(padded) - 1023, 320)])
    power = np.abs(np.fft.rfft(frames)) ** 2
    edges = slaney_hz(np.linspace(slaney_mel(50), slaney_mel(14_000), 66))
    bins = np.arange(513) * 32_000 / 1024
    filters = []
    for low, centre, high in zip(edges, edges[1:], edges[2:], strict=False):
        rising, falling = (bins - low) / (centre - low), (high - bins) / (high - centre)
        filters.append(np.maximum(np.minimum(rising, falling), 0) * 2 / (high - low))
    return 10 * np.log10(np.maximum(power @ np.stack(filters).T, 1e-10)).T


def test_cnn14_hears_decibels_of_slaney_mels() -> None:
    waveform = noise(32_000, seed=3)
    features = CNN14FeatureExtractor(max_samples=None)(waveform).input_features[0, 0]
    assert features.shape == (64, 101)
    np.testing.assert_allclose(features, decibels_by_hand(waveform.numpy()), atol=2e-3)


def test_silence_has_a_floor_of_100_decibels() -> None:
    features = CNN14FeatureExtractor()(torch.zeros(1)).input_features
    torch.testing.assert_close(features, torch.full_like(features, -100.0))


@families
def test_ragged_batch_equals_one_by_one(family: type[MelFeatureExtractor]) -> None:
    extractor = family(max_samples=8000)
    waveforms = [noise(n, seed=n) for n in (1, 3000, 8000, 9000)]
    batch = extractor(waveforms, sampling_rate=extractor.sampling_rate).input_features
    single = torch.cat([extractor(waveform).input_features for waveform in waveforms])
    torch.testing.assert_close(batch, single, atol=1e-4, rtol=1e-5)


@families
def test_save_and_load(family: type[MelFeatureExtractor], tmp_path: Path) -> None:
    extractor = family(max_samples=9000, hop_length=200)
    extractor.save_pretrained(tmp_path)
    for loaded in (family.from_pretrained(tmp_path), AutoFeatureExtractor.from_pretrained(tmp_path)):
        assert type(loaded) is family
        assert loaded.to_dict() == extractor.to_dict()
        assert torch.equal(loaded(noise(9000)).input_features, extractor(noise(9000)).input_features)


@families
@pytest.mark.parametrize(
    ("audio", "options", "message"),
    [
        (torch.rand(1000), {"sampling_rate": 44_100}, "000 Hz, not 44100 Hz: resample first"),
        (torch.zeros(1000, dtype=torch.int16), {}, "floating-point"),
        (torch.zeros(0), {}, "empty"),
        ([], {}, "No audio"),
        ([torch.zeros(2, 1000)], {}, "mono"),
        (torch.tensor([0.0, float("nan")]), {}, "NaN"),
    ],
)
def test_bad_input(family: type[MelFeatureExtractor], audio: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        family()(audio, **options)
