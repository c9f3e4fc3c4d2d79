"""From waveforms to the log-mel input of the XKD audio encoders."""

from __future__ import annotations

from typing import Any

from .feature_extraction_base import NormalizedLogMelFeatureExtractor


class XKDFeatureExtractor(NormalizedLogMelFeatureExtractor):
    """Normalised log-mel spectrograms, as the released XKD models were trained on: 448 frames of 4 s at 16 kHz.

    Args:
        hop_length: distance between frames, in samples (143 is 8.94 ms at 16 kHz).
        max_samples: samples per waveform; None keeps the length of the input.
        **kwargs: any other field of `NormalizedLogMelFeatureExtractor`.
    """

    def __init__(self, hop_length: int = 143, max_samples: int | None = 64_000, **kwargs: Any) -> None:
        super().__init__(hop_length=hop_length, max_samples=max_samples, **kwargs)
