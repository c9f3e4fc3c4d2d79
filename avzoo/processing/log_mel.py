"""Mel spectrograms: what the front ends of all families are made of."""

from __future__ import annotations

from functools import lru_cache

import torch
from torchaudio.transforms import MelScale, Spectrogram

# Added to the mel power before the logarithm: the float32 machine epsilon, 1.1920929e-07. (The original also adds
# 2.2e-16 to each power bin, nine orders below what this constant hides.)
LOG_FLOOR = torch.finfo(torch.float32).eps


@lru_cache(maxsize=16)
def spectrogram_transform(n_fft: int, hop_length: int, device: torch.device) -> Spectrogram:
    """The complex spectrogram: periodic Hann window of ``n_fft`` samples, centred, reflect-padded.

    Transforms are kept per device, so that processors hold no tensors and stay plain to save and load.
    """
    # The librosa of the original (0.8.1) reflects at the ends. Later versions pad with zeros, which moves the first and
    # last four frames by up to 0.6 of the normalised scale.
    return Spectrogram(n_fft=n_fft, hop_length=hop_length, power=None, center=True, pad_mode="reflect").to(device)


@lru_cache(maxsize=16)
def mel_transform(
    sampling_rate: int,
    n_fft: int,
    num_mel_bins: int,
    device: torch.device,
    f_min: float = 0.0,
    f_max: float | None = None,
) -> MelScale:
    """The filterbank: Slaney scale, Slaney area norm, ``f_min`` to ``f_max`` Hz (None: half the sampling rate).

    ``fb`` of the result is ``(n_fft / 2 + 1, num_mel_bins)``, lowest band first.
    """
    return MelScale(
        n_mels=num_mel_bins,
        sample_rate=sampling_rate,
        f_min=f_min,
        f_max=sampling_rate / 2 if f_max is None else f_max,
        n_stft=n_fft // 2 + 1,
        norm="slaney",
        mel_scale="slaney",
    ).to(device)


def mel_power(
    waveforms: torch.Tensor,
    sampling_rate: int = 16_000,
    n_fft: int = 1024,
    hop_length: int = 143,
    num_mel_bins: int = 80,
    f_min: float = 0.0,
    f_max: float | None = None,
) -> torch.Tensor:
    """Mel power of mono waveforms, lowest band first.

    Args:
        waveforms: float32 ``(..., N)`` in [-1, 1], more than ``n_fft / 2`` samples, on any device.
        sampling_rate: samples per second.
        n_fft: length of the window and of the Fourier transform, in samples.
        hop_length: distance between frames, in samples.
        num_mel_bins: number of mel bands.
        f_min: lower end of the lowest band, in Hz.
        f_max: upper end of the highest band, in Hz; None for half the sampling rate.

    Returns:
        float32 ``(..., num_mel_bins, 1 + N // hop_length)``.
    """
    spectrum = spectrogram_transform(n_fft, hop_length, waveforms.device)(waveforms)
    power = spectrum.real.square().addcmul_(spectrum.imag, spectrum.imag)  # several times faster than abs() ** 2
    mel: torch.Tensor = mel_transform(sampling_rate, n_fft, num_mel_bins, waveforms.device, f_min, f_max)(power)
    return mel


def log_mel(
    waveforms: torch.Tensor,
    sampling_rate: int = 16_000,
    n_fft: int = 1024,
    hop_length: int = 143,
    num_mel_bins: int = 80,
) -> torch.Tensor:
    """Natural logarithm of `mel_power` as the released XKD and CrissCross models saw it.

    Args:
        waveforms: float32 ``(..., N)`` in [-1, 1], more than ``n_fft / 2`` samples, on any device.
        sampling_rate: samples per second.
        n_fft: length of the window and of the Fourier transform, in samples.
        hop_length: distance between frames, in samples. The released XKD models use 143 samples (8.94 ms at 16 kHz; the
            paper's "14.3 ms" is not what was run), CrissCross 160.
        num_mel_bins: number of mel bands.

    Returns:
        float32 ``(..., num_mel_bins, 1 + N // hop_length)``, not normalised; silence gives ln(1.19e-7) = -15.94.
    """
    return mel_power(waveforms, sampling_rate, n_fft, hop_length, num_mel_bins).add_(LOG_FLOOR).log_()
