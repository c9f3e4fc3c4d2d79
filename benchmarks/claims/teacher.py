"""The sound teacher of claim 4: a small CNN14 that learns classes of sounds, and what it hears in every clip."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from torch import Tensor, nn

from avzoo.data.synthetic import render
from avzoo.media import ClipSpec, read_clip
from avzoo.models.configuration_cnn14 import CNN14Config
from avzoo.models.modeling_cnn14 import CNN14ForAudioClassification
from avzoo.processing.feature_extraction_cnn14 import CNN14FeatureExtractor

from .material import RATE, SECONDS, SEED, Material, Sound, picture_spec, rows_of

#: Width of an embedding: that of the student, for the objectives compare the two.
WIDTH = 64

_BATCH = 32
_MEL_BINS = 40


def write_embeddings(material: Material, seed: int, mismatch: float) -> Path:
    """A folder with the sound teacher's embedding of every training clip of a seed's runs.

    A share of ``mismatch`` of the clips, always the same ones, get that of the sound of another class. The teacher has
    learned from sounds that no student sees the pictures of (the validation split), or from the recordings of the
    training folds, of which there are no more.
    """
    name = f"embeddings_{material.sizes.train}_{material.sizes.teacher}_{round(100 * mismatch)}_{material.fold(seed)}"
    folder = material.folder / name
    with FileLock(folder.with_suffix(".lock")):  # another process may need the same at the same time
        if not folder.is_dir():
            _write(folder, material, seed, mismatch)
    return folder


def _write(folder: Path, material: Material, seed: int, mismatch: float) -> None:
    paths, labels, sounds = _clips(material, seed, mismatch)
    if material.condition == "generated":
        lessons = [render(picture_spec(), SEED, index, "validation") for index in range(len(paths))]
        teacher = _taught([clip.samples.numpy() for clip in lessons], [clip.label for clip in lessons], material)
    else:
        teacher = _taught(sounds, labels, material)
        sounds = [sounds[index] for index in _mismatched(np.array(labels), mismatch)]
    partial = folder.with_suffix(".tmp")
    shutil.rmtree(partial, ignore_errors=True)
    for path, row in zip(paths, _embedded(teacher, sounds), strict=True):
        (partial / path.parent.name).mkdir(parents=True, exist_ok=True)
        np.save(partial / path.parent.name / f"{path.stem}.npy", row.numpy())
    partial.rename(folder)


def _clips(material: Material, seed: int, mismatch: float) -> tuple[list[Path], list[int], list[Sound]]:
    """Path, class of the picture and sound of the training clips."""
    if material.condition == "generated":
        rows = rows_of(material.folder / "clean" / "train" / "labels.csv")
        spec = picture_spec().shifted(mismatch=mismatch)
        sounds = [render(spec, SEED, index).samples.numpy() for index in range(len(rows))]
        return [Path("train", row["path"]) for row in rows], [int(row["label"]) for row in rows], sounds
    rows = rows_of(material.folder / f"train_{material.fold(seed)}.csv")
    paths = [material.folder / row["path"] for row in rows]
    wanted = ClipSpec(sample_rate=RATE, audio_seconds=SECONDS, video=False)
    clips = [read_clip(path, 0.0, wanted).samples for path in paths]
    return paths, [int(row["label"]) for row in rows], [clip.numpy() for clip in clips if clip is not None]


def _mismatched(labels: np.ndarray[tuple[int], np.dtype[np.int64]], share: float) -> list[int]:
    """Whose sound every clip is given."""
    generator = np.random.default_rng(SEED)
    # Drawn for every clip, so that the clips of a smaller share are among those of a larger one.
    draws, others = generator.random(len(labels)), [generator.permutation(len(labels)) for _ in labels]
    return [
        next(int(i) for i in other if labels[i] != labels[index]) if draws[index] < share else index
        for index, other in enumerate(others)
    ]


def _taught(sounds: Sequence[Sound], labels: Sequence[int], material: Material) -> CNN14ForAudioClassification:
    torch.manual_seed(SEED)
    config = CNN14Config(  # type: ignore[call-arg]  # num_labels is a field of transformers
        num_mel_bins=_MEL_BINS,
        block_channels=[8, 16, 32, WIDTH],
        hidden_size=WIDTH,
        block_dropout=0.0,
        pooled_dropout=0.2,
        num_labels=max(labels) + 1,
    )
    teacher = CNN14ForAudioClassification(config)
    inputs, classes = _spectrograms(sounds), torch.tensor(labels)
    optimizer = torch.optim.AdamW(teacher.parameters(), 3e-3, weight_decay=1e-2)
    teacher.train()
    for _ in range(material.sizes.teacher):
        chosen = torch.randint(len(inputs), (_BATCH,))
        loss = nn.functional.cross_entropy(teacher(inputs[chosen]).logits, classes[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return teacher.eval()


def _spectrograms(sounds: Sequence[Sound]) -> Tensor:
    extractor = CNN14FeatureExtractor(
        feature_size=_MEL_BINS, sampling_rate=RATE, n_fft=1024, hop_length=500, max_samples=None, f_max=7_800.0
    )
    parts = [extractor.spectrograms(torch.from_numpy(np.stack(sounds[i : i + 64]))) for i in range(0, len(sounds), 64)]
    return torch.cat(parts)[:, None]


@torch.no_grad()
def _embedded(teacher: CNN14ForAudioClassification, sounds: Sequence[Sound]) -> Tensor:
    inputs = _spectrograms(sounds)
    return torch.cat([teacher.base_model(part).pooler_output for part in inputs.split(64)])
