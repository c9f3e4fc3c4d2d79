"""Rendering of the picture: one object before a background, drawn from signed distances."""

from __future__ import annotations

import colorsys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .scene import Cause, PictureNuisance, Scene
from .spec import SyntheticSpec

Image = NDArray[np.floating]  # float32 throughout, for speed

_SMALLEST, _LARGEST = 0.32, 0.52  # radius of the smallest and largest body, in half widths of the picture
_FLOOR = 0.72  # where a bouncing object lands, y pointing down
_SHADE = 0.42  # brightness of the dark half of an object, which shows its rotation


def render_frames(spec: SyntheticSpec, scene: Scene) -> NDArray[np.uint8]:
    """Renders the picture of a scene.

    Args:
        spec: Size, frame rate and duration.
        scene: What happens.

    Returns:
        RGB frames, uint8 ``(T, 3, H, W)``; frame ``k`` shows the scene at ``k / fps`` seconds.
    """
    rng = np.random.default_rng(scene.pixels)
    nuisance = scene.picture
    motion = _motion(scene.seen, nuisance, np.arange(spec.num_frames) / spec.fps)
    axis = ((np.arange(spec.size) + 0.5) / (spec.size / 2) - 1).astype(np.float32)

    # Pixels in the frame of the object: moved, squashed, turned and scaled to radius 1, all (T, H, W).
    across = axis[None, None, :] - motion.x[:, None, None]
    down = (axis[None, :, None] - motion.y[:, None, None]) / motion.squash[:, None, None]
    cosine = (np.cos(motion.angle) / motion.radius)[:, None, None]
    sine = (np.sin(motion.angle) / motion.radius)[:, None, None]
    u, v = across * cosine + down * sine, down * cosine - across * sine

    # One pixel of blur at the outline stands in for anti-aliasing.
    per_pixel = (motion.radius * spec.size / 2)[:, None, None]
    cover = np.clip(0.5 - _SHAPES[scene.seen.shape](u, v) * per_pixel, 0, 1)
    light = np.clip(0.5 - v * per_pixel, 0, 1) * (1 - _SHADE) + _SHADE
    light *= motion.brightness[:, None, None]

    colour = np.asarray(colorsys.hsv_to_rgb(nuisance.hue, nuisance.saturation, nuisance.value), np.float32)
    background = _background(nuisance, axis, rng)
    keep = 1 - cover
    light *= cover
    if nuisance.noise > 0:
        grain = rng.standard_normal(cover.shape, dtype=np.float32) * np.float32(nuisance.noise * 255)
    else:
        grain = np.zeros_like(cover)
    frames = np.empty((spec.num_frames, 3, spec.size, spec.size), np.uint8)
    for channel in range(3):
        plane = keep * (background[channel] * 255)
        plane += light * (colour[channel] * 255)
        plane += grain
        frames[:, channel] = np.clip(plane, 0, 255, out=plane)
    return frames


@dataclass(frozen=True)
class _Motion:
    """The object over time, each ``(T,)`` float32; lengths in half widths of the picture, angles in radians."""

    x: Image
    y: Image
    radius: Image
    angle: Image
    squash: Image
    brightness: Image


def _motion(cause: Cause, nuisance: PictureNuisance, times: NDArray[np.float64]) -> _Motion:
    moments = cause.at(times)
    full = np.ones_like(times)
    radius = (_SMALLEST + (_LARGEST - _SMALLEST) * cause.body) * nuisance.scale * full
    sway = nuisance.drift * np.sin(2 * np.pi * nuisance.drift_rate * times + nuisance.drift_phase)
    x, y = nuisance.place[0] + sway, nuisance.place[1] * full
    angle = 2 * np.pi * nuisance.tilt * full
    squash, brightness = full, full
    if cause.event == "impact":
        squash = 1 - 0.4 * np.exp(-moments.since / 0.09)
        floor = _FLOOR + 0.3 * nuisance.place[1]
        top = floor - 2 * radius + 0.8
        y = floor - radius * squash - top * moments.flight()
    elif cause.event == "rotation":
        angle = angle + 2 * np.pi * moments.turns * (1 if nuisance.clockwise else -1)
    elif cause.event == "sweep":
        y = (0.9 - 0.8 * radius) * (1 - 2 * moments.glide())
    else:
        level = moments.pulse()
        radius = radius * (0.55 + 0.65 * level)
        brightness = 0.6 + 0.4 * level
    return _Motion(*(np.asarray(value, np.float32) for value in (x, y, radius, angle, squash, brightness)))


def _background(nuisance: PictureNuisance, axis: Image, rng: np.random.Generator) -> Image:
    """Colour, linear gradient and a random pattern of eight waves, ``(3, H, W)``."""
    x, y = axis[None, :], axis[:, None]
    ramp = x * np.float32(np.cos(nuisance.gradient_angle)) + y * np.float32(np.sin(nuisance.gradient_angle))
    pattern = np.zeros((len(axis), len(axis)), np.float32)
    for frequency_x, frequency_y, phase in rng.uniform(-1, 1, (8, 3)) * (12, 12, np.pi):
        pattern += np.sin(np.float32(frequency_x) * x + np.float32(frequency_y) * y + np.float32(phase))
    brightness = nuisance.background_value + nuisance.gradient * ramp / 2 + nuisance.texture * pattern / 2
    tint = np.asarray(colorsys.hsv_to_rgb(nuisance.background_hue, 0.5, 1.0), np.float32)
    background: Image = np.clip(brightness, 0, 1)[None] * tint[:, None, None]
    return background.astype(np.float32)


# Signed distances to outlines of about equal area; negative inside; u points right, v down.


def _disc(u: Image, v: Image) -> Image:
    return np.sqrt(u * u + v * v) - np.float32(0.9)


def _square(u: Image, v: Image) -> Image:
    return np.maximum(np.abs(u), np.abs(v)) - np.float32(0.8)


def _triangle(u: Image, v: Image) -> Image:
    slanted = np.abs(u) * np.float32(np.sqrt(3) / 2) - v * np.float32(0.5)
    return np.maximum(slanted, v) - np.float32(0.65)


def _star(u: Image, v: Image) -> Image:
    # A pentagram is the set of points on the inner side of at least four of the five lines of a pentagon:
    # those whose second largest distance to a line is negative.
    largest = second = np.full_like(u, -np.inf)
    for corner in range(5):
        angle = 2 * np.pi * corner / 5 + np.pi / 2
        distance = u * np.float32(np.cos(angle)) + v * np.float32(np.sin(angle))
        second = np.maximum(second, np.minimum(largest, distance))
        largest = np.maximum(largest, distance)
    return second - np.float32(0.4)


_SHAPES: Final[dict[str, Callable[[Image, Image], Image]]] = {
    "disc": _disc,
    "square": _square,
    "triangle": _triangle,
    "star": _star,
}
