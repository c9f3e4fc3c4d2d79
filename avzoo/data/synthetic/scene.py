"""The hidden cause of a clip: which object does what, when and how strongly, and what hides it in each modality."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .spec import CLASS_NAMES, MAX_TIME_OFFSET, SPLITS, Range, SyntheticError, SyntheticSpec, class_of

_SPARE_BEATS: Final = 3


@dataclass(frozen=True)
class Cause:
    """What sound and picture have in common.

    Attributes:
        label: Class, 0 ... 15.
        body: Size of the object in [0, 1].
        tempo: Mean number of beats per second.
        beats: Times of the events in seconds, increasing, ``(N,)``; they reach beyond both ends of the clip.
        strengths: Strength of each event in [0, 1], ``(N,)``.
    """

    label: int
    body: float
    tempo: float
    beats: NDArray[np.float64]
    strengths: NDArray[np.float64]

    @property
    def event(self) -> str:
        """Impact, rotation, sweep or pulse."""
        return class_of(self.label)[0]

    @property
    def timbre(self) -> str:
        """Pure, hollow, bright or bell."""
        return class_of(self.label)[1]

    @property
    def shape(self) -> str:
        """Disc, square, triangle or star."""
        return class_of(self.label)[2]

    def at(self, times: NDArray[np.float64]) -> Moments:
        """Where in the score the given times (seconds) lie."""
        index = np.clip(np.searchsorted(self.beats, times, side="right") - 1, 0, len(self.beats) - 2)
        since = times - self.beats[index]
        share = since / (self.beats[index + 1] - self.beats[index])
        return Moments(index + share, since, share, self.strengths[index], self.strengths[index + 1])


@dataclass(frozen=True)
class Moments:
    """A cause seen at given times: all arrays have the shape of the times.

    Attributes:
        turns: Events passed, continuous: the rotation in turns.
        since: Seconds since the last event.
        share: Position between the last event (0) and the next (1).
        last: Strength of the last event.
        coming: Strength of the next event.
    """

    turns: NDArray[np.float64]
    since: NDArray[np.float64]
    share: NDArray[np.float64]
    last: NDArray[np.float64]
    coming: NDArray[np.float64]

    def flight(self) -> NDArray[np.float64]:
        """Height of a bouncing object: 0 at every impact; the flight into a strong impact is high. In [0, 1]."""
        return (0.3 + 0.7 * self.coming) * 4 * self.share * (1 - self.share)

    def glide(self) -> NDArray[np.float64]:
        """Smooth way from the last strength to the next. In [0, 1]."""
        return self.last + (self.coming - self.last) * self.share**2 * (3 - 2 * self.share)

    def pulse(self) -> NDArray[np.float64]:
        """A hump around every event, as high as the event is strong, nought half-way between two. In [0, 1]."""
        nearest = np.where(self.share < 0.5, self.last, self.coming)
        return (0.4 + 0.6 * nearest) * (0.5 + 0.5 * np.cos(2 * np.pi * self.share)) ** 1.5


@dataclass(frozen=True)
class PictureNuisance:
    """What the picture shows and the sound knows nothing of; fields as in `SyntheticSpec`."""

    scale: float
    hue: float
    saturation: float
    value: float
    background_hue: float
    background_value: float
    gradient: float
    gradient_angle: float
    texture: float
    place: tuple[float, float]
    drift: float
    drift_rate: float
    drift_phase: float
    tilt: float
    clockwise: bool
    noise: float


@dataclass(frozen=True)
class SoundNuisance:
    """What the sound carries and the picture knows nothing of; fields as in `SyntheticSpec`."""

    pitch: float
    gain: float
    noise: float
    noise_tilt: float
    ring: float
    roughness_rate: float
    recording: float


@dataclass(frozen=True)
class Scene:
    """One clip before rendering.

    Attributes:
        seen: The cause of the picture, whose class is the label of the clip.
        heard: The cause of the sound: the same object, unless the clip is mismatched.
        picture: Nuisances of the picture.
        sound: Nuisances of the sound.
        time_offset: Seconds by which the sound lags behind the picture.
        pixels: Seed of the background pattern and the pixel noise.
        waveform: Seed of the noise in the sound.
    """

    seen: Cause
    heard: Cause
    picture: PictureNuisance
    sound: SoundNuisance
    time_offset: float
    pixels: np.random.SeedSequence
    waveform: np.random.SeedSequence

    @property
    def mismatched(self) -> bool:
        """Whether sound and picture are of different classes."""
        return self.seen.label != self.heard.label


def draw_scene(spec: SyntheticSpec, seed: int, index: int, split: str = "train") -> Scene:
    """Draws one clip; a pure function of its arguments.

    Args:
        spec: The ranges.
        seed: Seed of the set.
        index: Number of the clip; its class is ``index % 16``, so that every 16 clips in a row hold every class once.
        split: train, validation or test. Splits of one seed share no random numbers.

    Raises:
        SyntheticError: The split has no such name, or seed or index are negative.
    """
    if split not in SPLITS:
        raise SyntheticError(f"split must be one of {', '.join(SPLITS)}, got {split!r}")
    if seed < 0 or index < 0:
        raise SyntheticError(f"seed and index cannot be negative, got {seed} and {index}")
    # One stream of random numbers per purpose, so that changing one part of the spec leaves the others alone.
    key = (SPLITS.index(split), index)
    cause, other_cause, pairing, picture, sound, pixels, waveform = np.random.SeedSequence(seed, spawn_key=key).spawn(7)

    label = index % len(CLASS_NAMES)
    seen = heard = _draw_cause(spec, label, cause)
    pairing_rng = np.random.default_rng(pairing)
    mismatched = pairing_rng.random() < spec.mismatch
    step = 1 + int(pairing_rng.integers(len(CLASS_NAMES) - 1))
    if mismatched:
        heard = _draw_cause(spec, (label + step) % len(CLASS_NAMES), other_cause)
    return Scene(
        seen=seen,
        heard=heard,
        picture=_draw_picture(spec, np.random.default_rng(picture)),
        sound=_draw_sound(spec, np.random.default_rng(sound)),
        time_offset=_draw(pairing_rng, spec.time_offset),
        pixels=pixels,
        waveform=waveform,
    )


def _draw(rng: np.random.Generator, bounds: Range) -> float:
    # One number per quantity whatever its range, so that the next quantity sees the same random number.
    return bounds[0] + (bounds[1] - bounds[0]) * float(rng.random())


def _draw_cause(spec: SyntheticSpec, label: int, seed: np.random.SeedSequence) -> Cause:
    rng = np.random.default_rng(seed)
    body, tempo = _draw(rng, spec.body), _draw(rng, spec.tempo)
    irregularity, start_phase = _draw(rng, spec.irregularity), float(rng.random())
    # Beats reach as far back as any time offset may ask for, so that an offset never changes the beats themselves.
    before = int(np.ceil(MAX_TIME_OFFSET * tempo)) + _SPARE_BEATS
    count = before + int(np.ceil((spec.duration + MAX_TIME_OFFSET) * tempo)) + _SPARE_BEATS
    noise = rng.random((count, 2))
    beats = (np.arange(count) - before + start_phase + irregularity * (noise[:, 0] - 0.5)) / tempo
    strengths = spec.strength[0] + (spec.strength[1] - spec.strength[0]) * noise[:, 1]
    return Cause(label, body, tempo, beats, strengths)


def _draw_picture(spec: SyntheticSpec, rng: np.random.Generator) -> PictureNuisance:
    return PictureNuisance(
        scale=_draw(rng, spec.scale),
        hue=_draw(rng, spec.hue),
        saturation=_draw(rng, spec.saturation),
        value=_draw(rng, spec.value),
        background_hue=_draw(rng, spec.background_hue),
        background_value=_draw(rng, spec.background_value),
        gradient=_draw(rng, spec.gradient),
        gradient_angle=_draw(rng, (0, 2 * np.pi)),
        texture=_draw(rng, spec.texture),
        place=(_draw(rng, spec.place), _draw(rng, spec.place)),
        drift=_draw(rng, spec.drift),
        drift_rate=_draw(rng, (0.05, 0.2)),
        drift_phase=_draw(rng, (0, 2 * np.pi)),
        tilt=_draw(rng, spec.tilt),
        clockwise=bool(rng.random() < 0.5),
        noise=_draw(rng, spec.picture_noise),
    )


def _draw_sound(spec: SyntheticSpec, rng: np.random.Generator) -> SoundNuisance:
    return SoundNuisance(
        pitch=float(np.exp(_draw(rng, (np.log(spec.pitch[0]), np.log(spec.pitch[1]))))),
        gain=_draw(rng, spec.gain),
        noise=_draw(rng, spec.noise),
        noise_tilt=_draw(rng, spec.noise_tilt),
        ring=_draw(rng, spec.ring),
        roughness_rate=_draw(rng, spec.roughness_rate),
        recording=float(rng.random()),
    )
