"""The spectrogram against the original's, and the filterbank behind it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from avzoo.processing.log_mel import log_mel, mel_transform


def test_filterbank(parity: Callable[[str], Any]) -> None:
    case = parity("xkd/mel_filterbank")
    filterbank = mel_transform(16_000, 1024, 80, torch.device("cpu")).fb
    torch.testing.assert_close(filterbank.T, case.expected["filterbank"], atol=1.5e-7, rtol=0)


@pytest.mark.parametrize("name", ["noise", "tone440"])
def test_first_frames_are_reflected(parity: Callable[[str], Any], name: str) -> None:
    case = parity("xkd/melspec")
    waveform = case.inputs["noise"][0] if name == "noise" else tone()
    power = log_mel(waveform).exp()[:, :4]
    torch.testing.assert_close(power, case.expected[f"{name}.mel_power_first4frames"], atol=2e-7, rtol=1e-4)


def test_frames_of_a_batch_match_single_ones() -> None:
    waveforms = torch.randn(2, 3, 4000, generator=torch.Generator().manual_seed(0))
    specs = log_mel(waveforms)
    assert specs.shape == (2, 3, 80, 1 + 4000 // 143)
    torch.testing.assert_close(specs[1, 2], log_mel(waveforms[1, 2]), atol=1e-5, rtol=0)


def test_silence_is_the_floor() -> None:
    spec = log_mel(torch.zeros(2000))
    torch.testing.assert_close(spec, torch.full_like(spec, math.log(1.1920929e-07)))


def tone() -> torch.Tensor:
    return (0.5 * torch.sin(2 * math.pi * 440 * torch.arange(64_000, dtype=torch.float64) / 16_000)).float()
