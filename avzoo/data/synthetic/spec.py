"""What a synthetic set is made of: the 16 classes and the ranges every instance is drawn from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from avzoo.errors import AvzooError

EVENTS: Final = ("impact", "rotation", "sweep", "pulse")
TIMBRES: Final = ("pure", "hollow", "bright", "bell")
SHAPES: Final = ("disc", "square", "triangle", "star")
"""``SHAPES[k]`` always sounds like ``TIMBRES[k]``: sine, square wave, sawtooth, inharmonic partials with noise."""
CLASS_NAMES: Final = tuple(f"{event}_{shape}" for event in EVENTS for shape in SHAPES)
SPLITS: Final = ("train", "validation", "test")
MAX_TIME_OFFSET: Final = 2.0
GENERATOR_VERSION: Final = 1
"""Raised whenever the same spec, seed and index would give another clip."""


def _ordered(bounds: tuple[float, float]) -> tuple[float, float]:
    if bounds[0] > bounds[1]:
        raise ValueError(f"a range is (lowest, highest), got {bounds}")
    return bounds


Range = Annotated[tuple[float, float], AfterValidator(_ordered)]
"""Lowest and highest value of a uniform draw; equal ends fix the value."""


class SyntheticError(AvzooError):
    """A synthetic set cannot be drawn, written or read as asked."""


def class_of(label: int) -> tuple[str, str, str]:
    """Names what a label means.

    Args:
        label: 0 ... 15, ``4 * event + timbre``.

    Returns:
        Event, timbre and shape.

    Raises:
        SyntheticError: There is no such class.
    """
    if not 0 <= label < len(CLASS_NAMES):
        raise SyntheticError(f"labels are 0 ... {len(CLASS_NAMES) - 1}, got {label}")
    event, timbre = divmod(label, len(TIMBRES))
    return EVENTS[event], TIMBRES[timbre], SHAPES[timbre]


class SyntheticSpec(BaseModel):
    """Every choice of a synthetic set but its seed and size.

    A range that is changed moves its own quantity and nothing else: clip ``i`` under ``spec.shifted(hue=(0, 0.1))`` is
    clip ``i`` of the original with another hue. That makes shifted test sets comparable clip by clip.

    Attributes:
        size: Height and width of the frames in pixels, even.
        fps: Frames per second of the written files.
        duration: Length in seconds.
        sample_rate: Samples per second of the sound.
        tempo: Shared. Events (impacts, turns, glides, pulses) per second.
        irregularity: Shared. How far an event may lie from its beat, as a share of the beat, below 1.
        body: Shared. Size of the object in [0, 1]: large objects look large and sound low.
        strength: Shared. Strength of one event in [0, 1]: loudness and height, or where a glide turns.
        scale: Picture. Factor on the radius.
        hue: Picture. Hue of the object in turns.
        saturation: Picture. Saturation of the object.
        value: Picture. Brightness of the object in [0, 1].
        background_hue: Picture. Hue of the background in turns.
        background_value: Picture. Brightness of the background in [0, 1].
        gradient: Picture. Strength of the linear gradient over the background.
        texture: Picture. Strength of the random pattern on the background.
        place: Picture. Horizontal and vertical displacement of the object, in half widths of the picture.
        drift: Picture. Amplitude of a slow sideways movement that has no sound, in half widths.
        tilt: Picture. Orientation of an object that does not rotate, in turns.
        picture_noise: Picture. Standard deviation of the pixel noise, in units of full brightness.
        pitch: Sound. Pitch of a body of middle size in hertz, drawn on a logarithmic scale.
        gain: Sound. Level in decibels relative to full scale.
        noise: Sound. Noise level in decibels relative to the sound.
        noise_tilt: Sound. Exponent of the noise spectrum: 0 is white, 1 is pink.
        ring: Sound. Decay time of an impact in seconds.
        roughness_rate: Sound. Beating of a pulse in hertz.
        mismatch: Share of clips, in [0, 1], whose sound is rendered from an instance of another class.
        time_offset: Seconds by which the sound lags behind the picture, within 2 seconds (negative: leads).
        recordings: Folder with one subfolder of sound files per sound class. Its recordings then replace the four
            timbres; the event still shapes them (struck, tremolo, glide of the playback rate, pulse).
        recording_classes: The four subfolders for pure, hollow, bright and bell; None takes the first four by name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: Annotated[int, Field(ge=16, le=1024, multiple_of=2)] = 64
    fps: Annotated[float, Field(gt=0, le=120)] = 16.0
    duration: Annotated[float, Field(gt=0, le=60)] = 4.0
    sample_rate: Annotated[int, Field(ge=8_000, le=48_000)] = 16_000

    tempo: Range = (0.7, 2.2)
    irregularity: Range = (0.0, 0.4)
    body: Range = (0.0, 1.0)
    strength: Range = (0.0, 1.0)

    scale: Range = (0.85, 1.2)
    hue: Range = (0.0, 1.0)
    saturation: Range = (0.3, 0.9)
    value: Range = (0.75, 1.0)
    background_hue: Range = (0.0, 1.0)
    background_value: Range = (0.1, 0.45)
    gradient: Range = (0.0, 0.25)
    texture: Range = (0.0, 0.08)
    place: Range = (-0.25, 0.25)
    drift: Range = (0.0, 0.2)
    tilt: Range = (-0.04, 0.04)
    picture_noise: Range = (0.0, 0.03)

    pitch: Range = (260.0, 520.0)
    gain: Range = (-22.0, -10.0)
    noise: Range = (-30.0, -10.0)
    noise_tilt: Range = (0.0, 1.0)
    ring: Range = (0.06, 0.16)
    roughness_rate: Range = (45.0, 80.0)

    mismatch: Annotated[float, Field(ge=0, le=1)] = 0.0
    time_offset: Range = (0.0, 0.0)
    recordings: Path | None = None
    recording_classes: tuple[str, str, str, str] | None = None

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.tempo[0] <= 0 or self.tempo[1] > 20:
            raise ValueError(f"tempo must lie in (0, 20] events per second, got {self.tempo}")
        if self.pitch[0] <= 0:
            raise ValueError(f"pitch must be above 0 Hz, got {self.pitch}")
        if self.scale[0] <= 0 or self.ring[0] <= 0:
            raise ValueError("scale and ring must be above 0")
        for name in ("irregularity", "body", "strength", "saturation", "value", "background_value"):
            low, high = getattr(self, name)
            if low < 0 or high > 1 or (name == "irregularity" and high >= 1):
                raise ValueError(f"{name} must lie in [0, 1{')' if name == 'irregularity' else ']'}, got {(low, high)}")
        for name in ("gradient", "texture", "picture_noise"):
            if getattr(self, name)[0] < 0:
                raise ValueError(f"{name} cannot be negative, got {getattr(self, name)}")
        if max(map(abs, self.time_offset)) > MAX_TIME_OFFSET:
            raise ValueError(f"time_offset must lie within {MAX_TIME_OFFSET:g} s, got {self.time_offset}")
        if self.recording_classes is not None and self.recordings is None:
            raise ValueError("recording_classes needs recordings, the folder that holds them")
        return self

    @property
    def num_frames(self) -> int:
        """Frames of one clip."""
        return round(self.duration * self.fps)

    @property
    def num_samples(self) -> int:
        """Sound samples of one clip."""
        return round(self.duration * self.sample_rate)

    def shifted(self, **changes: Any) -> SyntheticSpec:
        """A spec with some fields replaced, checked like a new one.

        Raises:
            pydantic.ValidationError: A field is unknown or its value impossible.
        """
        return SyntheticSpec(**{**self.model_dump(), **changes})
