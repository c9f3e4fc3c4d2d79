"""Rendering of the sound: an oscillator (or a recording) shaped by the event."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .scene import Cause, Scene
from .spec import SyntheticSpec

Wave = NDArray[np.float32]
Oscillator = Callable[[NDArray[np.float64], NDArray[np.float64], Wave], NDArray[np.floating]]
"""Cycles passed, cycles per sample and white noise of unit variance, each ``(N,)``, to samples of about unit RMS."""

_BODY_OCTAVES = 1.2  # how much lower the largest body sounds than the smallest
_GLIDE_OCTAVES = 2.0  # from the lowest to the highest position
_CHIRP_RISE, _CHIRP_TIME = 0.8, 0.02  # an impact starts this much higher and falls with this time constant (s)
_ATTACK, _CLICK = 0.001, 0.004  # time constants of the rise and of the noise of an impact (s)
_PARTIALS = ((1.0, 1.0), (1.47, 0.7), (2.09, 0.55), (2.56, 0.45), (3.73, 0.35), (5.19, 0.25))  # (ratio, weight)
_RASP = 0.4  # noise in the bell, relative to its partials


def render_samples(spec: SyntheticSpec, scene: Scene, recording: Wave | None = None) -> Wave:
    """Renders the sound of a scene.

    Args:
        spec: Sample rate and duration.
        scene: What happens.
        recording: Sound at the sample rate of the spec and about unit RMS, ``(N,)``, that replaces the timbre:
            a body of middle size at the middle pitch plays it at its own speed.

    Returns:
        Mono samples, float32 ``(N,)`` in [-1, 1]; sample ``k`` sounds at ``k / sample_rate`` seconds.
    """
    rng = np.random.default_rng(scene.waveform)
    cause, nuisance = scene.heard, scene.sound
    seconds = np.arange(spec.num_samples) / spec.sample_rate - scene.time_offset
    white = rng.standard_normal(spec.num_samples, dtype=np.float32)
    frequency = nuisance.pitch * 2 ** (_BODY_OCTAVES * (0.5 - cause.body))
    oscillator = _OSCILLATORS[cause.timbre]
    if recording is not None:
        oscillator = _player(recording, spec)
    tone = _shape(cause, scene, seconds, frequency, oscillator, white, spec.sample_rate)

    hiss = _tilted(rng.standard_normal(spec.num_samples, dtype=np.float32), nuisance.noise_tilt)
    level = 10 ** (nuisance.gain / 20)
    mixed = level * (tone + 10 ** (nuisance.noise / 20) * hiss)
    return np.clip(mixed, -1, 1).astype(np.float32)


def _shape(
    cause: Cause,
    scene: Scene,
    seconds: NDArray[np.float64],
    frequency: float,
    oscillator: Oscillator,
    white: Wave,
    sample_rate: int,
) -> NDArray[np.floating]:
    """The oscillator as the event drives it: when, how loud and how high."""
    moments = cause.at(seconds)
    if cause.event == "impact":
        since = moments.since
        # The phase starts anew at every impact: the integral of a pitch that falls to its resting place.
        cycles = frequency * (since + _CHIRP_RISE * _CHIRP_TIME * (1 - np.exp(-since / _CHIRP_TIME)))
        step = frequency * (1 + _CHIRP_RISE * np.exp(-since / _CHIRP_TIME)) / sample_rate
        loudness = (0.25 + 0.75 * moments.last) * (1 - np.exp(-since / _ATTACK))
        struck = oscillator(cycles, step, white) * np.exp(-since / scene.sound.ring)
        return loudness * 1.5 * (struck + 0.5 * white * np.exp(-since / _CLICK))
    if cause.event == "sweep":
        step = frequency * 2 ** (_GLIDE_OCTAVES * (moments.glide() - 0.5)) / sample_rate
        return oscillator(np.cumsum(step), step, white)
    step = np.full_like(seconds, frequency / sample_rate)
    tone = oscillator(frequency * (seconds - seconds[0]), step, white)
    if cause.event == "rotation":
        facing = 0.5 + 0.5 * np.cos(2 * np.pi * moments.turns)
        return tone * (0.05 + 0.95 * facing**1.5) * 1.3
    level = moments.pulse()
    beating = np.sin(2 * np.pi * scene.sound.roughness_rate * seconds)
    return tone * level * (1 + 0.8 * level * beating) * 1.5


def _tilted(white: Wave, exponent: float) -> NDArray[np.floating]:
    """Noise whose power falls with frequency to the given exponent, at unit RMS."""
    spectrum = np.fft.rfft(white)
    bins = np.maximum(np.arange(len(spectrum)), 1)
    noise = np.fft.irfft(spectrum * bins ** (-exponent / 2), len(white))
    return noise / max(float(np.sqrt(np.mean(noise**2))), 1e-12)


def _player(recording: Wave, spec: SyntheticSpec) -> Oscillator:
    """Plays a recording in a loop; one cycle lasts as long as one of the middle pitch."""
    middle = np.sqrt(spec.pitch[0] * spec.pitch[1])
    per_cycle = spec.sample_rate / middle

    def play(cycles: NDArray[np.float64], step: NDArray[np.float64], white: Wave) -> NDArray[np.floating]:
        return np.interp(cycles * per_cycle, np.arange(len(recording)), recording, period=len(recording))

    return play


def _pure(cycles: NDArray[np.float64], step: NDArray[np.float64], white: Wave) -> NDArray[np.floating]:
    return np.sqrt(2) * np.sin((2 * np.pi * (cycles % 1)).astype(np.float32))


def _saw(cycles: NDArray[np.float64], step: NDArray[np.float64]) -> NDArray[np.floating]:
    """Sawtooth in [-1, 1] whose jumps are rounded over two samples (polyBLEP) against aliasing."""
    phase = cycles % 1
    wave = 2 * phase - 1
    after, before = phase / step, (phase - 1) / step
    wave -= np.where(after < 1, 2 * after - after**2 - 1, 0)
    wave -= np.where(before > -1, before**2 + 2 * before + 1, 0)
    return wave


def _hollow(cycles: NDArray[np.float64], step: NDArray[np.float64], white: Wave) -> NDArray[np.floating]:
    return _saw(cycles, step) - _saw(cycles + 0.5, step)


def _bright(cycles: NDArray[np.float64], step: NDArray[np.float64], white: Wave) -> NDArray[np.floating]:
    return np.sqrt(3) * _saw(cycles, step)


def _bell(cycles: NDArray[np.float64], step: NDArray[np.float64], white: Wave) -> NDArray[np.floating]:
    wave = np.zeros(len(cycles), np.float32)
    for ratio, weight in _PARTIALS:
        wave += np.float32(weight) * np.sin((2 * np.pi * ((cycles * ratio) % 1)).astype(np.float32))
    return wave + np.float32(_RASP) * white


_OSCILLATORS: Final[dict[str, Oscillator]] = {"pure": _pure, "hollow": _hollow, "bright": _bright, "bell": _bell}
