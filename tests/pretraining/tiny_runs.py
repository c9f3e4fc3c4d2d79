"""A tiny XKD and its trainer; as a script, ``python tiny_runs.py OUT``, a run that kills itself in mid epoch."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset
from transformers import TrainerCallback

from avzoo.models.configuration_xkd import XKDAudioConfig, XKDConfig, XKDVideoConfig
from avzoo.pretraining.arguments import AVTrainingArguments
from avzoo.pretraining.configuration_xkd_pretraining import XKDDecoderConfig, XKDPreTrainingConfig
from avzoo.pretraining.modeling_xkd_pretraining import XKDForPreTraining
from avzoo.pretraining.trainer import AVTrainer

LAYERS = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}


def tiny_model(sharing: str = "specific", seed: int = 0, **fields: Any) -> XKDForPreTraining:
    torch.manual_seed(seed)
    video = XKDVideoConfig(**LAYERS, image_size=32, num_frames=8)
    audio = XKDAudioConfig(**LAYERS, num_mel_bins=16, max_length=32, patch_size=[8, 8])
    projectors = {"projection_dim": 24, "projector_hidden_size": 16, "projector_bottleneck_size": 8}
    encoders = XKDConfig(video_config=video, audio_config=audio, sharing=sharing, **projectors)
    decoder = XKDDecoderConfig(**LAYERS)
    return XKDForPreTraining(XKDPreTrainingConfig(model_config=encoders, decoder_config=decoder, **fields))


class TinyViews(Dataset):
    """Random views, fresh each epoch; without ``noise`` the model draws the masks itself."""

    def __init__(self, size: int = 12, noise: bool = True, dtype: torch.dtype = torch.float32) -> None:
        self.size, self.noise, self.dtype, self.epoch = size, noise, dtype, 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        generator = torch.Generator().manual_seed(1000 * self.epoch + index)

        def normal(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=generator, dtype=self.dtype)

        item = {
            "pixel_values_videos": normal(8, 3, 32, 32),
            "local_pixel_values_videos": normal(1, 4, 3, 32, 32),
            "input_features": normal(1, 16, 32),
            "local_input_features": normal(1, 1, 16, 16),
        }
        if self.noise:
            item["video_noise"] = torch.rand(8, generator=generator)
            item["audio_noise"] = torch.rand(8, generator=generator)
        return item


def arguments(out: Path, **fields: Any) -> AVTrainingArguments:
    defaults = {
        "per_device_train_batch_size": 4,
        "num_train_epochs": 3,
        "logging_steps": 2,
        "save_steps": 5,
        "warmup_epochs": 1,
        "start_learning_rate": 1e-4,
        "learning_rate": 1e-3,
        "use_cpu": True,
        "disable_tqdm": True,
    }
    return AVTrainingArguments(output_dir=str(out), **{**defaults, **fields})


def numbers(trainer: AVTrainer) -> list[dict[str, float]]:
    """The log without what depends on the clock."""
    clock = ("clips_per_second", "seconds_left", "train_runtime", "train_samples_per_second", "train_steps_per_second")
    return [{key: value for key, value in log.items() if key not in clock} for log in trainer.state.log_history]


def weights(model: torch.nn.Module) -> dict[str, Tensor]:
    return {name: value.clone().contiguous() for name, value in model.state_dict().items()}


class KeepGradients(TrainerCallback):
    def __init__(self) -> None:
        self.gradients: dict[str, Tensor] = {}

    def on_pre_optimizer_step(self, args, state, control, model, **kwargs):
        if not self.gradients:
            self.gradients = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


class KillAt(TrainerCallback):
    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == self.step:
            os.kill(os.getpid(), signal.SIGKILL)


def killed(out: Path) -> None:
    settings = arguments(out, dataloader_num_workers=1)
    AVTrainer(tiny_model(), settings, TinyViews(noise=False), callbacks=[KillAt(7)]).train()


if __name__ == "__main__":
    torch.set_num_threads(1)
    killed(Path(sys.argv[1]))
