"""The classical baseline: statistics of MFCCs and of pixels, one vector per item, and a random forest.

Chosen once, before any figure was seen, and not tuned.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from avzoo.evaluation.clip_values import ClipValues
from avzoo.evaluation.parts import require_fit
from avzoo.evaluation.protocol import Fold, Outcome, Protocol, ProtocolSettings
from avzoo.evaluation.scoring import classification_figures
from avzoo.media import ClipSpec, iter_clips

RATE = 16_000
_SECONDS = 10.0  # of a window; longer files are several, one after the other
_FPS = 25.0
_MFCC = {"n_mfcc": 20, "melkwargs": {"n_fft": 512, "hop_length": 160, "n_mels": 40}}
_SIDE, _GRID, _DIRECTIONS, _CELLS = 64, 16, 8, 8


def sound_statistics(samples: Tensor) -> Tensor:
    """Mean and deviation over time of 20 MFCCs, of their change, and of the change of that: 120 numbers.

    Args:
        samples: ``(T,)`` at 16 kHz.
    """
    from torchaudio.functional import compute_deltas
    from torchaudio.transforms import MFCC

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of mel filters that are empty at this width
        coefficients = MFCC(RATE, **_MFCC)(samples)
    change = compute_deltas(coefficients)
    series = torch.cat([coefficients, change, compute_deltas(change)])
    return torch.cat([series.mean(1), series.std(1, correction=0)])


def picture_statistics(frames: Tensor) -> Tensor:
    """Colours, motion and edges: 1,536 numbers.

    The mean frame in colour and the mean absolute difference of frames in grey, both as 16 x 16 fields, and histograms
    of the directions of the mean frame's gradients in 8 x 8 cells (HOG, without blocks).

    Args:
        frames: uint8 ``(T, 3, H, W)``.
    """
    pixels = interpolate(frames.float() / 255, (_SIDE, _SIDE), mode="bilinear", antialias=True)
    grey = pixels.mean(1, keepdim=True)
    mean = pixels.mean(0, keepdim=True)
    motion = grey.diff(dim=0).abs().mean(0, keepdim=True) if len(grey) > 1 else torch.zeros_like(grey)
    down, right = torch.gradient(mean.mean(1)[0])
    strength, direction = torch.hypot(down, right), torch.atan2(down, right) % torch.pi
    bins = (direction / torch.pi * _DIRECTIONS).long().clamp(max=_DIRECTIONS - 1)
    by_direction = torch.nn.functional.one_hot(bins, _DIRECTIONS).permute(2, 0, 1) * strength
    fields = [avg_pool2d(field, _SIDE // _GRID).flatten() for field in (mean, motion)]
    return torch.cat([*fields, avg_pool2d(by_direction[None], _SIDE // _CELLS).flatten()])


def file_statistics(path: Path, modalities: Sequence[str]) -> dict[str, NDArray[np.float32]]:
    """The statistics of a whole file."""
    video, audio = ("video" in modalities), ("audio" in modalities)
    frames = round(_FPS * _SECONDS)
    spec = ClipSpec(_FPS, frames, RATE, _SECONDS, short_side=_SIDE, video=video, audio=audio)
    clips = list(iter_clips(path, spec))
    found = {}
    if audio:
        sound = torch.cat([torch.as_tensor(clip.samples) for clip in clips if clip.samples is not None])
        found["audio"] = sound_statistics(sound).numpy()
    if video:
        picture = torch.cat([clip.frames for clip in clips if clip.frames is not None])
        found["video"] = picture_statistics(picture).numpy()
    return found


def statistics_of(paths: Sequence[Path], modalities: Sequence[str], kept: Path) -> dict[str, NDArray[np.float32]]:
    """The statistics of files, ``(N, D)`` by modality; computed once.

    Args:
        paths: The files.
        modalities: What of them.
        kept: An ``.npz`` file that keeps them; made again for other files.
    """
    names = np.array([str(path) for path in paths])
    if kept.is_file():
        with np.load(kept, allow_pickle=False) as read:
            if np.array_equal(read["names"], names) and set(modalities) <= set(read):
                return {name: read[name] for name in modalities}
    rows = [file_statistics(path, modalities) for path in paths]
    found = {name: np.stack([row[name] for row in rows]) for name in modalities}
    kept.parent.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, Any] = {"names": names, **found}
    np.savez(kept, **arrays)
    return found


def standardized(train: ClipValues, test: ClipValues) -> tuple[ClipValues, ClipValues]:
    """Both with every dimension brought to mean 0 and deviation 1 of the training part: statistics have many units."""
    mean, deviation = train.values.mean(0), train.values.std(0)
    scale = np.where(deviation > 0, deviation, 1)
    return train.with_values((train.values - mean) / scale), test.with_values((test.values - mean) / scale)


class ForestSettings(ProtocolSettings):
    """Settings of the random forest; everything else is as scikit-learn has it.

    Attributes:
        trees: How many.
    """

    trees: Annotated[int, Field(ge=1)] = 500


def _run(fold: Fold, modality: str, settings: ForestSettings) -> Outcome:
    from sklearn.ensemble import RandomForestClassifier

    train, test = fold.train[modality], fold.test[modality]
    remarks = require_fit(train, test)
    forest = RandomForestClassifier(settings.trees, random_state=settings.seed).fit(train.values, train.labels)
    scores = np.zeros((len(test), len(test.items.class_names)), np.float32)
    scores[:, forest.classes_] = forest.predict_proba(test.values)
    figures, predictions = classification_figures(test.with_values(scores))
    return Outcome(figures=figures, predictions=predictions, warnings=remarks)


FOREST: Protocol[Any] = Protocol(
    "random-forest", "a random forest on features as they are; scores of clips averaged to items", ForestSettings, _run
)


def fold_of(name: str, parts: Mapping[str, ClipValues], modality: str) -> Fold:
    """A fold of one modality, standardized."""
    train, test = standardized(parts["train"], parts["test"])
    return Fold(name, {modality: train}, {modality: test})
