"""From waveforms to the log-mel input of CNN14."""

from __future__ import annotations

from typing import Any

import torch

from .feature_extraction_base import MelFeatureExtractor
from .log_mel import mel_power

_FLOOR = 1e-10  # of the mel power: -100 dB


class CNN14FeatureExtractor(MelFeatureExtractor):
    """Mel power in decibels as PANNs were trained on (Kong et al., 2020): 32 kHz, 64 bands of 50 Hz to 14 kHz, 10 ms.

    The network normalises its input itself and takes any length from 0.32 s on. The default is the 10 s that PANNs were
    trained with, shorter clips padded with silence, as there; ``max_samples=None`` keeps the length of the input.

    Args:
        feature_size: number of mel bands.
        sampling_rate: samples per second of the waveforms.
        padding_value: sample value that short waveforms are padded with.
        n_fft: length of the window and of the Fourier transform, in samples.
        hop_length: distance between frames, in samples.
        max_samples: samples per waveform; None keeps the length of the input.
        f_min: lower end of the lowest band, in Hz.
        f_max: upper end of the highest band, in Hz.
        **kwargs: passed to ``SequenceFeatureExtractor``.
    """

    def __init__(
        self,
        feature_size: int = 64,
        sampling_rate: int = 32_000,
        padding_value: float = 0.0,
        n_fft: int = 1024,
        hop_length: int = 320,
        max_samples: int | None = 320_000,
        f_min: float = 50.0,
        f_max: float = 14_000.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(feature_size, sampling_rate, padding_value, n_fft, hop_length, max_samples, **kwargs)
        self.f_min = f_min
        self.f_max = f_max

    def spectrograms(self, waveforms: torch.Tensor) -> torch.Tensor:
        """Mel power in dB, at least -100, ``(B, feature_size, frames)``, of waveforms ``(B, N)``, both float32."""
        power = mel_power(
            waveforms, self.sampling_rate, self.n_fft, self.hop_length, self.feature_size, self.f_min, self.f_max
        )
        return power.clamp_(min=_FLOOR).log10_().mul_(10)
