"""How hard the synthetic set is for features that nobody trained: ``python benchmarks/synthetic_baselines.py [ROOT]``.

Writes 320 training and 160 test clips of the default spec under ROOT (default: a temporary folder) and prints what a
linear probe reads out of plain statistics of pixels and of log-mel energies, and how often the sound of a clip is found
among those of all test clips by the correlation of what moves with what sounds. The figures stand in
``avzoo/data/synthetic/DATASHEET.md``.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import avg_pool2d

from avzoo.data.synthetic import SyntheticDataset, write_set
from avzoo.evaluation.metrics import class_retrieval
from avzoo.evaluation.probes import linear_probe
from avzoo.processing.feature_extraction_xkd import XKDFeatureExtractor

TRAIN, TEST = 320, 160


def statistics(frames: torch.Tensor, mel: torch.Tensor) -> dict[str, torch.Tensor]:
    """Untrained features of one clip: frames uint8 ``(T, 3, H, W)``, log-mel energies ``(mel, frames)``."""
    small = avg_pool2d(frames.float() / 255, frames.shape[-1] // 16)
    change = mel.diff(dim=1)
    return {
        "pixels, middle frame": small[len(small) // 2].flatten(),
        "pixels, mean over time": small.mean(0).flatten(),
        "pixels, mean and deviation over time": torch.cat([small.mean(0).flatten(), small.std(0).flatten()]),
        "log-mel, mean over time": mel.mean(1),
        "log-mel, mean and deviation over time": torch.cat([mel.mean(1), mel.std(1)]),
        "log-mel, and deviation of its change": torch.cat([mel.mean(1), mel.std(1), change.std(1)]),
    }


def clip_of(dataset: SyntheticDataset, index: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Frames and samples of a whole clip."""
    (clip,) = dataset[index]
    if clip["frames"] is None or clip["samples"] is None:
        raise ValueError("the set was opened without picture or sound")
    return clip["frames"], clip["samples"]


def features_of(dataset: SyntheticDataset) -> dict[str, NDArray[np.float32]]:
    """The statistics of every clip, ``(N, D)`` by name."""
    extractor = XKDFeatureExtractor()
    rows = []
    for index in range(len(dataset)):
        frames, samples = clip_of(dataset, index)
        mel = extractor([samples.numpy()], sampling_rate=dataset.clip_spec.sample_rate, return_tensors="pt")
        rows.append(statistics(frames, mel["input_features"][0, 0]))
    return {name: torch.stack([row[name] for row in rows]).numpy() for name in rows[0]}


def courses(frames: torch.Tensor, samples: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """How picture and sound go: standardised series, one value per frame, ``(4, T)`` and ``(4, T)``."""
    picture = frames.float() / 255
    moving = (picture - picture.median(dim=0).values).abs().sum(dim=1)
    extent = moving.sum(dim=(1, 2))
    height = moving.sum(dim=2) @ torch.linspace(-1, 1, frames.shape[2]) / extent
    change = torch.cat([torch.zeros(1), picture.diff(dim=0).abs().sum(dim=(1, 2, 3))])
    seen = torch.stack([extent, height, change, picture.mean(dim=(1, 2, 3))])

    spectra = torch.fft.rfft(samples.reshape(len(frames), -1)).abs()
    level = spectra.square().sum(dim=1).sqrt()
    centroid = spectra @ torch.arange(spectra.shape[1], dtype=torch.float32) / spectra.sum(dim=1)
    onset = torch.cat([torch.zeros(1), level.diff().clamp(min=0)])
    heard = torch.stack([level, level.log(), centroid.log(), onset])
    return tuple((x - x.mean(1, keepdim=True)) / (x.std(1, correction=0, keepdim=True) + 1e-6) for x in (seen, heard))


def instance_ranks(dataset: SyntheticDataset, same_class: bool) -> NDArray[np.int64]:
    """Rank of the true sound of every clip among all sounds, or among those of its class, by best correlation."""
    pairs = [courses(*clip_of(dataset, index)) for index in range(len(dataset))]
    seen, heard = (torch.stack(series) for series in zip(*pairs, strict=True))
    score = (torch.einsum("qvt,gat->qgva", seen, heard) / seen.shape[-1]).abs().amax(dim=(2, 3)).numpy()
    candidates = dataset.labels[:, None] == dataset.labels if same_class else np.ones_like(score, bool)
    return ((score >= np.diagonal(score)[:, None]) & candidates).sum(axis=1)


def run(root: Path) -> None:
    """Writes what is missing of the two splits and prints the table."""
    workers = os.cpu_count() or 1
    write_set(root, TRAIN, split="train", workers=workers)
    write_set(root, TEST, split="test", workers=workers)
    train, test = SyntheticDataset(root, "train"), SyntheticDataset(root, "test")
    train_features, test_features = features_of(train), features_of(test)
    print("| features | class (16) | event (4) | shape and timbre (4) | R@1 by class |")
    print("|---|---|---|---|---|")
    for name, x in train_features.items():
        cells = [
            linear_probe(x, part(train.labels), test_features[name], part(test.labels)).accuracy
            for part in (lambda y: y, lambda y: y // 4, lambda y: y % 4)
        ]
        cells.append(class_retrieval(test_features[name], test.labels, ks=(1,)).recall[1])
        print(f"| {name} | {' | '.join(f'{cell:.3f}' for cell in cells)} |")
    for same_class, among in ((False, f"all {len(test)} sounds"), (True, f"{len(test) // 16} sounds of the class")):
        ranks = instance_ranks(test, same_class)
        print(f"own sound among {among}: R@1 {np.mean(ranks == 1):.3f}, median rank {np.median(ranks):g}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        run(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as folder:
            run(Path(folder))
