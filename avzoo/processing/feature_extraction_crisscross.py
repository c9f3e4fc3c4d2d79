"""From waveforms to the log-mel input of the CrissCross audio encoder."""

from __future__ import annotations

from typing import Any

from .feature_extraction_base import NormalizedLogMelFeatureExtractor


class CrissCrossFeatureExtractor(NormalizedLogMelFeatureExtractor):
    """Normalised log-mel spectrograms as CrissCross was pretrained on: 201 frames of 2 s, 10 ms apart.

    Its paper says 200 frames; the released code feeds all 201, which the convolutions bring to the same sizes.
    Evaluation on ESC-50 takes 5 s (``max_samples=80_000``), on DCASE 1 s (``max_samples=16_000``).

    Args:
        hop_length: distance between frames, in samples.
        max_samples: samples per waveform; None keeps the length of the input.
        **kwargs: any other field of `NormalizedLogMelFeatureExtractor`.
    """

    def __init__(self, hop_length: int = 160, max_samples: int | None = 32_000, **kwargs: Any) -> None:
        super().__init__(hop_length=hop_length, max_samples=max_samples, **kwargs)
