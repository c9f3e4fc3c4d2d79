"""From waveforms to the log-mel input of the XDC audio encoder."""

from __future__ import annotations

from typing import Any

import torch

from .feature_extraction_base import NormalizedLogMelFeatureExtractor


class XDCFeatureExtractor(NormalizedLogMelFeatureExtractor):
    """Log-mel spectrograms of the size that XDC reports: 40 bands by 100 frames of 2 s.

    The paper gives that size and no more, and neither its audio code nor weights were released. The rest is the choice
    of this package: 16 kHz, a window of 64 ms every 20 ms, Slaney filters from 0 to 8 kHz, natural logarithm, and the
    normalisation of CrissCross and XKD.

    Args:
        feature_size: number of mel bands.
        hop_length: distance between frames, in samples.
        max_samples: samples per waveform; None keeps the length of the input.
        **kwargs: any other field of `NormalizedLogMelFeatureExtractor`.
    """

    def __init__(
        self, feature_size: int = 40, hop_length: int = 320, max_samples: int | None = 32_000, **kwargs: Any
    ) -> None:
        super().__init__(feature_size=feature_size, hop_length=hop_length, max_samples=max_samples, **kwargs)

    @property
    def max_length(self) -> int | None:
        """Frames per spectrogram, ``max_samples // hop_length``; None where the input decides."""
        return None if self.max_samples is None else self.max_samples // self.hop_length

    def spectrograms(self, waveforms: torch.Tensor) -> torch.Tensor:
        """Normalised spectrograms ``(B, feature_size, N // hop_length)`` of waveforms ``(B, N)``, both float32.

        The frame that is centred on the end of the waveform, half of it reflected sound, is left out.
        """
        return super().spectrograms(waveforms)[..., : waveforms.shape[-1] // self.hop_length]
