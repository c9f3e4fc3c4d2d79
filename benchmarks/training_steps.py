"""The training steps that `pretraining_step` compares, and the batch that they take."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Protocol

import torch
from torch import Tensor, nn

from avzoo.data.view_config import ViewConfig
from avzoo.pretraining.arguments import AVTrainingArguments
from avzoo.pretraining.configuration_xkd_pretraining import XKDPreTrainingConfig
from avzoo.pretraining.modeling import AVPreTrainedModel
from avzoo.pretraining.modeling_xkd_pretraining import XKDForPreTraining
from avzoo.pretraining.optim import clip_gradients_per_tensor
from avzoo.pretraining.progress import TrainingProgress
from avzoo.pretraining.trainer import AVTrainer
from benchmarks.plain_xkd import PlainStep

#: The first step of a long run, so that the momentum is the released 0.997.
PROGRESS = TrainingProgress(step=0, total_steps=100_000, steps_per_epoch=1000)
MOMENTUM = 0.997


class Steps(Protocol):
    """What is trained, and the optimizer that trains it."""

    @property
    def model(self) -> nn.Module: ...

    @property
    def optimizer(self) -> torch.optim.Optimizer: ...


class AVZooStep:
    """The package's own step, as `AVTrainer` takes it.

    Args:
        model: What is trained: students, teachers, heads.
        settings: Learning rate, weight decay, betas and clipping.
        bf16: Whether the forward runs in bfloat16 autocast.
    """

    def __init__(self, model: AVPreTrainedModel, settings: AVTrainingArguments, bf16: bool) -> None:
        self.model = model
        self.max_norm = settings.max_grad_norm
        self.bf16 = bf16
        self.optimizer: torch.optim.Optimizer = AVTrainer(model, settings, [{}]).create_optimizer()  # type: ignore[arg-type]  # a list is a dataset too

    def __call__(self, batch: Mapping[str, Tensor]) -> float:
        """Forward, backward, clipping, optimizer and moving average; returns the loss."""
        self.model.begin_step(PROGRESS)
        with torch.autocast("cpu", torch.bfloat16) if self.bf16 else nullcontext():
            loss = self.model(**batch).loss
        loss.backward()
        if self.max_norm:
            clip_gradients_per_tensor(self.model.clip_parameters(), self.max_norm)
        self.optimizer.step()
        self.model.end_step(PROGRESS)
        self.optimizer.zero_grad()
        return float(loss.detach())


def _settings() -> AVTrainingArguments:
    return AVTrainingArguments(output_dir=tempfile.gettempdir(), use_cpu=True, disable_tqdm=True)


def _model(size: str, attention: str) -> XKDForPreTraining:
    # In single precision the alignment term is noise at the start, and losses could not be compared.
    config = XKDPreTrainingConfig.preset(size, mmd_float64=True)
    return XKDForPreTraining._from_config(config, attn_implementation=attention).train()


def plain_step(size: str) -> PlainStep:
    """The plain step of a freshly initialised model."""
    return PlainStep(_model(size, "eager"), _settings(), MOMENTUM)


def avzoo_step(size: str, bf16: bool, checkpointing: bool) -> AVZooStep:
    """The package's step of a freshly initialised model."""
    model = _model(size, "sdpa")
    if checkpointing:
        model.activation_checkpointing_enable()
    return AVZooStep(model, _settings(), bf16)


def state_bytes(step: Steps) -> int:
    """Bytes of all parameters, of the gradients of those that are trained, and of the optimizer's moments."""
    parameters = list(step.model.parameters())
    moments = [value for state in step.optimizer.state.values() for value in state.values() if value.ndim]
    gradients = [parameter for parameter in parameters if parameter.requires_grad]
    return sum(tensor.nbytes for tensor in [*parameters, *gradients, *moments])


def views(size: str, batch: int) -> dict[str, Tensor]:
    """A batch of random views of the sizes that the released recipe has."""
    config, sizes = XKDPreTrainingConfig.preset(size).model_config, ViewConfig()
    video, audio = config.video_config, config.audio_config
    if size == "nano":
        sizes = ViewConfig.nano()
    local, mel = sizes.local_video, sizes.mel
    sound = mel.num_frames(sizes.local_audio.num_samples)
    return {
        "pixel_values_videos": torch.randn(batch, video.num_frames, 3, video.image_size, video.image_size),
        "local_pixel_values_videos": torch.randn(batch, 1, local.num_frames, 3, local.image_size, local.image_size),
        "input_features": torch.randn(batch, 1, audio.num_mel_bins, audio.max_length),
        "local_input_features": torch.randn(batch, 1, 1, audio.num_mel_bins, sound),
        "video_noise": torch.rand(batch, sizes.num_video_tokens),
        "audio_noise": torch.rand(batch, sizes.num_audio_tokens),
    }
