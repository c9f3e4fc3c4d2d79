"""Recordings that take the place of the synthetic timbres: real sound under a generated picture."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avzoo.media import ClipSpec, MediaError, iter_clips

from .spec import TIMBRES, SyntheticError, SyntheticSpec

_FILES_PER_ROUND = 5  # of five files in a row, three are for training, one for validation, one for testing
_ROUND_SPLITS = ("train", "train", "train", "validation", "test")
_LONGEST = 10.0  # seconds read of a recording
_WINDOW = 1.0
_CREST = 3.0  # peaks above this many times the RMS lower the level instead of being clipped
_AUDIBLE = 0.05  # of the peak: what lies before the first such sample is dropped


def recording_files(folder: Path, classes: tuple[str, str, str, str] | None, split: str) -> list[list[Path]]:
    """The files each timbre may use in one split.

    Files of a subfolder are taken in the order of their names, five at a time: three train, one validation, one test.
    So no recording is heard in two splits.

    Args:
        folder: Holds one subfolder per sound class.
        classes: Names of the subfolders for pure, hollow, bright and bell; None takes the first four by name.
        split: train, validation or test.

    Returns:
        One list of files per timbre.

    Raises:
        SyntheticError: Subfolders are missing or one of them holds fewer than five files.
    """
    if not folder.is_dir():
        raise SyntheticError(f"no folder of recordings at {folder}")
    if classes is None:
        names = sorted(child.name for child in folder.iterdir() if child.is_dir() and not child.name.startswith("."))
        if len(names) < len(TIMBRES):
            raise SyntheticError(f"{folder} has {len(names)} subfolders; one per timbre, at least 4, are needed")
        names = names[: len(TIMBRES)]
    else:
        names = list(classes)
    return [_files_of(folder / name, split) for name in names]


def _files_of(folder: Path, split: str) -> list[Path]:
    if not folder.is_dir():
        raise SyntheticError(f"no folder of recordings at {folder}")
    files = sorted(child for child in folder.iterdir() if child.is_file() and not child.name.startswith("."))
    if len(files) < _FILES_PER_ROUND:
        raise SyntheticError(f"{folder} has {len(files)} files; at least {_FILES_PER_ROUND} give every split its own")
    return [file for rank, file in enumerate(files) if _ROUND_SPLITS[rank % _FILES_PER_ROUND] == split]


def choose_recording(spec: SyntheticSpec, split: str, timbre: str, choice: float) -> NDArray[np.float32]:
    """Decodes the recording a clip uses.

    Args:
        spec: Names the folder and the sample rate.
        split: train, validation or test.
        timbre: Timbre to replace.
        choice: Random number in [0, 1) that picks the file.

    Returns:
        Samples, float32 ``(N,)`` at about unit RMS, at most ten seconds, starting where the recording becomes audible.

    Raises:
        SyntheticError: The folder is not as `recording_files` needs it, or the file is silent or cannot be decoded.
    """
    if spec.recordings is None:
        raise SyntheticError("the spec names no folder of recordings")
    files = recording_files(spec.recordings, spec.recording_classes, split)[TIMBRES.index(timbre)]
    return _decode(files[int(choice * len(files))], spec.sample_rate)


@lru_cache(maxsize=64)
def _decode(path: Path, sample_rate: int) -> NDArray[np.float32]:
    clip_spec = ClipSpec(fps=8.0, num_frames=round(8 * _WINDOW), sample_rate=sample_rate, video=False)
    parts = []
    try:
        for clip in iter_clips(path, clip_spec):
            if clip.start >= _LONGEST:
                break
            if clip.samples is not None:
                parts.append(clip.samples.numpy())
    except MediaError as error:
        raise SyntheticError(f"the recording {path} cannot be used: {error}") from error
    samples = np.concatenate(parts) if parts else np.zeros(0, np.float32)
    audible = np.flatnonzero(np.abs(samples) > _AUDIBLE * np.abs(samples).max(initial=0))
    if not len(audible):
        raise SyntheticError(f"the recording {path} is silent; remove it from the folder")
    samples = samples[audible[0] : audible[-1] + 1]
    samples /= max(np.sqrt(np.mean(samples**2)), np.abs(samples).max() / _CREST)
    samples.setflags(write=False)
    return samples
