"""From waveforms to mel spectrograms: what the feature extractors of all families share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from transformers.feature_extraction_sequence_utils import SequenceFeatureExtractor
from transformers.feature_extraction_utils import BatchFeature

from .log_mel import log_mel

Waveform = torch.Tensor | np.ndarray


class MelFeatureExtractor(SequenceFeatureExtractor, ABC):
    """Mel spectrograms of waveforms. A subclass says by `spectrograms` which.

    Each waveform is trimmed, or padded with zeros at its end, to ``max_samples``.

    Args:
        feature_size: number of mel bands.
        sampling_rate: samples per second of the waveforms.
        padding_value: sample value that short waveforms are padded with.
        n_fft: length of the window and of the Fourier transform, in samples.
        hop_length: distance between frames, in samples.
        max_samples: samples per waveform; None keeps the length of the input.
        **kwargs: passed to ``SequenceFeatureExtractor``.
    """

    model_input_names = ["input_features"]  # noqa: RUF012 - the base class declares it so

    def __init__(
        self,
        feature_size: int,
        sampling_rate: int,
        padding_value: float,
        n_fft: int,
        hop_length: int,
        max_samples: int | None,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("return_attention_mask", False)
        super().__init__(feature_size=feature_size, sampling_rate=sampling_rate, padding_value=padding_value, **kwargs)
        self.n_fft = n_fft
        self.hop_length = hop_length
        self.max_samples = max_samples

    @abstractmethod
    def spectrograms(self, waveforms: torch.Tensor) -> torch.Tensor:
        """Spectrograms ``(B, feature_size, frames)``, lowest band first, of waveforms ``(B, N)``, both float32."""

    @property
    def max_length(self) -> int | None:
        """Frames per spectrogram, ``1 + max_samples // hop_length``; None where the input decides."""
        return None if self.max_samples is None else 1 + self.max_samples // self.hop_length

    def __call__(
        self,
        audio: Waveform | Sequence[Waveform],
        sampling_rate: int | None = None,
        device: str | torch.device | None = None,
        return_tensors: str = "pt",
    ) -> BatchFeature:
        """Computes the spectrograms of one waveform or a batch.

        Args:
            audio: mono, floating point, in [-1, 1]: one waveform ``(N,)``, a batch ``(B, N)``, or a list of ``(N,)``
                of any lengths. Tensors or arrays.
            sampling_rate: samples per second of ``audio``, checked against the extractor's when given.
            device: where to compute; by default where the waveforms are.
            return_tensors: ``"pt"`` or ``"np"``.

        Returns:
            ``input_features``: float32 ``(B, 1, feature_size, frames)``, lowest band first.

        Raises:
            ValueError: nothing was given, a waveform is empty, not mono, not floating point or not finite, or the
                sampling rate is another.
        """
        if sampling_rate is not None and sampling_rate != self.sampling_rate:
            raise ValueError(
                f"The feature extractor takes audio at {self.sampling_rate} Hz, not {sampling_rate} Hz: resample first."
            )
        waveforms = torch.stack(self._fit([_mono(waveform) for waveform in _as_list(audio)]))
        if device is not None:
            waveforms = waveforms.to(device)
        if not waveforms.isfinite().all():
            raise ValueError("The audio holds NaN or infinite samples.")
        return BatchFeature({"input_features": self.spectrograms(waveforms)[:, None]}, tensor_type=return_tensors)

    def _fit(self, waveforms: list[torch.Tensor]) -> list[torch.Tensor]:
        """Trims or pads at the end to ``max_samples``."""
        length = self.max_samples
        if length is None:
            length = len(waveforms[0])
            if any(len(waveform) != length for waveform in waveforms):
                raise ValueError(
                    "Waveforms of several lengths make no batch: set `max_samples`, or pass one at a time."
                )
        if length <= self.n_fft // 2:
            raise ValueError(
                f"{length} samples are too few: a window of {self.n_fft} needs more than {self.n_fft // 2}."
            )
        return [
            waveform[:length]
            if len(waveform) >= length
            else torch.nn.functional.pad(waveform, (0, length - len(waveform)), value=self.padding_value)
            for waveform in waveforms
        ]


class NormalizedLogMelFeatureExtractor(MelFeatureExtractor):
    """Spectrograms of natural-log mel power, normalised by ``mean`` and ``std``.

    Args:
        feature_size: number of mel bands, from 0 Hz to half the sampling rate.
        sampling_rate: samples per second of the waveforms.
        padding_value: sample value that short waveforms are padded with.
        n_fft: length of the window and of the Fourier transform, in samples.
        hop_length: distance between frames, in samples.
        max_samples: samples per waveform; None keeps the length of the input.
        mean: mean of the natural-log mel power; the default was measured on Kinetics-Sound by the authors of CrissCross
            and XKD and is used for every set in their official configurations.
        std: standard deviation of the same.
        **kwargs: passed to ``SequenceFeatureExtractor``.
    """

    def __init__(
        self,
        feature_size: int = 80,
        sampling_rate: int = 16_000,
        padding_value: float = 0.0,
        n_fft: int = 1024,
        hop_length: int = 160,
        max_samples: int | None = 32_000,
        mean: float = -5.3688107,
        std: float = 4.410007,
        **kwargs: Any,
    ) -> None:
        super().__init__(feature_size, sampling_rate, padding_value, n_fft, hop_length, max_samples, **kwargs)
        self.mean = mean
        self.std = std

    def spectrograms(self, waveforms: torch.Tensor) -> torch.Tensor:
        """Normalised spectrograms ``(B, feature_size, frames)`` of waveforms ``(B, N)``, both float32."""
        features = log_mel(waveforms, self.sampling_rate, self.n_fft, self.hop_length, self.feature_size)
        return features.sub_(self.mean).div_(self.std)


def _as_list(audio: Waveform | Sequence[Waveform]) -> list[torch.Tensor]:
    if isinstance(audio, torch.Tensor | np.ndarray):
        if audio.ndim not in (1, 2):
            raise ValueError(f"Expected a waveform (N,) or a batch (B, N), not an array of shape {tuple(audio.shape)}.")
        audio = list(audio[None] if audio.ndim == 1 else audio)
    waveforms = [torch.as_tensor(waveform) for waveform in audio]
    if not waveforms:
        raise ValueError("No audio was given.")
    return waveforms


def _mono(waveform: torch.Tensor) -> torch.Tensor:
    if waveform.ndim != 1:
        raise ValueError(
            f"Expected mono waveforms (N,), not shape {tuple(waveform.shape)}: average the channels first."
        )
    if not waveform.is_floating_point():
        raise ValueError(f"Expected floating-point samples in [-1, 1], not {waveform.dtype}: scale them first.")
    if len(waveform) == 0:
        raise ValueError("A waveform is empty.")
    return waveform.float()
