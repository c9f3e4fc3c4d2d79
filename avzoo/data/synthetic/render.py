"""One clip of the set, from its number to frames and samples."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from .frames import render_frames
from .recordings import choose_recording
from .scene import Scene, draw_scene
from .sound import render_samples
from .spec import CLASS_NAMES, SyntheticSpec


@dataclass(frozen=True)
class RenderedClip:
    """A rendered clip and the truth about it.

    Attributes:
        frames: RGB frames, uint8 ``(T, 3, H, W)``.
        samples: Mono sound, float32 ``(N,)`` in [-1, 1].
        scene: Every cause and nuisance behind the two.
    """

    frames: torch.Tensor
    samples: torch.Tensor
    scene: Scene

    @property
    def label(self) -> int:
        """Class of the picture, 0 ... 15: the label of the clip."""
        return self.scene.seen.label

    @property
    def audio_label(self) -> int:
        """Class of the sound; differs from the label where the clip is mismatched."""
        return self.scene.heard.label

    @property
    def class_name(self) -> str:
        """Event and shape of the picture, such as ``impact_star``."""
        return CLASS_NAMES[self.label]


def render(spec: SyntheticSpec, seed: int, index: int, split: str = "train") -> RenderedClip:
    """Renders one clip; a pure function of its arguments (and of the recordings the spec names).

    Args:
        spec: The ranges.
        seed: Seed of the set.
        index: Number of the clip; its class is ``index % 16``.
        split: train, validation or test; splits of one seed share no random numbers and no recordings.

    Raises:
        SyntheticError: The arguments name no clip, or a recording cannot be used.
    """
    scene = draw_scene(spec, seed, index, split)
    recording = None
    if spec.recordings is not None:
        recording = choose_recording(spec, split, scene.heard.timbre, scene.sound.recording)
    frames, samples = render_frames(spec, scene), render_samples(spec, scene, recording)
    return RenderedClip(torch.from_numpy(frames), torch.from_numpy(samples), scene)
