"""Deep clustering of a dozen clips that nobody decodes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tiny_runs import arguments
from transformers import TrainerCallback

from avzoo.data.clips import ClipDataset, ClipSample
from avzoo.data.pretraining_dataset import PretrainingDataset, collate
from avzoo.data.views_xdc import XDCViewConfig, XDCViewPipeline, XDCWindows
from avzoo.data.windows import Span, Streams
from avzoo.models.configuration_xdc import XDCAudioConfig, XDCVideoConfig
from avzoo.pretraining.clustering_xdc import ClusteringSection, DeepClustering
from avzoo.pretraining.configuration_xdc_pretraining import XDCPreTrainingConfig
from avzoo.pretraining.modeling_xdc_pretraining import XDCForPreTraining
from avzoo.pretraining.trainer import AVTrainer

VIEWS = XDCViewConfig(num_frames=2, short_side=18, image_size=16, num_samples=1600, n_fft=512, num_mel_bins=8)
SETTINGS = {"epochs_per_iteration": 1, "batch_size": 5}


class Clips(ClipDataset):
    """Files of 1 s in three classes of colour and pitch. In place of an unreadable one another is read."""

    def __init__(self, count: int = 12, unreadable: Sequence[int] = ()) -> None:
        super().__init__()
        self.count, self.unreadable = count, set(unreadable)
        self.labels = np.arange(count) % 3
        self.audio_labels = (np.arange(count) + 1) % 3
        self.windows = XDCWindows(video=0.125, audio=0.1)

    def __len__(self) -> int:
        return self.count

    def read(self, index: int, seed: int) -> list[ClipSample]:
        while index in self.unreadable:
            index = (index + 1) % self.count
        (window,) = self.windows(Streams(Span(0, 1), Span(0, 1)), np.random.default_rng(seed))
        frames = np.random.default_rng(index).integers(60, size=(16, 3, 18, 24), dtype=np.uint8)
        frames[:, index % 3] += 150
        samples = np.sin(np.arange(16_000) * (0.1 + 0.3 * (index % 3))).astype(np.float32)
        samples += 0.1 * np.random.default_rng(index).standard_normal(16_000, dtype=np.float32)
        first, sound = round(16 * window.video.start), round(16_000 * window.audio.start)
        decoded = {
            "frames": torch.from_numpy(frames[min(first, 14) :][:2].copy()),
            "samples": torch.from_numpy(samples[sound : sound + 1600]),
        }
        return [self.sample(decoded, index)]


def xdc(**fields: Any) -> XDCForPreTraining:
    torch.manual_seed(0)
    video = XDCVideoConfig(hidden_sizes=[4, 4, 4, 8], depth=10, num_frames=2, image_size=16, batch_norm_momentum=0.1)
    audio = XDCAudioConfig(hidden_sizes=[4, 8], depths=[1, 1], embedding_size=4, num_mel_bins=8, max_length=5)
    encoders = {"video_config": video, "audio_config": audio}
    return XDCForPreTraining(XDCPreTrainingConfig.preset("nano", model=encoders, num_clusters=3, **fields))


def callback(model: XDCForPreTraining, clips: Clips, **settings: Any) -> DeepClustering:
    plain = clips.with_windows(XDCWindows(video=0.125, audio=0.1, centred=True))
    data = PretrainingDataset(plain, XDCViewPipeline(VIEWS, augment=False))
    return DeepClustering(model, data, ClusteringSection(**{**SETTINGS, **settings}))


def trainer_of(
    model: XDCForPreTraining,
    clips: Clips,
    out: Path,
    callbacks: Sequence[TrainerCallback] = (),
    **fields: Any,
) -> AVTrainer:
    """With deep clustering; its settings and those of the trainer by their names."""
    settings = {name: fields.pop(name) for name in list(fields) if name in ClusteringSection.model_fields}
    args = arguments(out, **{"warmup_epochs": 0, "optimizer": "sgd", "schedule": "constant", **fields})
    data = PretrainingDataset(clips, XDCViewPipeline(VIEWS))
    return AVTrainer(model, args, data, collate, callbacks=[callback(model, clips, **settings), *callbacks])
