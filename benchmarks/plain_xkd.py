"""The pretraining step of XKD written the plain way: what `pretraining_step` compares the package's own step with.

Same model, same objectives, same numbers, but as the first version of such a code is written, and as the original one
is: explicit softmax attention in every block with all attention maps kept, all patches projected before most of them
are dropped, and one tensor at a time wherever all parameters are visited (clipping, AdamW, moving averages).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor

from avzoo.models.patches import patchify_audio, patchify_video
from avzoo.pretraining.arguments import AVTrainingArguments
from avzoo.pretraining.modeling_xkd_pretraining import XKDForPreTraining
from avzoo.pretraining.objectives import (
    cross_modal_attention,
    distillation_loss,
    masked_reconstruction_loss,
    maximum_mean_discrepancy,
    random_mask,
    refine,
)
from avzoo.pretraining.optim import decay_parameter_names

Batch = Mapping[str, Tensor]


class PlainStep:
    """The step for the released configuration of modality-specific XKD.

    Args:
        model: Students, teachers and decoders, with `eager` attention.
        settings: Learning rate, weight decay, betas and clipping.
        momentum: Share of the teachers that stays.
    """

    def __init__(self, model: XKDForPreTraining, settings: AVTrainingArguments, momentum: float) -> None:
        self.model = model
        self.max_norm = settings.max_grad_norm
        self.momentum = momentum
        decayed = set(decay_parameter_names(model))
        trained = {name: value for name, value in model.named_parameters() if value.requires_grad}
        groups = [
            {
                "params": [value for name, value in trained.items() if (name in decayed) is decays],
                "weight_decay": settings.weight_decay if decays else 0.0,
            }
            for decays in (True, False)
        ]
        betas = settings.adam_beta1, settings.adam_beta2
        self.optimizer = torch.optim.AdamW(groups, settings.learning_rate, betas, foreach=False, fused=False)

    def __call__(self, batch: Batch) -> float:
        """Forward, backward, clipping, optimizer and moving average; returns the loss."""
        loss = self.loss(batch)
        loss.backward()
        for parameter in self.model.clip_parameters():
            gradient = cast(Tensor, parameter.grad)
            factor = self.max_norm / (gradient.norm(2) + 1e-6)
            if factor < 1:
                gradient.mul_(factor)
        self.optimizer.step()
        with torch.no_grad():
            students, teachers = self.model.student.parameters(), self.model.teacher.parameters()
            for teacher, student in zip(teachers, students, strict=True):
                teacher.mul_(self.momentum).add_((1 - self.momentum) * student)
        self.optimizer.zero_grad()
        return loss.item()

    def loss(self, batch: Batch) -> Tensor:
        """The training loss of a batch; moves the centres."""
        config = self.model.config
        reconstructions: list[Tensor] = []
        students: dict[str, Tensor] = {}
        maps: list[Tensor] = []
        for modality, name in (("video", "pixel_values_videos"), ("audio", "input_features")):
            encoder = self.model.student.get_submodule(f"{modality}_model")
            patches = _patches(encoder, batch[name])
            mask = random_mask(batch[f"{modality}_noise"], getattr(config, f"{modality}_mask_ratio"))
            visible = encode(encoder, batch[name], maps, mask.keep_indices)
            prediction = self.model.get_submodule(f"{modality}_decoder")(visible, mask.restore_indices)
            reconstructions.append(masked_reconstruction_loss(prediction, patches, mask.mask))
            local = batch[f"local_{name}"].transpose(0, 1).flatten(0, 1)
            features = [visible[:, 1:].mean(dim=1), encode(encoder, local, maps)[:, 1:].mean(dim=1)]
            students[modality] = self.model.student.get_submodule(f"{modality}_projector")(torch.cat(features))
        teachers = self.teachers(batch)
        discrepancies = [
            maximum_mean_discrepancy(side["video"].double(), side["audio"].double(), config.mmd_gammas)
            for side in (students, teachers)
        ]
        alignment = discrepancies[0] + discrepancies[1]
        distillation = torch.zeros(())
        for student, teacher in (("audio", "video"), ("video", "audio")):
            center = self.model.get_buffer(f"{teacher}_center")
            distillation = distillation + distillation_loss(
                students[student],
                teachers[teacher],
                center,
                config.student_temperature_audio,
                getattr(config, f"teacher_temperature_{teacher}"),
            )
            center.mul_(config.center_momentum).add_(
                (1 - config.center_momentum) * teachers[teacher].mean(dim=0, keepdim=True)
            )
        weights = config.reconstruction_weight, config.alignment_weight, config.distillation_weight
        parts = reconstructions[0] + reconstructions[1], alignment, distillation
        terms = torch.stack([weight * part / 2 for weight, part in zip(weights, parts, strict=True)])
        return terms.sum() / sum(weights)

    @torch.no_grad()
    def teachers(self, batch: Batch) -> dict[str, Tensor]:
        """Projections of both teachers, refined by each other's attention in the last layer."""
        teacher = self.model.teacher
        tokens: dict[str, Tensor] = {}
        maps: dict[str, list[Tensor]] = {"video": [], "audio": []}
        for modality, name in (("video", "local_pixel_values_videos"), ("audio", "local_input_features")):
            encoder = teacher.get_submodule(f"{modality}_model")
            tokens[modality] = encode(encoder, batch[name][:, 0], maps[modality])[:, 1:]
        attention = {modality: kept[-1][:, :, 0, 1:] for modality, kept in maps.items()}
        projections: dict[str, Tensor] = {}
        for modality, other in (("video", "audio"), ("audio", "video")):
            refined = refine(tokens[modality], cross_modal_attention(attention[modality], attention[other]))
            projections[modality] = teacher.get_submodule(f"{modality}_projector")(refined.mean(dim=1))
        return projections


def encode(encoder: Any, values: Tensor, maps: list[Tensor], keep_indices: Tensor | None = None) -> Tensor:
    """Tokens after the final norm, class token first; the attention weights of every layer are added to `maps`."""
    embeddings, positions = encoder.embeddings, encoder.position_embeddings(*_size(values))
    tokens = embeddings.projection(_patches(encoder, values)) + positions[:, 1:]
    if keep_indices is not None:
        tokens = tokens.gather(1, keep_indices.unsqueeze(-1).expand(-1, -1, tokens.shape[-1]))
    hidden = torch.cat([(embeddings.cls_token + positions[:, :1]).expand(len(tokens), -1, -1), tokens], dim=1)
    for layer in encoder.layers:
        attended, weights = layer.attention(layer.layernorm_before(hidden))
        maps.append(weights)
        hidden = hidden + attended
        hidden = hidden + layer.mlp(layer.layernorm_after(hidden))
    return cast(Tensor, encoder.layernorm(hidden))


def _patches(encoder: Any, values: Tensor) -> Tensor:
    if values.ndim == 5:
        return patchify_video(values, encoder.config.tubelet_size, encoder.config.patch_size)
    return patchify_audio(values, encoder.config.patch_size)


def _size(values: Tensor) -> tuple[int, ...]:
    """Frames, height and width of clips, mel bands and frames of spectrograms."""
    return (values.shape[1], *values.shape[3:]) if values.ndim == 5 else tuple(values.shape[2:])
