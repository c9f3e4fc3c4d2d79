"""The audio side of the processor: parity, batching, saving, and what bad input gets."""

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
from avzoo.processing.feature_extraction_xkd import XKDFeatureExtractor

# Pure tones in float32: bins seven orders of magnitude apart. Noise agrees to 5e-6.
TOLERANCE = {"noise": 2e-5, "short_stereo": 2e-5, "local_1s": 2e-5, "tone440": 4e-4}


@pytest.mark.parametrize("name", list(TOLERANCE))
def test_matches_the_original(parity: Callable[[str], Any], name: str) -> None:
    case = parity("xkd/melspec")
    if name == "tone440":
        samples = torch.arange(64_000, dtype=torch.float64)
        waveform = (0.5 * torch.sin(2 * math.pi * 440 * samples / 16_000)).float()
    else:
        waveform = case.inputs[name].mean(dim=0)
    extractor = XKDFeatureExtractor(max_samples=case.config["cases"][name]["wav_len"])
    spec = extractor(waveform).input_features[0]
    torch.testing.assert_close(spec, case.expected[f"{name}.spec"], atol=TOLERANCE[name], rtol=0)


def test_ragged_batch_equals_one_by_one() -> None:
    extractor = XKDFeatureExtractor()
    generator = torch.Generator().manual_seed(0)
    waveforms = [torch.rand(n, generator=generator) - 0.5 for n in (1, 30_000, 64_000, 90_000)]
    batch = extractor(waveforms, sampling_rate=16_000).input_features
    assert batch.shape == (4, 1, 80, extractor.max_length) and batch.dtype == torch.float32
    single = torch.cat([extractor(waveform).input_features for waveform in waveforms])
    torch.testing.assert_close(batch, single, atol=1e-5, rtol=0)
    padded = torch.nn.functional.pad(waveforms[1], (0, 34_000))
    torch.testing.assert_close(extractor(padded[None]).input_features, batch[1:2], atol=1e-5, rtol=0)


def test_arrays_and_other_float_types() -> None:
    extractor = XKDFeatureExtractor(max_samples=8000)
    waveform = torch.rand(8000, generator=torch.Generator().manual_seed(1)) - 0.5
    expected = extractor(waveform).input_features
    as_arrays = extractor([waveform.double().numpy()], return_tensors="np").input_features
    assert isinstance(as_arrays, np.ndarray) and as_arrays.dtype == np.float32
    np.testing.assert_allclose(as_arrays, expected, atol=1e-6)


def test_length_of_the_input_where_none_is_set() -> None:
    extractor = XKDFeatureExtractor(max_samples=None)
    assert extractor.max_length is None
    assert extractor(torch.rand(2, 16_000)).input_features.shape == (2, 1, 80, 112)
    with pytest.raises(ValueError, match="several lengths"):
        extractor([torch.rand(16_000), torch.rand(9000)])


def test_save_and_load(tmp_path: Path) -> None:
    extractor = XKDFeatureExtractor(hop_length=160, max_samples=32_000, mean=-4.0)
    extractor(torch.rand(100))  # what it computes with must not become part of what it saves
    extractor.save_pretrained(tmp_path)
    for loaded in (XKDFeatureExtractor.from_pretrained(tmp_path), AutoFeatureExtractor.from_pretrained(tmp_path)):
        assert type(loaded) is XKDFeatureExtractor
        assert loaded.to_dict() == extractor.to_dict()
        waveform = torch.rand(32_000, generator=torch.Generator().manual_seed(2))
        assert torch.equal(loaded(waveform).input_features, extractor(waveform).input_features)


@pytest.mark.parametrize(
    ("audio", "options", "message"),
    [
        (torch.rand(1000), {"sampling_rate": 44_100}, "16000 Hz, not 44100 Hz"),
        (torch.zeros(1000, dtype=torch.int16), {}, "floating-point"),
        (torch.zeros(0), {}, "empty"),
        (torch.zeros(0, 1000), {}, "No audio"),
        ([], {}, "No audio"),
        (torch.zeros(2, 2, 1000), {}, "shape"),
        ([torch.zeros(2, 1000)], {}, "mono"),
        (torch.tensor([0.0, float("nan")]), {}, "NaN"),
    ],
)
def test_bad_input(audio: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        XKDFeatureExtractor()(audio, **options)


def test_too_few_samples_for_one_window() -> None:
    with pytest.raises(ValueError, match="more than 512"):
        XKDFeatureExtractor(max_samples=512)(torch.rand(600))
